// CPU, memory, pids, I/O and pressure over time, drawn by uPlot: one chart each, one time axis.

import uPlot from "uplot";
import plots from "uplot/dist/uPlot.min.css";
import { bytes, h, redraw } from "./dom.js";
import { chip, hue } from "./marks.js";
import { widget } from "./widget.js";

const MIB = 1024 * 1024;
const WHOLE = [0, 1, 2, 3, 4, 5, 6].flatMap((zeros) => [1, 2, 5].map((one) => one * 10 ** zeros)); // there is no half a process
const CHARTS = [
  { key: "cpu", name: "CPU\nprocessors", unit: 1, mark: "throttled", say: (v) => v.toFixed(2) },
  { key: "memory", name: "memory\nMiB", unit: MIB, mark: "kills", say: bytes },
  { key: "pids", name: "processes", unit: 1, steps: WHOLE, say: (v) => v.toFixed(0) },
  { key: "io", name: "I/O\nMiB/s", unit: MIB, say: (v) => `${bytes(v)}/s` },
  { key: "pressure", name: "waiting\n%", unit: 1, say: (v) => `${v.toFixed(0)} %` },
];
const HUES = [4, 5, 2, 6, 0, 1, 3];
const DASHES = [[], [8, 5], [10, 4, 2, 4], [2, 4]];
const STYLES = ["solid", "dashed", "dashed", "dotted"];
const HEIGHT = 84;
const TICKS = [1, 2, 5, 10, 15, 30, 60, 120, 300]; // seconds
const LETTER = 11; // pixels, of the letters at the lines' ends

export function resourceGraph(host) {
  const values = h("div", { class: "kb-values", role: "group", "aria-label": "what is used now" });
  const charts = h("div");
  host.element.classList.add("kb-resources");
  host.body.append(h("style", {}, plots), charts);
  host.body.before(values);
  host.body.after(h("p", { class: "kb-legend" }, "╌ its limit   ▼ throttled   ✕ killed for want of memory"));
  const shades = new Map(); // from a colour's name to what it is in this theme
  let drawn = [];
  let last;
  let shape = "";

  function build(picture, seen) {
    for (const one of drawn) one.plot.destroy();
    const names = Object.keys(picture.containers);
    const sync = uPlot.sync(`kernelbox-${Math.random()}`);
    drawn = CHARTS.filter((chart) => seen.has(chart.key)).map((chart, number, all) => {
      const place = h("div", { role: "img" });
      charts.append(h("div", { class: "kb-chart" }, h("h5", {}, chart.name), place));
      const bottom = number === all.length - 1;
      const plot = new uPlot(options(chart, names, bottom, (name) => shade(charts, name, shades), sync, () => last), [[]], place);
      return { chart, place, plot };
    });
  }

  function fit() {
    for (const { plot, place } of drawn) {
      if (place.clientWidth) plot.setSize({ width: place.clientWidth, height: plot.height });
    }
  }

  function show(picture) {
    last = picture;
    const samples = Object.values(picture.samples ?? {});
    const names = Object.keys(picture.containers ?? {});
    const seen = new Set(samples.flatMap((one) => Object.values(one.of).flatMap(Object.keys)));
    const now = JSON.stringify([names, [...seen].filter((key) => CHARTS.some((one) => one.key === key)).sort()]);
    if (now !== shape) {
      shape = now;
      charts.replaceChildren();
      build(picture, seen);
      fit();
    }
    const times = samples.map((one) => one.time);
    for (const { chart, place, plot } of drawn) {
      const lines = names.map((name) => samples.map((one) => scaled(one.of[name]?.[chart.key], chart.unit)));
      const limits = names.map((name) => times.map(() => scaled(picture.containers[name].limits[chart.key], chart.unit)));
      plot.setData([times, ...lines, ...limits]);
      place.setAttribute("aria-label", said(picture, samples, chart, names));
    }
    redraw(values, names.map((name, number) => ({ name, number, one: picture.containers[name], sample: samples.at(-1)?.of[name] })),
      (item) => item.name, JSON.stringify, value);
  }

  // A colour has a value, and a place a width, only within the page; and the colours on a canvas do
  // not follow the theme by themselves.
  function repaint() {
    shades.clear();
    fit();
    for (const { plot } of drawn) plot.redraw();
  }

  const watch = new ResizeObserver(repaint);
  watch.observe(charts);
  const theme = new MutationObserver(repaint);
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  host.ends.push(() => {
    watch.disconnect();
    theme.disconnect();
    for (const { plot } of drawn) plot.destroy();
  });
  return show;
}

export default widget(resourceGraph);

function scaled(value, unit) {
  return value === undefined ? null : value / unit;
}

function value({ name, number, one, sample }) {
  const words = CHARTS.filter((chart) => sample?.[chart.key] !== undefined)
    .map((chart) => h("span", {}, `${chart.key} ${chart.say(sample[chart.key])}${limit(one, chart)}`));
  const style = `color: var(--kb-line-${HUES[number % 7]}); border-top-style: ${STYLES[number % 4]}`;
  return h("span", { title: name }, h("span", { class: "kb-line", style }), chip(one.letter, hue(one.letter)), ` ${one.name} `,
    h("span", { class: "kb-muted" }, sample ? words : "gone"),
    one.throttled ? h("span", {}, "▼ throttled") : null, one.kills ? h("span", {}, `✕ ${one.kills} OOM`) : null);
}

function limit(one, chart) {
  const found = one.limits[chart.key];
  return found === undefined ? "" : ` of ${chart.say(found)}`;
}

function said(picture, samples, chart, names) {
  const last = samples.at(-1)?.of ?? {};
  return `${chart.name.replace("\n", ", ")}: ${names.map((name) => `${picture.containers[name].name} ${chart.say(last[name]?.[chart.key] ?? 0)}`).join(", ")}`;
}

function options(chart, names, bottom, shaded, sync, picture) {
  const color = (name) => () => shaded(name);
  const line = (number) => color(`line-${HUES[number % 7]}`);
  const axis = { stroke: color("muted"), grid: { stroke: color("rule"), width: 1 }, ticks: { show: false }, font: "11px sans-serif" };
  return {
    width: 600,
    height: HEIGHT + (bottom ? 24 : 0),
    legend: { show: false },
    cursor: { sync: { key: sync.key }, y: false, points: { size: 6 } },
    padding: [8, 22, bottom ? 0 : 7, 0],
    scales: { x: { time: true }, y: { range: (_, low, high) => [0, Math.max(high ?? 0, 0.01) * 1.12] } },
    axes: [{ ...axis, show: bottom, size: 31, space: 90, incrs: TICKS, values: (_, times) => times.map(clock) }, { ...axis, size: 46, space: 26, ...(chart.steps ? { incrs: chart.steps } : {}) }],
    series: [
      {},
      ...names.map((_, number) => ({ stroke: line(number), width: 2, dash: DASHES[number % 4], points: { show: false }, spanGaps: false })),
      ...names.map((_, number) => ({ stroke: line(number), width: 1, dash: [6, 4], points: { show: false } })),
    ],
    hooks: { draw: [(plot) => marks(plot, chart, names, picture(), line)] },
  };
}

function clock(time) {
  return new Date(time * 1000).toLocaleTimeString([], { hour12: false });
}

// Letters at the ends of the lines, and signs where something was hit.
function marks(plot, chart, names, picture, line) {
  const { ctx } = plot;
  const samples = Object.values(picture?.samples ?? {});
  const ratio = devicePixelRatio;
  const ends = [];
  ctx.save();
  ctx.setLineDash([]);
  ctx.textBaseline = "middle";
  ctx.textAlign = "center";
  names.forEach((name, number) => {
    ctx.fillStyle = ctx.strokeStyle = line(number)();
    const high = (one) => plot.valToPos((one?.of[name]?.[chart.key] ?? 0) / chart.unit, "y", true);
    samples.forEach((one, place) => {
      const here = one.of[name];
      if (here?.[chart.key] === undefined) return;
      const x = plot.valToPos(one.time, "x", true);
      if (place === samples.length - 1) ends.push({ letter: picture.containers[name].letter, color: ctx.fillStyle, x, y: high(one) });
      if (!here[chart.mark] || !rare(samples, place, name, chart.mark)) return;
      // Whoever was killed is gone in this sample: the line has fallen from the one before.
      if (chart.mark === "kills") cross(ctx, x, Math.min(high(one), high(samples[place - 1])), ratio);
      else sign(ctx, "▼", x, high(one) - 7 * ratio, ratio);
    });
  });
  ctx.textAlign = "start";
  apart(ends, LETTER * ratio, plot.bbox).forEach(({ letter, color, x, y }) => {
    ctx.fillStyle = color;
    sign(ctx, letter, x + 6 * ratio, y, ratio);
  });
  ctx.restore();
}

function sign(ctx, text, x, y, ratio) {
  ctx.font = `700 ${LETTER * ratio}px sans-serif`;
  ctx.fillText(text, x, y);
}

function cross(ctx, x, y, ratio) {
  const arm = 5 * ratio;
  ctx.lineWidth = 2.5 * ratio;
  ctx.beginPath();
  for (const side of [-1, 1]) {
    ctx.moveTo(x - arm, y - side * arm);
    ctx.lineTo(x + arm, y + side * arm);
  }
  ctx.stroke();
}

// Letters that would lie over each other, moved until each can be read; none if there are too many.
function apart(ends, room, { top, height }) {
  if (ends.length * room > height) return [];
  ends.sort((one, other) => other.y - one.y);
  ends.forEach((one, place) => {
    const below = ends[place - 1];
    if (below) one.y = Math.min(one.y, below.y - room);
  });
  const outside = Math.max(0, top - (ends.at(-1)?.y ?? top));
  return ends.map((one) => ({ ...one, y: one.y + outside }));
}

// Throttling goes on for long: every eighth sign is enough. Kills are all shown.
function rare(samples, place, name, mark) {
  return mark === "kills" || place % 8 === 0 || !samples[place - 1]?.of[name]?.[mark];
}

// To ask the page for a colour takes long, and hundreds of lines are drawn each time.
function shade(place, name, known) {
  if (!known.has(name)) {
    const probe = h("i", { style: `color: var(--kb-${name})` });
    place.append(probe);
    known.set(name, getComputedStyle(probe).color);
    probe.remove();
  }
  return known.get(name);
}
