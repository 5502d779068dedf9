"""What the checks of chapter 10 see: which limits of a disk hold for a process, by its groups."""

from __future__ import annotations

from pathlib import Path

from kernelbox import cgroup
from kernelbox.cgroup import reading
from kernelbox.lab.exercises.verdict import Verdict, failed
from kernelbox.lab.groups import Group
from kernelbox.lab.measuring import group_of

KEYS = ("rbps", "wbps", "riops", "wiops")


def not_a_group(thing: object, name: str) -> Verdict | None:
    """Return the verdict on what is no control group of the lab's that is there."""
    if not isinstance(thing, Group):
        return failed(f"{name} is {thing!r:.80}", "what box.cgroup() returned")
    if not group_of(thing).exists():
        return failed(f"the control group {name} has been removed", "one that is there")
    return None


def limits(pid: int, disk: str) -> dict[str, int]:
    """Return the lowest limits of a disk that hold for a process; a key that has none is left out.

    Args:
        pid: Of the process.
        disk: Numbers of the disk, such as `7:0`.

    Raises:
        OSError: ENOENT, ESRCH: there is no such process.

    Source: cgroups(7), /proc/PID/cgroup; cgroup-v2.rst, io.max. In v1 a group has what is written
    in it, and no more: `Documentation/admin-guide/cgroup-v1/blkio-controller.rst`, "Hierarchical".
    """
    found: dict[str, int] = {}
    for directory in _groups(pid):
        for key, most in _written(directory, disk).items():
            found[key] = min(most, found.get(key, most))
    return found


def _groups(pid: int) -> list[Path]:
    """Return the directories whose limits count: a process's group, and in v2 all above it."""
    host = cgroup.find()
    text = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8", errors="replace")
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        parts = Path(path.lstrip("/")).parts
        if host.version == 2 and not controllers:
            return [Path(host.mounts["io"], *parts[:end]) for end in range(len(parts), 0, -1)]
        if host.version == 1 and "blkio" in controllers.split(","):
            return [Path(host.mounts["blkio"], *parts)]
    return []


def _written(directory: Path, disk: str) -> dict[str, int]:
    for line in _io_max(directory).splitlines():
        device, *pairs = line.split()
        if device == disk:
            told = dict(pair.split("=") for pair in pairs)
            return {key: int(told[key]) for key in KEYS if told.get(key, "max") != "max"}
    return {}


def _io_max(directory: Path) -> str:
    if cgroup.find().version == 2:
        file = directory / "io.max"
        return file.read_text() if file.exists() else ""
    return reading.TABLE["io.max"](lambda name: (directory / name).read_text())
