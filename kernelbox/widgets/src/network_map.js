// Network namespaces as boxes, veth pairs as cables, and the grid of who reaches whom.
// dagre says where the boxes go; their rows are the interfaces.

import { Graph, layout } from "@dagrejs/dagre";
import { h, redraw, s, settle } from "./dom.js";
import { keyboard } from "./grid.js";
import { MARKS, chip, colors, hue } from "./marks.js";
import { widget } from "./widget.js";

const ROW = 24;
const HEAD = 32;
const EDGE = 8; // of the drawing
const RANKS = 44; // pixels between two ranks of boxes
const BOW = 52; // how far a curve is pulled aside: it goes three quarters of that, and so stays between ranks
const NAME = 19; // letters, at most
const ADDRESS = 18;
const STATE = 7;
const LABEL = 32;
const LETTER = 7.2; // pixels

export function networkMap(host) {
  const map = h("div");
  const grid = h("div");
  const rules = h("div");
  const way_of = journey(map);
  const folded = h("p", { class: "kb-legend" });
  const sides = h("div", { class: "kb-network" }, h("div", {}, way_of.element, map, folded), h("div", {}, grid, rules));
  host.element.classList.add("kb-networks");
  host.body.append(sides);
  const reachable = keyboard(map, host.choose);
  let way = "";
  let last;

  grid.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    way = way === button.dataset.way ? "" : button.dataset.way;
    show(last);
  });
  function show(picture) {
    last = picture;
    const namespaces = ordered(picture.namespaces ?? {});
    sides.hidden = namespaces.length === 0;
    redraw(map, [picture], () => "map",
      () => JSON.stringify([picture.namespaces, picture.cables]), () => drawing(namespaces, picture.cables));
    redraw(grid, [picture.reach ?? {}], () => "grid",
      (reach) => JSON.stringify([reach, namespaces.map((one) => one.label), way]),
      (reach) => reachGrid(namespaces, reach, way));
    redraw(rules, [["address translation", picture.nat ?? []], ["published ports", picture.ports ?? []]],
      ([name]) => name, JSON.stringify, ruleList);
    const alone = Object.values(picture.folded ?? {});
    folded.textContent = alone.length ? `and ${alone.length} more, with nothing but a loopback interface: ${alone.join(", ")}` : "";
    brighten(map, host.chosen);
    way_of.show(picture.hops ?? []);
    reachable(host.chosen);
    settle(host.detail, ...details(picture, host.chosen, way));
  }
  return show;
}

export default widget(networkMap);

// A ping's way: one hop at a time is shown on the map, those before it are marked as passed.
function journey(map) {
  let hops = [];
  let at = 0;
  const back = h("button", { type: "button", onclick: () => go(at - 1) }, "◀ Back");
  const on = h("button", { type: "button", onclick: () => go(at + 1) }, "Forward ▶");
  const said = h("span", { class: "kb-code", "aria-live": "polite" });
  const element = h("div", { class: "kb-journey", role: "group", "aria-label": "the way of a ping" });
  function go(number) {
    at = Math.min(Math.max(number, 0), hops.length - 1);
    draw();
  }
  function draw() {
    element.hidden = hops.length === 0;
    if (element.hidden) return element.replaceChildren();
    if (!element.firstChild) element.append(back, on, said);
    const hop = hops[at];
    // Not `disabled`: a button that has the focus would lose it, in the middle of stepping.
    back.setAttribute("aria-disabled", String(at === 0));
    on.setAttribute("aria-disabled", String(at === hops.length - 1));
    settle(said, `hop ${at + 1} of ${hops.length}  ${hop.where}: ${hop.text}`);
    const passed = new Set(hops.slice(0, at).map((one) => one.end));
    for (const row of map.querySelectorAll("[data-end]")) {
      row.classList.toggle("kb-here", row.dataset.end === hop.end);
      row.classList.toggle("kb-passed", passed.has(row.dataset.end) && row.dataset.end !== hop.end);
    }
  }
  function show(found) {
    if (JSON.stringify(found) !== JSON.stringify(hops)) {
      hops = found;
      at = 0;
    }
    draw();
  }
  return { element, show };
}

function ordered(namespaces) {
  return Object.entries(namespaces).map(([inode, one]) => ({ inode, ...one })).sort((a, b) => a.place - b.place);
}

// What the columns of a row need: where addresses begin, and how wide all boxes are. Three in a row
// are to be seen at once, beside JupyterLab's list of files.
function columns(namespaces) {
  const links = namespaces.flatMap((one) => Object.values(one.links));
  // Whole pixels: the picture is not to be scaled by a hair.
  const room = (texts, most) => Math.ceil(LETTER * Math.min(Math.max(0, ...texts.map((text) => text.length)), most));
  const addresses = 26 + room(links.map((link) => named(link)), NAME);
  const row = addresses + room(links.map(beside), ADDRESS) + 10 + room(links.map(told), STATE) + 12;
  return { addresses, width: Math.max(row, 55 + room(namespaces.map((one) => signed(one.mark) + one.label), LABEL)) };
}

function drawing(namespaces, cables) {
  const sizes = columns(namespaces);
  const graph = new Graph();
  graph.setGraph({ rankdir: "LR", ranksep: RANKS, nodesep: 18, marginx: EDGE, marginy: EDGE });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const one of namespaces) graph.setNode(one.inode, { width: sizes.width, height: tall(one) });
  for (const [from, to] of Object.entries(cables)) graph.setEdge(from.split("/")[0], to.split("/")[0]);
  // In the order in which they are given, as the plugs are in the boxes: so cables cross little.
  layout(graph, { disableOptimalOrderHeuristic: true });
  const { width, height } = graph.graph();
  const places = Object.fromEntries(namespaces.map((one) => [one.inode, corner(graph.node(one.inode))]));
  const byInode = Object.fromEntries(namespaces.map((one) => [one.inode, one]));
  const drawn = Object.entries(cables).map(([from, to]) => cable(from, to, places, byInode, sizes.width));
  return s("svg", { class: "kb-map", viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": "namespaces and cables" },
    drawn.map((one) => one[0]), namespaces.map((one) => box(one, places[one.inode], sizes)), drawn.flatMap((one) => one[1]));
}

function tall(one) {
  return HEAD + ROW * (Object.keys(one.links).length + (one.more ? 1 : 0)) + 6;
}

function corner({ x, y, width, height }) {
  return { x: x - width / 2, y: y - height / 2, width };
}

function box(one, { x, y }, sizes) {
  const number = hue(one.letter);
  const links = Object.entries(one.links);
  const label = `${one.label}: ${links.map(([, link]) => [link.name, link.state, ...link.addresses].join(" ")).join(", ")}`;
  return s("g", { "data-row": one.inode, tabindex: -1, role: "button", "aria-label": label, transform: `translate(${x} ${y})`, class: classed(one.mark) },
    s("rect", { class: "kb-box", width: sizes.width, height: tall(one), rx: 7 }),
    s("rect", { x: 8, y: 7, width: 26, height: 19, rx: 4, style: number === null ? "fill: none; stroke: var(--kb-rule)" : `fill: var(--kb-chip-${number})` }),
    s("text", { x: 21, y: 21, "text-anchor": "middle", class: "kb-strong", style: number === null ? "fill: var(--kb-muted)" : `fill: var(--kb-on-${number})` }, one.letter),
    s("text", { x: 43, y: 21, class: "kb-strong" }, signed(one.mark), short(one.label, LABEL)),
    links.map(([index, link], number) => linkRow(link, HEAD + ROW * number, `${one.inode}/${index}`, sizes)),
    one.more ? s("text", { x: 12, y: HEAD + ROW * links.length + 16, class: "kb-small" }, `and ${one.more} more`) : null);
}

function linkRow(link, y, end, { addresses, width }) {
  return s("g", { class: classed(link.mark), "data-end": end },
    s("rect", { class: "kb-band", x: 4, y: y + 1, width: width - 8, height: ROW - 2, rx: 3 }),
    s("text", { x: 12, y: y + 16 }, short(named(link), NAME)),
    s("text", { x: addresses, y: y + 16, class: "kb-small" }, short(beside(link), ADDRESS)),
    s("text", { x: width - 12, y: y + 16, "text-anchor": "end", class: "kb-small" }, short(told(link), STATE)),
    s("title", {}, [link.name, link.kind, link.state, link.mac, `mtu ${link.mtu}`, ...link.addresses].join("  ")));
}

function named(link) {
  return signed(link.mark) + (link.master ? "└ " : "") + link.name;
}

// Every link has a link-local address; the one that somebody gave it says more.
function beside(link) {
  return link.addresses.find((one) => !one.startsWith("fe80")) ?? link.kind;
}

function told(link) {
  return link.state === "up" ? "" : link.state;
}

function cable(from, to, places, namespaces, width) {
  const [a, b] = [from, to].map((end) => {
    const [inode, index] = end.split("/");
    const row = Object.keys(namespaces[inode].links).indexOf(index);
    return { ...places[inode], y: places[inode].y + HEAD + ROW * row + ROW / 2, link: namespaces[inode].links[index], inode };
  });
  const [left, right] = a.x <= b.x ? [a, b] : [b, a];
  const start = left.x + width;
  // A cable inside one rank (or one box) bows out to the right.
  const end = right.x > start ? right.x : right.x + width;
  const bow = right.x > start ? [start + (end - start) / 2, start + (end - start) / 2] : [start + BOW, end + BOW];
  const up = [a, b].every((one) => one.link?.state === "up");
  const path = s("path", { class: `kb-cable ${up ? "" : "kb-down"}`, "data-ends": `${a.inode} ${b.inode}`, d: `M${start} ${left.y}C${bow[0]} ${left.y} ${bow[1]} ${right.y} ${end} ${right.y}` });
  const plug = (x, y) => s("circle", { class: "kb-plug", cx: x, cy: y, r: 4.5 });
  return [path, [plug(start, left.y), plug(end, right.y)]];
}

function brighten(map, inode) {
  for (const one of map.querySelectorAll(".kb-cable")) {
    one.classList.toggle("kb-bright", one.dataset.ends.split(" ").includes(inode));
  }
}

function classed(mark) {
  return mark ? `kb-new ${mark === "gone" ? "kb-lost" : ""}` : "";
}

function signed(mark) {
  return MARKS[mark] ? `${MARKS[mark].sign} ` : "";
}

function short(text, room) {
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}

function reachGrid(namespaces, reach, way) {
  const cell = (one, other) => {
    const key = `${one.label} -> ${other.label}`;
    const found = reach[key];
    if (one === other || !found) return h("td", { class: "kb-middle kb-muted" }, "·");
    const say = `${key}: ${found.ok ? "arrives" : "does not arrive"}: ${found.why}`;
    return h("td", {}, h("button", { type: "button", "data-way": key, style: colors(found.ok ? 2 : 5), title: found.why, "aria-label": say, "aria-pressed": String(key === way) }, found.ok ? "yes" : "no"));
  };
  const letter = (one) => chip(one.letter, hue(one.letter), { title: one.label });
  return h("div", {}, h("h5", {}, "does a ping arrive?"),
    h("table", { class: "kb-reach" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "from ↓  to →"), namespaces.map((one) => h("th", { scope: "col", class: "kb-middle" }, letter(one))))),
      h("tbody", {}, namespaces.map((one) => h("tr", {}, h("th", { scope: "row" }, letter(one), ` ${short(one.label, 16)}`), namespaces.map((other) => cell(one, other)))))));
}

function ruleList([name, rules]) {
  if (rules.length === 0) return h("div");
  return h("div", {}, h("h5", {}, name), rules.map((rule) => h("div", { class: "kb-code", style: "max-width: 340px; overflow-wrap: anywhere" }, rule)));
}

function details(picture, inode, way) {
  const found = picture.reach?.[way];
  const namespace = picture.namespaces?.[inode];
  const lines = [];
  if (found) lines.push(h("dt", {}, way), h("dd", {}, `${found.ok ? "arrives" : "does not arrive"}: ${found.why}`));
  if (namespace) {
    lines.push(h("dt", {}, "namespace"), h("dd", { class: "kb-code" }, `${namespace.label}  net:[${inode}]`));
    for (const link of Object.values(namespace.links)) {
      lines.push(h("dt", {}, link.name), h("dd", { class: "kb-code" }, [link.kind, link.state, link.mac, `mtu ${link.mtu}`, ...link.addresses, link.master ? `plugged into ${link.master}` : ""].join("  ")));
    }
    lines.push(h("dt", {}, "routes"), h("dd", { class: "kb-code" }, namespace.routes.map((route) => h("div", {}, route)), namespace.routes.length ? "" : "none"));
  }
  return lines.length ? [h("dl", {}, lines)] : [];
}
