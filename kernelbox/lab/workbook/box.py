"""A box of the map: a chapter or a challenge as a picture of its own, which is a link.

An `<img>` in an `<a>`, since JupyterLab strips a page that trusts nobody of any `<svg>`, and of the
names that an image map is found by.
"""

from __future__ import annotations

import base64
import html
import textwrap
from typing import NamedTuple

from kernelbox.widgets import palette

SIGNS = {"done": "✓", "begun": "◐", "next": "→", "": "○"}
_WIDTH, _HEIGHT, _EDGE = 184, 94, 2  # of a box on the map, and around what it shows, pixels
_LINE, _LINES = 22, 3  # characters of a title that fit on a line there, and lines


class Box(NamedTuple):
    """A chapter or a challenge on the map.

    Attributes:
        number: The chapter's, two digits; a challenge's is that of the one before it.
        label: What stands in its corner.
        title: Of its notebook, without the label.
        file: The notebook's name.
        state: `done`, `begun`, `next`, or empty.
        share: Of its points, 0 to 1.
        far: How far it is, in words.
    """

    number: str
    label: str
    title: str
    file: str
    state: str
    share: float
    far: str

    @property
    def words(self) -> str:
        """All of it in words."""
        state = f"{self.state}, " if self.state else ""
        return f"{self.label} · {self.title}: {state}{self.far}"

    def svg(self) -> str:
        """Return the box as a picture, in the colours of the page that it stands on."""
        kind = {"next": "next", "done": "done", "begun": "next"}.get(self.state, "later")
        wide, bar = _WIDTH - 2 * _EDGE, _HEIGHT - _EDGE - 6
        words = "".join(
            f'<text x="14" y="{42 + 16 * number}">{html.escape(line)}</text>'
            for number, line in enumerate(_folded(self.title))
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="kernelbox" width="{_WIDTH}" '
            f'height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
            f"<style>{palette.theme()}{_STYLE}</style>"
            f'<rect class="box {kind}" x="{_EDGE}" y="{_EDGE}" width="{wide}" '
            f'height="{_HEIGHT - 2 * _EDGE}" rx="6"/>'
            f'<text class="number" x="14" y="24">{html.escape(self.label)}</text>'
            f'<text class="sign" x="{_WIDTH - 14}" y="24">{SIGNS[self.state]}</text>{words}'
            f'<rect class="rail" x="{_EDGE + 1}" y="{bar}" width="{wide - 2}" height="5"/>'
            f'<rect class="bar" x="{_EDGE + 1}" y="{bar}" '
            f'width="{self.share * (wide - 2):.0f}" height="5"/></svg>'
        )

    def link(self) -> str:
        """Return it as a picture that is a link to its notebook."""
        source = base64.b64encode(self.svg().encode()).decode()
        return (
            f'<a href="{html.escape(self.file)}"><img alt="{html.escape(self.words)}" '
            f'class="kb-picture" width="{_WIDTH}" height="{_HEIGHT}" '
            f'src="data:image/svg+xml;base64,{source}"></a>'
        )


def _folded(title: str) -> list[str]:
    return textwrap.wrap(title, _LINE, max_lines=_LINES, placeholder=" …")


_STYLE = """
text { font: 13px var(--kb-words); fill: var(--kb-ink); }
.number { font-weight: 700; } .sign { font-weight: 700; text-anchor: end; }
.box { fill: var(--kb-paper); stroke: var(--kb-rule); stroke-width: 1.5; }
.next { stroke: var(--kb-line-0); stroke-width: 3; } .done { stroke: var(--kb-line-2); }
.rail { fill: var(--kb-band); } .bar { fill: var(--kb-line-2); }
"""
