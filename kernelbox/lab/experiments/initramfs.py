"""A machine's first files: an archive that the kernel unpacks into memory, and runs /init of.

An initramfs is a cpio archive in the format "newc": a header of hexadecimal digits for each file,
its name, its bytes, each padded to four; the file `TRAILER!!!` is the end.

Source: `Documentation/driver-api/early-userspace/buffer-format.rst`.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class File(NamedTuple):
    """What becomes a file, or a directory, of root's.

    Attributes:
        name: Its path, without a slash at the begin; directories come before what is in them.
        mode: Type and permissions, as stat(2) has them.
        data: Its bytes; a directory has none.
    """

    name: str
    mode: int
    data: bytes = b""


def archive(files: Iterable[File]) -> bytes:
    """Return an archive of files."""
    members = [_member(number, file) for number, file in enumerate(files, 1)]
    return b"".join([*members, _member(0, File("TRAILER!!!", 0))])


def _member(number: int, file: File) -> bytes:
    name = file.name.encode() + b"\0"
    links, no_time, no_device = 1, 0, (0, 0, 0, 0)
    fields = (number, file.mode, 0, 0, links, no_time, len(file.data), *no_device, len(name), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
    return _padded(head) + _padded(file.data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


# What the machine does: it says who it is, and then nothing. `quiet` leaves the console to it.
_INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
echo "kernelbox: release $(/bin/busybox uname -r)"
echo "kernelbox: boot_id $(/bin/busybox cat /proc/sys/kernel/random/boot_id)"
echo "kernelbox: uptime $(/bin/busybox cut -d ' ' -f 1 /proc/uptime)"
echo "kernelbox: ready"
exec /bin/busybox sleep 1000000
"""


def telling(busybox: bytes) -> bytes:
    """Return an archive with a busybox, and an /init that says who the machine is.

    Its lines begin with `kernelbox: `, then a word and what there is to say: release, boot_id,
    uptime (seconds since the kernel began), ready.
    """
    directory, program = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o755
    return archive(
        [
            *(File(name, directory) for name in ("bin", "dev", "proc")),
            File("bin/busybox", program, busybox),
            File("init", program, _INIT.encode()),
        ]
    )
