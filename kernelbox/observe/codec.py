"""Snapshots into JSON and back, by the types that their classes declare.

A decoder is made once for each type, and checks what it is given: a recording may be damaged, or
come from another version. What the classes mean is in model.py.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import types
import typing
from typing import Any

from kernelbox.kernel.errors import KernelboxError
from kernelbox.observe.model import Snapshot

if typing.TYPE_CHECKING:
    from collections.abc import Callable


def to_json(value: Any) -> Any:
    """Return one of the model's classes, or any collection of them, as plain dicts and lists."""
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if isinstance(value, (tuple, list)):
        return [to_json(one) for one in value]
    if isinstance(value, dict):
        return {str(key): to_json(one) for key, one in value.items()}
    kind: Any = type(value)
    names, get = _fields(kind)
    # Most fields are plain, and there are thousands of them five times a second.
    return {
        name: one if type(one) in _PLAIN else to_json(one)
        for name, one in zip(names, get(value), strict=True)
    }


_PLAIN = (str, int, float, type(None))


def from_json(plain: Any, kind: Any = Snapshot) -> Any:
    """Return the `kind` of object that `to_json` made `plain` of.

    Args:
        plain: As it came out of JSON.
        kind: One of the model's classes.

    Raises:
        KernelboxError: It is not of that kind.
    """
    try:
        return _decoder(kind)(plain)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise KernelboxError(
            f"this is no {kind.__name__.lower()} that this kernelbox can read: {error}",
            "The file is damaged, or was made by another version",
        ) from error


@functools.cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(one.name for one in dataclasses.fields(kind))


@functools.cache
def _fields(kind: Any) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """Return the names of a class's fields, and what gets all of them at once."""
    names = _names(kind)
    if len(names) == 1:
        return names, lambda value: (getattr(value, names[0]),)
    return names, operator.attrgetter(*names)


@functools.cache
def _decoder(hint: Any) -> Callable[[Any], Any]:
    """Return what turns JSON into a value of this type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _record_decoder(hint)
    if origin is types.UnionType:  # something, or None
        (some,) = (one for one in inner if one is not type(None))
        decode = _decoder(some)
        return lambda plain: None if plain is None else decode(plain)
    if origin is tuple and inner[-1] is Ellipsis:
        decode = _decoder(inner[0])
        return lambda plain: tuple([decode(one) for one in _of(list, plain)])
    if origin is tuple:
        parts = [_decoder(one) for one in inner]
        return lambda plain: tuple(
            decode(one) for decode, one in zip(parts, _of(list, plain), strict=True)
        )
    if origin is dict:
        key, decode = inner[0], _decoder(inner[1])
        return lambda plain: {key(name): decode(one) for name, one in _of(dict, plain).items()}
    accepted = (int, float) if hint is float else hint
    return lambda plain: _of(accepted, plain)


def _record_decoder(kind: Any) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(kind)
    decoders = {name: _decoder(hints[name]) for name in _names(kind)}

    def decode(plain: Any) -> Any:
        _of(dict, plain)
        return kind(**{name: decoders[name](one) for name, one in plain.items()})

    return decode


def _of(kind: Any, plain: Any) -> Any:
    if not isinstance(plain, kind):
        raise TypeError(f"{plain!r:.60} is no {getattr(kind, '__name__', 'number')}")
    return plain
