// Letters on colours: namespaces and containers, kinds of requests, and what has changed.

import { h } from "./dom.js";

const ALPHABET = "ABCDEFGIJKLMNOPQRSTUVWXYZ"; // H is the host's, and has no colour
const HUES = 7;

export const MARKS = {
  appeared: { sign: "+", hue: 2, word: "new" },
  changed: { sign: "~", hue: 0, word: "changed" },
  gone: { sign: "−", hue: 5, word: "gone" },
};

export const FAMILIES = {
  N: { hue: 0, name: "namespaces" },
  M: { hue: 1, name: "mounts" },
  C: { hue: 2, name: "control groups" },
  L: { hue: 6, name: "links and rules" },
  U: { hue: 3, name: "users and privileges" },
  F: { hue: 5, name: "files" },
  P: { hue: 4, name: "processes" },
};

export function hue(letter) {
  const place = ALPHABET.indexOf(letter[0] ?? "?");
  return place < 0 ? null : place % HUES;
}

export function colors(number) {
  if (number === null) return "";
  return `--chip: var(--kb-chip-${number}); --on: var(--kb-on-${number})`;
}

export function chip(text, number, properties = {}) {
  const kind = number === null ? "kb-chip kb-host" : "kb-chip";
  return h("span", { class: kind, style: colors(number), ...properties }, text);
}

export function mark(name) {
  const found = MARKS[name];
  if (!found) return null;
  return chip(found.sign, found.hue, { class: "kb-chip kb-mark", title: found.word });
}
