"""Mounts, from mountinfo: what each process sees, how it spreads, and what lies under what."""

from __future__ import annotations

import functools
import re

from kernelbox.observe.model import Mount
from kernelbox.observe.procfs import read_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from kernelbox.observe.model import Process

# Mounts seldom change, and taking mountinfo apart costs more than reading it: what was read last
# time is kept beside its text.
_known: dict[bytes, tuple[Mount, ...]] = {}


def look(processes: Iterable[Process]) -> dict[int, tuple[Mount, ...]]:
    """Return the mounts of every mount namespace that the processes are in.

    Each is under the lowest pid in it, and as that process sees it: mountinfo leaves out what is
    not below a process's own root.
    """
    found: dict[int, tuple[Mount, ...]] = {}
    texts: dict[bytes, tuple[Mount, ...]] = {}
    done = set()
    for process in sorted(processes, key=lambda one: one.pid):
        inode = process.namespaces.get("mnt")
        if inode is None or inode in done:
            continue
        text = read_list(f"/proc/{process.pid}/mountinfo")
        if text is None:
            continue
        done.add(inode)
        texts[text] = found[process.pid] = _known[text] if text in _known else parse(text)
    _known.clear()
    _known.update(texts)
    return found


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
    return _plain(point), _plain(root), _plain(source), kind, every, _propagation(optional)


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


_ESCAPE = re.compile(r"\\([0-7]{3})")


def _plain(text: str) -> str:
    """Undo what mountinfo does to blanks, which it writes as numbers in octal."""
    return _ESCAPE.sub(lambda one: chr(int(one[1], 8)), text) if "\\" in text else text


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
