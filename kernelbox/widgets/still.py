"""Still pictures: SVG images and HTML tables that need no script, in the colours of the page.

An image is a title, a description, and rows of cells in columns of fixed width. What a cell says
never moves another cell.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kernelbox.widgets import palette

ROW = 24  # height of a row, pixels
_MARGIN = 14
_STEP = 16  # indentation of a level

STYLE = """
.kb-still { font: 13px var(--kb-words); fill: var(--kb-ink); max-width: 100%; height: auto; }
.kb-still .paper { fill: var(--kb-paper); stroke: var(--kb-rule); }
.kb-still .head { font-weight: 600; }
.kb-still .title { font-size: 15px; font-weight: 600; }
.kb-still .muted { fill: var(--kb-muted); }
.kb-still .code { font-family: var(--kb-code); font-size: 12px; }
.kb-still .rule { stroke: var(--kb-rule); fill: none; }
.kb-still .edge { stroke: var(--kb-edge); fill: none; }
.kb-still .band { fill: var(--kb-band); }
.kb-still .gone { text-decoration: line-through; }
.kb-still .chip { font-weight: 700; font-size: 12px; text-anchor: middle; }
"""


class Cell(NamedTuple):
    """What stands in one column of a row.

    Attributes:
        text: To be read.
        style: Classes of the style sheet above.
        varies: Whether it differs from run to run.
        letter: Draw `text` as a chip of this letter's colour (`H`: without one).
        hue: Draw it as a chip of this colour; -1 for none.
        rails: Where the lines of a tree run beside it: one flag for each level, the last for
            whether more siblings follow.
    """

    text: str
    style: str = ""
    varies: bool = False
    letter: str = ""
    hue: int = -1
    rails: tuple[bool, ...] = ()


class Column(NamedTuple):
    """A column: its heading, and its width in pixels."""

    heading: str
    width: int
    middle: bool = False


class Branch(NamedTuple):
    """A row of a tree: its key, and its rails as in `Cell`."""

    key: str
    rails: tuple[bool, ...]


def branches(parents: dict[str, str]) -> list[Branch]:
    """Return the keys of a tree in reading order.

    Args:
        parents: From each key to its parent's; a parent that is no key makes a root. Siblings
            come in the order of this dict.
    """
    children: dict[str, list[str]] = {}
    for key, parent in parents.items():
        above = parent if parent in parents and parent != key else ""
        children.setdefault(above, []).append(key)
    found: list[Branch] = []
    pending = [Branch(key, ()) for key in reversed(children.get("", []))]
    while pending:
        branch = pending.pop()
        found.append(branch)
        below = children.get(branch.key, [])
        pending += [
            Branch(key, (*branch.rails, number < len(below) - 1))
            for number, key in reversed(list(enumerate(below)))
        ]
    return found


def indent(rails: Sequence[bool]) -> str:
    """Return the lines of a tree before a row, as text."""
    if not rails:
        return ""
    return "".join("│  " if more else "   " for more in rails[:-1]) + (
        "├─ " if rails[-1] else "└─ "
    )


def sheet(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], left: int, top: int) -> str:
    """Return rows of cells under their headings, as SVG elements."""
    parts = []
    x = left
    for column in columns:
        parts.append(_words(column.heading, x, top, column, "muted"))
        x += column.width
    y = top
    for row in rows:
        y += ROW
        parts.append(f'<path class="rule" d="M{left} {y - 16.5}H{x}"/>')
        at = left
        for column, cell in zip(columns, row, strict=True):
            parts.append(_cell(cell, at, y, column))
            at += column.width
    return "".join(parts)


def tall(rows: int) -> int:
    """Return how high a sheet of so many rows is, pixels, its headings included."""
    return ROW * rows + 12


def wide(columns: Sequence[Column]) -> int:
    """Return how wide a sheet of these columns is, pixels."""
    return sum(column.width for column in columns)


def document(
    title: str,
    description: str,
    content: str,
    width: int,
    height: int,
    note: str = "",
    *,
    foreign: bool = False,
    moving: bool = False,
) -> str:
    """Return a whole image.

    Args:
        title: What it shows; stands above the content, and is what a screen reader says first.
        description: All that is to be read in it, in words.
        content: SVG elements between `margins()` and the given size.
        width: Of the content, pixels.
        height: Of the content, pixels.
        note: What there is to say besides, such as why there is nothing to be seen.
        foreign: Whether some of the content was drawn by others.
        moving: Whether all of the content is different in every run.
    """
    full, tall = width + 2 * _MARGIN, height + _MARGIN
    head = f'<text class="title" x="{_MARGIN}" y="25">{html.escape(title)}</text>'
    if note:
        tall += ROW
        head += f'<text class="muted" x="{_MARGIN}" y="{tall - 12}">{html.escape(note)}</text>'
    kind = "kernelbox kb-still kb-moving" if moving else "kernelbox kb-still"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{kind}" role="img" '
        f'viewBox="0 0 {full} {tall}" width="{full}" height="{tall}">'
        f"<title>{html.escape(title)}</title><desc>{html.escape(description)}</desc>"
        f"<style>{palette.theme()}{STYLE}{palette.adopted() if foreign else ''}</style>"
        f'<rect class="paper" x="0.5" y="0.5" width="{full - 1}" height="{tall - 1}" rx="6"/>'
        f"{head}{content}</svg>"
    )


def embedded(svg: str) -> str:
    """Return an image as an HTML element that a page keeps which trusts nobody.

    JupyterLab strips an `<svg>` in a notebook that is not trusted down to its letters; an `<img>`
    stays. What it says in words belongs beside it.
    """
    title = re.search(r"<title>(.*?)</title>", svg)
    data = base64.b64encode(svg.encode()).decode()
    return (
        f'<img class="kb-picture" alt="{title[1] if title else ""}" '
        f'src="data:image/svg+xml;base64,{data}"/>'
    )


def margins() -> tuple[int, int]:
    """Return where content may begin: pixels from the left and from the top."""
    return _MARGIN, 50


def chip(text: str, hue: int | None, x: float, y: float, width: float = 24) -> str:
    """Return a letter on its colour, centred at x, on the line y; without a colour, an outline."""
    box = f'x="{x - width / 2}" y="{y - 14}" width="{width}" height="19" rx="4"'
    if hue is None:
        return (
            f'<rect class="rule" {box}/>'
            f'<text class="chip muted" x="{x}" y="{y}">{html.escape(text)}</text>'
        )
    return (
        f'<rect {box} style="fill: var(--kb-chip-{hue})"/>'
        f'<text class="chip" style="fill: var(--kb-on-{hue})" x="{x}" y="{y}">'
        f"{html.escape(text)}</text>"
    )


def words(text: str, x: float, y: float, style: str = "", *, varies: bool = False) -> str:
    """Return a line of text that begins at x."""
    name = " ".join(filter(None, (style, "varies" if varies else "")))
    return f'<text class="{name}" x="{x}" y="{y}">{html.escape(text)}</text>'


def short(text: str, width: float, pixels: float = 7.5) -> str:
    """Cut a text that would be wider than `width` pixels, at so many `pixels` a letter."""
    room = max(int(width / pixels), 1)
    return text if len(text) <= room else text[: room - 1] + "…"


def table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return an HTML table; the first cell of a row is its heading."""
    align = "text-align: left; color: inherit"
    head = "".join(f'<th scope="col" style="{align}">{html.escape(one)}</th>' for one in headings)
    body = "".join(f"<tr>{''.join(_table_cells(row, align))}</tr>" for row in rows)
    return (
        f'<table><caption style="{align}">{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def rounded(value: float, digits: int = 3) -> str:
    """Return a number with so many digits that count, and without an exponent: 1490, 0.024."""
    return f"{float(f'{value:.{digits}g}'):.12g}"


def size(count: float) -> str:
    """Return a number of bytes for people: 1.5 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError


def _table_cells(row: Sequence[Cell], align: str) -> Iterable[str]:
    for number, cell in enumerate(row):
        tag = 'th scope="row"' if number == 0 else "td"
        name = ' class="varies"' if cell.varies else ""
        # A path or a command has no spaces to break at, and a page should not scroll sideways.
        style = f"{align}; overflow-wrap: anywhere" if number else align
        yield f'<{tag} style="{style}"{name}>{html.escape(cell.text)}</{tag[:2]}>'


def _cell(cell: Cell, x: float, y: float, column: Column) -> str:
    if not cell.text:
        return ""
    if cell.letter or cell.hue >= 0:
        hue = palette.hue(cell.letter) if cell.letter else cell.hue
        width = max(24, 9 * len(cell.text) + 10)
        centre = x + (column.width / 2 if column.middle else width / 2)
        return chip(cell.text, hue, centre, y, width)
    lines = _rails(cell.rails, x, y)
    inset = _STEP * len(cell.rails)
    pixels = 7.3 if "code" in cell.style else 7.5
    text = short(cell.text, column.width - inset - 6, pixels)
    return lines + _words(text, x + inset, y, column, cell.style, varies=cell.varies)


def _words(
    text: str, x: float, y: float, column: Column, style: str, *, varies: bool = False
) -> str:
    if column.middle:
        x += column.width / 2
        name = " ".join(filter(None, (style, "varies" if varies else "")))
        middle = 'text-anchor="middle"'
        return f'<text {middle} class="{name}" x="{x}" y="{y}">{html.escape(text)}</text>'
    return words(text, x, y, style, varies=varies)


def _rails(rails: Sequence[bool], x: float, y: float) -> str:
    """Return the lines of a tree beside a row: down past it, and into it."""
    parts = []
    top, middle, bottom = y - 17, y - 5, y - 17 + ROW
    for level, more in enumerate(rails):
        at = x + _STEP * level + 5
        if level == len(rails) - 1:
            parts.append(f"M{at} {top}V{bottom if more else middle}M{at} {middle}h8")
        elif more:
            parts.append(f"M{at} {top}V{bottom}")
    return f'<path class="edge" d="{"".join(parts)}"/>' if parts else ""
