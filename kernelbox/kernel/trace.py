"""A trace as text and as JSON: one request to the kernel a line."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.kernel.door import Event

_DIM, _RED, _CYAN, _PLAIN = "\033[2m", "\033[31m", "\033[36m", "\033[0m"
_INDENT = 15  # where a request begins: behind the side and the number


def line(event: Event, *, color: bool = False, width: int = 0) -> str:
    """Return one line: side, number, request, result, microseconds, and the shell's equivalent.

    Args:
        event: Made, or still pending (then it has no result yet).
        color: Whether the text is for a terminal.
        width: Columns of that terminal: a line longer than that is broken before the shell's
            equivalent. 0 never breaks.
    """
    dim, red, cyan, plain = (_DIM, _RED, _CYAN, _PLAIN) if color else ("", "", "", "")
    text = f"{cyan if event.side == 'container' else ''}{event.side:9}{plain} {event.number:3}"
    text += f"  {event.request}"
    if event.result:
        result = f"{red}{event.result}{plain}" if event.failed else event.result
        text += f" = {result} {dim}<{event.microseconds} µs>{plain}"
    if not event.shell:
        return text
    length = _INDENT + len(event.request) + len(event.result) + len(event.shell) + 16
    gap = "\n" + " " * _INDENT if 0 < width < length else "  "
    return f"{text}{gap}{dim}# {event.shell}{plain}"


def as_json(event: Event) -> str:
    """Return the event as one line of JSON, with the names of `Event`'s fields."""
    import json

    return json.dumps(event._asdict())
