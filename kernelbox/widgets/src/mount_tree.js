// The mounts of a namespace as a tree, or two namespaces side by side.

import { h, redraw, settle } from "./dom.js";
import { keyboard } from "./grid.js";
import { MARKS, chip, hue, mark } from "./marks.js";
import { indented, rails } from "./tree.js";
import { widget } from "./widget.js";

const COMPARED = ["kind", "source", "root", "options", "propagation"];
const HOW = { left: "gone", right: "appeared", differs: "changed" };
const NONE = "-";
const ROOM = 32; // letters of a path

export function mountTree(host) {
  const head = h("tr");
  const rows = h("tbody");
  host.body.append(h("table", { role: "treegrid", "aria-label": "mounts" }, h("thead", {}, head), rows));
  const reachable = keyboard(rows, host.choose);
  const legend = h("p", { class: "kb-legend" });
  host.body.after(legend);
  const pick = { left: "", right: "" };
  const choosers = Object.keys(pick).map((side) => h("select", { onchange: (event) => {
    pick[side] = event.target.value;
    host.model.set(side, pick[side]);
    host.model.save_changes();
    host.repaint();
  } }));
  host.tools.append(h("label", {}, "of", choosers[0]), h("label", {}, "compared with", choosers[1]));

  return (picture) => {
    host.repaint = () => draw(picture);
    draw(picture);
  };

  function draw(picture) {
    const namespaces = picture.namespaces ?? {};
    const left = pick.left in namespaces ? pick.left : picture.left;
    const asked = pick.right || picture.right || NONE;
    const right = asked in namespaces ? asked : "";
    offer(choosers[0], namespaces, left);
    offer(choosers[1], { [NONE]: { label: "nothing" }, ...namespaces }, right || NONE);
    const columns = right
      ? ["mount point", "", namespaces[left].label, namespaces[right].label]
      : ["mount point", "type", "source", "options", "spreads"];
    redraw(head, columns, (one) => one, (one) => one,
      (one) => (one ? h("th", { scope: "col", class: one === "options" ? "kb-options" : "" }, one) : h("td")));
    const found = chosenRows(picture.rows ?? {}, left, right);
    redraw(
      rows,
      indented([...found.keys()], (place) => place, (place) => found.get(place).here.parent)
        .map((one) => ({ ...one, ...found.get(one.id), above: above(found, one.id), both: Boolean(right) })),
      (one) => one.id,
      (one) => JSON.stringify([one.one, one.other, one.rails, one.both]),
      mountRow,
    );
    reachable(host.chosen);
    const row = found.get(host.chosen);
    settle(host.detail, ...(row ? [details(row, namespaces[left], namespaces[right])] : []));
    settle(legend, ...words(Boolean(right)));
  }
}

export default widget(mountTree);

function offer(select, namespaces, value) {
  redraw(select, Object.entries(namespaces), ([key]) => key, ([, one]) => one.label,
    ([key, one]) => h("option", { value: key }, one.label));
  select.value = value;
}

// From each place to what the two namespaces have there, and how they differ.
function chosenRows(every, left, right) {
  const found = [];
  for (const [place, row] of Object.entries(every)) {
    const one = row.in[left];
    const other = right ? row.in[right] : undefined;
    const here = one ?? other;
    if (!here) continue;
    let how = "";
    if (right && !(one && other)) how = one ? "left" : "right";
    else if (one && other && COMPARED.some((name) => one[name] !== other[name])) how = "differs";
    found.push([place, { point: row.point, one, other, here, how }]);
  }
  return new Map(found.sort(([, a], [, b]) => byName(a, b)));
}

// The kernel gives a mount the lowest number that is free, so that alone says nothing.
function byName(one, other) {
  if (one.point === other.point) return one.here.id - other.here.id;
  return one.point < other.point ? -1 : 1;
}

function mountRow({ id, point, above, one, other, here, how, rails: flags, both }) {
  const dim = here.hidden ? "kb-dim" : "";
  const sign = both ? null : mark(here.mark);
  const name = h("td", { class: `kb-code ${dim}`, title: point }, rails(flags), sign, sign ? " " : "",
    h("span", { class: "kb-muted" }, above), short(point.slice(above.length)),
    here.hidden ? h("span", { class: "kb-muted" }, " (hidden)") : null);
  const cells = both
    ? [h("td", {}, how ? mark(HOW[how]) : null), side(one, other), side(other, one)]
    : [h("td", { class: dim }, here.kind), h("td", { class: `kb-source ${dim}` }, from(here)),
       h("td", { class: "kb-fill kb-muted kb-options", title: here.options }, here.options),
       h("td", {}, spreads(here))];
  const kind = !both && here.mark ? `kb-${here.mark}` : "";
  return h("tr", { role: "row", "data-row": id, tabindex: -1, class: kind, "aria-level": flags.length + 1 }, name, cells);
}

// What a namespace has at a place; what it does not have in common with the other is emphasised.
function side(mount, other) {
  if (!mount) return h("td", { class: "kb-dim kb-half" }, "–");
  const text = (name, value) =>
    other && mount[name] !== other[name] ? h("strong", {}, value) : h("span", {}, value);
  return h("td", { title: mount.options, class: mount.hidden ? "kb-dim kb-half" : "kb-half" }, spreads(mount), " ", text("kind", mount.kind), " ", text("source", from(mount)));
}

function spreads(mount) {
  const words = mount.propagation.split(" ");
  return h("span", {}, words.map((word) =>
    /^[A-Z]\d*$/.test(word) ? chip(word, hue(word)) : h("span", { class: "kb-muted" }, `${word} `)));
}

function from(mount) {
  return short(mount.root === "/" ? mount.source : `${mount.source} ${mount.root}`);
}

// Of a long path, the end says what it is. What is chosen is shown in full.
function short(path) {
  return path.length <= ROOM ? path : `${path.slice(0, ROOM / 4)}…${path.slice(1 - (3 * ROOM) / 4)}`;
}

// The part of a mount point that its parent in the tree says already.
function above(found, place) {
  const { point, here } = found.get(place);
  const parent = found.get(here.parent)?.point ?? "";
  return point.startsWith(`${parent}/`) ? parent : "";
}

function details(row, left, right) {
  const lines = [];
  for (const [mount, namespace] of [[row.one, left], [row.other, right]]) {
    if (!mount) continue;
    const source = mount.root === "/" ? mount.source : `${mount.source} ${mount.root}`;
    const text = `${source} (${mount.kind}) ${mount.options}; ${mount.propagation}; mount ${mount.id}`;
    lines.push(h("dt", {}, namespace.label), h("dd", { class: "kb-code" }, text));
  }
  return h("dl", {}, h("dt", {}, "mount point"), h("dd", { class: "kb-code" }, row.point), lines);
}

function words(both) {
  const same = "The same letter: they tell each other of new mounts.";
  if (!both) return [same];
  const sign = (name) => chip(MARKS[name].sign, MARKS[name].hue);
  return [sign("gone"), " only in the first", sign("appeared"), " only in the second", sign("changed"), " different.  ", same];
}
