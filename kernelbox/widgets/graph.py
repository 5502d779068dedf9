"""Network namespaces on paper: Graphviz lays out boxes with rows, and cables between the rows.

Every cell has a fixed size, so that the drawing depends neither on the fonts of this machine nor on
names and addresses.
"""

from __future__ import annotations

import html
import subprocess
from typing import TYPE_CHECKING

from kernelbox.widgets import palette
from kernelbox.widgets.foreign import Drawing, taken_over
from kernelbox.widgets.still import short

if TYPE_CHECKING:
    from kernelbox.widgets.patch import Document

_NAME, _ADDRESS, _STATE = 128, 128, 74  # widths of a row's cells, points
_ROW = 21


def network(
    namespaces: list[Document], cables: dict[str, str], inodes: list[str]
) -> Drawing | None:
    """Draw namespaces as boxes and cables between their links; None if there is no Graphviz.

    Args:
        namespaces: As in the picture of a NetworkMap.
        cables: Likewise.
        inodes: Of each namespace, in the same order.
    """
    ink, muted, edge = (palette.light(name) for name in ("ink", "muted", "edge"))
    names = {inode: f"n{number}" for number, inode in enumerate(inodes)}
    lines = [
        'digraph { rankdir=LR; bgcolor="transparent"; ranksep=1.3; nodesep=0.3; pad=0.1',
        f'node [shape=plain, fontname="Helvetica", fontsize=13, fontcolor="{ink}"]',
        f'edge [dir=none, penwidth=2.5, color="{edge}"]',
    ]
    lines += [
        f"{names[inode]} [label=<{_box(one, ink, muted, edge)}>]"
        for inode, one in zip(inodes, namespaces, strict=True)
    ]
    for one, other in cables.items():
        (near, first), (far, second) = (end.split("/") for end in (one, other))
        lines.append(f"{names[near]}:o{first}:e -> {names[far]}:i{second}:w")
    try:
        done = subprocess.run(
            ["dot", "-Tsvg"],
            input="\n".join([*lines, "}"]),
            capture_output=True,
            text=True,
            check=True,
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return taken_over(done.stdout)


def _box(namespace: Document, ink: str, muted: str, edge: str) -> str:
    """Return a namespace as Graphviz's table: a head, and a row for each link."""
    hue = palette.hue(namespace["letter"])
    chip = (
        ' ALIGN="CENTER"'
        if hue is None
        else f' ALIGN="CENTER" BGCOLOR="{palette.light(f"chip-{hue}")}"'
    )
    on = ink if hue is None else palette.light(f"on-{hue}")
    wide = _NAME + _ADDRESS
    label = short(namespace["label"], wide)
    head = _cell(namespace["letter"], _STATE, chip, on, bold=True) + _cell(
        label, wide, ' COLSPAN="2"', ink, bold=True, varies=True
    )
    rows = [f"<TR>{head}</TR>"]
    rows += [_row(index, link, ink, muted) for index, link in namespace["links"].items()]
    if namespace["more"]:
        more = f"and {namespace['more']} more"
        row = _cell(more, _STATE + wide, ' COLSPAN="3"', muted, varies=True)
        rows.append(f"<TR>{row}</TR>")
    return (
        f'<TABLE BORDER="1" COLOR="{edge}" STYLE="ROUNDED" CELLBORDER="0" CELLSPACING="2" '
        f'CELLPADDING="1">{"".join(rows)}</TABLE>'
    )


def _row(index: str, link: Document, ink: str, muted: str) -> str:
    indent = "└ " if "master" in link else ""
    name = short(indent + link["name"], _NAME)
    # Every link has a link-local address; one that was given to it says more.
    given = [one for one in link["addresses"] if not one.startswith("fe80")]
    address = short(next(iter(given), ""), _ADDRESS)
    cells = (
        _cell(link["state"], _STATE, f' PORT="i{index}"', muted),
        _cell(name, _NAME, "", ink, varies=True),
        _cell(address, _ADDRESS, f' PORT="o{index}"', muted, varies=True),
    )
    return f"<TR>{''.join(cells)}</TR>"


def _cell(
    text: str, width: int, more: str, color: str, *, bold: bool = False, varies: bool = False
) -> str:
    face = ' FACE="varies"' if varies else ""
    words = html.escape(text) or " "
    words = f"<B>{words}</B>" if bold else words
    more = more if "ALIGN" in more else f' ALIGN="LEFT"{more}'
    return (
        f'<TD{more} FIXEDSIZE="TRUE" WIDTH="{width}" HEIGHT="{_ROW}">'
        f'<FONT COLOR="{color}"{face}>{words}</FONT></TD>'
    )
