r"""Here-documents: what begins one in a line of RUN, COPY or ADD, and what its name is.

    COPY <<EOF /motd           a file that is called EOF
    RUN cat <<-'A' 3<<B        in quotes: variables in it stay; `-`: tabs before each line go

The lines that follow are instructions.py's to read.

Source: Docker documentation, "Dockerfile reference", section Here-Documents.
"""

from __future__ import annotations

import re

from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_QUOTING = r"""\\.|'[^']*'|"(?:\\.|[^"\\])*\""""
# What ends the word behind `<<`, for a shell and for COPY.
_ENDS = {"RUN": r"\s;|&<>()", "COPY": r"\s<", "ADD": r"\s<"}


class Heredoc(NamedTuple):
    """One here-document.

    Attributes:
        name: The word that begins and ends it.
        text: What is between.
        quoted: Whether variables in it stay as they are.
        place: Where the word is in what follows the flags: from which character to which.
    """

    name: str
    text: str
    quoted: bool
    place: tuple[int, int] = (0, 0)


class Begin(NamedTuple):
    """What begins a here-document.

    Attributes:
        name: The word that ends it.
        loses_tabs: Whether tabs before each line go.
        quoted: Whether variables in it stay as they are.
        place: Where the word is in the text: from which character to which.
    """

    name: str
    loses_tabs: bool
    quoted: bool
    place: tuple[int, int]


def begun(text: str, instruction: str) -> Iterator[Begin]:
    """Yield the here-documents that a line begins.

    `<<` stands at the beginning of a word, where neither quotes nor a backslash protect it.

    Args:
        text: What follows the flags.
        instruction: RUN, COPY or ADD.

    Source: POSIX, Shell Command Language, sections Here-Document and Quote Removal; for what is a
    word and what is not, BuildKit.
    """
    if re.fullmatch(rf"(?:{_QUOTING}|[^'\"\\])*\\?", text, re.DOTALL) is None:
        return  # a quote has no end
    word = re.compile(rf"(?:{_QUOTING}|[^\s'\"\\])+", re.DOTALL)
    named = re.compile(rf"(\d*<<(-?)\s*)((?:{_QUOTING}|[^{_ENDS[instruction]}'\"\\])+)", re.DOTALL)
    at = 0
    while (found := word.search(text, at)) is not None:
        at = found.end()
        if (one := named.match(text, found.start())) is not None:
            quoted = bool(re.search("['\"]", re.sub(r"\\.", "", one[3])))
            yield Begin(_unquoted(one[3]), bool(one[2]), quoted, one.span())
            at = max(at, one.end())


def _unquoted(word: str) -> str:
    parts = re.findall(r"""\\(.)|'([^']*)'|"((?:\\.|[^"\\])*)"|(.)""", word, re.DOTALL)
    return "".join(
        escaped + single + re.sub(r"\\([\"$\\])", r"\1", double) + plain
        for escaped, single, double, plain in parts
    )
