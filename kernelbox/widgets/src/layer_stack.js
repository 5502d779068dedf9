// Upperdir and layers as slabs on each other; beside them what the container sees.

import { bytes, h, redraw, settle } from "./dom.js";
import { keyboard } from "./grid.js";
import { chip, mark } from "./marks.js";
import { byPath, rails } from "./tree.js";
import { widget } from "./widget.js";

const WHAT = {
  added: { sign: "A", hue: 2, word: "added" },
  changed: { sign: "C", hue: 0, word: "changed: copied up from below" },
  whiteout: { sign: "W", hue: 5, word: "deleted: a whiteout hides what is below" },
  opaque: { sign: "O", hue: 6, word: "opaque: hides all of the directory below" },
};

export function layerStack(host) {
  const slabs = h("div", { "aria-label": "upperdir and layers" });
  const written = h("tbody");
  const seen = h("tbody");
  const view = h("div", {}, h("h5", {}, "what the container sees"), h("table", { role: "treegrid", "aria-label": "merged" }, seen));
  const sides = h("div", { class: "kb-sides" },
    h("div", {}, h("h5", {}, "what it is made of, the topmost first"), slabs), view);
  host.body.append(sides);
  host.body.after(h("p", { class: "kb-legend" }, Object.values(WHAT).map((one) =>
    h("span", {}, chip(one.sign, one.hue), ` ${one.word}`))));
  const reachable = [written, seen].map((part) => keyboard(part, host.choose));

  return (picture) => {
    const layers = picture.layers ?? [];
    const upper = Object.entries(picture.upper ?? {}).filter(([, one]) => one.what in WHAT).sort();
    const merged = Object.entries(picture.merged ?? {}).sort();
    const most = Math.max(1, ...layers.map((one) => one.bytes));
    sides.hidden = layers.length === 0;
    view.hidden = merged.length === 0;
    const size = upper.reduce((sum, [, one]) => sum + (one.what === "whiteout" ? 0 : one.size), 0);
    redraw(
      slabs,
      [{ key: "upper", size, upper, most },
       ...layers.map((one, index) => ({ key: one.digest || index, one, number: layers.length - index, most }))],
      (item) => item.key,
      (item) => JSON.stringify(item),
      (item) => (item.one ? slab(item) : upperSlab(item, written)),
    );
    redraw(written, upper, ([path]) => path, JSON.stringify, upperRow);
    redraw(seen, byPath(merged, ([path]) => path), (row) => row.id,
      (row) => JSON.stringify(row), (row) => seenRow(row, layers.length));
    reachable.forEach((one) => one(host.chosen));
    const entry = picture.upper?.[host.chosen] ?? picture.merged?.[host.chosen];
    settle(host.detail, ...(entry ? [details(host.chosen, entry, layers)] : wasted(picture)));
  };
}

export default widget(layerStack);

function upperSlab({ size, upper, most }, written) {
  return h("div", { class: "kb-slab kb-upper" },
    h("strong", {}, "upperdir"), h("span", { class: "kb-muted" }, `${upper.length} entries`), h("span", {}, bytes(size)),
    h("span", { class: "kb-muted" }, "the container’s own: everything it writes"),
    bar(size, most), h("table", { role: "treegrid", "aria-label": "upperdir" }, written));
}

function slab({ one, number, most }) {
  return h("div", { class: "kb-slab" },
    h("strong", {}, `layer ${number}`), h("span", { class: "kb-muted" }, `${one.files} entries`), h("span", {}, bytes(one.bytes)),
    h("span", { class: "kb-muted", title: one.digest }, `${one.name}  ${one.digest.slice(0, 12)}`),
    bar(one.bytes, most));
}

function bar(size, most) {
  return h("div", { class: "kb-bar" }, h("i", { style: `width: ${Math.min(100, (100 * size) / most)}%` }));
}

function upperRow([path, one]) {
  const what = WHAT[one.what];
  return h("tr", { role: "row", "data-row": path, tabindex: -1, class: one.mark ? `kb-${one.mark}` : "" },
    h("td", {}, chip(what.sign, what.hue, { title: what.word })),
    h("td", { class: "kb-code kb-fill" }, mark(one.mark), one.mark ? " " : "", path),
    h("td", { class: "kb-number kb-muted" }, one.what === "whiteout" ? "" : bytes(one.size)));
}

function seenRow({ item, id, rails: flags, inner }, count) {
  const name = flags.length === 0 ? id : id.split("/").pop();
  const one = item?.[1];
  const what = WHAT[one?.what];
  const slash = inner || one?.kind === "directory" ? "/" : "";
  const cells = [
    h("td", { class: `kb-code kb-fill ${one ? "" : "kb-dim"}` }, rails(flags), mark(one?.mark), one?.mark ? " " : "", name === "/" ? name : name + slash),
    h("td", {}, what ? chip(what.sign, what.hue, { title: what.word }) : h("span", { class: "kb-muted" }, one && one.layer >= 0 ? `layer ${count - one.layer}` : "")),
  ];
  if (!one) return h("tr", {}, cells);
  return h("tr", { role: "row", "data-row": id, tabindex: -1, "aria-level": flags.length + 1, class: one.mark ? `kb-${one.mark}` : "" }, cells);
}

function details(path, one, layers) {
  const below = one.layer < 0 ? "nothing" : `layer ${layers.length - one.layer} (${layers[one.layer].name})`;
  const lines = [["path", path], ["what it is", `${one.kind}, ${WHAT[one.what]?.word ?? "as in its layer"}`],
    [one.what in WHAT ? "below it" : "comes from", below], ["size", bytes(one.size)]];
  return h("dl", {}, lines.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function wasted(picture) {
  if (!picture.wasted) return [];
  return [`${bytes(picture.wasted)} of the layers are hidden by what lies above them: wasted.`];
}
