"""Variables, quotes and escapes in an instruction's words, as Docker's own small shell has them.

    $NAME  ${NAME}           the value; nothing if it has none
    ${NAME:-word}            the value, or the word if there is none or it is empty
    ${NAME:+word}            the word if there is a value and it is not empty, or nothing
    ${NAME:?word}            the value, or an error that says the word
    ${NAME-word} ...         the same, but an empty value is a value
    ${NAME#pat}  ##  %  %%   the value without the shortest or longest prefix or suffix
    ${NAME/pat/word}  //     the value with the first or every match replaced

In single quotes nothing is special; in double quotes variables are. The escape character takes the
special meaning from the character after it; in double quotes only from `"`, `$` and itself. A
pattern has `*` and `?`; behind the escape character they are themselves, and so are `}` and `/`.
What a shell calls its parameters, such as `$1` and `$@`, has no value here.

Source: Docker documentation, "Dockerfile reference", section Environment replacement; POSIX, Shell
Command Language, section Parameters and Variables. Where they are silent, what BuildKit does.
"""

from __future__ import annotations

import re

from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[^\W\d]\w*|\d+|[@*#?$!-]")
_OPERATOR = re.compile(r":?[-+?]|##?|%%?|//?")
_DEEPEST = 50


def expand(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """Return text with its variables replaced, and quotes and escapes taken away.

    Raises:
        UsageError: A quote or a brace has no end; a variable that must be set is not.
    """
    return "".join(part for part, _ in _Lexer(text, variables, escape).parts())


def expand_document(text: str, variables: Mapping[str, str]) -> str:
    """Return a here-document with its variables replaced; quotes in it are quotes. Errors as above.

    A backslash goes, whatever comes after it, and also where the escape character is another one:
    unlike in a shell, where it stays before most.

    Source: BuildKit, instructions/commands.go, `ExpandRaw`, and dockerfile2llb/convert.go.
    """
    lexer = _Lexer(text, variables, "\\", quotes=False)
    return "".join(part for part, _ in lexer.parts())


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
        old = re.split(r"[ \t\v\f\r]+", text.strip(), maxsplit=1)
        if len(old) < 2:
            raise UsageError(f"{text[:60]!r} is no NAME=VALUE", "Write it as NAME=VALUE")
        return {expand(old[0], variables, escape): expand(old[1], variables, escape)}
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
        self, text: str, variables: Mapping[str, str], escape: str, *, quotes: bool = True
    ) -> None:
        self._text = text
        self._quotes = quotes  # whether they are special
        self._variables = variables
        self._escape = escape
        self._depth = 0
        self._at = 0

    def parts(self) -> list[tuple[str, bool]]:
        """Return the pieces of the result, and whether spaces in each are protected."""
        found = []
        while self._at < len(self._text):
            found.append(self._part())
        return found

    def _part(self, *, raw: bool = False) -> tuple[str, bool]:
        """Return what comes next; with `raw`, escapes stay, for a pattern to see them."""
        one = self._text[self._at]
        if one == "'" and self._quotes:
            return self._single_quoted(), True
        if one == '"' and self._quotes:
            return self._double_quoted(raw), True
        if one == "$":
            return self._variable(), False
        self._at += 1
        if one != self._escape:
            return one, False
        after = self._text[self._at : self._at + 1]
        self._at += 1
        return (one if raw else "") + after, True

    def _word(self, end: str, *, raw: bool = False) -> str:
        """Return what comes before a character that ends it, and go past that."""
        found = ""
        while not self._text.startswith(end, self._at):
            if self._at >= len(self._text):
                raise self._open("{")
            found += self._part(raw=raw)[0]
        self._at += 1
        return found

    def _single_quoted(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise self._open("'")
        inside = self._text[self._at + 1 : end]
        self._at = end + 1
        return inside

    def _double_quoted(self, raw: bool) -> str:
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
                inside += (one if raw else "") + self._text[self._at + 1]
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
        self._at += 1
        match = _NAME.match(self._text, self._at)
        if match is None:
            raise UsageError(f"{self._text[:60]!r} names no variable", "Write it as ${NAME}")
        self._at = match.end()
        value = self._variables.get(match[0])
        if self._text.startswith("}", self._at):
            self._at += 1
            return value or ""
        operator = _OPERATOR.match(self._text, self._at)
        if operator is None:
            if self._at == len(self._text):
                raise self._open("{")
            raise UsageError(
                f"{self._text[:60]!r} has an unknown modifier",
                "There are :- :+ :? and # % / with a pattern",
            )
        self._at = operator.end()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UsageError(f"variables are nested more than {_DEEPEST} deep", "Use fewer")
        found = self._modified(match[0], value, operator[0])
        self._depth -= 1
        return found

    def _modified(self, name: str, value: str | None, operator: str) -> str:
        """Return what a modifier makes of a value; its word comes next."""
        if operator[-1] in "-+?":
            word = self._word("}")
            there = value is not None and (value != "" or operator[0] != ":")
            if operator[-1] == "+":
                return word if there else ""
            if operator[-1] == "?" and not there:
                raise UsageError(f"variable {name} is not set: {word[:100]}", "Set it")
            return value or "" if there else word
        pattern = self._word("/" if operator[0] == "/" else "}", raw=True)
        replaced = self._word("}", raw=True) if operator[0] == "/" else ""
        value = value or ""
        if operator[0] == "/":
            expression = self._expression(pattern, greedy=True)
            return re.sub(expression, lambda _: replaced, value, count=len(operator) == 1)
        expression = self._expression(pattern, greedy=len(operator) == 2)
        if operator[0] == "#":
            match = re.match(expression, value, re.DOTALL)
            return value[match.end() :] if match else value
        ends = range(len(value) + 1) if len(operator) == 2 else range(len(value), -1, -1)
        for start in ends:
            if re.fullmatch(expression, value[start:], re.DOTALL):
                return value[:start]
        return value

    def _expression(self, pattern: str, *, greedy: bool) -> str:
        """Return a regular expression for a pattern."""
        known = {"*": ".*" if greedy else ".*?", "?": "."}
        found, letters = "", iter(pattern)
        for one in letters:
            if one != self._escape:
                found += known.get(one) or re.escape(one)
                continue
            after = next(letters, "")
            if after not in ("*", "?", "}", "/", self._escape):
                raise UsageError(
                    f"{one + after!r} in a pattern means nothing",
                    f"The escape character goes before * ? }} / or {self._escape} there",
                )
            found += re.escape(after)
        return found
