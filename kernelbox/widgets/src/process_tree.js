// Processes as a tree; beside each a letter for every namespace it is in.

import { h, redraw, settle } from "./dom.js";
import { keyboard } from "./grid.js";
import { chip, hue, mark } from "./marks.js";
import { indented, rails } from "./tree.js";
import { widget } from "./widget.js";

export function processTree(host) {
  const head = h("tr");
  const rows = h("tbody");
  const table = h("table", { role: "treegrid" }, h("thead", {}, head), rows);
  host.body.append(table);
  host.body.after(legend());
  const reachable = keyboard(rows, host.choose);

  return (picture) => {
    const kinds = picture.kinds ?? [];
    const every = picture.rows ?? {};
    const chosen = every[host.chosen];
    table.setAttribute("aria-label", picture.title);
    redraw(head, columns(kinds), (one) => one.text, (one) => one.text, heading);
    const tree = indented(Object.keys(every), (pid) => pid, (pid) => every[pid].parent);
    redraw(
      rows,
      tree.map((one) => ({ ...one, row: every[one.id], kinds, chosen })),
      (one) => one.id,
      (one) => JSON.stringify([one.row, one.rails, kinds, shared(one.row, chosen)]),
      processRow,
    );
    reachable(host.chosen);
    rows.classList.toggle("kb-choosing", Boolean(chosen));
    settle(host.detail, ...(chosen ? [details(chosen, every, picture)] : []));
  };
}

export default widget(processTree);

function columns(kinds) {
  const fixed = ["process", "host’s pid", "own pid"];
  return [...fixed, ...kinds].map((text, number) => ({ text, middle: number > 0 }));
}

function heading({ text, middle }) {
  return h("th", { scope: "col", class: middle ? "kb-middle" : "kb-fill" }, text);
}

function processRow({ id, row, rails: flags, kinds, chosen }) {
  const inside = (row.letters.pid ?? "H") === "H" ? "–" : row.inside;
  const common = shared(row, chosen);
  return h(
    "tr",
    { role: "row", "data-row": id, tabindex: -1, class: row.mark ? `kb-${row.mark}` : "",
      "aria-level": flags.length + 1 },
    h("td", { class: "kb-fill", title: row.command }, rails(flags), mark(row.mark), " ", row.name,
      h("span", { class: "kb-muted kb-about" }, `  ${about(row)}`)),
    h("td", { class: "kb-middle kb-code" }, row.pid),
    h("td", { class: "kb-middle kb-code" }, inside),
    kinds.map((kind) => h("td", { class: "kb-middle" }, letter(row, kind, common))),
  );
}

function about(row) {
  if (row.side === "container") return row.command.split(" ").slice(1).join(" ");
  return row.container ? `monitor of ${row.container}` : `${row.side} side`;
}

function letter(row, kind, common) {
  const text = row.letters[kind];
  if (!text) return "";
  const found = chip(text, hue(text), { title: `${kind}:[${row.inodes[kind]}]` });
  found.classList.toggle("kb-shared", common.includes(kind));
  return found;
}

function shared(row, chosen) {
  if (!chosen) return [];
  return Object.keys(row.letters).filter((kind) => row.letters[kind] === chosen.letters[kind]);
}

function details(row, every, picture) {
  const lines = [
    ["command", row.command || "(none: a zombie)"],
    ["user", `uid ${row.uid}`],
    ["control group", row.cgroup],
    ["capabilities", capabilities(row, picture)],
    ["namespaces", h("div", { class: "kb-spaces" }, Object.entries(row.inodes).map(([kind, inode]) => {
      const others = Object.values(every).filter((one) => one.inodes[kind] === inode).length - 1;
      const with_ = others ? `shared with ${others}` : "its own";
      return h("div", { class: "kb-code" }, `${kind}:[${inode}] `, h("span", { class: "kb-muted" }, with_));
    }))],
  ];
  if (row.container) lines.unshift(["container", row.container]);
  return h("dl", {}, lines.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function capabilities(row, picture) {
  const names = picture.capabilities[row.capabilities] ?? [];
  if (row.capabilities === "0") return "none";
  return `${names.join(" ") || "not named here"} (0x${row.capabilities})`;
}

function legend() {
  return h("p", { class: "kb-legend" }, chip("H", null), " the host’s.  The same letter in a column: the same namespace.");
}
