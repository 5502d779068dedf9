"""The host's devices, all of them: what a privileged container is given.

Source: Docker, "docker run", "--privileged"; moby, oci/devices_linux.go, `HostDevices`.
"""

from __future__ import annotations

import os
import stat

from kernelbox.container.spec import Device
from kernelbox.root import furnishing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# File systems of their own, which a container has anew, and what is a link's or a terminal's.
_OWN = ("pts", "ptmx", "shm", "mqueue", "fd", "console")


def every() -> tuple[Device, ...]:
    """Return each device node below /dev, but for those that every container has."""
    usual = {f"/dev/{name}" for name, _, _ in furnishing.DEVICES}
    return tuple(one for one in _below("/dev", _OWN) if one.path not in usual)


def _below(directory: str, passed_over: tuple[str, ...] = ()) -> Iterator[Device]:
    try:
        entries = sorted(os.scandir(directory), key=lambda one: one.name)
    except OSError:  # it has gone: devices come and go
        return
    for entry in entries:
        if entry.is_symlink() or entry.name in passed_over:
            continue
        if entry.is_dir():
            yield from _below(entry.path)
            continue
        try:
            found = entry.stat()
        except OSError:
            continue
        if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
            yield Device(
                entry.path,
                "b" if stat.S_ISBLK(found.st_mode) else "c",
                os.major(found.st_rdev),
                os.minor(found.st_rdev),
                stat.S_IMODE(found.st_mode),
            )
