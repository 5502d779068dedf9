"""Exercises of chapter 07 about id maps: written, read, alone, and two levels down."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox.lab.chapters.chapter07.ids import ids_of, not_mapped, not_the_user
from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises import outside, parsons
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab


@exercise(
    "root-of-nothing",
    title="Root of nothing",
    points=2,
    hints=(
        "The check observes in `/proc/PID` the two maps, and in `status` the four uids and gids of "
        "the process and its further groups, as the host counts. None of them may be 0.",
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
        return failed("its user namespace is the host's", "one of its own")
    if wrong_maps := not_mapped(mine, "0 2000100000 1000"):
        return wrong_maps
    if wrong_user := not_the_user(mine, 2_000_100_000):
        return wrong_user
    return passed("uid 0 and gid 0 inside are 2000100000 on the host")


def _drawn() -> list[tuple[int, int, int]]:
    """Draw a map of three lines in any order: first uid inside, first outside, how many."""
    inside, lines = 0, []
    for outside_ in random.sample(range(2_000_300_000, 2_000_400_000, 5_000), 3):
        size = random.randint(3, 900)
        lines.append((inside, outside_, size))
        inside += size + random.randint(2, 2_000)
    return random.sample(lines, 3)


@exercise(
    "read-the-map",
    title="Read the map",
    points=2,
    hints=(
        "The check makes a namespace with a map of three lines, another one each time. Then it "
        "lets processes become users of it, and observes in `/proc/PID/status` who they are on the "
        "host.",
        "A line `10 500 20` is about the uids 10 to 29 inside. Which is the last one outside?",
        "The distance from the beginning of the range is the same inside and outside.",
    ),
)
def read_the_map(box: Lab, on_the_host: object) -> Verdict:
    """Compare with what the kernel makes of the same map."""
    root, writer = box.hold(), box.hold()
    lines = _drawn()
    try:
        root.unshare("user")
        for kind in ("uid", "gid"):
            text = "\n".join(f"{inside} {out} {size}" for inside, out, size in lines)
            writer.write(f"/proc/{root.pid}/{kind}_map", text)
        root.become_user("0:0")
        uid_map = Path(f"/proc/{root.pid}/uid_map").read_text()
        for place, uid in _asked(lines):
            really = _user_inside(root, uid)
            tried = attempt(on_the_host, uid_map, uid)
            if tried.failure:
                return failed(f"for uid {uid}, {place}: {tried.failure}")
            if type(tried.value) is not type(really) or tried.value != really:
                return failed(
                    f"for uid {uid}, {place}, your function says {tried.value!r:.80}",
                    f"{really}, says the kernel" if uid == 0 else "whom the kernel takes it for",
                )
    finally:
        root.end()
        writer.end()
    return passed("nine uids, six of them mapped, as the kernel translates them")


def _asked(lines: list[tuple[int, int, int]]) -> list[tuple[str, int]]:
    """Return which uids to ask for, and what they are in the map; root first."""
    first, second, third = sorted(lines)
    asked = []
    for inside, _, size in (first, second, third):
        asked += [("the first of a line", inside), ("the last of a line", inside + size - 1)]
    return [
        *asked,
        ("behind the end of a line", first[0] + first[2]),
        ("before the beginning of a line", third[0] - 1),
        ("behind the end of a line", third[0] + third[2]),
    ]


def _user_inside(root: Held, uid: int) -> int | None:
    """Let a child become a user of its namespace; return who that is on the host, or None."""
    child = root.fork()
    try:
        child.become_user(f"{uid}:0")
        return ids_of(child, "Uid")[0]
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
        "The check makes the requests in your order, and observes who the process is on the host, "
        "and both maps. Where a request is refused, it quotes the kernel.",
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
            return failed(run.refusal, cause if theirs else "each request granted")
        process = run.process
        if "user" not in outside.own(box, process.pid):
            return failed("its user namespace is the host's", "one of its own")
        if wrong_maps := not_mapped(process, "0 1000 1"):
            return wrong_maps
        if wrong_user := not_the_user(process, 1000):
            return wrong_user
    return passed("root inside, with one user and one group; 1000 on the host")


def _restricted() -> bool:
    switch = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    return switch.exists() and switch.read_text().strip() == "1"


@exercise(
    "two-levels-down",
    title="Two levels down",
    points=4,
    hints=(
        "The check asks the kernel for the parent of `deep`'s user namespace, and for that one's "
        "parent, which has to be the host's. And it reads the maps as the host.",
        "The one in the middle has to be root in *its* namespace, with a map of its own, before it "
        "can write a map for somebody below. Is it refused with `EACCES`? Section 10 begins with "
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
        return failed(f"its user namespace is {levels} below the host's", "two below")
    if wrong_maps := not_mapped(deep, "0 2000200100 10"):
        return wrong_maps
    if wrong_user := not_the_user(deep, 2_000_200_100):
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
