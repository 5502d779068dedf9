"""A page of its own that plays a recording: the same JavaScript, and all it shows, in one file.

It needs no notebook, no kernel and no network.
"""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING

from kernelbox.widgets import palette

if TYPE_CHECKING:
    from kernelbox.widgets.patch import Document

_HEIGHT = 620  # pixels, until the page has found out how high it is

# The page's end of a widget; there is no other end.
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>html {{ color-scheme: light dark; }} body {{ margin: 8px; }}</style>
<div id="view"></div>
<script type="application/json" id="state">{state}</script>
<script type="text/plain" id="code">{code}</script>
<script type="module">
const read = (id) => document.getElementById(id).textContent;
const state = JSON.parse(read("state"));
const model = {{
  get: (name) => state[name], set: (name, value) => {{ state[name] = value; }},
  save_changes() {{}}, send() {{}}, on() {{}}, off() {{}},
}};
const url = URL.createObjectURL(new Blob([read("code")], {{ type: "text/javascript" }}));
const widget = (await import(url)).default();
widget.initialize({{ model }});
widget.render({{ model, el: document.getElementById("view") }});
// Within JupyterLab it follows the theme there, else the reader's system.
const around = window.frameElement?.ownerDocument.body;
const follow = () => {{
  const light = around?.dataset.jpThemeLight;
  if (light === undefined) return;
  document.body.dataset.jpThemeLight = light;
  document.documentElement.style.colorScheme = light === "true" ? "light" : "dark";
}};
follow();
if (around) new MutationObserver(follow).observe(around, {{ attributes: true }});
const grow = () => {{ frameElement.style.height = `${{document.body.scrollHeight + 20}}px`; }};
if (window.frameElement) new ResizeObserver(grow).observe(document.getElementById("view"));
</script>
</html>
"""


def page(picture: Document, moment: int) -> str:
    """Return the page that plays what is in a Timeline's picture, from this moment on."""
    code = (palette.STATIC / "timeline.js").read_text(encoding="utf-8")
    state = {"state": {"number": 0, "picture": picture}, "moment": moment, "doing": "over"}
    return _PAGE.format(
        title=html.escape(picture["title"]), state=_inert(json.dumps(state)), code=_inert(code)
    )


def frame(picture: Document, moment: int) -> str:
    """Return that page as a part of another."""
    source = html.escape(page(picture, moment))
    return (
        f'<iframe title="{html.escape(picture["title"])}" srcdoc="{source}" '
        f'style="width: 100%; height: {_HEIGHT}px; border: 0"></iframe>'
    )


def _inert(text: str) -> str:
    """Keep a script's text from ending the script it stands in.

    Source: HTML standard, "Restrictions for contents of script elements".
    """
    return text.replace("</script", "<\\/script").replace("<!--", "\\u003c!--")
