"""What the checks of chapter 07 see: who a process is on the host, and how its ids are mapped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox.lab import reading
from kernelbox.lab.exercises.verdict import Verdict, failed
from kernelbox.lab.started import Container

if TYPE_CHECKING:
    from kernelbox.lab.held import Held


def ids_of(process: Held | Container, line: str) -> list[int]:
    """Return the real, effective, saved and file system ids of a process, as the host counts."""
    return [int(word) for word in reading.status(process.pid)[line].split()]


def not_the_user(process: Held, wanted: int) -> Verdict | None:
    """Return the verdict on a process that is not wholly this user and group of the host's."""
    for line, name in (("Uid", "uid"), ("Gid", "gid"), ("Groups", "list of further groups")):
        if strange := sorted(set(ids_of(process, line)) - {wanted}):
            numbers = " and ".join(map(str, strange))
            return failed(f"on the host its {name} is {numbers}", str(wanted))
    return None


def not_mapped(process: Held, wanted: str) -> Verdict | None:
    """Return the verdict on a process whose namespace has other maps, read as the host.

    Args:
        process: Whose.
        wanted: One line of a map. Several lines that come to the same are as good.
    """
    for name in ("uid_map", "gid_map"):
        text = Path(f"/proc/{process.pid}/{name}").read_text()
        if _joined(text) != _joined(wanted):
            there = ", ".join(" ".join(line.split()) for line in text.splitlines())
            return failed(f"its {name} is {there or 'empty'}", wanted)
    return None


def _joined(id_map: str) -> list[tuple[int, int, int]]:
    """Return the lines of a map, sorted; two of which one continues the other are one."""
    joined: list[tuple[int, int, int]] = []
    for inside, outside_, size in sorted(_numbers(line) for line in id_map.splitlines()):
        if joined:
            first, first_outside, length = joined[-1]
            if (first + length, first_outside + length) == (inside, outside_):
                joined[-1] = (first, first_outside, length + size)
                continue
        joined.append((inside, outside_, size))
    return joined


def _numbers(line: str) -> tuple[int, int, int]:
    inside, outside_, size = map(int, line.split())
    return inside, outside_, size
