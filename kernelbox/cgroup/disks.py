"""Which disk a limit is for: the kernel limits whole disks, by two numbers, and nothing else.

A person may name a partition, or a directory; the disk that is meant is found, and named in the
refusal, since others use it, too.

Source: cgroup-v2.rst, io.max; blkg_conf_open_bdev() in the kernel; proc(5), /proc/PID/mountinfo.
"""

from __future__ import annotations

import os
import stat

from kernelbox.kernel import files
from kernelbox.kernel.errors import UsageError

_SYSFS = "/sys/dev/block"


def find(path: str) -> str:
    """Return the numbers of the disk whose device node is at `path`, as in `8:0`.

    Raises:
        UsageError: There is none, it is no disk, or only a partition of one.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no path"
        raise UsageError(f"{path!r:.200}: {reason}", "See which disks there are: lsblk") from None
    if not stat.S_ISBLK(found.st_mode):
        raise UsageError(f"{path} is no disk", _cure(disk_of(path)))
    numbers = f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"
    if not os.path.exists(f"{_SYSFS}/{numbers}"):
        raise UsageError(f"{path} is the node of no device", "See which disks there are: lsblk")
    if os.path.exists(f"{_SYSFS}/{numbers}/partition"):
        raise UsageError(
            f"{path} is a partition, and the kernel limits whole disks only", _cure(_whole(numbers))
        )
    return numbers


def node(numbers: str) -> str:
    """Return the path of a disk's device node; its numbers, if there is no such disk."""
    name = os.path.basename(os.path.realpath(f"{_SYSFS}/{numbers}"))
    return f"/dev/{name.replace('!', '/')}" if name != numbers else numbers


def disk_of(path: str) -> str:
    """Return the device node of the whole disk that a file or directory lies on; empty if on none.

    What lies on an overlay is written to the disk of its upper directory.
    """
    try:
        device = os.stat(path).st_dev
    except OSError:
        return ""
    if os.major(device):
        return _whole(f"{os.major(device)}:{os.minor(device)}")
    # No device of its own: an overlay, or a file system of several disks, or of none.
    kind, source, options = _mount(device)
    if kind == "overlay":
        upper = next((one[9:] for one in options if one.startswith("upperdir=")), "")
        return disk_of(upper) if upper else ""
    if source.startswith("/dev/") and os.path.exists(source):
        rdev = os.stat(source).st_rdev
        return _whole(f"{os.major(rdev)}:{os.minor(rdev)}")
    return ""


def _mount(device: int) -> tuple[str, str, list[str]]:
    """Return type, source and options of a mounted file system."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in files.read("/proc/self/mountinfo").splitlines():
        mount, _, file_system = line.partition(" - ")
        if mount.split(" ")[2] == wanted:
            kind, source, options = file_system.split(" ")[:3]
            return kind, source, options.split(",")
    return "", "", []


def _whole(numbers: str) -> str:
    place = os.path.realpath(f"{_SYSFS}/{numbers}")
    if os.path.exists(f"{place}/partition"):
        place = os.path.dirname(place)
    return f"/dev/{os.path.basename(place).replace('!', '/')}" if os.path.exists(place) else ""


def _cure(disk: str) -> str:
    return f"It is on {disk}: name that" if disk else "See which disks there are: lsblk"
