"""Exercises of chapter 03 about what a mount can do, and what it keeps alive."""

from __future__ import annotations

import os
import random
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from kernelbox.lab.chapters.chapter03.witness import changed, devices_of, inside, roots_of
from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises import outside
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab


@exercise(
    "truly-read-only",
    title="Truly read-only",
    hints=(
        "The check tries to write to four directories: `/mnt/view`, `/mnt/view/deep`, `/mnt/data` "
        "and `/mnt/data/deep`. It observes which of them let it.",
        "`ro` is a property of each mount, and `/mnt/view` and `/mnt/view/deep` are two. If one is "
        "missing, the bind was not recursive.",
        "Without `bind`, a remount changes the file system itself, and so every mount of it.",
    ),
)
def truly_read_only(box: Lab, vault: Held) -> Verdict:
    """Try to write through each of the four mounts, to a new file and to one that is there."""
    if wrong_thing := outside.not_held(vault, "vault"):
        return wrong_thing
    if "mnt" not in outside.own(box, vault.pid):
        return failed("vault is in the host's mount namespace")
    if not_as_given := changed(vault, "vault"):
        return not_as_given
    devices = roots_of(vault.pid)
    for place, original in (("/mnt/view", "/mnt/data"), ("/mnt/view/deep", "/mnt/data/deep")):
        if place not in devices:
            return failed(f"nothing is mounted on {place}")
        if original not in devices or devices[place] != devices[original]:
            return failed(f"what is mounted on {place} is not what is on {original}")
    name = f".written-by-the-check-{secrets.token_hex(4)}"
    with inside(box, vault) as witness:
        for place in ("/mnt/data", "/mnt/data/deep"):
            if not _writes(witness, f"{place}/{name}"):
                return failed(f"nobody can write to {place} any more", "only the view read-only")
        try:
            for place in ("/mnt/view", "/mnt/view/deep"):
                if not witness.evaluate(f"os.path.exists('{place}/{name}')"):
                    return failed(f"what is written to the original does not appear in {place}")
                for new in (f"{name}-too", name):
                    if _writes(witness, f"{place}/{new}"):
                        return failed(f"the check has written to {place}", "refused: read-only")
        finally:
            witness.shell(f"rm -f /mnt/data/{name}* /mnt/data/deep/{name}*")
    return passed("neither mount below /mnt/view can be written to, both below /mnt/data can")


def _writes(witness: Held, path: str) -> bool:
    """Say whether a file can be written, or made if there is none."""
    try:
        witness.python(f"open({path!r}, 'a').close()")
    except LabError:
        return False
    return True


@exercise(
    "ghost",
    title="A namespace without processes",
    hints=(
        "The check looks for `/mnt/ghost` in the mountinfo of `attic`. Of a namespace that is "
        "mounted, the file system type is `nsfs`, and the root names its kind and number.",
        "A namespace is mounted as a directory is: by a bind. The target must exist, and must be a "
        "file, since the source is one.",
        "In whose namespace must the hostname be set, and what has to become of that process "
        "before the check?",
    ),
)
def ghost(box: Lab, attic: Held) -> Verdict:
    """Find the namespace in mountinfo, see that nobody is in it, and enter it through the file."""
    if wrong_thing := outside.not_held(attic, "attic"):
        return wrong_thing
    lines = [fields for fields in outside.mounts(attic.pid) if fields[4] == "/mnt/ghost"]
    if not lines:
        return failed("nothing is mounted on /mnt/ghost in the attic")
    root, kind = lines[-1][3], lines[-1][lines[-1].index("-") + 1]
    if kind != "nsfs" or not root.startswith("uts:"):
        what = root.partition(":")[0] if kind == "nsfs" else kind
        return failed(f"what is mounted on /mnt/ghost is {what}", "a UTS namespace")
    if root == f"uts:[{box.namespaces(box.agent)['uts']}]":
        return failed("on /mnt/ghost is the host's own UTS namespace")
    if living := _members(box, root):
        return failed(f"processes that are still in it: {living}", "none")
    with inside(box, attic) as witness:
        witness.python("syscalls.setns(os.open('/mnt/ghost', os.O_RDONLY), flags.CLONE_NEWUTS)")
        if root != f"uts:[{box.namespaces(witness.pid)['uts']}]":
            return failed(
                "through /mnt/ghost another namespace is entered than mountinfo has there"
            )
        hostname = witness.look().inside["hostname"]
    if hostname != "ghost":
        return failed(f"the hostname in it is {hostname!r}", "'ghost'")
    return passed("no process is in it, and whoever enters is on a host called ghost")


def _members(box: Lab, name: str) -> int:
    """Count the processes in a UTS namespace, be it with one of their threads."""
    count = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(LabError, OSError):  # it has just ended
            theirs = (box.namespaces(int(task)) for task in os.listdir(f"/proc/{pid}/task"))
            count += any(name == f"uts:[{one['uts']}]" for one in theirs)
    return count


@exercise(
    "who-holds-it",
    title="Who still holds it?",
    seconds=30,
    hints=(
        "The check observes some processes that hold its tmpfs: several share a mount namespace, "
        "others are in copies, where it may be at another place. And some have unmounted it.",
        "The host's own mountinfo does not list it. But each process has its own.",
        "The device is the third field. A process may end while you walk through `/proc`.",
    ),
)
def who_holds_it(box: Lab, holders: object) -> Verdict:
    """Compare with processes that have, or no longer have, one file system mounted."""
    with _mounted(box) as (device, expected):
        tried = attempt(holders, device, seconds=6)
        if tried.failure:
            return failed(tried.failure)
        if strange_ones := outside.not_pids(tried.value):
            return failed(strange_ones, "numbers, one for each process")
        yours = list(tried.value)
        if missing := sum(pid not in yours for pid in expected):
            return failed(f"{missing} of its {len(expected)} holders are missing")
        if strange := sum(pid not in expected for pid in yours):
            return failed(f"{strange} of yours do not have it mounted")
    return passed("all in one namespace, all in copies of it, and nobody who has unmounted it")


@contextmanager
def _mounted(box: Lab) -> Iterator[tuple[str, set[int]]]:
    """Hold processes of which some have a file system mounted; yield its device and their PIDs.

    How many it is, and where it is mounted, is drawn. Of the others some have unmounted it, and one
    has a file system whose name begins so.
    """
    one = box.hold()
    made = [one]
    try:
        one.unshare("mount")
        one.mount(None, "/", None, "rprivate")
        one.mount("check", "/mnt", "tmpfs", "size=64k")
        place = f"/mnt/{secrets.token_hex(3)}"
        one.mkdir(place)
        one.mount("check", place, "tmpfs", "size=64k")
        device = devices_of(one.pid)[place]
        siblings = [one.fork() for _ in range(random.randint(1, 3))]
        copies = [one.fork() for _ in range(random.randint(1, 3))]
        without = [one.fork() for _ in range(random.randint(1, 3))]
        made += [*siblings, *copies, *without]
        for process in (*copies, *without):
            process.unshare("mount")
        for process in copies[1:]:
            process.mount(place, "/mnt", None, "move")
        for process in without:
            process.umount(place)
        without[0].mount(f"{device}0", "/mnt", "tmpfs", "size=64k")
        yield device, {process.pid for process in (one, *siblings, *copies)}
    finally:
        for process in reversed(made):
            process.end()
