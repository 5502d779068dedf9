"""Reading small kernel files, by the hundred.

A file of procfs or cgroupfs that vanishes while it is read is simply absent. Python's `open` costs
more than the kernel itself does here: three bare calls take a third of the time.
"""

from __future__ import annotations

import errno
import os
import resource
from typing import ClassVar

# The file, or the process, group or hierarchy it speaks of, is gone, or was never there. A zombie
# has left its mount namespace: for its mountinfo the kernel says EINVAL.
_GONE = (
    errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.ENOTDIR, errno.EOPNOTSUPP, errno.EINVAL,
)  # fmt: skip
_FLAGS = os.O_RDONLY | os.O_CLOEXEC


class Kept:
    """A file that is read again and again, and may stay open: most of the time is opening it.

    One of procfs that is open keeps nobody from ending, nor one of cgroupfs a group from being
    removed; what comes to be at its path later is opened anew. Who looks once leaves nothing open,
    and at most half of what this process may have open is.

    Args:
        path: Absolute.

    Attributes:
        stay: Whether somebody looks again and again, so that what is opened now stays open.
    """

    stay: ClassVar[bool] = False

    __slots__ = ("_family", "_fd", "_path")

    _most: ClassVar[int] = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
    _open: ClassVar[int] = 0
    _generation: ClassVar[int] = (
        0  # of processes: a fork's descriptors are not those that it was born with
    )

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._family = 0

    def read(self, most: int = 1 << 14) -> bytes | None:
        """Return what one read gives, from the beginning; as the function `read`."""
        if self._fd >= 0 and self._family == Kept._generation:
            try:
                return os.pread(self._fd, most, 0)
            except OSError as refusal:
                _absent(refusal)
                self.close()
        if not Kept.stay or Kept._open >= Kept._most:
            return read(self._path, most)
        try:
            self._fd = os.open(self._path, _FLAGS)
        except OSError as refusal:
            return _absent(refusal)
        self._family = Kept._generation
        Kept._open += 1
        try:
            return os.pread(self._fd, most, 0)
        except OSError as refusal:
            self.close()
            return _absent(refusal)

    def close(self) -> None:
        """Let go of it; a further read opens it anew."""
        if self._fd >= 0 and self._family == Kept._generation:
            os.close(self._fd)
            Kept._open -= 1
        self._fd = -1

    @classmethod
    def forget(cls) -> None:
        """Take none of those that are open for one's own: a fork has closed them, or will."""
        cls._generation += 1
        cls._open = 0


os.register_at_fork(after_in_child=Kept.forget)


def read(path: str, most: int = 1 << 14, dir_fd: int | None = None) -> bytes | None:
    """Return what one read gives of a kernel file; None if there is none, or none any more.

    For a file that the kernel writes in one go, as nearly all are, that is everything.

    Args:
        path: Absolute, or from the directory open as `dir_fd`, which is a quarter faster.
        most: Bytes.
        dir_fd: See above.

    Raises:
        OSError: EACCES, EPERM without the right to look; EMFILE.
    """
    try:
        fd = os.open(path, _FLAGS, dir_fd=dir_fd)
    except OSError as refusal:
        return _absent(refusal)
    try:
        return os.read(fd, most)
    except OSError as refusal:
        return _absent(refusal)
    finally:
        os.close(fd)


def read_list(path: str) -> bytes | None:
    """Return a file that the kernel writes line by line, such as mountinfo; as `read`.

    Source: kernel, fs/seq_file.c: a read ends where the next line does not fit its buffer.
    """
    try:
        fd = os.open(path, _FLAGS)
    except OSError as refusal:
        return _absent(refusal)
    try:
        content = b""
        while more := os.read(fd, 1 << 16):
            content += more
        return content
    except OSError as refusal:
        return _absent(refusal)
    finally:
        os.close(fd)


def text(path: str) -> str:
    """Return the text of a kernel file; empty if there is none, or none any more."""
    return (read(path) or b"").decode(errors="replace")


def _absent(refusal: OSError) -> bytes | None:
    if refusal.errno not in _GONE:
        raise refusal
    return None
