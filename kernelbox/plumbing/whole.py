"""Replacing a file whole: a reader finds the old one or the new one, whatever happens meanwhile.

Only a regular file is replaced. What a person names may be a device or a FIFO, and root may remove
even /dev/null: such a thing is written to, as any program would. A symlink stays, and what it leads
to is replaced.
"""

from __future__ import annotations

import errno
import os
import stat

from kernelbox.plumbing.light import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO, Self

_NO_DRAFTS = (errno.EISDIR, errno.EOPNOTSUPP)


class Draft:
    """A file without a name: it gets one when it is complete, and else nothing is left of it.

    Use it in a `with` statement. On a file system that has no files without names it has a hidden
    one meanwhile, which stays if we are killed.

    Attributes:
        fd: To write to.

    Args:
        directory: Descriptor of the directory that it is to be in.
        mode: Permissions, less the umask.

    Raises:
        OSError: ENOSPC, EROFS, EACCES.

    Source: open(2), O_TMPFILE; for overlays, Linux 6.1.
    """

    def __init__(self, directory: int, mode: int = 0o600) -> None:
        self._directory = directory
        self._name = ""
        try:
            self.fd = os.open(
                ".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, mode, dir_fd=directory
            )
        except OSError as error:
            if error.errno not in _NO_DRAFTS:
                raise
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
            name = _hidden_name()
            self.fd = os.open(name, flags, mode, dir_fd=directory)
            self._name = name

    def __enter__(self) -> Self:
        return self

    def publish(self, name: str | bytes) -> None:
        """Give it its name; what file or symlink has that, it replaces.

        Raises:
            OSError: EISDIR; EBUSY if something is mounted there; ENOSPC.

        Source: open(2), O_TMPFILE, on linkat; rename(2).
        """
        if not self._name:
            hidden = _hidden_name()
            os.link(f"/proc/self/fd/{self.fd}", hidden, dst_dir_fd=self._directory)
            self._name = hidden
        os.rename(self._name, name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        self._name = ""

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)
        if self._name:
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._directory)


def _hidden_name() -> str:
    return f".kernelbox-{os.getpid()}-{os.urandom(4).hex()}"


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
    above, name = os.path.split(os.path.realpath(path))
    directory = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with Draft(directory) as draft, open(draft.fd, "wb", closefd=False) as out:
            os.fchmod(draft.fd, stat.S_IMODE(there.st_mode) if there is not None else mode)
            yield out
            out.flush()
            os.fsync(draft.fd)
            draft.publish(name)
    finally:
        os.close(directory)


def replace(file: str | Path, content: bytes, mode: int = 0o644) -> None:
    """Put content in the place of a file. Arguments and errors are those of `replacing`."""
    with replacing(file, mode) as out:
        out.write(content)
