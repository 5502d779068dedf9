"""Mounts, from mountinfo: what each process sees, how it spreads, and what lies under what."""

from __future__ import annotations

import functools
import time
from typing import NamedTuple

from kernelbox.kernel.mount_words import unescaped
from kernelbox.observe.model import Mount
from kernelbox.observe.procfs import read_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from kernelbox.observe.model import Process


class _Known(NamedTuple):
    """The mounts of a namespace, as they were read last.

    Attributes:
        pid: By which process.
        text: What mountinfo said.
        mounts: The same, taken apart.
        residents: Who was there.
        at: When, on the monotonic clock.
    """

    pid: int
    text: bytes
    mounts: tuple[Mount, ...]
    residents: list[Process]
    at: float

    def holds_for(self, residents: list[Process]) -> bool:
        """Whether nobody who was seen there has run since, and nothing spreads to it.

        Of a process that slept the same object is told: see `processes`. Only who is in a namespace
        changes its mounts; but somebody may have been there in between whom nobody has seen.

        Source: mount_namespaces(7), "Shared subtrees".
        """
        return (
            b" shared:" not in self.text
            and b" master:" not in self.text
            and len(residents) == len(self.residents)
            and all(one is other for one, other in zip(residents, self.residents, strict=True))
        )


# Mounts seldom change, and taking mountinfo apart costs more than reading it.
_known: dict[int, _Known] = {}
_PATIENCE = 5.0  # seconds after which a namespace that was not read again is forgotten


def look(processes: Iterable[Process], recent: float = 0.0) -> dict[int, tuple[Mount, ...]]:
    """Return the mounts of every mount namespace that the processes are in.

    Each is under the lowest pid in it, and as that process sees it: mountinfo leaves out what is
    not below a process's own root.

    Args:
        processes: From `processes.look`.
        recent: For how many seconds a namespace is taken to be as it was, as far as is seen.
    """
    residents: dict[int, list[Process]] = {}
    for process in sorted(processes, key=lambda one: one.pid):
        if (inode := process.namespaces.get("mnt")) is not None:
            residents.setdefault(inode, []).append(process)
    now = time.monotonic()
    found = {}
    for inode, there in residents.items():
        known = _known.get(inode)
        if known is None or now - known.at >= recent or not known.holds_for(there):
            known = _read(there, known, now)
            if known is None:
                continue
            _known[inode] = known
        found[known.pid] = known.mounts
    for inode in [one for one, known in _known.items() if now - known.at > _PATIENCE]:
        del _known[inode]
    return found


def _read(residents: list[Process], last: _Known | None, now: float) -> _Known | None:
    """Read a namespace by the first process that is still there; None if none is."""
    for one in residents:
        text = read_list(f"/proc/{one.pid}/mountinfo")
        if text is not None:
            mounts = last.mounts if last and last.text == text else parse(text)
            return _Known(one.pid, text, mounts, residents, now)
    return None


def of(pid: int) -> tuple[Mount, ...] | None:
    """Return the mounts that one process sees, in the order of mountinfo; None if it is gone."""
    text = read_list(f"/proc/{pid}/mountinfo")
    return None if text is None else parse(text)


def parse(mountinfo: bytes) -> tuple[Mount, ...]:
    """Return the mounts that the text of a /proc/PID/mountinfo lists.

    Source: proc_pid_mountinfo(5).
    """
    rows = []
    for line in mountinfo.decode(errors="replace").splitlines():
        number, parent, _device, rest = line.split(" ", 3)
        rows.append((int(number), int(parent), _fields(rest)))
    hidden = _hidden({number: (parent, fields[0]) for number, parent, fields in rows})
    return tuple(Mount(*row[:2], *row[2], row[0] in hidden) for row in rows)


# What comes after a mount's own numbers is often the same in many namespaces.
@functools.lru_cache(4096)
def _fields(rest: str) -> tuple[str, str, str, str, str, str]:
    """Return point, root, source, type, options and propagation, as Mount has them."""
    left, _, right = rest.partition(" - ")
    root, point, options, *optional = left.split(" ")
    kind, source, super_options = right.split(" ", 2)
    every = _join(options, super_options)
    paths = unescaped(point), unescaped(root), unescaped(source)
    return *paths, kind, every, _propagation(optional)


def _propagation(fields: list[str]) -> str:
    """Read the optional fields `shared:1 master:2 propagate_from:3 unbindable`.

    Source: mount_namespaces(7), "/proc/pid/mountinfo and propagation information".
    """
    words = []
    for field in fields:
        name, _, group = field.partition(":")
        if name in ("shared", "unbindable"):
            words.append(field)
        elif name == "master":
            words.append(f"slave:{group}")
    return " ".join(words) or "private"


def _join(options: str, super_options: str) -> str:
    """Return the mount's options, then the file system's that are not among them."""
    own = options.split(",")
    more = [word for word in super_options.split(",") if word not in own and word != "rw"]
    return ",".join(own + more)


def _hidden(places: dict[int, tuple[int, str]]) -> set[int]:
    """Return the mounts that no path leads to; takes parent and mount point of each.

    Either another mount lies right on top of them, or walking down from the parent's root ends in
    another mount before.
    """
    taken = set(places.values())
    covered = {number for number, (_, point) in places.items() if (number, point) in taken}
    buried = set()
    for number, (parent, point) in places.items():
        for above in _above(point):
            if (parent, above) in taken:
                buried.add(number)
                break
    below = buried
    while below:  # what is mounted on them is not to be seen either
        below = {number for number, place in places.items() if place[0] in below} - buried
        buried |= below
    return covered | buried


@functools.lru_cache(4096)
def _above(path: str) -> tuple[str, ...]:
    """Return the directories above a path, the nearest first."""
    found = []
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        found.append(path)
    return tuple(found)
