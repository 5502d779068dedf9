"""Variables, quotes and escapes in an instruction's words, as Docker's own small shell has them.

    $NAME  ${NAME}           the value; nothing if it has none
    ${NAME:-word}            the value, or the word if there is none or it is empty
    ${NAME:+word}            the word if there is a value and it is not empty, or nothing
    ${NAME:?word}            the value, or an error that says the word
    ${NAME-word} ...         the same, but an empty value is a value
    ${NAME#pat}  ##  %  %%   the value without the shortest or longest prefix or suffix
    ${NAME/pat/word}  //     the value with the first or every match replaced

In single quotes nothing is special, in double quotes the variables are. The escape character takes
the meaning from the one that follows; in double quotes only from `"`, `$` and itself.

Source: Docker documentation, "Dockerfile reference", section Environment replacement.
"""

from __future__ import annotations

import re

from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]")
_OPERATOR = re.compile(r":[-+?]|[-+?]|##?|%%?|//?")
_DEEPEST = 50


def expand(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """Return text with its variables replaced, and quotes and escapes taken away.

    Raises:
        UsageError: A quote or a brace has no end; a variable that must be set is not.
    """
    return "".join(part for part, _ in _Lexer(text, variables, escape).parts())


def expand_document(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """Return a here-document with its variables replaced; quotes in it are quotes. Errors as above.

    Source: POSIX, Shell Command Language, section Here-Document.
    """
    return _Lexer(text, variables, escape).document()


def expand_to_words(text: str, variables: Mapping[str, str], escape: str = "\\") -> list[str]:
    """Do the same, and split at spaces that neither quotes nor escapes protect; errors as above."""
    words: list[str] = []
    open_word = False
    for part, protected in _Lexer(text, variables, escape).parts():
        if protected:
            if not open_word:
                words.append("")
            words[-1] += part
            open_word = True
            continue
        for piece in re.findall(r"\s+|\S+", part):
            if piece.isspace():
                open_word = False
            elif open_word:
                words[-1] += piece
            else:
                words.append(piece)
                open_word = True
    return words


def split(text: str, escape: str = "\\") -> list[str]:
    """Split at spaces that neither quotes nor escapes protect, and take nothing away.

    Raises:
        UsageError: A quote has no end.
    """
    words, word, quote, at = [], "", "", 0
    while at < len(text):
        one = text[at]
        if one == escape and quote != "'" and at + 1 < len(text):
            word += one + text[at + 1]
            at += 2
            continue
        if quote:
            quote = "" if one == quote else quote
        elif one in "\"'":
            quote = one
        elif one.isspace():
            words.append(word)
            word, at = "", at + 1
            continue
        word += one
        at += 1
    if quote:
        raise UsageError(f"a quote in {text[:60]!r} has no end", f"Close it with {quote}")
    return [one for one in [*words, word] if one]


def pairs(
    text: str, variables: Mapping[str, str], escape: str = "\\", *, alone: bool = False
) -> dict[str, str | None]:
    """Return the pairs of `A=1 B="two words"`, or the one of the old form `A two words`.

    Args:
        text: What follows ENV, LABEL or ARG.
        variables: Their values are those of before the instruction, for every pair.
        escape: The escape character.
        alone: Whether a name without a value may stand there, as in `ARG A`; it gets None.

    Raises:
        UsageError: A quote has no end, or a word no `=`.
    """
    listed = split(text, escape)
    if not alone and "=" not in listed[0]:
        name, _, value = text.strip().partition(" ")
        if not value.strip():
            raise UsageError(f"{text!r} is no NAME=VALUE", "Write it as NAME=VALUE")
        return {expand(name, variables, escape): expand(value.strip(), variables, escape)}
    found: dict[str, str | None] = {}
    for word in listed:
        name, equals, value = word.partition("=")
        if not name or not (equals or alone):
            raise UsageError(f"{word!r} is no NAME=VALUE", "Quote a value that has spaces")
        name = expand(name, variables, escape)
        found[name] = expand(value, variables, escape) if equals else None
    return found


class _Lexer:
    """Reads one text from left to right."""

    def __init__(
        self, text: str, variables: Mapping[str, str], escape: str, depth: int = 0
    ) -> None:
        if depth > _DEEPEST:
            raise UsageError(f"variables are nested more than {_DEEPEST} deep", "Use fewer")
        self._text = text
        self._variables = variables
        self._escape = escape
        self._depth = depth
        self._at = 0

    def parts(self) -> list[tuple[str, bool]]:
        """Return the pieces of the result, and whether spaces in each are protected."""
        found: list[tuple[str, bool]] = []
        while self._at < len(self._text):
            one = self._text[self._at]
            if one == "'":
                found.append((self._single_quoted(), True))
            elif one == '"':
                found.append((self._double_quoted(), True))
            elif one == "$":
                found.append((self._variable(), False))
            elif one == self._escape:
                found.append((self._text[self._at + 1 : self._at + 2] or one, True))
                self._at += 2
            else:
                found.append((one, False))
                self._at += 1
        return found

    def document(self) -> str:
        """Return the whole, in which neither quotes nor most escapes are special."""
        found = ""
        while self._at < len(self._text):
            one = self._text[self._at]
            if one == "$":
                found += self._variable()
                continue
            if one == self._escape and self._text[self._at + 1 : self._at + 2] in ("$", one):
                self._at += 1
                one = self._text[self._at]
            found += one
            self._at += 1
        return found

    def _single_quoted(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise self._open("'")
        inside = self._text[self._at + 1 : end]
        self._at = end + 1
        return inside

    def _double_quoted(self) -> str:
        self._at += 1
        inside = ""
        while self._at < len(self._text):
            one = self._text[self._at]
            if one == '"':
                self._at += 1
                return inside
            if one == "$":
                inside += self._variable()
            elif one == self._escape and self._text[self._at + 1 : self._at + 2] in (
                '"', "$", self._escape,
            ):  # fmt: skip
                inside += self._text[self._at + 1]
                self._at += 2
            else:
                inside += one
                self._at += 1
        raise self._open('"')

    def _open(self, mark: str) -> UsageError:
        return UsageError(f"{mark} in {self._text[:60]!r} has no end", f"Close it with {mark}")

    def _variable(self) -> str:
        """Return the value of the variable that a `$` begins."""
        self._at += 1
        if self._text.startswith("{", self._at):
            return self._braced()
        match = _NAME.match(self._text, self._at)
        if match is None:
            return "$"
        self._at = match.end()
        return self._variables.get(match[0], "")

    def _braced(self) -> str:
        match = _NAME.match(self._text, self._at + 1)
        end = self._closing_brace()
        if match is None:
            raise UsageError(f"{self._text[:60]!r} names no variable", "Write it as ${NAME}")
        inside = self._text[match.end() : end]
        self._at = end + 1
        value = self._variables.get(match[0])
        if not inside:
            return value or ""
        operator = _OPERATOR.match(inside)
        if operator is None:
            raise UsageError(
                f"${{{match[0]}{inside[:40]}}} has an unknown modifier",
                "There are :- :+ :? and # % / with a pattern",
            )
        return self._modified(match[0], value, operator[0], inside[operator.end() :])

    def _closing_brace(self) -> int:
        depth, at = 0, self._at
        while at < len(self._text):
            one = self._text[at]
            if one == self._escape:
                at += 1
            elif one == "{" and (at == self._at or self._text[at - 1] == "$"):
                depth += 1
            elif one == "}":
                depth -= 1
                if depth == 0:
                    return at
            at += 1
        raise self._open("{")

    def _inner(self, text: str) -> str:
        inner = _Lexer(text, self._variables, self._escape, self._depth + 1)
        return "".join(part for part, _ in inner.parts())

    def _modified(self, name: str, value: str | None, operator: str, word: str) -> str:
        if operator[-1] in "-+?":
            there = value is not None and (value != "" or operator[0] != ":")
            if operator[-1] == "+":
                return self._inner(word) if there else ""
            if there:
                return value or ""
            if operator[-1] == "-":
                return self._inner(word)
            raise UsageError(f"variable {name} is not set: {self._inner(word)}", "Set it")
        value = value or ""
        if operator[0] == "/":
            pattern, _, new = word.partition("/")
            expression = _pattern(self._inner(pattern), greedy=True)
            replaced = self._inner(new)
            return re.sub(expression, lambda _: replaced, value, count=len(operator) == 1)
        expression = _pattern(self._inner(word), greedy=len(operator) == 2)
        if operator[0] == "#":
            match = re.match(expression, value, re.DOTALL)
            return value[match.end() :] if match else value
        ends = range(len(value) + 1) if len(operator) == 2 else range(len(value), -1, -1)
        for start in ends:
            if re.fullmatch(expression, value[start:], re.DOTALL):
                return value[:start]
        return value


def _pattern(text: str, *, greedy: bool) -> str:
    """Return a regular expression for a pattern with `*` and `?`."""
    star = ".*" if greedy else ".*?"
    return "".join({"*": star, "?": "."}.get(one, re.escape(one)) for one in text)
