"""Devices of the host that a container is given: one (`--device`), or all, if it is privileged.

Source: Docker, "docker run", "--device" and "--privileged"; moby, oci/devices_linux.go.
"""

from __future__ import annotations

import os
import stat

from kernelbox.cgroup.devices import DEFAULT, Rule
from kernelbox.container.spec import Device
from kernelbox.kernel.errors import UsageError
from kernelbox.root import furnishing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# File systems of their own, which a container has anew, and what is a link's or a terminal's.
_OWN = ("pts", "ptmx", "shm", "mqueue", "fd", "console")
_TAKEN = {*_OWN, "init", "stdin", "stdout", "stderr", *(name for name, *_ in furnishing.DEVICES)}


def named(text: str) -> Device:
    """Return the device that `--device HOST[:INSIDE][:rwm]` means.

    Raises:
        UsageError: The host has no such device; or its place is taken, or not below /dev, since
            nowhere else in a container do device nodes work.
    """
    host, *more = text.split(":")
    access = more.pop() if more and not more[-1].startswith("/") else "rwm"
    if len(more) > 1 or not access or set(access) - set("rwm"):
        raise UsageError(f"{text!r:.80} is no device", "Write it like /dev/fuse:/dev/fuse:rw")
    inside = os.path.normpath(more[0] if more else host)
    if not inside.startswith("/dev/") or inside.partition("/dev/")[2].split("/")[0] in _TAKEN:
        raise UsageError(
            f"no device can be at {inside:.80} in a container", "Choose a free name below /dev"
        )
    try:
        found = os.stat(host)
    except (OSError, ValueError):
        found = None
    if found is None or not (stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode)):
        raise UsageError(f"the host has no device {host:.80}", "See which there are: ls -l /dev")
    return _device(inside, found)._replace(access=access)


def rules(given: Iterable[Device]) -> tuple[Rule, ...]:
    """Return what a container with these devices may use."""
    return (*DEFAULT, *(Rule(one.type, one.major, one.minor, one.access) for one in given))


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
            yield _device(entry.path, found)


def _device(path: str, found: os.stat_result) -> Device:
    return Device(
        path,
        "b" if stat.S_ISBLK(found.st_mode) else "c",
        os.major(found.st_rdev),
        os.minor(found.st_rdev),
        stat.S_IMODE(found.st_mode),
    )
