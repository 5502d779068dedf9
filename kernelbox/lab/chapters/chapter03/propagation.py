"""Exercises of chapter 03 about propagation: who hears of a mount."""

from __future__ import annotations

import os
import random
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kernelbox.lab.chapters.chapter03.witness import changed, devices_of, groups_of, heard, inside
from kernelbox.lab.exercises import outside
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab


# What becomes of a shared mount in the other process, and what each is called here.
_WAYS = {
    "shared": (),
    "slave": ("slave",),
    "both": ("slave", "shared"),
    "private": ("private",),
    "anew": ("private", "shared"),
}


@exercise(
    "who-would-hear",
    title="Who would hear of it?",
    seconds=30,
    points=3,
    hints=(
        "The check really mounts something below each mount of the one process, and observes where "
        "it appears in the other. A mount that is shared by nobody else tells nobody.",
        "Who hears a group? Its members (`shared:N`) and its slaves (`master:N`). Who tells it? "
        "Only its members.",
        "The optional fields are between the sixth field and the `-`: none, one, or several. Two "
        "mounts belong together when the *number* is the same, wherever they are mounted.",
    ),
)
def who_would_hear(box: Lab, leaks: object) -> Verdict:
    """Compare with where a mount really appears, between two processes and both ways."""
    with _pair(box) as ((one, ones), (other, others)):
        for name, sender, receiver, places in (
            ("from one to the other", one, other, ones),
            ("from the other to the one", other, one, others),
        ):
            tried = attempt(leaks, *_renumbered(sender, receiver))
            if tried.failure:
                return failed(f"{name}: {tried.failure}")
            if not isinstance(tried.value, set | list):
                return failed(f"{name}: {tried.value!r}", "a set of mount points")
            kernels = {place for place in places if heard(sender, f"{place}/probe", receiver)}
            if wrong := _compared(name, list(tried.value), kernels, places):
                return wrong
    return passed("shared, slave, both at once, private, and shared anew: as the kernel does it")


def _compared(
    name: str, yours: list[object], kernels: set[str], places: dict[str, str]
) -> Verdict | None:
    """Return the verdict on the first mount point too many or missing: what it is, and where."""
    for place in yours:
        if place not in kernels:
            what = next((how for known, how in places.items() if known == place), "none of these")
            return failed(f"{name}: yours has {place!r} ({what}), and nothing appears there")
    for place in sorted(kernels):
        if place not in yours:
            return failed(f"{name}: {place} ({places[place]}) is missing in yours")
    return None


_NAMES = "ant bee cat cow dog eel elk emu fly fox gnu hen owl pig rat yak".split()


@contextmanager
def _pair(box: Lab) -> Iterator[tuple[tuple[Held, dict[str, str]], ...]]:
    """Hold two processes, the other with a copy of the one's mounts, some of them tied no more.

    The mounts have other names and another order each time. One that is shared is at another place
    in the other process. Yields each with its mount points, and what they are.
    """
    one = box.hold()
    made = [one]
    try:
        one.unshare("mount")
        one.mount(None, "/", None, "rprivate")
        one.mount("check", "/mnt", "tmpfs", "size=1m")
        one.mkdir("/mnt/elsewhere")
        kinds = random.sample([*_WAYS, *_WAYS], 2 * len(_WAYS))
        names = random.sample(_NAMES, len(kinds))
        places = {f"/mnt/{name}": kind for name, kind in zip(names, kinds, strict=True)}
        for place in places:
            one.mkdir(place)
            one.mount("check", place, "tmpfs", "size=64k")
            one.mkdir(f"{place}/probe")
            one.mount(None, place, None, "shared")
        other = one.fork()
        made.append(other)
        other.unshare("mount")
        for place, kind in places.items():
            for how in _WAYS[kind]:
                other.mount(None, place, None, how)
        moved = next(place for place, kind in places.items() if kind == "shared")
        other.mount(moved, "/mnt/elsewhere", None, "bind")
        other.umount(moved)
        others = {"/mnt/elsewhere" if place == moved else place: places[place] for place in places}
        yield (one, places), (other, others)
    finally:
        for process in reversed(made):
            process.end()


# The number of a peer group. Source: proc_pid_mountinfo(5), the optional fields.
_GROUP = re.compile(r"(?<=shared:)\d+|(?<=master:)\d+|(?<=propagate_from:)\d+")


def _renumbered(sender: Held, receiver: Held) -> list[str]:
    """Return the mountinfo of both, with other numbers for the groups, drawn anew.

    The kernel's numbers are neighbours. Here one of the sender's that the receiver has not is the
    beginning of all others: whoever looks for `shared:1` in a text finds `shared:1234`, too.
    """
    texts = ["\n".join(map(" ".join, outside.mounts(one.pid))) for one in (sender, receiver)]
    theirs, heard_of = (set(_GROUP.findall(text)) for text in texts)
    drawn = random.sample(range(100, 1000), len(theirs | heard_of))
    numbers = {old: f"1{new}" for old, new in zip(theirs | heard_of, drawn, strict=True)}
    shared = {words["shared"] for words in groups_of(sender.pid).values() if "shared" in words}
    numbers[random.choice(sorted(shared - heard_of))] = "1"
    return [_GROUP.sub(lambda found: numbers[found[0]], text) for text in texts]


def _not_a_copy(box: Lab, copy: Held, name: str, original: Held) -> Verdict | None:
    """Return the verdict on a process that is in no copy of another's mount namespace."""
    for one, called in ((original, "landlord"), (copy, name)):
        if wrong_thing := outside.not_held(one, called):
            return wrong_thing
    if not_as_given := changed(original, "landlord", groups=True):
        return not_as_given
    mine = box.namespaces(copy.pid)["mnt"]
    if mine == box.namespaces(original.pid)["mnt"]:
        return failed(f"{name} is in the landlord's own mount namespace", "a copy of it")
    if "mnt" not in outside.own(box, copy.pid):
        return failed(f"{name} is in the host's mount namespace", "a copy of the landlord's")
    if devices_of(copy.pid).get("/") != devices_of(original.pid).get("/"):
        return failed(f"the root of {name} is not the landlord's: it is no copy of its mounts")
    return None


@exercise(
    "no-leak",
    title="No leak",
    hints=(
        "The check observes the optional fields of `lodger` and of `landlord` in mountinfo: do "
        "two of them have the same number? And it looks for `/mnt` in both.",
        "A new mount namespace is a copy, and the copies of shared mounts are members of the same "
        "groups. What has to happen between the copy and the first mount?",
        "`/` is not the only mount that is shared. One letter in the option makes the difference "
        "between one mount and all below it.",
    ),
)
def no_leak(box: Lab, lodger: Held, landlord: Held) -> Verdict:
    """See that the two have no peer group in common, and that a mount in one stays there."""
    if wrong_thing := _not_a_copy(box, lodger, "lodger", landlord):
        return wrong_thing
    theirs = {group for words in groups_of(landlord.pid).values() for group in words.values()}
    mine = groups_of(lodger.pid)
    common = sorted(place for place, words in mine.items() if theirs & set(words.values()))
    if common:
        return failed(f"these are still tied to the landlord's: {' '.join(common)}", "no group")
    devices = {fields[2] for fields in outside.mounts(landlord.pid)}
    on = [fields for fields in outside.mounts(lodger.pid) if fields[4] == "/mnt"]
    if "/mnt" in groups_of(landlord.pid):
        return failed("the landlord's mountinfo lists a mount on /mnt: it has leaked")
    if not on:
        return failed("the lodger has nothing mounted on /mnt", "a tmpfs that it alone sees")
    device, kind = on[-1][2], on[-1][on[-1].index("-") + 1]
    if kind != "tmpfs":
        return failed(f"what is mounted on the lodger's /mnt is of type {kind}", "a tmpfs")
    if device in devices:
        return failed("the landlord has the file system that is on the lodger's /mnt, too")
    if device in {fields[2] for fields in outside.mounts(os.getpid())}:
        return failed("the host's mountinfo lists what is on /mnt")
    with inside(box, lodger) as witness:
        if heard(witness, "/tmp", landlord):
            return failed("what is mounted on the lodger's /tmp now appears in the landlord's")
    return passed("no peer group in common; neither the landlord nor the host lists the mount")


@exercise(
    "one-way",
    title="One way, and on",
    points=3,
    seconds=30,
    hints=(
        "The check mounts something in `landlord`, then in `branch`, then in `branch` with a copy "
        "of it listening. It observes who hears what, on each of the landlord's mounts.",
        "A mount can have two optional fields: it hears a group as its slave, and is a member of "
        "another one.",
        "Made private or slave, a mount leaves the group it was in. Made shared when it is a slave "
        "already, it founds a new one. So the order matters.",
    ),
)
def one_way(box: Lab, branch: Held, landlord: Held) -> Verdict:
    """Mount in each of them, and see who hears of it."""
    if wrong_thing := _not_a_copy(box, branch, "branch", landlord):
        return wrong_thing
    with inside(box, landlord) as above, inside(box, branch) as below:
        for place in _places(above, landlord):
            if heard(below, place, landlord):
                text = f"what is mounted on {place} in the branch appears in the landlord's"
                return failed(text, "one way only")
            if not heard(above, place, branch):
                text = f"what the landlord mounts on {place} does not appear in the branch"
                return failed(text, "one way, on each of its mounts")
            with inside(box, branch) as copy:
                copy.unshare("mount")
                if not heard(below, place, copy):
                    text = f"what is mounted on {place} in the branch does not appear in a copy"
                    return failed(f"{text} of it", "in each copy that is made of it")
    return passed("from the landlord to the branch, from the branch to its copies, and never back")


def _places(process: Held, of: Held) -> list[str]:
    """Return a directory on each mount of a process, for something to be mounted there."""
    process.python(_DIRECTORY)
    found = [process.evaluate(f"directory({point!r})") for point in groups_of(of.pid)]
    return [place for place in found if place]


_DIRECTORY = """
def directory(point):
    # The last one that is on the same mount, and of no process.
    if not os.path.isdir(point):
        return None
    for name in sorted(os.listdir(point), reverse=True):
        path = os.path.join(point, name)
        same = os.path.isdir(path) and os.stat(path).st_dev == os.stat(point).st_dev
        if same and not name.isdigit():
            return path
    return None
"""
