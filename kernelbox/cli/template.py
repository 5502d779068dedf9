"""Templates of `--format`: the part of Go's text/template that people use for containers.

    {{.State.Status}}                 what is found there
    {{json .Config.Env}}              the same as JSON; also upper, lower, len, title, println
    {{index .Config.Labels "team"}}   what has that key, or number
    {{join .Args " "}}                texts put together
    {{range .Args}}{{.}} {{end}}      once for each; also {{range $name, $one := .X}}
    {{if .State.Running}}yes{{else}}no{{end}}

`|` gives what is before it to the function behind. What is not here is refused by its name.

Source: Go, package text/template; Docker, "Format command and log output".
"""

from __future__ import annotations

import re

from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing import documents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    Names = Mapping[str, Any]

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|\S+')
_PATH = r"\$?\w*(\.[A-Za-z_]\w*)*|\."
_RANGE = r"(?:\$(\w+)\s*,\s*)?\$(\w+)\s*:=\s*(.+)"
_LONGEST_NUMBER = 18  # digits: Python counts with more, and refuses to read 4,301
_DEEPEST = 50  # blocks in each other
_ESCAPES = {r"\t": "\t", r"\n": "\n"}


def render(template: str, value: Any) -> str:
    """Return a template with what it asks of a value filled in.

    Raises:
        UsageError: There is no such key, or the template is wrong, or asks for what is not here.
    """
    for escape, character in _ESCAPES.items():  # a shell leaves them as they are
        template = template.replace(escape, character)
    pieces = list(_pieces(template))
    _check_depth(pieces)
    text, rest = _render(pieces, value, {"": value})
    if rest:
        raise _wrong(f"{{{{{rest[0][1]}}}}} ends nothing")
    return text


def _pieces(template: str) -> Iterator[tuple[str, str]]:
    """Yield what is text, and what stands in braces; `-` there takes the space beside it."""
    parts = re.split(r"(\s*\{\{- .*?\}\}|\{\{.*?\}\})", template, flags=re.DOTALL)
    trimmed = False
    for part in parts:
        if "{{" not in part:
            if "}}" in part:
                raise _wrong("}} without {{")
            yield "text", part.lstrip() if trimmed else part
            trimmed = False
            continue
        if not part.endswith("}}"):
            raise _wrong("{{ without }}")
        inner = part.strip()[2:-2]
        inner, trimmed = inner.removeprefix("- "), inner.endswith(" -")
        if not inner.lstrip().startswith("/*"):
            yield "action", inner.removesuffix(" -").strip()


Pieces = list[tuple[str, str]]


def _check_depth(pieces: Pieces) -> None:
    depth = 0
    for kind, piece in pieces:
        word = piece.partition(" ")[0] if kind == "action" else ""
        depth += (word in ("range", "if")) - (word == "end")
        if depth > _DEEPEST:
            raise _wrong(f"more than {_DEEPEST} blocks stand in each other")


def _render(pieces: Pieces, dot: Any, names: Names) -> tuple[str, Pieces]:
    """Render up to the end of this block; return the text, and what begins with `end` or `else`."""
    text = ""
    while pieces:
        (kind, piece), *pieces = pieces
        if kind == "text":
            text += piece
            continue
        word, _, rest = piece.partition(" ")
        if word in ("end", "else"):
            return text, [("action", piece), *pieces]
        if word in ("range", "if"):
            yes, no, pieces = _block(pieces, piece)
            text += (_each if word == "range" else _whether)(rest.strip(), yes, no, dot, names)
        else:
            text += _shown(_pipeline(piece, dot, names))
    return text, []


def _block(pieces: Pieces, opening: str) -> tuple[Pieces, Pieces, Pieces]:
    """Part what follows an opening into its body, what follows `else`, and the rest."""
    bodies: list[Pieces] = [[]]
    depth = 0
    for place, (kind, piece) in enumerate(pieces):
        word = piece.partition(" ")[0] if kind == "action" else ""
        depth += (word in ("range", "if")) - (word == "end")
        if depth < 0:
            return bodies[0], bodies[1] if len(bodies) > 1 else [], pieces[place + 1 :]
        if depth == 0 and piece == "else" and kind == "action" and len(bodies) == 1:
            bodies.append([])
        elif depth == 0 and word == "else":
            raise _wrong("a second {{else}}, or {{else if}}, is not known here")
        else:
            bodies[-1].append((kind, piece))
    raise _wrong(f"{{{{{opening}}}}} without {{{{end}}}}")


def _whether(question: str, yes: Pieces, no: Pieces, dot: Any, names: Names) -> str:
    return _render(yes if _pipeline(question, dot, names) else no, dot, names)[0]


def _each(question: str, body: Pieces, none: Pieces, dot: Any, names: Names) -> str:
    key, name = "", ""
    if match := re.fullmatch(_RANGE, question):
        key, name, question = match[1] or "", match[2], match[3]
    found = _pipeline(question, dot, names)
    pairs = sorted(found.items()) if isinstance(found, dict) else list(enumerate(found or ()))
    text = ""
    for number, one in pairs:
        inner = {**names, **({key: number} if key else {}), **({name: one} if name else {})}
        text += _render(body, one, inner)[0]
    return text if pairs else _render(none, dot, names)[0]


def _pipeline(text: str, dot: Any, names: Names) -> Any:
    value: list[Any] = []
    for stage in re.split(r'\s*\|\s*(?=(?:[^"]*"[^"]*")*[^"]*$)', text):
        words = _WORD.findall(stage)
        if not words:
            raise _wrong("{{}} asks for nothing")
        if words[0] in _FUNCTIONS:
            arguments = [_operand(one, dot, names) for one in words[1:]] + value
            try:
                value = [_FUNCTIONS[words[0]](*arguments)]
            except (TypeError, ValueError, AttributeError):
                raise _wrong(f"{stage} cannot be done") from None
        elif len(words) == 1 and not value:
            value = [_operand(words[0], dot, names)]
        else:
            known = ", ".join(_FUNCTIONS)
            raise UsageError(f"no function {words[0]!r:.40} in a template", f"There are: {known}")
    return value[0]


def _operand(word: str, dot: Any, names: Names) -> Any:
    if word[0] in '"`':
        return _text(word)
    if re.fullmatch(r"-?\d+", word, re.ASCII):
        if len(word) > _LONGEST_NUMBER:
            raise _wrong(f"{word:.40} is too large")
        return int(word)
    if word in ("true", "false"):
        return word == "true"
    if not re.fullmatch(_PATH, word, re.ASCII) or word[0] not in ".$":
        raise _wrong(f"{word:.40} is not known here")
    value = dot
    if word.startswith("$"):
        name = word[1:].partition(".")[0]
        if name not in names:
            raise _wrong(f"${name} means nothing")
        value = names[name]
    for key in filter(None, word.partition(".")[2].split(".")):
        value = _at(value, key)
    return value


def _text(word: str) -> str:
    if word[0] == "`":
        return word[1:-1]
    try:
        return str(documents.loads(word))
    except ValueError:
        raise _wrong(f"{word:.40} is no text") from None


def _at(value: Any, key: Any) -> Any:
    if isinstance(value, dict) and key in value:
        return value[key]
    known = ", ".join(map(str, value)) if isinstance(value, dict) else ""
    raise UsageError(f"there is no {key!r:.40} to be formatted", f"There are: {known or 'none'}")


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key, "")
        elif isinstance(key, int) and 0 <= key < len(value):
            value = value[key]
        else:
            raise UsageError(f"there is no number {key!r:.40} to be formatted", "It counts from 0")
    return value


def _shown(value: Any) -> str:
    """Return a value as Go prints it."""
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{' '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        pairs = " ".join(f"{key}:{_shown(one)}" for key, one in sorted(value.items()))
        return f"map[{pairs}]"
    return str(value)


def _wrong(what: str) -> UsageError:
    return UsageError(f"the template is wrong: {what}", "Write it like {{.Id}} or {{json .State}}")


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "json": lambda value: documents.dumps(value),
    "index": _index,
    "join": lambda values, between: between.join(values),
    "len": len,
    "upper": lambda text: text.upper(),
    "lower": lambda text: text.lower(),
    "title": lambda text: text.title(),
    "println": lambda *values: " ".join(map(_shown, values)) + "\n",
    "not": lambda value: not value,
    "eq": lambda one, *others: one in others,
    "ne": lambda one, other: one != other,
}
