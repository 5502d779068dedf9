"""`.dockerignore`: which files of a build context no instruction sees.

A pattern is matched against the whole path from the context's root. `*` and `?` stay within one
component, `**` is any number of them; a directory that matches takes with it all that is in it.
Patterns count in their order, and the last that matches decides: one with a `!` lets a file in.

Source: Docker documentation, "Build context", section .dockerignore files; Go's path/filepath,
Match.
"""

from __future__ import annotations

import posixpath
import re

from kernelbox.images import bounds
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple

# What a bracket holds: characters and ranges of them; neither is a bare hyphen.
# Source: Go, path/filepath, Match, "character-range".
_RANGES = r"(?:(?:\\.|[^\\-])(?:-(?:\\.|[^\\-]))?)+"


class Rule(NamedTuple):
    """One pattern: what it matches, and whether that is left out or let in."""

    expression: re.Pattern[str]
    leaves_out: bool


class Ignore:
    """The rules of one context.

    Attributes:
        has_exceptions: Whether a file may be let in whose directory is left out.

    Args:
        text: What is in the file.

    Raises:
        UsageError: A pattern is none.
    """

    def __init__(self, text: str = "") -> None:
        self._rules = [rule for line in text.splitlines() if (rule := _rule(line))]
        self.has_exceptions = any(not rule.leaves_out for rule in self._rules)

    def __call__(self, path: str) -> bool:
        """Return whether a path is left out; it begins at the context's root, without a slash."""
        parts = path.split("/")
        above = ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]
        left_out = False
        for rule in self._rules:
            if rule.leaves_out != left_out and any(map(rule.expression.fullmatch, above)):
                left_out = rule.leaves_out
        return left_out


def _rule(line: str) -> Rule | None:
    text = line.removeprefix("\ufeff")
    if text.startswith("#") or not text.strip():
        return None
    text = text.strip()
    leaves_out = not text.startswith("!")
    text = text.removeprefix("!").strip() if not leaves_out else text
    if not text:
        raise UsageError("a line of .dockerignore is only !", "Put a pattern behind it")
    if len(text) > bounds.MAX_PATH:
        raise UsageError("a line of .dockerignore is longer than a path can be", "Shorten it")
    cleaned = posixpath.normpath(text).lstrip("/")
    if cleaned == ".":
        return None  # as Docker has it: the whole context cannot be left out this way
    return Rule(pattern(cleaned), leaves_out)


def pattern(text: str) -> re.Pattern[str]:
    """Return a regular expression for a pattern of whole paths.

    Raises:
        UsageError: A bracket has no end, or nothing follows a backslash.
    """
    return re.compile("".join(_translated(text)), re.DOTALL)


def _translated(text: str) -> list[str]:
    found, at = [], 0
    while at < len(text):
        one = text[at]
        at += 1
        if text.startswith("**", at - 1):
            at += 1
            while text.startswith("*", at):
                at += 1
            if at == len(text):
                found.append(".*")
            else:
                at += text.startswith("/", at)
                found.append("(?:.*/)?")
        elif one == "*":
            found.append("[^/]*")
        elif one == "?":
            found.append("[^/]")
        elif one == "[":
            end, expression = _class(text, at)
            found.append(expression)
            at = end
        elif one == "\\":
            if at == len(text):
                raise UsageError(f"the pattern {text[:60]!r} ends with a backslash", "Take it away")
            found.append(re.escape(text[at]))
            at += 1
        else:
            found.append(re.escape(one))
    return found


def _class(text: str, at: int) -> tuple[int, str]:
    """Return where a bracket ends, and the regular expression for it."""
    match = re.compile(r"(\^?)((?:\\.|[^\\\]])+)\]").match(text, at)
    if match is None:
        raise UsageError(f"a bracket in the pattern {text[:60]!r} has no end", "Close it with ]")
    parts = re.findall(r"\\.|.", match[2], re.DOTALL)
    inside = "".join("-" if one == "-" else re.escape(one[-1]) for one in parts)
    expression = f"(?!/)[{match[1]}{inside}]"
    wrong = UsageError(
        f"a bracket in the pattern {text[:60]!r} is wrong", "Write a hyphen in it as \\-"
    )
    if not re.fullmatch(_RANGES, match[2], re.DOTALL):
        raise wrong
    try:
        re.compile(expression)
    except re.error as error:
        raise wrong from error
    return match.end(), expression
