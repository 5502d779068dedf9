"""One tree of files, made twice: what a function packs must not tell the two apart.

The copy is made in another order, at another time, by another user; and there the function is
called as on a machine with another clock, whose file system lists directories in another order.
"""

from __future__ import annotations

import functools
import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HERE, _ELSEWHERE, _MUCH_LATER = 1_600_000_000, 1_700_000_000, 1_900_000_000.0

# A file system that lists files by age, for who does not ask Python's `os` as it is at the moment.
PLACE = "/dev/shm" if os.path.isdir("/dev/shm") else None


def grow(tree: Path, files: Mapping[str, tuple[int, bytes]], *, elsewhere: bool = False) -> None:
    """Make a tree.

    Args:
        tree: The directory; it is made.
        files: Mode and content by the path below it.
        elsewhere: Whether it is the copy. Another user can own it only if root makes it.
    """
    for name, (mode, content) in sorted(files.items(), reverse=elsewhere):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
        (tree / name).chmod(mode)
    when = _ELSEWHERE if elsewhere else _HERE
    for path in (*tree.rglob("*"), tree):
        if path.is_dir():
            path.chmod(0o755)
        if elsewhere and os.geteuid() == 0:
            os.chown(path, 1000, 1000)
        os.utime(path, (when, when))


def called(function: object, *, elsewhere: bool = False) -> object:
    """Return a function as it is on one machine, or the other; for a process that ends with it.

    Here directories are listed by name, and elsewhere the other way round, and it is much later.
    """
    if not callable(function):
        return function

    @functools.wraps(function)
    def there(*args: Any) -> Any:
        listed, scanned = os.listdir, os.scandir
        system: Any = os
        system.listdir = lambda path=".": sorted(listed(path), reverse=elsewhere)
        system.scandir = lambda path=".": _Ordered(scanned(path), elsewhere)
        if elsewhere:
            clock: Any = time
            clock.time = lambda: _MUCH_LATER
        return function(*args)

    return there


class _Ordered:
    """What os.scandir returns, by name."""

    def __init__(self, entries: Any, reverse: bool) -> None:
        with entries:
            self._entries = iter(sorted(entries, key=lambda one: one.name, reverse=reverse))

    def __enter__(self) -> _Ordered:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> _Ordered:
        return self

    def __next__(self) -> os.DirEntry[str]:
        return next(self._entries)

    def close(self) -> None:
        """Be closed, as os.scandir's is."""
