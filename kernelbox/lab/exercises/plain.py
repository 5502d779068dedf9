"""What a student's function returned, as plain data: another kind of the same thing is as good.

A path for a text, a number of numpy's for a number, a `frozenset` or the keys of a dict for a set,
a tuple or a generator for a list, a `bytearray` for bytes.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Mapping, Sequence, Set, ValuesView
from itertools import islice
from typing import Any

_MOST = 100_000  # items of an iterator, which may have no end
_BYTES = (bytes, bytearray, memoryview)


def plain(value: Any) -> Any:
    """Return numbers, texts, bytes, None, and lists, sets and dicts of these; the rest as it is.

    In a set, and as the key of a dict, a sequence is a tuple.
    """
    if isinstance(value, (Set, Mapping)):
        if isinstance(value, Set):
            return {_hashable(one) for one in value}
        return {_hashable(key): plain(one) for key, one in value.items()}
    if isinstance(value, (Sequence, Iterator, ValuesView)) and not isinstance(
        value, (str, *_BYTES)
    ):
        return [plain(one) for one in islice(value, _MOST)]
    return _single(value)


def _hashable(value: Any) -> Any:
    made = plain(value)
    if isinstance(made, set):
        return frozenset(made)
    return tuple(map(_hashable, made)) if isinstance(made, list) else made


def _single(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, _BYTES):
        return bytes(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "dtype") and callable(getattr(value, "tolist", None)):  # one of numpy's
        return value.tolist()
    try:
        return operator.index(value)
    except TypeError:
        return value
