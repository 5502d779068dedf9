"""Exercises of chapter 04 about pivot_root, and about what it leaves open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab.chapters.chapter04.roots import all_mounts, has_old_root, places, said
from kernelbox.lab.exercises import outside, parsons
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab

PUZZLES = (
    parsons.puzzle(
        "pivot",
        ("umount('.', lazy=True)", lambda p: p.umount(".", lazy=True)),
        ("chdir('/mnt')", lambda p: p.chdir("/mnt")),
        ("pivot_root('.', '.')", lambda p: p.pivot_root(".", ".")),
        (
            "unshare('mount') and mount(None, '/', None, 'rprivate')",
            lambda p: (p.unshare("mount"), p.mount(None, "/", None, "rprivate")),
        ),
        ("mount('tmpfs', '/mnt', 'tmpfs')", lambda p: p.mount("tmpfs", "/mnt", "tmpfs")),
    ),
)


@exercise(
    "pivot-order",
    title="From pivot_root to umount",
    hints=(
        "The check makes your requests in a fresh process. It tells which one the kernel or the "
        "lab refused. If none was, it counts the mounts in the namespace.",
        "A working directory is a place on one mount. What is mounted on it later covers it, and "
        "does not move whoever stands there.",
        "`umount('.')` takes away what lies on top at the working directory. Before `pivot_root` "
        "that is the new root, after it the old one.",
    ),
)
def pivot_order(box: Lab, order: object) -> Verdict:
    """Make the requests in that order, and look at the namespace they made."""
    with parsons.made(box, PUZZLES[0], order) as run:
        if run.refusal:
            return failed(run.refusal, "all five granted")
        if run.made != len(PUZZLES[0].pieces):
            return failed(f"{run.made} requests were made", "all five, each of them once")
        mounts = all_mounts(box, run.process)
        kinds = [line[line.index("-") + 1] for line in mounts]
        if kinds != ["tmpfs"]:
            return failed(f"there are {len(kinds)} mounts in its namespace", "one, the tmpfs")
    return passed("one mount is left in the namespace: the new root")


@exercise(
    "the-forgotten-descriptor",
    title="The forgotten descriptor",
    hints=(
        "The check observes the directories that `leaky` has open, in `/proc/PID/fd`, its root and "
        "its working directory: each is on a mount, and that has to be one of its namespace's.",
        "`ls -l` shows what the links in `/proc/PID/fd` lead to; run it by `host.shell`. There are "
        "sockets, and there is one directory.",
        "Has the verdict named a descriptor? Whose number is that: which process has a table in "
        "which it stands for a directory, and who alone can strike it out there?",
    ),
)
def the_forgotten_descriptor(box: Lab, leaky: Held) -> Verdict:
    """Look from outside at the directories that the process has open."""
    if wrong_thing := outside.not_held(leaky, "leaky"):
        return wrong_thing
    if has_old_root(box, leaky):
        return failed("the host's root is among the mounts of its namespace", "it was not")
    own = {line[0] for line in all_mounts(box, leaky)}
    eye = box.hold()
    try:
        for link, mount in places(eye, leaky.pid).items():
            if mount not in own:
                what = link.replace("fd/", "descriptor ")
                return failed(
                    f"its {what} is a directory on a mount that is not in its namespace",
                    "none that leads out",
                )
    finally:
        eye.end()
    return passed("its root, its working directory and each directory it has open are inside")


@exercise(
    "quiet-proc",
    title="A quiet /proc",
    points=2,
    hints=(
        "The check enters the mount namespace, reads `/proc/interrupts`, and asks the kernel of "
        "each file in `/proc/sys` whether it may be written.",
        "Section 6 used two devices: something empty that lies over a file, and a directory that "
        "is mounted on itself.",
        "May files still be written after `/proc/sys` is mounted on itself? What says mountinfo of "
        "that mount, and which word in there is to be another? Section 6 asked for it.",
    ),
)
def quiet_proc(box: Lab, quiet: Held) -> Verdict:
    """Enter its mount namespace, and read there."""
    if wrong_thing := outside.not_held(quiet, "quiet"):
        return wrong_thing
    if has_old_root(box, quiet):
        return failed("the host's root is among the mounts of its namespace", "it was not")
    witness = box.hold()
    try:
        witness.setns(quiet, "mount")
        mounts = outside.mounts(witness.pid)
        proc = [line for line in mounts if line[4] == "/proc"]
        if not proc or proc[-1][proc[-1].index("-") + 1] != "proc":
            return failed("there is no procfs on its /proc", "the one that it was given")
        if said(witness, "print(len(open('/proc/interrupts').read()))") != ["0"]:
            return failed("/proc/interrupts tells of the machine", "an empty file")
        if "ro" in proc[-1][5].split(",") or proc[-1][-1] != "rw":
            return failed(
                f"all of /proc is mounted {proc[-1][5]}, {proc[-1][-1]}",
                "/proc/sys alone is changed",
            )
        for line in mounts:
            if wrong_mount := _not_as_it_was(line):
                return wrong_mount
        if open_ := said(witness, _WRITABLE):
            return failed(f"{open_[0]} may be written", "all of /proc/sys read-only")
    finally:
        witness.end()
    return passed(
        "/proc/interrupts is empty; in /proc/sys, no file may be written, and none is gone"
    )


# A file below /proc/sys that may be written, as the kernel tells. Source: access(2).
_WRITABLE = """
for where, _, files in os.walk("/proc/sys"):
    found = [path for name in files if os.access(path := f"{where}/{name}", os.W_OK)]
    if found:
        print(found[0])
        break
"""


def _not_as_it_was(mount: list[str]) -> Verdict | None:
    """Return the verdict on a mount below /proc that hides what was to stay, or a setting."""
    place, kind = mount[4], mount[mount.index("-") + 1]
    if not place.startswith("/proc/") or place == "/proc/interrupts":
        return None
    if place != "/proc/sys" and not place.startswith("/proc/sys/"):
        return failed(f"something is mounted on {place}", "the rest of /proc as it was")
    if (kind, mount[3]) != ("proc", place.removeprefix("/proc")):
        return failed(f"{place} is hidden by {mount[3]} of a {kind}", "settings that can be read")
    return None
