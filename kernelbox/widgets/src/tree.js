// A tree by indentation: d3-hierarchy makes the tree, the rails beside a row are drawn by CSS.

import { stratify } from "d3-hierarchy";
import { h } from "./dom.js";

const ROOT = " root"; // no key has a space in front

// Returns rows in reading order, each with its rails: for each level, whether siblings follow.
export function indented(items, idOf, parentOf) {
  const ids = new Set(items.map(idOf));
  const parent = (item) => {
    const above = parentOf(item);
    return ids.has(above) && above !== idOf(item) ? above : ROOT;
  };
  const build = stratify()
    .id((item) => (item === ROOT ? ROOT : idOf(item)))
    .parentId((item) => (item === ROOT ? null : parent(item)));
  return rowsOf(build([ROOT, ...items]));
}

// The same for paths: /etc is the parent of /etc/hosts, whether it is an item or not.
export function byPath(items, pathOf) {
  if (items.length === 0) return [];
  const root = stratify().path(pathOf)(items);
  return rowsOf(root.data === null ? root : { children: [root] });
}

function rowsOf(root) {
  const rows = [];
  const visit = (node, rails) => {
    rows.push({ item: node.data, id: node.id, rails, inner: Boolean(node.children) });
    below(node, rails);
  };
  const below = (node, rails) => {
    const children = node.children ?? [];
    children.forEach((child, number) => visit(child, [...rails, number < children.length - 1]));
  };
  for (const child of root.children ?? []) visit(child, []);
  return rows;
}

export function rails(flags) {
  return flags.map((more, level) => {
    const last = level === flags.length - 1;
    const kind = last ? (more ? "kb-tee" : "kb-end") : more ? "kb-past" : "";
    return h("span", { class: `kb-rail ${kind}`, "aria-hidden": "true" });
  });
}
