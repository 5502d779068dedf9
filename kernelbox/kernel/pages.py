"""The page cache: how much of a file is in memory, and how it goes from there.

Reading changes nothing for anybody, and what is dropped is read again: neither is recorded.
"""

from __future__ import annotations

import mmap
import os

from kernelbox.kernel.foreign import ctypes
from kernelbox.kernel.syscalls import checked, libc


def cached(path: str) -> int:
    """Return how many bytes of a file are in the page cache, whoever has read them; whole pages.

    The file is mapped for that, and none of its pages is touched.

    Raises:
        OSError: ENOENT, EACCES, EISDIR: there is no such file to be read; ENODEV: its file system
            maps nothing. Of a file that the caller could neither write nor owns, the kernel says
            that all of it is there.

    Source: mincore(2).
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        if not size:
            return 0
        with mmap.mmap(fd, size, access=mmap.ACCESS_COPY) as pages:
            states = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
            first = ctypes.c_char.from_buffer(pages)
            try:
                begin = ctypes.c_void_p(ctypes.addressof(first))
                checked(libc.mincore(begin, ctypes.c_size_t(size), states))
            finally:
                del first  # or the mapping could not be closed
    finally:
        os.close(fd)
    return sum(state & 1 for state in states) * mmap.PAGESIZE


def drop(path: str) -> None:
    """Have the kernel forget a file's pages, once they are on the disk; those in use stay.

    Raises:
        OSError: ENOENT, EACCES; EIO, ENOSPC: what was not yet written could not be.

    Source: posix_fadvise(2), POSIX_FADV_DONTNEED.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)
