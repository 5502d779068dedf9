"""A trace as text and as JSON: one request to the kernel a line."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.kernel.record import Event

_DIM, _RED, _CYAN, _PLAIN = "\033[2m", "\033[31m", "\033[36m", "\033[0m"


def line(event: Event, *, color: bool = False) -> str:
    """Return one line: side, number, request, result, microseconds, and the shell's equivalent.

    Args:
        event: Made, or still pending (then it has no result yet).
        color: Whether the text is for a terminal.
    """
    dim, red, cyan, plain = (_DIM, _RED, _CYAN, _PLAIN) if color else ("", "", "", "")
    result = ""
    if event.result:
        tint = red if event.failed else ""
        result = (
            f" = {tint}{event.result}{plain if tint else ''} {dim}<{event.microseconds} µs>{plain}"
        )
    shell = f"  {dim}# {event.shell}{plain}" if event.shell else ""
    side = f"{cyan if event.side == 'container' else ''}{event.side:9}{plain}"
    return f"{side} {event.number:3}  {event.request}{result}{shell}"


def as_json(event: Event) -> str:
    """Return the event as one line of JSON, with the names of `Event`'s fields."""
    import json

    return json.dumps(event._asdict())
