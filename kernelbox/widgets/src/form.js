// Questions that are answered on the page: a guess, a quiz. Python says what is told to an answer.

import { h } from "./dom.js";
import { adopt } from "./widget.js";

// JupyterLab has plans of its own for the arrow keys; a choice needs them. It looks for this at what
// has the focus before it looks further out, and by then it has found its own.
const OURS = { "data-lm-suppress-shortcuts": "true" };

let forms = 0;

export default {
  render({ model, el }) {
    const name = `kb-form-${++forms}`;
    const asked = model.get("fields").map((field, place) => {
      const tell = (value) => model.send({ do: "answer", field: place, value });
      const reply = h("p", { class: "kb-reply", role: "status" });
      const answered = field.kind === "choice" ? choice(field, `${name}-${place}`, tell) : written(field, tell);
      return { element: h("div", { class: "kb-asked" }, answered, reply), reply };
    });
    const show = () => {
      for (const [place, { reply }] of asked.entries()) reply.innerHTML = model.get("replies")[place] ?? "";
    };
    const form = h("div", { class: "kernelbox kb-view kb-form" }, asked.map((one) => one.element));
    adopt(el);
    el.append(form);
    model.on("change:replies", show);
    show();
    return () => model.off("change:replies", show);
  },
};

function choice(field, group, tell) {
  const chosen = () => options.findIndex((one) => one.checked);
  const options = field.choices.map((_, place) =>
    h("input", { ...OURS, type: "radio", name: group, value: place, onchange: () => field.button || tell(chosen()) }));
  const ready = field.button && button(field, () => tell(chosen() < 0 ? null : chosen()));
  return h("fieldset", {}, html("legend", field.asked),
    field.choices.map((text, place) => h("label", {}, options[place], html("span", text))), ready || null);
}

function written(field, tell) {
  const input = field.kind === "number" ? h("input", { ...OURS, type: "number", step: "any" }) : h("input", { ...OURS, type: "text", placeholder: "a word or two" });
  const value = () => (input.value === "" ? null : field.kind === "number" ? Number(input.value) : input.value);
  const send = () => tell(value());
  input.addEventListener("keydown", (event) => event.key === "Enter" && send());
  return h("div", { class: "kb-written" }, h("label", {}, html("span", field.asked), input, field.unit), button(field, send));
}

function button(field, press) {
  return h("button", { ...OURS, type: "button", onclick: press }, field.button);
}

function html(tag, text) {
  const made = h(tag);
  made.innerHTML = text;
  return made;
}
