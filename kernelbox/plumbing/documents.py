"""JSON, read and written by the part of `json` that is in C.

The rest of `json` loads `re` with its enumerations and compiles seven patterns, for what nobody
here asks of it: a fifth of the time that a small command takes. That part is no promise of
Python's; where it is not as it was, `json` itself is taken.

Source: CPython, Modules/_json.c; RFC 8259.
"""

from __future__ import annotations

from kernelbox.plumbing.light import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class _As:
    """How a document is read: as `json.loads` does it without options."""

    strict = True
    object_hook = object_pairs_hook = array_hook = None
    parse_int = int
    parse_float = parse_constant = float
    memo: dict[str, str] = {}  # noqa: RUF012 (the scanner's, emptied after each document)


def _refuse(value: object) -> object:
    raise TypeError(f"JSON has no form for {value!r:.80}")


def _writer(default: Callable[[Any], object]) -> Callable[[object, int], tuple[str, ...]]:
    return make_encoder(
        None, default, encode_basestring_ascii, None, ": ", ", ", False, False, True
    )


try:
    from _json import encode_basestring_ascii, make_encoder, make_scanner

    _scan: Callable[[str, int], tuple[Any, int]] | None = make_scanner(_As)  # type: ignore[arg-type]
    _writer(_refuse)
except (AttributeError, ImportError, TypeError):
    _scan = None


def loads(text: str | bytes) -> Any:
    """Return what a text in JSON says; bytes are UTF-8.

    Raises:
        ValueError: It is no JSON, or no UTF-8.
        RecursionError: It is nested too deeply.
    """
    found = text if isinstance(text, str) else text.decode("utf-8", "surrogatepass")
    if _scan is not None:
        bare = found.strip(" \t\n\r")
        # SystemError: before 3.12 it finds json's own error only where that is loaded.
        with suppress(StopIteration, SystemError):
            value, end = _scan(bare, 0)
            if end == len(bare):
                return value
    try:
        import json  # to say what is wrong
    except ImportError:  # as in a container, where nothing is imported any more
        raise ValueError("it is no JSON") from None
    return json.loads(found)


def dumps(value: object, default: Callable[[Any], object] = _refuse) -> str:
    """Return a value as a text in JSON, all of it ASCII.

    Args:
        value: Texts, numbers, lists, mappings; tuples become lists.
        default: Is asked what to write for anything else.

    Raises:
        TypeError: JSON has no form for a part of it.
    """
    if _scan is None:
        import json

        return json.dumps(value, default=default)
    return "".join(_writer(default)(value, 0))
