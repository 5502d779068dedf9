"""Small files of kernelbox's own, read and written whole.

Python's `open` puts three layers on a descriptor, and a start reads and writes a dozen files.
"""

from __future__ import annotations

import errno
import os

_CHUNK = 1 << 16


def read(path: str) -> str:
    """Return the text of a file; a byte that is no UTF-8 becomes a surrogate.

    Raises:
        OSError: ENOENT, EACCES.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return b"".join(iter(lambda: os.read(fd, _CHUNK), b"")).decode("utf-8", "surrogateescape")
    finally:
        os.close(fd)


def write(path: str, text: str, flags: int = os.O_TRUNC, mode: int = 0o600) -> None:
    """Write all of `text` to a file, which is made if need be.

    Args:
        path: Of the file.
        text: What is written.
        flags: `O_TRUNC` to replace what it holds, `O_APPEND` to add to it.
        mode: Permissions of a new file, less the umask.

    Raises:
        OSError: ENOSPC, perhaps after a part; EROFS, EACCES, ENOENT.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, mode)
    try:
        data = text.encode("utf-8", "surrogateescape")
        if os.write(fd, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        error.filename = path  # write(2) knows a descriptor alone
        raise
    finally:
        os.close(fd)
