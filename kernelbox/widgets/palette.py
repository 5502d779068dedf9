"""Colours and letters: which stands for what, read from the style sheet that the pages use too.

A thing among others of its kind (a namespace, a container) has a letter, and the letter a colour.
`H` is the host's and has none; the others go A, B, C ... without H, and on with A2.
"""

from __future__ import annotations

import functools
import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

STATIC = Path(__file__).parent / "static"

HOST = "H"
HUES = 7
_ALPHABET = "ABCDEFGIJKLMNOPQRSTUVWXYZ"

# What has changed since the moment before: a sign, and the number of its colour.
MARKS = {"appeared": ("+", 2), "changed": ("~", 0), "gone": ("−", 5)}  # noqa: RUF001 (a minus)


@functools.cache
def theme() -> str:
    """Return the style sheet: every colour as a CSS variable."""
    text = (STATIC / "theme.css").read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL).strip()


@functools.cache
def colors() -> dict[str, tuple[str, str]]:
    """Return each colour of the style sheet as it is on light and on dark paper.

    The keys are the variables' names without `--kb-`: paper, ink, line-0, chip-0, on-0, ...
    """
    found: dict[str, tuple[str, str]] = {}
    for name, value in re.findall(r"--kb-([a-z0-9-]+):\s*([^;]+);", theme()):
        shades = re.findall(r"#[0-9a-f]{6}", value)
        if shades:
            found[name] = (shades[0], shades[-1])
    return found


def light(name: str) -> str:
    """Return a colour as it is on light paper, in which others draw for us."""
    return colors()[name][0]


@functools.cache
def adopted() -> str:
    """Return CSS rules that turn what others drew in a light colour into that colour's variable.

    Graphviz writes colours as attributes, matplotlib as styles.
    """
    rules = []
    for name, (on_light, on_dark) in colors().items():
        if on_light != on_dark and name != "paper":  # white may also be on a chip
            for way in ("fill", "stroke"):
                value = f"{way}: var(--kb-{name})"
                rules.append(f'.kb-still [{way}="{on_light}"] {{ {value}; }}')
                rules.append(f'.kb-still [style*="{way}: {on_light}"] {{ {value} !important; }}')
    return "\n".join(rules)


def letter(number: int) -> str:
    """Return the letter of the `number`th thing, from 0: A, B, ... Z, A2, B2, ..."""
    again, place = divmod(number, len(_ALPHABET))
    return _ALPHABET[place] + (str(again + 1) if again else "")


def hue(name: str) -> int | None:
    """Return the number of a letter's colour; None for the host's, which has none."""
    if name == HOST or name[:1] not in _ALPHABET or not name:
        return None
    return _ALPHABET.index(name[0]) % HUES


class Letters:
    """Which thing has which letter; it keeps it for as long as this object lives.

    A namespace is given the letter of the first container (or process) found in it, so that what
    belongs together reads alike; only if that letter is taken among its kind, the next free one.

    Args:
        known: Letters that owners have already, in whatever view; a lab gives them to containers.
    """

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self._known = known or {}
        self._owners: dict[str, str] = {}
        self._things: dict[tuple[str, int | str], str] = {}

    def host(self, kind: str, thing: int | str) -> None:
        """Say that this thing is the host's."""
        self._things[kind, thing] = HOST

    def of(self, kind: str, thing: int | str, owner: str) -> str:
        """Return the letter of a thing among its kind, such as of `mnt` number 4026532195."""
        known = self._things.get((kind, thing))
        if known is None:
            taken = {name for (other, _), name in self._things.items() if other == kind}
            known = self._things[kind, thing] = self._free(owner, taken)
        return known

    def _free(self, owner: str, taken: set[str]) -> str:
        others = {*self._known.values(), *self._owners.values()}
        wish = self._known.get(owner) or self._owners.setdefault(owner, _unused(others))
        return _unused(taken | others) if wish in taken else wish


def _unused(letters: set[str]) -> str:
    """Return the first letter that is none of these."""
    return next(one for one in map(letter, itertools.count()) if one not in letters)
