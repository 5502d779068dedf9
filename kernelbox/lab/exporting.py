"""A page that is exported has one theme, and its pictures have the same; and it stands alone.

A picture in the page asks what it stands in whether its paper is dark, and where nobody says it,
the reader's system decides: black pictures on a white page. JupyterLab has our extension say it; an
exported page says it itself.

nbconvert lets every page fetch two libraries from the internet: for formulas, and for outputs with
scripts of their own. A page without these does without them.

Source: nbconvert, "Custom Preprocessors"; its template `lab` marks the page's body.
"""

from __future__ import annotations

import re
from typing import Any

from nbconvert.preprocessors import Preprocessor
from nbformat.v4 import new_markdown_cell

_STYLE = """<style>
body[data-jp-theme-light="true"] .kb-picture { color-scheme: light; }
body[data-jp-theme-light="false"] .kb-picture { color-scheme: dark; }
</style>"""


# A formula in a text, and code in a text, where a dollar is just that.
_FORMULA = re.compile(r"\$[^$]+\$|\\\\[(\[]|\\begin\{")
_CODE = re.compile(r"(`+).*?\1", re.DOTALL)


class PageAlone(Preprocessor):
    """Lets the pictures of an exported notebook follow the theme of its page, and fetch nothing."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Add the rules where they take no room: below the text that the notebook begins with."""
        texts = [_CODE.sub("", one.source) for one in nb.cells if one.cell_type == "markdown"]
        if not any(map(_FORMULA.search, texts)):
            resources["mathjax_url"] = ""
        if "require" not in str([one.get("outputs") for one in nb.cells]):
            resources["require_js_url"] = ""
        if nb.cells and nb.cells[0].cell_type == "markdown":
            nb.cells[0].source += f"\n\n{_STYLE}"
        else:
            nb.cells.insert(0, new_markdown_cell(_STYLE))
        return nb, resources
