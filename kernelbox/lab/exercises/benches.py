"""Directories in the mount namespace of a process under remote control, as a check sees them.

A witness of the check's own enters a copy of that namespace: what it mounts there, the student's
process does not see. Leaves what should be in the directories to the chapters.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kernelbox.lab.exercises import outside
from kernelbox.lab.exercises.verdict import Verdict, failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab

# What a witness is asked to evaluate; it has nothing but `os`. `view`: all paths below a directory
# (those of directories end with a slash), and the beginning of each file. `whiteout`: whether a
# path is one. `weight`: the bytes of all files, each once however many names it has.
_TOOLS = """
import stat

def view(top):
    found = {}
    for where, directories, files in os.walk(top):
        below = os.path.relpath(where, top)
        for name in directories + files:
            path, short = os.path.join(where, name), os.path.normpath(f"{below}/{name}")
            mode = os.lstat(path).st_mode
            if stat.S_ISDIR(mode):
                found[short + "/"] = ""
            elif stat.S_ISREG(mode):
                with open(path, errors="replace") as file:
                    found[short] = file.read(100)
            else:
                found[short] = "whiteout" if whiteout(path) else "special"
    return found

def whiteout(path):
    try:
        there = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISCHR(there.st_mode) and there.st_rdev == 0

def weight(top):
    sizes = {}
    for where, _, files in os.walk(top):
        for name in files:
            there = os.lstat(os.path.join(where, name))
            if stat.S_ISREG(there.st_mode):
                sizes[there.st_ino] = there.st_size
    return sum(sizes.values())
"""


@contextmanager
def beside(box: Lab, process: Held) -> Iterator[Held]:
    """Hold a witness in a copy of another's mounts, working in /mnt; /tmp is a tmpfs of its own.

    Raises:
        LabError: The other has ended, or its mounts are not to be copied.
    """
    witness = box.hold()
    try:
        witness.setns(process, "mount")
        witness.unshare("mount")
        witness.mount(None, "/", None, "rprivate")
        witness.mount("check", "/tmp", "tmpfs", "size=16m")
        witness.mkdir("/tmp/merged")
        witness.chdir("/mnt")
        witness.python(_TOOLS)
        yield witness
    finally:
        witness.end()


def not_a_bench(box: Lab, process: Held, name: str) -> Verdict | None:
    """Return the verdict on what is no running process with a file system of its own on /mnt."""
    if wrong_thing := outside.not_held(process, name):
        return wrong_thing
    if "mnt" not in outside.own(box, process.pid):
        return failed(f"{name} is in the host's mount namespace", "what workbench() returns")
    if all(fields[4] != "/mnt" for fields in outside.mounts(process.pid)):
        return failed(f"nothing is mounted on /mnt in {name}", "what workbench() returns")
    return None


def differs(seen: dict[str, str], wanted: dict[str, str], where: str) -> Verdict | None:
    """Return the verdict on the first path that is not as it should be; None if all are.

    Whether a text ends with a newline does not matter.

    Args:
        seen: What `view` has found.
        wanted: What it should have.
        where: With what the observation begins: "in the layer".
    """
    for path in sorted(seen.keys() | wanted.keys()):
        if path not in wanted:
            return failed(f"{where} there is {path}", "not there")
        if path not in seen:
            return failed(f"{where} {path} is missing", "there")
        if seen[path].removesuffix("\n") != wanted[path].removesuffix("\n"):
            return failed(f"{where} {path} says {seen[path]!r}", repr(wanted[path]))
    return None


def mounted_below(process: Held, directory: str) -> list[list[str]]:
    """Return the lines of mountinfo of what is mounted on a directory of a bench, or below it."""
    every = outside.mounts(process.pid)
    # The host may have mounts on /mnt as well, which the bench covers: they come before it.
    bench = max(number for number, line in enumerate(every) if line[4] == "/mnt")
    return [line for line in every[bench + 1 :] if f"{line[4]}/".startswith(f"{directory}/")]


def not_the_overlay(process: Held) -> Verdict | None:
    """Return the verdict on /mnt/merged if it is no overlay of `lower` and `upper` alone."""
    there = mounted_below(process, "/mnt/merged")
    if not there:
        return failed("nothing is mounted on merged", "an overlay")
    if (place := there[-1][4]) != "/mnt/merged":
        return failed(f"something is mounted on {place}", "one overlay, and nothing below it")
    kind = there[-1][there[-1].index("-") + 1]
    if kind != "overlay":
        return failed(f"what is mounted on merged is of type {kind}", "an overlay")
    options = dict(option.partition("=")[::2] for option in there[-1][-1].split(","))
    for name, wanted in (("lowerdir", "lower"), ("upperdir", "upper")):
        found = options.get(name, "missing").removeprefix("/mnt/")
        if found != wanted:
            return failed(f"{name} of the overlay on merged is {found}", wanted)
    return None


def laid_over(witness: Held, *layers: str) -> dict[str, str]:
    """Return what these directories show as an overlay, the topmost first, read-only.

    Source: `Documentation/filesystems/overlayfs.rst`, "Multiple lower layers".
    """
    witness.mount("overlay", "/tmp/merged", "overlay", f"index=off,lowerdir={':'.join(layers)}")
    try:
        found: dict[str, str] = witness.evaluate("view('/tmp/merged')")
        return found
    finally:
        witness.umount("/tmp/merged")


def bench(process: Held) -> None:
    """Make a process a witness with a small file system of its own, on /mnt, and no other's."""
    process.unshare("mount")
    process.mount(None, "/", None, "rprivate")
    process.mount("check", "/mnt", "tmpfs", "size=16m")
    process.chdir("/mnt")
    process.python(_TOOLS)
