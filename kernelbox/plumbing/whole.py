"""Replacing a file whole: a reader finds the old one or the new one, whatever happens meanwhile.

Only a regular file is replaced. What a person names may be a device or a FIFO, and root may remove
even /dev/null: such a thing is written to, as any program would. A symlink stays, and what it leads
to is replaced.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO


@contextmanager
def replacing(path: str | Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Yield a file whose content takes the place of what has this path, once the block has ended.

    It is on the disk before; what is there stays if the block fails.

    Args:
        path: Of the file.
        mode: Permissions of a new file; one that is there keeps its own.

    Raises:
        OSError: ENOSPC, EROFS, EACCES, ENOENT; EISDIR; ENXIO for a socket.

    Source: rename(2), "atomically replaced"; fsync(2).
    """
    try:
        there = os.stat(path)
    except FileNotFoundError:
        there = None
    if there is not None and not stat.S_ISREG(there.st_mode):
        with open(os.open(path, os.O_WRONLY | os.O_CLOEXEC), "wb") as out:
            yield out
        return
    target = os.path.realpath(path)
    above, name = os.path.split(target)
    partial = f"{above}/.{name[:200]}.{os.getpid()}-{os.urandom(4).hex()}"
    try:
        with open(partial, "xb") as out:
            os.fchmod(out.fileno(), stat.S_IMODE(there.st_mode) if there is not None else mode)
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.replace(partial, target)
    finally:
        with suppress(OSError):
            os.unlink(partial)


def replace(file: str | Path, content: bytes, mode: int = 0o644) -> None:
    """Put content in the place of a file. Arguments and errors are those of `replacing`."""
    with replacing(file, mode) as out:
        out.write(content)
