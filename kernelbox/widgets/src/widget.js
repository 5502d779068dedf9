// The page's end of a view: folds differences into the picture, and has it drawn.
//
// A drawer is a function `draw(host)`; it puts its elements into `host.body` once and returns a
// function that is called with each new picture. `host` also has: `detail`, an element for what is
// chosen; `chosen`, its key; `choose(key)`; `model`; `send(message)`.

import { merge } from "./merge.js";
import { h } from "./dom.js";
import theme from "./theme.css";
import views from "./views.css";

const BEAT = 10000; // milliseconds between two words to Python, which else takes nobody to look
let pages = 0;

export function widget(draw) {
  return () => {
    let world;
    const redraws = new Set();

    return {
      initialize({ model }) {
        const whole = () => {
          world = model.get("state");
          for (const one of redraws) one();
        };
        whole();
        model.on("change:state", whole);
        model.on("change:patch", () => {
          const patch = model.get("patch");
          if (patch.number <= world.number) return;
          if (patch.number > world.number + 1) return model.send({ do: "whole" });
          world = { number: patch.number, picture: merge(world.picture, patch.change) };
          for (const one of redraws) one();
        });
      },

      render({ model, el }) {
        const page = `${Date.now()}-${++pages}`;
        const redraw = frame(el, draw, model, () => world.picture);
        const say = (what) => {
          try {
            model.send({ do: what, page });
          } catch {
            // The kernel has ended, or the notebook was closed and has let go of it already.
          }
        };
        // A browser lets a hidden page's clock go slowly: it is heard again when it is seen again.
        const here = () => document.hidden || say("here");
        const alive = setInterval(here, BEAT);
        document.addEventListener("visibilitychange", here);
        redraws.add(redraw);
        say("opened");
        return () => {
          clearInterval(alive);
          document.removeEventListener("visibilitychange", here);
          redraws.delete(redraw);
          redraw.end();
          say("closed");
        };
      },
    };
  };
}

// Draws at most once a frame of the screen, however fast the pictures come.
function frame(el, draw, model, picture) {
  const host = panel(draw, {
    model,
    chosen: () => model.get("selected"),
    choose(key) {
      model.set("selected", key === model.get("selected") ? "" : key);
      model.save_changes();
      redraw();
    },
  });
  adopt(el);
  el.append(host.element);
  let waiting = 0;
  const redraw = () => {
    waiting ||= requestAnimationFrame(() => {
      waiting = 0;
      host.update(picture());
    });
  };
  model.on("change:selected", redraw);
  redraw.end = () => {
    cancelAnimationFrame(waiting);
    model.off("change:selected", redraw);
    host.end();
  };
  host.update(picture());
  return redraw;
}

// A titled box with a drawer in it: a whole widget, or a part of another.
export function panel(draw, { model, chosen, choose }) {
  const title = h("h4", { class: "kb-title" });
  const note = h("p", { class: "kb-note", role: "status" });
  const tools = h("div", { class: "kb-tools" });
  const body = h("div", { class: "kb-body" });
  const detail = h("div", { class: "kb-detail", "aria-live": "polite" });
  const head = h("header", { class: "kb-head" }, title, tools);
  const element = h("section", { class: "kernelbox kb-view" }, head, note, body, detail);
  const host = { element, body, detail, tools, model, choose, ends: [] };
  Object.defineProperty(host, "chosen", { get: chosen });
  const show = draw(host);
  return {
    element,
    body,
    update(picture) {
      title.textContent = picture.title;
      element.setAttribute("aria-label", picture.title);
      note.textContent = picture.note ?? "";
      show(picture);
    },
    end: () => host.ends.forEach((one) => one()),
  };
}

export function adopt(el) {
  el.append(h("style", {}, theme, views));
}
