"""Being told that a file of a directory was replaced, instead of asking again and again.

Whoever watches changes nothing, so it is not recorded.

Source: inotify(7).
"""

from __future__ import annotations

import os
import struct

from kernelbox.kernel import flags as k
from kernelbox.kernel.syscalls import checked, libc

_EVENT = struct.Struct("iIII")  # wd, mask, cookie, len; then the name, len bytes with its zeros
_MOST = 65536  # bytes of events at once


def replacements(directory: str) -> int:
    """Return a descriptor that tells which files are moved into a directory from now on.

    Raises:
        OSError: ENOENT, ENOTDIR: there is no such directory; EMFILE: the user has too many
            of these descriptors.

    Source: inotify_init1(2), inotify_add_watch(2).
    """
    fd = checked(libc.inotify_init1(os.O_CLOEXEC))
    try:
        checked(libc.inotify_add_watch(fd, os.fsencode(directory), k.IN_MOVED_TO | k.IN_ONLYDIR))
    except OSError:
        os.close(fd)
        raise
    return fd


def replaced(fd: int) -> list[str]:
    """Wait until files have been moved into the directory; return their names.

    Args:
        fd: From `replacements`.
    """
    events = os.read(fd, _MOST)
    names = []
    at = 0
    while at < len(events):
        _, _, _, length = _EVENT.unpack_from(events, at)
        at += _EVENT.size
        names.append(os.fsdecode(events[at : at + length].rstrip(b"\0")))
        at += length
    return names
