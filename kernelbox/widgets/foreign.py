"""Pictures that others draw (Graphviz, matplotlib), made parts of ours.

Their titles and fonts are dropped; their colours, made for light paper, become variables that stand
for dark paper, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from kernelbox.widgets import palette, still

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Drawing(NamedTuple):
    """A finished drawing: SVG elements in the coordinates of `box`, and its size in pixels."""

    content: str
    box: str
    width: int
    height: int

    def at(self, x: float, y: float) -> str:
        """Return it as one SVG element whose upper left corner is there."""
        place = f'x="{x}" y="{y}" width="{self.width}" height="{self.height}"'
        return f'<svg {place} viewBox="{self.box}">{self.content}</svg>'


def taken_over(svg: str) -> Drawing:
    """Return what Graphviz or matplotlib has written, without what is only for a whole document."""
    found = re.search(r'<svg[^>]*?viewBox="([^"]+)"[^>]*>', svg)
    if found is None:
        raise ValueError("this is no drawing of Graphviz or matplotlib")
    content = svg[found.end() : svg.rindex("</svg>")]
    for needless in (r"<!--.*?-->", r"<title>.*?</title>", r"<metadata>.*?</metadata>"):
        content = re.sub(needless + r"\s*", "", content, flags=re.DOTALL)
    content = content.replace(' font-family="varies"', ' class="varies"')
    content = re.sub(r' font-family="[^"]*"', "", content)
    content = content.replace("xlink:href", "href")
    content = content.replace("*{stroke-linejoin", ".kb-still *{stroke-linejoin")
    # No rule that names an ancestor reaches into a marker: its colour is said where it is used.
    content = re.sub(r'(<path id="[^"]+"[^>]*style=")stroke: #[0-9a-f]{6};? ?', r"\1", content)
    width, height = (round(float(number)) for number in found[1].split()[2:])
    return Drawing(content.strip(), found[1], width, height)


def drawn(figure: Figure) -> Drawing:
    """Return a figure as a drawing; the same figure gives the same bytes."""
    import io

    import matplotlib as mpl

    stable = mpl.rc_context({"svg.hashsalt": "kernelbox", "svg.fonttype": "none"})
    with stable, io.StringIO() as file:
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
        return taken_over(file.getvalue())


def image(
    title: str, description: str, figure: Figure, note: str = "", *, moving: bool = False
) -> str:
    """Return a figure as a whole image; the words are those of `still.document`."""
    left, top = still.margins()
    drawing = drawn(figure)
    return still.document(
        title,
        description,
        drawing.at(left, top - 14),
        drawing.width,
        top + drawing.height - 10,
        note,
        foreign=True,
        moving=moving,
    )


def leave_baseline(axes: Axes) -> None:
    """Take the frame from a figure's axes, all but the line at the bottom."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(palette.light("edge"))
