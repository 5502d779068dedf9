"""Chapter 03, mount namespaces and propagation: what it asks."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from kernelbox.lab.exercises import outside
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.predictions import choice, number
from kernelbox.lab.exercises.quiz import question, right, wrong
from kernelbox.lab.exercises.registry import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.wire import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.lab.client import Lab
    from kernelbox.lab.held import Held

PREDICTIONS = (
    choice("copy", "a new mount namespace begins with", "nothing", "a copy of the mounts"),
    number("leak", "lines that the server's mountinfo gains"),
    choice(
        "slave",
        "a slave and its master: mounts spread",
        "both ways", "to the slave", "to the master", "neither way",
    ),
    number("rbind", "mounts after three recursive binds"),
    choice("ro", "writing through a bind mount made with ro", "works", "is refused"),
    choice("kept", "a namespace without a process, bound to a file", "is gone", "lives on"),
    number("host", "of the container's mounts, the host lists"),
)  # fmt: skip


def _groups(pid: int) -> dict[str, dict[str, str]]:
    """Return the peer groups of each mount of a process: by its mount point, then by the word."""
    found = {}
    for fields in outside.mounts(pid):
        optional = (field.partition(":") for field in fields[6 : fields.index("-")])
        found[fields[4]] = {word: group for word, _, group in optional}
    return found


def _devices(pid: int | str) -> dict[str, str]:
    """Return the device number of what is mounted at each place; the uppermost counts."""
    return {fields[4]: fields[2] for fields in outside.mounts(int(pid))}


def _not_a_copy(box: Lab, copy: Held, name: str, original: Held) -> Verdict | None:
    """Return the verdict on a process that is in no copy of another's mount namespace."""
    for one, called in ((original, "landlord"), (copy, name)):
        if wrong_thing := outside.not_held(one, called):
            return wrong_thing
    mine = box.namespaces(copy.pid)["mnt"]
    if mine == box.namespaces(original.pid)["mnt"]:
        return failed(f"{name} is in the landlord's own mount namespace", "a copy of it")
    if "mnt" not in outside.own(box, copy.pid):
        return failed(f"{name} is in the host's mount namespace", "a copy of the landlord's")
    if _devices(copy.pid).get("/") != _devices(original.pid).get("/"):
        return failed(f"the root of {name} is not the landlord's: it is no copy of its mounts")
    return None


@contextmanager
def _inside(box: Lab, process: Held) -> Iterator[Held]:
    """Hold a process of our own in another's mount namespace."""
    witness = box.hold()
    try:
        witness.setns(process, "mount")
        yield witness
    finally:
        witness.end()


def _heard(teller: Held, place: str, listener: Held) -> bool:
    """Mount something in one namespace, look whether another lists it, and take it away."""
    before = len(outside.mounts(listener.pid))
    teller.mount("probe", place, "tmpfs", "size=64k")
    try:
        return len(outside.mounts(listener.pid)) > before
    finally:
        teller.umount(place)


@exercise(
    "who-would-hear",
    title="Who would hear of it?",
    seconds=20,
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
    one = box.hold()
    made = [one]
    places = ["/mnt/shared", "/mnt/slave", "/mnt/both", "/mnt/private", "/mnt/anew"]
    try:
        one.unshare("mount")
        one.mount(None, "/", None, "rprivate")
        one.mount("check", "/mnt", "tmpfs", "size=1m")
        for place in places:
            one.mkdir(place)
            one.mount("check", place, "tmpfs", "size=64k")
            one.mkdir(f"{place}/probe")
            one.mount(None, place, None, "private" if place == "/mnt/private" else "shared")
        other = one.fork()
        made.append(other)
        other.unshare("mount")
        for place, how in (
            ("/mnt/slave", "slave"),
            ("/mnt/both", "slave"), ("/mnt/both", "shared"),
            ("/mnt/anew", "private"), ("/mnt/anew", "shared"),
        ):  # fmt: skip
            other.mount(None, place, None, how)
        for name, sender, receiver in (
            ("from one to the other", one, other),
            ("from the other to the one", other, one),
        ):
            texts = [
                "\n".join(" ".join(fields) for fields in outside.mounts(process.pid))
                for process in (sender, receiver)
            ]
            tried = attempt(leaks, *texts)
            if tried.failure:
                return failed(f"{name}: {tried.failure}")
            if not isinstance(tried.value, set | list | tuple):
                return failed(f"{name}: {tried.value!r}", "a set of mount points")
            yours = set(tried.value)
            kernels = {place for place in places if _heard(sender, f"{place}/probe", receiver)}
            if yours != kernels:
                return failed(f"{name}: {sorted(yours, key=str)}", f"{sorted(kernels)}")
    finally:
        for process in reversed(made):
            process.end()
    return passed("shared, slave, both at once, private, and shared anew: as the kernel does it")


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
    theirs = {group for words in _groups(landlord.pid).values() for group in words.values()}
    mine = _groups(lodger.pid)
    common = sorted(place for place, words in mine.items() if theirs & set(words.values()))
    if common:
        return failed(f"these are still tied to the landlord's: {' '.join(common)}", "no group")
    if "/mnt" in _groups(landlord.pid):
        return failed("the landlord's mountinfo lists a mount on /mnt: it has leaked")
    if "/mnt" not in mine:
        return failed("the lodger has nothing mounted on /mnt", "a tmpfs that it alone sees")
    if _devices(lodger.pid)["/mnt"] in _devices(os.getpid()).values():
        return failed("the host's mountinfo lists what is on /mnt")
    with _inside(box, lodger) as witness:
        if _heard(witness, "/tmp", landlord):
            return failed("what is mounted on the lodger's /tmp now appears in the landlord's")
    return passed("no peer group in common; neither the landlord nor the host lists the mount")


@exercise(
    "one-way",
    title="One way, and on",
    hints=(
        "The check mounts something in `landlord`, then in `branch`, then in `branch` with a copy "
        "of it listening. It observes who hears what. Three lines of mountinfo would tell as much.",
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
    with _inside(box, landlord) as above, _inside(box, branch) as below:
        if _heard(below, "/tmp", landlord):
            return failed("what is mounted in the branch appears in the landlord's", "one way only")
        if not _heard(above, "/home", branch):
            return failed("what the landlord mounts does not appear in the branch")
        with _inside(box, branch) as copy:
            copy.unshare("mount")
            if not _heard(below, "/tmp", copy):
                return failed("what is mounted in the branch does not appear in a copy of it")
    return passed("from the landlord to the branch, from the branch to its copies, and never back")


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
    """Try to write through each of the four mounts."""
    if wrong_thing := outside.not_held(vault, "vault"):
        return wrong_thing
    if "mnt" not in outside.own(box, vault.pid):
        return failed("vault is in the host's mount namespace")
    devices = _devices(vault.pid)
    for place, original in (("/mnt/view", "/mnt/data"), ("/mnt/view/deep", "/mnt/data/deep")):
        if place not in devices:
            return failed(f"nothing is mounted on {place}")
        if original not in devices or devices[place] != devices[original]:
            return failed(f"what is mounted on {place} is not what is on {original}")
    with _inside(box, vault) as witness:
        for place in ("/mnt/view", "/mnt/view/deep"):
            if _writable(witness, place):
                return failed(f"the check has written to {place}", "a read-only file system")
        for place in ("/mnt/data", "/mnt/data/deep"):
            if not _writable(witness, place):
                return failed(f"nobody can write to {place} any more", "only the view read-only")
    return passed("neither mount below /mnt/view can be written to, both below /mnt/data can")


def _writable(witness: Held, directory: str) -> bool:
    path = f"{directory}/.written-by-the-check"
    try:
        witness.python(
            f"os.close(os.open({path!r}, os.O_CREAT | os.O_WRONLY)); os.unlink({path!r})"
        )
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
    with _inside(box, attic) as witness:
        witness.python("syscalls.setns(os.open('/mnt/ghost', os.O_RDONLY), flags.CLONE_NEWUTS)")
        hostname = witness.look().inside["hostname"]
    if hostname != "ghost":
        return failed(f"the hostname in it is {hostname!r}", "'ghost'")
    return passed("no process is in it, and whoever enters is on a host called ghost")


def _members(box: Lab, name: str) -> int:
    """Count the processes in a UTS namespace."""
    count = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(LabError):  # it has just ended
            count += name == f"uts:[{box.namespaces(int(pid))['uts']}]"
    return count


@exercise(
    "who-holds-it",
    title="Who still holds it?",
    hints=(
        "The check observes three processes that hold its tmpfs: two share a mount namespace, the "
        "third is in a copy. A fourth has unmounted it.",
        "The host's own mountinfo does not list it. But each process has its own.",
        "The device is the third field. A process may end while you walk through `/proc`.",
    ),
)
def who_holds_it(box: Lab, holders: object) -> Verdict:
    """Compare with four processes that have, or no longer have, one file system mounted."""
    one = box.hold()
    made = [one]
    try:
        one.unshare("mount")
        one.mount(None, "/", None, "rprivate")
        one.mount("check", "/mnt", "tmpfs", "size=64k")
        made += [one.fork() for _ in range(3)]
        _, sibling, copy, without = made
        copy.unshare("mount")
        without.unshare("mount")
        without.umount("/mnt")
        expected = {one.pid, sibling.pid, copy.pid}
        tried = attempt(holders, _devices(one.pid)["/mnt"], seconds=6)
        if tried.failure:
            return failed(tried.failure)
        if not isinstance(tried.value, set | list | tuple):
            return failed(f"{tried.value!r}, and no set of PIDs")
        yours = set(tried.value)
        if missing := len(expected - yours):
            return failed(f"{missing} of its 3 holders are missing")
        if strange := len(yours - expected):
            return failed(f"{strange} of yours do not have it mounted")
    finally:
        for process in reversed(made):
            process.end()
    return passed("two that share a namespace, one in a copy, and not the one that unmounted it")


QUIZ = (
    question(
        "After `unshare(CLONE_NEWNS)` alone, a mount that the process makes ...",
        wrong("is never seen by others", "The list is its own, but the copies of shared mounts "
              "tell each other: on a host with systemd, / is shared (section 3)."),
        wrong("is always seen by others", "Mounts that were private stay so (section 2)."),
        right("is seen by others if the mount it is made on is shared", "The propagation of the "
              "mount *above* decides, and unshare does not change it."),
    ),
    question(
        "A new mount namespace contains ...",
        right("copies of all the mounts of the old one", "The list is copied; the file systems are "
              "not (section 1)."),
        wrong("no mounts", "Then not even / would be there, nor the program that runs."),
        wrong("copies of the files", "What is copied is a list. Both sides see the same files."),
    ),
    question(
        "`master:5` in mountinfo means ...",
        wrong("this mount tells group 5", "That would be `shared:5`."),
        right("this mount hears what group 5 mounts, and tells it nothing", "It is a slave of the "
              "group (section 4)."),
        wrong("this mount was made first", "The order of mounts has nothing to do with it."),
    ),
    question(
        "You bind `/srv` to `/mnt` and remount `/mnt` read-only. Files in `/srv` ...",
        wrong("can no longer be changed", "`ro` belongs to the one mount, as long as the remount "
              "says `bind` (section 6)."),
        wrong("can be changed, and `/mnt` keeps the old ones", "A bind is no copy: there is one "
              "directory, seen at two places."),
        right("can be changed, and the change is seen in `/mnt`", "One directory, two mounts, and "
              "only one of them refuses to write."),
    ),
    question(
        "The last process in a network namespace has ended. The namespace ...",
        wrong("is always gone", "Not if it is mounted somewhere, or a file descriptor is open."),
        right("lives on if its /proc/PID/ns file was bound somewhere", "That is what "
              "`ip netns add` does (section 7)."),
        wrong("lives on until the next reboot", "Without a process, a mount or a descriptor, the "
              "kernel removes it."),
    ),
)  # fmt: skip
