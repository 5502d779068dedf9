"""Exercises of chapter 04 about getting out of a root directory, and about staying in."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

from kernelbox.lab import reading
from kernelbox.lab.chapters.chapter04.roots import (
    all_mounts,
    has_old_root,
    of_the_host,
    said,
    stat_of,
    way_out,
)
from kernelbox.lab.exercises import outside
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.users import capabilities

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab


def _layer(box: Lab) -> str:
    """Return the directory of busybox's only layer."""
    [known] = json.loads(box.kernelbox("inspect busybox", quiet=True).stdout)
    return str(known["GraphDriver"]["Data"]["LowerDir"])


def _jail(box: Lab, layer: str, place: str) -> Held:
    """Return a process that has changed its root to an image at `/mnt` + `place`, by chroot."""
    jail = box.hold()
    jail.unshare("mount")
    jail.mount(None, "/", None, "rprivate")
    jail.mount("tmpfs", "/mnt", "tmpfs", "nodev,size=4m")
    # Step by step: a single path is as long as the kernel takes, or as Python's stack is deep.
    jail.python(
        "for name in ('upper', 'work'): os.mkdir(f'/mnt/{name}')\n"
        "os.chdir('/mnt')\n"
        f"for name in {place[1:]!r}.split('/'):\n"
        "    os.mkdir(name)\n"
        "    os.chdir(name)\n"
        "os.chdir('/')"
    )
    layers = f"lowerdir={layer},upperdir=/mnt/upper,workdir=/mnt/work"
    jail.mount("overlay", f"/mnt{place}", "overlay", f"nodev,{layers}")
    jail.chroot(f"/mnt{place}")
    jail.chdir("/")
    return jail


# Deeper than a number of steps that somebody counts on, and drawn.
_DEEPEST = (900, 990)


@exercise(
    "the-way-out",
    title="The way out",
    points=2,
    hints=(
        "The check observes what `/proc/PID/root` leads to, for jails of several depths. It draws "
        "how deep anew each time: one, or hundreds of directories.",
        "`..` stops at the root directory, and nowhere else. A process whose working directory is "
        "not below its root never comes past it.",
        "Section 3 has three requests. Which of them changes what `/` is? And what does `..` do "
        "in the host's root directory: is one too many of them refused?",
    ),
)
def the_way_out(box: Lab, way_out: object) -> Verdict:
    """Put the function before some jails, and see from outside which root they end up with."""
    if not callable(way_out):
        return failed(f"way_out is {way_out!r:.80}", "a function")
    layer = _layer(box)
    eye = box.hold()
    try:
        goal = stat_of(eye, eye.pid, "root")
        for depth in (1, random.randint(3, 90), random.randint(*_DEEPEST)):
            jail = _jail(box, layer, f"/{'/'.join(['x'] * (depth - 1) + ['root'])}")
            pid, before = jail.pid, box.namespaces(jail.pid)  # whatever becomes of the object
            try:
                way_out(jail)
                if wrong := _not_out(box, eye, pid, before, goal):
                    told = f"for a jail, directories deep: {depth}: {wrong}"
                    return failed(told, "its root is the host's `/`, and its namespaces as before")
            finally:
                jail.end()
    finally:
        eye.end()
    return passed(f"out of three jails, the deepest below more than {_DEEPEST[0]} directories")


def _not_out(box: Lab, eye: Held, pid: int, before: dict[str, int], goal: list[str]) -> str:
    """Say what is observed of a process that is not out as it should be; empty if it is."""
    if not reading.alive(pid):
        return "the process has ended"
    if "mnt" not in outside.own(box, pid):
        return "the process has entered the host's mount namespace"
    now = box.namespaces(pid)
    if others := [kind for kind in now if now[kind] != before[kind]]:
        return f"the process is in another namespace: {' '.join(others)}"
    return "" if stat_of(eye, pid, "root") == goal else "its root directory is not the host's"


@exercise(
    "no-way-back",
    title="No way back",
    points=3,
    hints=(
        "The check looks at the mounts of the whole namespace, as section 2 did, and lets children "
        "of `safe` try to get out. It tells by which way one did.",
        "Two requests make the difference: one exchanges the roots, the other takes the old one "
        "away. Between them the old one lies somewhere.",
        "Does one get out by `/proc/PID/root`? Whose processes does a /proc show that `safe` "
        "mounts? See what `room` can be told, and section 6. What is in use can only be unmounted "
        "lazily.",
    ),
)
def no_way_back(box: Lab, safe: Held) -> Verdict:
    """Look at all mounts of its namespace, and let children of it try to get out."""
    if wrong_thing := outside.not_held(safe, "safe"):
        return wrong_thing
    if "mnt" not in outside.own(box, safe.pid):
        return failed("its mount namespace is the host's", "one of its own")
    every = all_mounts(box, safe)
    if has_old_root(box, safe):
        return failed(
            f"the host's root is among the {len(every)} mounts of its namespace",
            "the old root absent from mountinfo",
        )
    root = next(line for line in every if line[4] == "/")
    kind = root[root.index("-") + 1]
    if kind != "overlay" or _layer(box) not in root[-1]:
        return failed(
            f"its root is of type {kind}, and no overlay of busybox's layer",
            "an overlay as `room()` makes it",
        )
    if place := of_the_host(box, every):
        return failed(
            f"the mount on {place} shows a file system of the host's", "nothing of the host"
        )
    if way := way_out(box, safe):
        return failed(f"a child of it gets out to the host's root by {way}", "no way leads there")
    return passed(
        "the old root is absent from mountinfo; `..`, a second chroot, open descriptors, another "
        "mount namespace and a /proc lead nowhere"
    )


@exercise(
    "the-missing-right",
    title="The missing rights",
    points=4,
    hints=(
        "The check observes the root of `caged`, its five sets of capabilities in "
        "`/proc/PID/status`, and lets children of it try to leave. It tells by which way one did.",
        "`keep_capabilities` keeps what is named, and gives up the rest. Section 5 has a list with "
        "all names but one. And `chroot` moves nobody: see section 2.",
        "Who unshares its mount namespace gets copies of all mounts, and its root is a copy then. "
        "A descriptor still leads to the old one: does `..` stop there? Which right does "
        "unsharing need, and what else needs it: who may take a /proc away again?",
    ),
)
def the_missing_right(box: Lab, caged: Held) -> Verdict:
    """Look at its capabilities, and let children of it try to get out."""
    if wrong_thing := outside.not_held(caged, "caged"):
        return wrong_thing
    if not has_old_root(box, caged):
        return failed("the old root is absent from its mount namespace", "a chroot alone")
    eye = box.hold()
    try:
        if stat_of(eye, caged.pid, "root") == stat_of(eye, eye.pid, "root"):
            return failed("its root directory is the host's", "the image's")
        # The link may lead nowhere as the host sees it: that it is there is enough.
        if said(eye, f"print(os.path.lexists('/proc/{caged.pid}/root/bin/sh'))") != ["True"]:
            return failed("there is no /bin/sh in its root", "the image's files")
        every = int(reading.status(eye.pid)["CapEff"], 16)
    finally:
        eye.end()
    if wrong_powers := _still_has(caged.pid, "SYS_CHROOT") or _lacks_others(caged.pid, every):
        return wrong_powers
    if place := of_the_host(box, outside.mounts(caged.pid)):
        return failed(
            f"below its root, the mount on {place} shows a file system of the host's",
            "nothing of the host there",
        )
    if way := way_out(box, caged):
        return failed(f"a child of it reaches the host's root by {way}", "no way leads there")
    if for_later := _still_has(caged.pid, "SYS_ADMIN"):
        return for_later
    return passed(
        "the old root is still there; `..`, a second chroot, open descriptors, another mount "
        "namespace and a /proc lead nowhere"
    )


def _still_has(pid: int, name: str) -> Verdict | None:
    """Return the verdict on who has a capability in one of the five sets: it may come back."""
    status = reading.status(pid)
    for line in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
        if name in capabilities.names(int(status[line], 16)):
            return failed(f"CAP_{name} is in its {line}", "in none of the five sets")
    return None


def _lacks_others(pid: int, every: int) -> Verdict | None:
    """Return the verdict on who lacks one of these capabilities that need not be given up."""
    needed = every & ~capabilities.mask(["SYS_CHROOT", "SYS_ADMIN"])
    for line in ("CapEff", "CapPrm"):
        if missing := capabilities.names(needed & ~int(reading.status(pid)[line], 16)):
            few = " ".join(missing[:3])
            return failed(f"its {line} lacks {len(missing)} others: {few}", "but two missing")
    return None
