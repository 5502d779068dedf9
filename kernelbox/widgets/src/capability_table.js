// What processes may do, in words; a letter for the user namespace in which it counts.

import { h, redraw, settle } from "./dom.js";
import { keyboard } from "./grid.js";
import { chip, hue, mark } from "./marks.js";
import { indented, rails } from "./tree.js";
import { widget } from "./widget.js";

const HEADINGS = ["process", "pid", "user", "counts in", "may", "beside the one above"];
const MIDDLE = ["pid", "user", "counts in"];

export function capabilityTable(host) {
  const rows = h("tbody");
  const head = HEADINGS.map((text) =>
    h("th", { scope: "col", class: MIDDLE.includes(text) ? "kb-middle" : null }, text));
  const table = h("table", { role: "treegrid" }, h("thead", {}, h("tr", {}, head)), rows);
  host.body.append(table);
  host.body.after(legend());
  const reachable = keyboard(rows, host.choose);

  return (picture) => {
    const every = picture.rows ?? {};
    const chosen = every[host.chosen];
    table.setAttribute("aria-label", picture.title);
    const tree = indented(Object.keys(every), (pid) => pid, (pid) => every[pid].parent);
    redraw(
      rows,
      tree.map((one) => ({ ...one, row: every[one.id] })),
      (one) => one.id,
      (one) => JSON.stringify([one.row, one.rails]),
      processRow,
    );
    reachable(host.chosen);
    settle(host.detail, ...(chosen ? [details(chosen, picture.sets[chosen.set])] : []));
  };
}

export default widget(capabilityTable);

function processRow({ id, row, rails: flags }) {
  return h(
    "tr",
    { role: "row", "data-row": id, tabindex: -1, class: row.mark ? `kb-${row.mark}` : "",
      "aria-level": flags.length + 1 },
    h("th", { scope: "row", title: row.command }, rails(flags), mark(row.mark), " ", row.name),
    h("td", { class: "kb-middle kb-code" }, row.pid),
    h("td", { class: "kb-middle kb-code" }, row.uid),
    h("td", { class: "kb-middle" }, row.where ? chip(row.where, hue(row.where)) : ""),
    h("td", {}, row.may),
    h("td", { class: "kb-fill kb-muted", title: row.beside }, row.beside),
  );
}

function details(row, set) {
  const lines = [
    ["command", row.command || "(none: a zombie)"],
    ["user", `uid ${row.uid} on the host`],
    ["has", set?.has.join(" ") || "nothing"],
    ["has not", set?.lacks.join(" ") || "(it has everything)"],
    ["CapEff", row.set.padStart(16, "0")],
  ];
  return h("dl", {}, lines.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function legend() {
  return h("p", { class: "kb-legend" }, chip("H", null),
    " the host’s user namespace.  What counts in one counts in those below it, too.");
}
