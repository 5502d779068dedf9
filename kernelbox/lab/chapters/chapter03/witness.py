"""What the checks of chapter 03 see: devices, peer groups, who hears of a mount, what changed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kernelbox.lab.exercises import outside, pictures
from kernelbox.lab.exercises.verdict import Verdict, failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab


def groups_of(pid: int) -> dict[str, dict[str, str]]:
    """Return the peer groups of each mount of a process: by its mount point, then by the word."""
    found = {}
    for fields in outside.mounts(pid):
        optional = (field.partition(":") for field in fields[6 : fields.index("-")])
        found[fields[4]] = {word: group for word, _, group in optional}
    return found


def devices_of(pid: int | str) -> dict[str, str]:
    """Return the device number of what is mounted at each place; the uppermost counts."""
    return {fields[4]: fields[2] for fields in outside.mounts(int(pid))}


def roots_of(pid: int | str) -> dict[str, tuple[str, str]]:
    """Return device and root of what is mounted at each place: which file system, which part."""
    return {fields[4]: (fields[2], fields[3]) for fields in outside.mounts(int(pid))}


@contextmanager
def inside(box: Lab, process: Held) -> Iterator[Held]:
    """Hold a process of our own in another's mount namespace."""
    witness = box.hold()
    try:
        witness.setns(process, "mount")
        yield witness
    finally:
        witness.end()


def heard(teller: Held, place: str, listener: Held) -> bool:
    """Mount something in one namespace, look whether another lists it, and take it away."""
    before = len(outside.mounts(listener.pid))
    teller.mount("probe", place, "tmpfs", "size=64k")
    try:
        return len(outside.mounts(listener.pid)) > before
    finally:
        teller.umount(place)


def changed(given: Held, name: str, *, groups: bool = False) -> Verdict | None:
    """Return the verdict on a given process whose mounts are not those it was given with.

    Args:
        given: By the lab.
        name: As the notebook calls it.
        groups: Whether each mount has to be in the same peer groups as well.
    """
    picture = pictures.of(given)
    if picture is None:
        return None
    now = {fields[0]: fields for fields in outside.mounts(given.pid)}
    for fields in picture.mounts:
        number, place = fields[0], fields[4]
        if number not in now or now[number][2:5] != fields[2:5]:
            return failed(f"`{name}` has lost its mount on {place}: run its cell again")
        if groups and _optional(now[number]) != _optional(fields):
            return failed(
                f"the mount on {place} of `{name}` is not in the group any more that it was in "
                "when the lab gave it: run its cell again"
            )
    return None


def _optional(fields: list[str]) -> list[str]:
    return sorted(fields[6 : fields.index("-")])
