// The requests of a birth in two lanes, a slider through them, and panels that show the world then.

import { h, redraw } from "./dom.js";
import { layerStack } from "./layer_stack.js";
import { FAMILIES, chip, colors, mark } from "./marks.js";
import { merge } from "./merge.js";
import { mountTree } from "./mount_tree.js";
import { networkMap } from "./network_map.js";
import { processTree } from "./process_tree.js";
import { panel, widget } from "./widget.js";

const DRAWERS = { process_tree: processTree, mount_tree: mountTree, layer_stack: layerStack, network_map: networkMap };
const NAMES = { process_tree: "Processes", mount_tree: "Mounts", layer_stack: "Layers", network_map: "Network" };
// Where a change is seen, by what it is a change of; a control group is in none of the panels.
const SEEN = { process: "process_tree", mount: "mount_tree", layer: "layer_stack", namespace: "network_map", link: "network_map", route: "network_map", nat: "network_map", port: "network_map", reach: "network_map" };
const CHANGED = "tr:is(.kb-appeared, .kb-changed, .kb-gone), .kb-new";
const SIDES = ["runtime", "container"];
const PACE = 350; // milliseconds between two moments when a recording runs

export function timeline(host) {
  const { model } = host;
  const back = h("button", { type: "button", onclick: () => go(moment() - 1) }, "◀ Back");
  const step = h("button", { type: "button", onclick: forward }, "Step ▶");
  const run = h("button", { type: "button", onclick: toggle });
  // JupyterLab has plans of its own for the arrow keys; a slider needs them.
  const slider = h("input", { type: "range", min: 0, step: 1, "aria-label": "requests made", "data-lm-suppress-shortcuts": "true", oninput: () => go(Number(slider.value)) });
  const count = h("span", { class: "kb-number kb-muted" });
  const lanes = Object.fromEntries(SIDES.map((side) => [side, h("div", { class: "kb-lane", "aria-hidden": "true" })]));
  const request = h("div", { class: "kb-request", "aria-live": "polite", "aria-label": "the request" });
  const changed = h("h5");
  const changes = h("ul", { class: "kb-changes", tabindex: 0, "aria-label": "what has changed" });
  const tabs = h("div", { class: "kb-tabs", role: "group", "aria-label": "what is shown of the world" });
  const panels = h("div", { class: "kb-panels" });
  const effect = h("div", { class: "kb-effect" }, h("div", {}, request, changed, changes), h("div", {}, tabs, panels));
  const legend = h("p", { class: "kb-legend" });
  let picture = {};
  let timer = 0;
  const shown = new Map();
  let front = ""; // the panel that is seen
  let picked = false; // by the reader; until then it is one in which something has changed

  host.element.classList.add("kb-timeline");
  host.body.append(
    h("div", { class: "kb-controls" }, back, step, run, count),
    h("div", { class: "kb-lanes" }, SIDES.map((side) => [h("span", {}, side), lanes[side]]), h("span"), slider),
    legend, effect,
  );
  for (const lane of Object.values(lanes)) {
    lane.addEventListener("click", (event) => event.target.dataset.key && go(Number(event.target.dataset.key)));
  }
  model.on("change:moment", draw);
  model.on("change:doing", draw);
  host.ends.push(() => {
    clearInterval(timer);
    model.off("change:moment", draw);
    model.off("change:doing", draw);
  });

  const moment = () => model.get("moment") ?? 0;
  const total = () => Object.keys(picture.events ?? {}).length;
  const doing = () => (picture.live ? model.get("doing") : timer ? "running" : "ready");

  function go(to) {
    model.set("moment", Math.max(0, Math.min(to, total())));
    model.save_changes();
    draw();
  }

  function forward() {
    if (moment() < total()) go(moment() + 1);
    else if (picture.live && doing() === "ready") model.send({ do: "step" });
  }

  function toggle() {
    if (doing() === "busy") return;
    if (picture.live && doing() !== "over") return model.send({ do: doing() === "running" ? "pause" : "run" });
    if (timer) return halt();
    if (moment() >= total()) go(0);
    timer = setInterval(() => (moment() < total() ? go(moment() + 1) : halt()), PACE);
    draw();
  }

  function halt() {
    clearInterval(timer);
    timer = 0;
    draw();
  }

  function draw() {
    const end = total();
    const at = Math.min(moment(), end); // the moment may be known before what happened in it
    const state = doing();
    const more = picture.live && state !== "over";
    able(back, at > 0);
    able(step, at < end || (more && state === "ready"));
    step.title = more && at >= end ? "let the container make its next request" : "show the next request";
    run.textContent = state === "running" ? "❚❚ Pause" : "▶▶ Run";
    able(run, state !== "busy" && (picture.live || end > 0));
    slider.max = end;
    slider.value = at;
    slider.setAttribute("aria-valuetext", `${at} of ${end}: ${told(picture.events?.[at])}`);
    count.textContent = `${at} of ${end}${more ? " so far" : ""}`;
    drawLanes(at, end);
    redraw(request, [{ event: picture.events?.[at], at, end, pending: at === end ? picture.pending : undefined }],
      () => "request", JSON.stringify, describe);
    const many = picture.changes?.[at]?.length ?? 0;
    changed.textContent = many ? `what has changed (${many})` : "nothing that is shown here has changed";
    redraw(changes, picture.changes?.[at] ?? [], (one) => `${one.where} ${one.what} ${one.name}`, JSON.stringify, change);
    drawPanels(at);
  }

  function drawLanes(at, end) {
    const seen = new Set();
    for (const side of SIDES) {
      const items = [];
      for (let number = 1; number <= end; number++) {
        const event = picture.events[number];
        seen.add(event.family);
        items.push({ number, event: event.side === side ? event : null, at, wide: end <= 60, letter: lettered(number, end) });
      }
      redraw(lanes[side], items, (one) => one.number, (one) => pipKey(one), pip);
    }
    redraw(legend, [...seen].sort(), (one) => one, (one) => one, (one) => h("span", {}, chip(one, FAMILIES[one].hue), FAMILIES[one].name));
  }

  // Where there are too many requests for a letter on each, the middle of a long run has one.
  function lettered(number, end) {
    const same = (other) => picture.events[other]?.family === picture.events[number].family && picture.events[other]?.side === picture.events[number].side;
    if (end <= 60) return true;
    let first = number;
    let last = number;
    while (same(first - 1)) first--;
    while (same(last + 1)) last++;
    return last - first >= end / 50 && number === Math.floor((first + last) / 2);
  }

  function drawPanels(at) {
    for (const [key, one] of Object.entries(picture.panels ?? {})) {
      if (!shown.has(key)) shown.set(key, made(key, one.view));
      const { panel, tab, worlds } = shown.get(key);
      panel.update(worldAt(worlds, one.frames, at));
      const touched = (picture.changes?.[at] ?? []).some(({ where }) => SEEN[where] === one.view);
      tab.replaceChildren(NAMES[one.view], ...(touched ? [" ", mark("changed")] : []));
      shown.get(key).touched = touched;
    }
    if (!picked) front = [...shown].find(([, one]) => one.touched)?.[0] || front || [...shown.keys()][0];
    for (const [key, { panel, tab }] of shown) {
      panel.element.hidden = key !== front;
      tab.setAttribute("aria-pressed", String(key === front));
    }
    const seen = shown.get(front);
    if (seen && seen.at !== at) requestAnimationFrame(() => reveal(panels, seen.panel.body)); // once it is laid out
    if (seen) seen.at = at;
  }

  function made(key, view) {
    let chosen = "";
    const again = () => drawPanels(Math.min(moment(), total()));
    const made = panel(DRAWERS[view], {
      model: { get: () => "", set() {}, save_changes() {} },
      chosen: () => chosen,
      choose: (to) => {
        chosen = to === chosen ? "" : to;
        again();
      },
    });
    const tab = h("button", { type: "button", onclick: () => {
      picked = true;
      front = key;
      again();
    } });
    tabs.append(tab);
    panels.append(made.element);
    host.ends.push(made.end);
    return { panel: made, tab, worlds: [] };
  }

  return (now) => {
    picture = now;
    draw();
  };
}

export default widget(timeline);

// Not `disabled`: a button that has the focus would lose it, in the middle of stepping.
function able(button, yes) {
  button.setAttribute("aria-disabled", String(!yes));
}

// Each world is the one before with a difference; what does not differ is shared between them.
function worldAt(worlds, frames, at) {
  while (worlds.length <= at) worlds.push(merge(worlds.at(-1) ?? {}, JSON.parse(frames[worlds.length] ?? "{}")));
  return worlds[at];
}

// Scrolls the panels, and nothing but them, to the first thing that has changed in one.
function reveal(panels, body) {
  const first = body.querySelector(CHANGED);
  if (!first) return;
  const [above, within] = [first, panels].map((one) => one.getBoundingClientRect());
  if (above.top < within.top || above.bottom > within.bottom) {
    panels.scrollTop += above.top - within.top - within.height / 3;
  }
}

function pipKey({ event, number, at, letter }) {
  return event ? `${event.family}${event.result}${number > at}${number === at}${letter}` : "";
}

function pip({ number, event, at, letter }) {
  if (!event) return h("i", { style: "cursor: default" });
  const kind = [number > at ? "kb-ahead" : "", number === at ? "kb-here" : "", refused(event) ? "kb-failed" : ""];
  return h("i", { class: kind.join(" "), style: colors(FAMILIES[event.family].hue), title: `${number}: ${told(event)}` }, letter ? event.family : "");
}

function refused(event) {
  return event.result.startsWith("E");
}

function told(event) {
  if (!event) return "before the first request";
  return `${event.side}: ${event.request}${event.result ? ` = ${event.result}` : ""}`;
}

function describe({ event, at, end, pending }) {
  const lines = [];
  if (event) lines.push(asked(event));
  else lines.push(h("div", { class: "kb-muted" }, end || pending ? "Before the first request." : "Nothing was asked of the kernel yet."));
  if (pending) lines.push(h("div", { class: "kb-muted", style: "margin-top: 4px" }, "next, on the ", pending.side, " side: ", h("span", { class: "kb-code" }, brief(pending.request))));
  return h("div", {}, lines);
}

function asked(event) {
  const family = FAMILIES[event.family];
  const result = h("span", { class: refused(event) ? "kb-refused" : "" }, event.result || "?");
  return h("div", {}, chip(event.family, family.hue, { title: family.name }), h("span", { class: "kb-muted" }, `  ${event.side} ${event.number}  `),
    h("span", { class: "kb-code", title: event.request }, brief(event.request), " = ", result), h("span", { class: "kb-muted" }, `  ${event.took} µs`),
    event.shell ? h("div", { class: "kb-code kb-muted", title: event.shell }, `# ${brief(event.shell)}`) : null);
}

// A digest is known by its first letters.
function brief(text) {
  return text.replace(/\b([0-9a-f]{12})[0-9a-f]{52}\b/g, "$1…");
}

function change({ where, what, name, before, after }) {
  const from = what === "changed" && before ? `: ${before} → ${after}` : "";
  return h("li", {}, mark(what), ` ${where} `, h("span", { class: "kb-code" }, name + from));
}
