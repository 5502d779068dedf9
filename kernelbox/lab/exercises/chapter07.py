"""Chapter 07, user namespaces and capabilities: what it asks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox import capabilities
from kernelbox.lab.exercises import outside, parsons
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.predictions import choice, number, text
from kernelbox.lab.exercises.quiz import question, right, wrong
from kernelbox.lab.exercises.registry import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.running import Container
from kernelbox.lab.wire import LabError

if TYPE_CHECKING:
    from kernelbox.lab.client import Lab
    from kernelbox.lab.held import Held

PREDICTIONS = (
    text("uid", "the uid of root, just after unshare(user)"),
    choice("hostname", "root inside sets the host's hostname", "allowed", "refused"),
    choice("owner", "who owns root's file, on the host", "0", "65534", "2000000000"),
    choice("thread", "two threads ask for a user namespace", "allowed", "EPERM", "EINVAL"),
    number("powers", "capabilities of a container's root"),
    choice("powerless", "root without capabilities gives a file away", "allowed", "refused"),
)


@exercise(
    "root-of-nothing",
    title="Root of nothing",
    points=2,
    hints=(
        "The check observes three things in `/proc/PID`: the two maps, and in `status` the four "
        "uids and gids of the process as the host counts. None of them may be 0.",
        "Who has written the maps in section 3? It was not the process itself. And what did "
        "`inner.look()` say after that?",
        "A process keeps its user when a map appears. It has to change to one that the map has.",
    ),
)
def root_of_nothing(box: Lab, mine: Held) -> Verdict:
    """Look at its maps, and at who it is on the host."""
    if wrong_thing := outside.not_held(mine, "mine"):
        return wrong_thing
    if "user" not in outside.own(box, mine.pid):
        return failed("its user namespace is the host's")
    if wrong_maps := _not_mapped(mine, "0 2000100000 1000"):
        return wrong_maps
    if wrong_user := _not_the_user(mine, 2_000_100_000):
        return wrong_user
    return passed("uid 0 and gid 0 inside are 2000100000 on the host")


_MAP = "0 2000300000 10\n10 2000300500 20\n1000 2000301000 1"


@exercise(
    "read-the-map",
    title="Read the map",
    hints=(
        "The check makes a namespace with a map of three lines. Then it lets processes become "
        "users of it, and observes in `/proc/PID/status` who they are on the host.",
        "A line `10 500 20` is about the uids 10 to 29 inside. Which is the last one outside?",
        "The distance from the beginning of the range is the same inside and outside.",
    ),
)
def read_the_map(box: Lab, on_the_host: object) -> Verdict:
    """Compare with what the kernel makes of the same map."""
    root, writer = box.hold(), box.hold()
    try:
        root.unshare("user")
        for kind in ("uid", "gid"):
            writer.write(f"/proc/{root.pid}/{kind}_map", _MAP)
        root.become_user("0:0")
        uid_map = Path(f"/proc/{root.pid}/uid_map").read_text()
        for uid in (0, 9, 10, 29, 30, 999, 1000, 1001):
            really = _user_inside(root, uid)
            tried = attempt(on_the_host, uid_map, uid)
            if tried.failure:
                return failed(f"for uid {uid}: {tried.failure}")
            if type(tried.value) is not type(really) or tried.value != really:
                return failed(f"for uid {uid}: {tried.value!r}", f"{really}, says the kernel")
    finally:
        root.end()
        writer.end()
    return passed("eight uids, five of them mapped, as the kernel translates them")


def _user_inside(root: Held, uid: int) -> int | None:
    """Let a child become a user of its namespace; return who that is on the host, or None."""
    child = root.fork()
    try:
        child.become_user(f"{uid}:0")
        return _ids(child, "Uid")[0]
    except LabError:  # EINVAL: not in the map
        return None
    finally:
        child.end()
        root.reap()


def _leave_root(process: Held) -> None:
    process.become_user("1000:1000")
    process.python("syscalls.prctl(flags.PR_SET_DUMPABLE, 1)")


PUZZLES = (
    parsons.puzzle(
        "alone",
        ("write('/proc/self/uid_map', '0 1000 1')",
         lambda p: p.write("/proc/self/uid_map", "0 1000 1")),
        ("write('/proc/self/setgroups', 'deny')",
         lambda p: p.write("/proc/self/setgroups", "deny")),
        ("unshare('user')", lambda p: p.unshare("user")),
        ("become_user('1000:1000'), and dumpable again", _leave_root),
        ("write('/proc/self/gid_map', '0 1000 1')",
         lambda p: p.write("/proc/self/gid_map", "0 1000 1")),
    ),
)  # fmt: skip


@exercise(
    "on-your-own",
    title="On your own",
    points=2,
    hints=(
        "The check observes who the process is on the host, and both maps. Where a request is "
        "refused, it quotes the kernel.",
        "A process without privilege maps the user that it is. So it has to be that user before "
        "it goes inside, where no other user has a number.",
        "Section 6 met one refusal on the way. What had to be given up before the group's map?",
    ),
)
def on_your_own(box: Lab, order: object) -> Verdict:
    """Make the requests in that order, and look at what the process has become."""
    with parsons.made(box, PUZZLES[0], order) as run:
        if run.refusal:
            cause = "AppArmor restricts this here: section 6 says how to switch that off"
            theirs = "uid_map" in run.refusal and _restricted()
            return failed(run.refusal, cause if theirs else "")
        process = run.process
        if "user" not in outside.own(box, process.pid):
            return failed("its user namespace is the host's")
        if wrong_maps := _not_mapped(process, "0 1000 1"):
            return wrong_maps
        if wrong_user := _not_the_user(process, 1000):
            return wrong_user
    return passed("root inside, with one user and one group; 1000 on the host")


def _restricted() -> bool:
    switch = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    return switch.exists() and switch.read_text().strip() == "1"


@exercise(
    "one-power",
    title="One power",
    points=2,
    hints=(
        "The check observes the uids and gids, and `CapPrm`, `CapEff` and `CapAmb`: that is what a "
        "process is, may become, and passes on.",
        "The way is the one of `keeper` in section 7, with another capability. To change its user, "
        "a process needs two more, which it can give up later.",
        "Ambient can be only what is permitted *and* inheritable. `capabilities.NAMES` has the "
        "numbers.",
    ),
)
def one_power(_box: Lab, server: Held) -> Verdict:
    """Look at its user and its sets."""
    if wrong_thing := outside.not_held(server, "server"):
        return wrong_thing
    if wrong_user := _not_the_user(server, 1000):
        return wrong_user
    wanted = {"NET_BIND_SERVICE"}
    for name in ("CapPrm", "CapEff", "CapAmb"):
        if (there := _powers(server.pid, name)) != wanted:
            return failed(f"its {name} has {_listed(there)}", "NET_BIND_SERVICE alone")
    return passed("user 1000 with NET_BIND_SERVICE, which it passes on")


@exercise(
    "two-levels-down",
    title="Two levels down",
    points=2,
    hints=(
        "The check asks the kernel for the parent of `deep`'s user namespace, and for that one's "
        "parent, which has to be the host's. And it reads the maps as the host.",
        "The one in the middle has to be root in *its* namespace, with a map of its own, before it "
        "can write a map for somebody below. Is it refused with `EACCES`? Section 8 begins with "
        "the reason.",
        "What is *outside* for `deep` is the middle one's inside: its 100 may be the host's "
        "2000200100. Who is no user of the new namespace is nobody there.",
    ),
)
def two_levels_down(box: Lab, deep: Held) -> Verdict:
    """Count its levels by asking for the parent of each, and read its maps from the host's."""
    if wrong_thing := outside.not_held(deep, "deep"):
        return wrong_thing
    levels = _levels(box, deep)
    if levels != 2:
        return failed(f"its user namespace is {levels} below the host's", "2")
    if wrong_maps := _not_mapped(deep, "0 2000200100 10"):
        return wrong_maps
    if wrong_user := _not_the_user(deep, 2_000_200_100):
        return wrong_user
    return passed("two below the host's; its root is 2000200100 on the host")


# Source: ioctl_nsfs(2), NS_GET_PARENT. The host's own, and what is above it, cannot be asked for.
_COUNT = """
fd, levels = os.open("/proc/{pid}/ns/user", os.O_RDONLY), 0
while fd >= 0 and os.fstat(fd).st_ino != {hosts}:
    above = syscalls.libc.ioctl(fd, 0xB702)
    os.close(fd)
    fd, levels = above, levels + 1
raise SystemExit(levels)
"""


def _levels(box: Lab, process: Held) -> int:
    """Return how many levels a process's user namespace is below the host's."""
    witness = box.hold()  # a process of the host's root: the notebook may not be one
    try:
        witness.python(_COUNT.format(pid=process.pid, hosts=box.namespaces(box.agent)["user"]))
    except LabError as error:
        return int(str(error).removeprefix("SystemExit: "))
    finally:
        witness.end()
    return 0


@exercise(
    "exactly-two",
    title="Exactly two",
    hints=(
        "The check observes `CapEff` of the container's init, and its uids on the host.",
        "`kernelbox run --help` lists what a container can be told about users and capabilities; "
        "`box.start` takes the same words. What do you begin with, to end with exactly two?",
        "What is named in `cap_add` and is dropped with `ALL` is kept.",
    ),
)
def exactly_two(box: Lab, exact: object) -> Verdict:
    """Look at the sets and at the user of its init."""
    if not isinstance(exact, Container):
        return failed(f"exact is {exact!r:.80}", "a container that box.start() returned")
    if not outside.alive(exact.pid):
        return failed("the container exact has ended", "one that is there to be looked at")
    if "user" not in outside.own(box, exact.pid) or 0 in _ids(exact, "Uid"):
        return failed("its root is uid 0 on the host, too", "a user that is not the host's root")
    there = _powers(exact.pid, "CapEff")
    if there != {"CHOWN", "KILL"}:
        return failed(f"its CapEff has {_listed(there)}", "CHOWN KILL")
    return passed("CapEff is CHOWN KILL, and its root is not 0 on the host")


def _ids(process: Held | Container, line: str) -> list[int]:
    """Return the real, effective, saved and file system ids of a process, as the host counts."""
    return [int(word) for word in outside.status(process.pid)[line].split()]


def _not_the_user(process: Held, wanted: int) -> Verdict | None:
    """Return the verdict on a process that is not wholly this user and group of the host's."""
    for line in ("Uid", "Gid"):
        if strange := sorted(set(_ids(process, line)) - {wanted}):
            numbers = " and ".join(map(str, strange))
            return failed(f"on the host its {line.lower()} is {numbers}", str(wanted))
    return None


def _not_mapped(process: Held, wanted: str) -> Verdict | None:
    """Return the verdict on a process whose namespace has other maps, read as the host."""
    for name in ("uid_map", "gid_map"):
        lines = Path(f"/proc/{process.pid}/{name}").read_text().splitlines()
        if [line.split() for line in lines] != [wanted.split()]:
            there = ", ".join(" ".join(line.split()) for line in lines)
            return failed(f"its {name} is {there or 'empty'}", wanted)
    return None


def _powers(pid: int, line: str) -> set[str]:
    bits = int(outside.status(pid)[line], 16)
    known = capabilities.names(bits)
    # A newer kernel may have more than kernelbox has names for; those count as well.
    return {*known, *(["one without a name"] if bits != capabilities.mask(known) else [])}


def _listed(names: set[str]) -> str:
    few = " ".join(sorted(names)) or "nothing"
    return few if len(names) <= 5 else f"{len(names)} capabilities"


QUIZ = (
    question(
        "Root in a container is ...",
        wrong("always the host's root", "With a user namespace it is some other user of the "
              "host's: 2000000000 in section 10."),
        wrong("never the host's root", "Without a user namespace it is uid 0, the only one there "
              "is: `plain` in section 10. It has fewer capabilities, that is all."),
        right("the host's root, or not, depending on its user namespace", "Look at `Uid` in "
              "`/proc/PID/status`, on the host."),
    ),
    question(
        "`uid_map` says `0 5000 10`. Root inside makes a file. On the host it belongs to ...",
        wrong("0", "That is its number inside."),
        right("5000", "The file system stores the number outside (section 4)."),
        wrong("65534", "That is shown for who has *no* number where one looks from."),
    ),
    question(
        "Root inside has every capability, and cannot make a device. Why?",
        wrong("`CAP_MKNOD` is missing from its set", "It is there: `sets(inner)` printed every "
              "one."),
        right("the kernel asks for `CAP_MKNOD` in the host's user namespace", "`capable()` asks "
              "there, always (section 5)."),
        wrong("the directory is not writable", "It had made a file in it in section 4."),
    ),
    question(
        "Why must `setgroups` be denied before a process maps its own group?",
        right("to leave a group may open files that are closed to the group", "Mode `0604` "
              "keeps a group out. Who drops the group is let in (section 6)."),
        wrong("there are no groups in a user namespace", "There are: `gid_map` is for them."),
        wrong("or it could join the group root", "It could not: only what is mapped can be joined, "
              "and only its own group is."),
    ),
    question(
        "User 1000 has `CapPrm` and `CapEff` of `KILL`, and `CapAmb` of nothing. It executes a "
        "program. The program has ...",
        wrong("`KILL`, as its parent", "That is what happens with `fork`. With `execve` the sets "
              "are computed anew (section 7)."),
        right("nothing", "The file has no capabilities, and nothing is ambient."),
        wrong("what is in `CapBnd`", "That is a limit. It gives nothing."),
    ),
    question(
        "A program in Go calls `unshare(CLONE_NEWUSER)` as root, and gets EINVAL. Because ...",
        wrong("it lacks a privilege", "That would be EPERM; root gets EINVAL as well."),
        wrong("the kernel has no user namespaces", "That is one meaning of EINVAL. Here a held "
              "process of one thread could make one."),
        right("it has several threads", "All threads of a process are in one user namespace "
              "(section 9)."),
    ),
)  # fmt: skip
