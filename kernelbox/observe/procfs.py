"""Reading small kernel files, by the hundred.

A file of procfs or cgroupfs that vanishes while it is read is simply absent. Python's `open` costs
more than the kernel itself does here: three bare calls take a third of the time.
"""

from __future__ import annotations

import errno
import os

# The file, or the process, group or hierarchy it speaks of, is gone, or was never there. A zombie
# has left its mount namespace: for its mountinfo the kernel says EINVAL.
_GONE = (
    errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.ENOTDIR, errno.EOPNOTSUPP, errno.EINVAL,
)  # fmt: skip
_FLAGS = os.O_RDONLY | os.O_CLOEXEC


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
