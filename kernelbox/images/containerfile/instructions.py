r"""The lines of a Containerfile as instructions, each with the number of its line.

    # escape=`                      a directive: only at the top
    RUN echo a \                    the line goes on in the next; comments between are left out
        b
    COPY --chown=1 <<EOF /motd      flags come first; a here-document's text follows the line
    hello
    EOF

Leaves variables to words.py, and what an instruction means to whoever carries it out.

Source: Docker documentation, "Dockerfile reference", sections Format, Parser directives and
Here-Documents.
"""

from __future__ import annotations

import json
import re

from kernelbox.images import bounds
from kernelbox.images.containerfile import heredocs
from kernelbox.images.containerfile.heredocs import Heredoc
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_WITH_HEREDOCS = ("RUN", "COPY", "ADD")
_REPEATED = ("mount", "exclude")  # flags that may be there more than once
_SWITCHES = ("link", "parents", "unpack")  # flags that are true or false
# What BuildKit has besides, and kernelbox does not do.
_NOT_BUILT = {"ADD": ("keep-git-dir",), "RUN": ("device", "security")}

# Each instruction, and the flags that it takes.
INSTRUCTIONS: dict[str, tuple[str, ...]] = {
    "ADD": ("checksum", "chown", "chmod", "exclude", "link", "unpack"),
    "ARG": (),
    "CMD": (),
    "COPY": ("from", "chown", "chmod", "exclude", "link", "parents"),
    "ENTRYPOINT": (),
    "ENV": (),
    "EXPOSE": (),
    "FROM": ("platform",),
    "HEALTHCHECK": ("interval", "timeout", "start-period", "start-interval", "retries"),
    "LABEL": (),
    "MAINTAINER": (),
    "ONBUILD": (),
    "RUN": ("mount", "network"),
    "SHELL": (),
    "STOPSIGNAL": (),
    "USER": (),
    "VOLUME": (),
    "WORKDIR": (),
}


class Instruction(NamedTuple):
    """One instruction.

    Attributes:
        line: Number of its first line, from 1.
        name: In capitals.
        flags: By name; one without a value has "true". Of one that is repeated, the last.
        rest: What follows the flags, on one line.
        heredocs: The here-documents that it begins.
        source: The whole of it as written but for continuations, to be shown.
        every_flag: Name and value of each, also of those that are repeated.
    """

    line: int
    name: str
    flags: dict[str, str]
    rest: str
    heredocs: tuple[Heredoc, ...]
    source: str
    every_flag: tuple[tuple[str, str], ...] = ()

    def repeated(self, flag: str) -> list[str]:
        """Return the values of a flag that may be there more than once."""
        return [value for name, value in self.every_flag if name == flag]

    def places(self) -> list[str | Heredoc]:
        """Return the words of COPY or ADD, of which some may be here-documents."""
        if (listed := self.listed()) is not None:
            return list(listed)
        found: list[str | Heredoc] = []
        at = 0
        for one in self.heredocs:
            found += [*self.rest[at : one.place[0]].split(), one]
            at = one.place[1]
        return [*found, *self.rest[at:].split()]

    def error(self, message: str, hint: str = "Look at that line") -> UsageError:
        """Return an error that names the line."""
        return UsageError(f"line {self.line} ({self.name}): {message}", hint)

    def listed(self) -> list[str] | None:
        """Return the strings of the JSON form; None if it has the other one.

        Raises:
            UsageError: It is a list, and not of strings; one holds a NUL, or half of a character.
        """
        if not self.rest.startswith("["):
            return None
        try:
            said = json.loads(self.rest, parse_constant=_no_json)
        except (ValueError, RecursionError):
            return None
        words = [word for word in said if isinstance(word, str)]
        if len(words) != len(said):
            raise self.error(
                "its list is not one of strings", 'Put each word in quotes: ["a", "1"]'
            )
        if any(one == "\0" or "\ud800" <= one <= "\udfff" for word in words for one in word):
            raise self.error("a string in it holds what no argument can", "Write text")
        return words


class Containerfile(NamedTuple):
    """A Containerfile that has been read: its instructions, and its escape character."""

    instructions: list[Instruction]
    escape: str


def _no_json(constant: str) -> None:
    """Refuse NaN and the like, which Python takes."""
    raise ValueError(constant)


def read(text: str, line: int = 1) -> Containerfile:
    """Return the instructions of a Containerfile.

    Args:
        text: What is in it.
        line: The number of its first line.

    Raises:
        UsageError: A line begins with no instruction, has an unknown flag or says nothing; a
            here-document has no end.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    escape, first = _directives(lines)
    reader = _Reader(lines, escape, line)
    return Containerfile(list(reader.instructions(first)), escape)


def parse(text: str, escape: str = "\\", line: int = 1) -> Instruction:
    """Return one instruction that stands alone, such as that of `commit --change`.

    Raises:
        UsageError: It is none.
    """
    word, rest = _first_word(text)
    return _instruction(line, word, rest, escape)


def _directives(lines: list[str]) -> tuple[str, int]:
    """Return the escape character, and the number of lines that are directives."""
    escape, seen = "\\", set()
    for number, line in enumerate(lines):
        match = _DIRECTIVE.fullmatch(line.strip())
        name = match[1].lower() if match else ""
        if match is None or name not in ("escape", "syntax", "check"):
            return escape, number
        if name in seen:
            raise UsageError(f"line {number + 1}: the directive {name} is there twice", "Keep one")
        seen.add(name)
        if name == "escape":
            if match[2] not in ("\\", "`"):
                raise UsageError(
                    f"line {number + 1}: {match[2]!r} cannot be the escape character",
                    "Use \\ or `",
                )
            escape = match[2]
    return escape, len(lines)


class _Reader:
    """Walks over the lines of one file."""

    def __init__(self, lines: list[str], escape: str, line: int) -> None:
        self._lines = lines
        self._line = line
        self._at = 0
        self._escape = escape
        token = re.escape(escape)
        # Two of them at the end of a line are one that is meant as it is.
        self._goes_on = re.compile(rf"(?:^|(?<!{token})){token}[ \t]*$")

    def instructions(self, first: int) -> Iterator[Instruction]:
        self._at = first
        while self._at < len(self._lines):
            number = self._at + self._line
            text = self._logical_line()
            if text:
                yield self._with_heredocs(_instruction(number, *_first_word(text), self._escape))

    def _logical_line(self) -> str:
        """Return the next line with those that continue it; "" for a comment or an empty line."""
        line = self._next()
        if _is_comment(line):
            return ""
        parts = [line.lstrip()]
        while self._goes_on.search(parts[-1]) and self._at < len(self._lines):
            parts[-1] = self._goes_on.sub("", parts[-1])
            while self._at < len(self._lines):
                line = self._next()
                if line.strip() and not _is_comment(line):
                    parts.append(line)
                    break
        parts[-1] = self._goes_on.sub("", parts[-1])
        return "".join(parts).strip()

    def _next(self) -> str:
        line = self._lines[self._at]
        self._at += 1
        return line

    def _with_heredocs(self, one: Instruction) -> Instruction:
        if one.name == "ONBUILD":  # they are the trigger's, and kept in its text
            kept = _instruction(one.line, *_first_word(one.rest), self._escape)
            kept = self._with_heredocs(kept) if kept.name in _WITH_HEREDOCS else kept
            texts = [f"\n{document.text}{document.name}" for document in kept.heredocs]
            return one._replace(rest="".join([one.rest, *texts]))
        if one.name not in _WITH_HEREDOCS or "<<" not in one.rest or one.listed() is not None:
            return one
        found = []
        for begin in heredocs.begun(one.rest, one.name):
            text = self._body(one.line, begin.name, begin.loses_tabs)
            found.append(Heredoc(begin.name, text, begin.quoted, begin.place))
        return one._replace(heredocs=tuple(found))

    def _body(self, number: int, name: str, tabs: bool) -> str:
        lines: list[str] = []
        while self._at < len(self._lines):
            line = self._next()
            line = line.lstrip("\t") if tabs else line
            if line == name:
                return "".join(f"{one}\n" for one in lines)
            lines.append(line)
        raise UsageError(
            f"line {number}: the here-document {name} has no end", f"End it with a line {name}"
        )


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _first_word(text: str) -> tuple[str, str]:
    """Part what is before the first space or tab from the rest."""
    word, *rest = re.split(r"[ \t\v\f\r]+", text.strip(), maxsplit=1)
    return word, "".join(rest)


def _flags(text: str, escape: str) -> tuple[list[str], str]:
    """Return the words that begin with `--`, without their quotes and escapes, and the rest."""
    token = re.escape(escape)
    part = rf"""{token}.|'(?:{token}.|[^'])*'|"(?:{token}.|[^"])*"|[^\s'"]"""
    one = re.compile(rf"(--(?:{part})*)(?:\s+|$)", re.DOTALL)
    quoted = re.compile(rf"""{token}(.)|['"]""", re.DOTALL)
    found = []
    while match := one.match(text):
        text = text[match.end() :]
        if match[1] == "--":
            break
        found.append(quoted.sub(lambda each: each[1] or "", match[1]))
    return found, text


def _instruction(line: int, word: str, rest: str, escape: str) -> Instruction:
    name = word.upper()
    if name not in INSTRUCTIONS:
        raise UsageError(f"line {line}: {word[:40]!r} is no instruction", _meant(name))
    source = f"{name} {rest}"
    flags, rest = _flags(rest, escape)
    found: list[tuple[str, str]] = []
    for text in flags:
        flag, value = _flag(line, name, text)
        if flag not in _REPEATED and any(flag == earlier for earlier, _ in found):
            raise UsageError(f"line {line} ({name}): --{flag} is there twice", "Keep one")
        found.append((flag, value))
    if not rest:
        raise UsageError(f"line {line} ({name}): nothing follows", "Say what it is to do")
    if len(rest) > bounds.MAX_HEADER:
        raise UsageError(f"line {line} ({name}): it is longer than any real one", "Use a script")
    return Instruction(line, name, dict(found), rest, (), source, tuple(found))


def _flag(line: int, name: str, text: str) -> tuple[str, str]:
    """Return the name and the value of an instruction's flag; of a switch, true or false.

    Source: BuildKit, instructions/bflag.go, `Parse`.
    """
    flag, equals, value = text.removeprefix("--").partition("=")
    if flag in _NOT_BUILT.get(name, ()):
        raise UsageError(f"line {line} ({name}): kernelbox has no --{flag}", "Do without it")
    if flag not in INSTRUCTIONS[name]:
        known = ", ".join(f"--{one}" for one in INSTRUCTIONS[name]) or "none"
        raise UsageError(
            f"line {line} ({name}): the flag --{flag[:40]} is not known", f"It takes {known}"
        )
    if flag not in _SWITCHES:
        if not equals:
            raise UsageError(f"line {line} ({name}): --{flag} has no value", f"Write --{flag}=...")
        return flag, value
    value = value.lower() if equals else "true"
    if value not in ("true", "false"):
        raise UsageError(f"line {line} ({name}): --{flag} is true or false", f"Write --{flag}")
    return flag, value


def _meant(name: str) -> str:
    import difflib  # needed only after a typing error

    near = difflib.get_close_matches(name, INSTRUCTIONS, 1, 0.5)
    return f"Did you mean {near[0]}?" if near else f"There are {', '.join(INSTRUCTIONS)}"
