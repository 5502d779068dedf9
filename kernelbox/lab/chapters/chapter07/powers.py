"""Exercises of chapter 07 about capabilities: one of them, exactly two, and over the host."""

from __future__ import annotations

import json
import random
from contextlib import ExitStack
from typing import TYPE_CHECKING

from kernelbox.lab import reading
from kernelbox.lab.chapters.chapter07.ids import ids_of, not_the_user
from kernelbox.lab.exercises import outside
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.started import Container
from kernelbox.users import capabilities

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab


@exercise(
    "one-power",
    title="One power",
    points=3,
    hints=(
        "The check observes the uids and gids, and `CapPrm`, `CapEff` and `CapAmb`: that is what a "
        "process is, may become, and passes on.",
        "At which request does your process lose what the verdict misses? Look with `sets(server)` "
        "after each, beside section 7: what did `keeper` ask for before that, and which rights did "
        "its change of user need?",
        "Ambient can be only what is permitted *and* inheritable. `capabilities.NAMES` has the "
        "numbers.",
    ),
)
def one_power(box: Lab, server: Held) -> Verdict:
    """Look at its user and its sets."""
    if wrong_thing := outside.not_held(server, "server"):
        return wrong_thing
    if "user" in outside.own(box, server.pid):
        return failed(
            "it is in a user namespace of its own: its power is over what belongs to that",
            "the host's user namespace, which port 80 of the host belongs to",
        )
    if wrong_user := not_the_user(server, 1000):
        return wrong_user
    wanted = {"NET_BIND_SERVICE"}
    for name in ("CapPrm", "CapEff", "CapAmb"):
        if (there := _powers(server.pid, name)) != wanted:
            return failed(f"its {name} has {_listed(there)}", "NET_BIND_SERVICE alone")
    return passed("user 1000 with NET_BIND_SERVICE, which it passes on")


@exercise(
    "exactly-two",
    title="Exactly two",
    points=1,
    hints=(
        "The check observes the image, `CapEff` of the container's init, and its uids on the host.",
        "`kernelbox run --help` lists what a container can be told about users and capabilities; "
        "`box.start` takes the same words. What do you begin with, to end with exactly two?",
        "How many does the verdict list? If more than two, they come from what every container "
        "gets; if fewer, from the order in which what you say is applied. Start one with nothing "
        "but `cap_drop`, one with nothing but `cap_add`, and compare both with section 9.",
    ),
)
def exactly_two(box: Lab, exact: object) -> Verdict:
    """Look at the sets and at the user of its init."""
    if not isinstance(exact, Container):
        return failed(f"exact is {exact!r:.80}", "a container that box.start() returned")
    if not reading.alive(exact.pid):
        return failed("the container exact has ended", "one that is there to be looked at")
    if wrong_pid := outside.not_its_init(box, exact):
        return wrong_pid
    if runs_another := outside.does_not_run(exact, "sleep"):
        return runs_another
    [busybox] = json.loads(box.kernelbox("inspect busybox", quiet=True).stdout)
    if (there := exact.inspect())["Image"] != busybox["Id"]:
        return failed(f"its image is {there['Config']['Image']}", "busybox")
    if "user" not in outside.own(box, exact.pid) or 0 in ids_of(exact, "Uid"):
        return failed("its root is uid 0 on the host, too", "a user that is not the host's root")
    powers = _powers(exact.pid, "CapEff")
    if powers != {"CHOWN", "KILL"}:
        return failed(f"its CapEff has {_listed(powers)}", "CHOWN KILL")
    return passed("CapEff is CHOWN KILL, and its root is not 0 on the host")


@exercise(
    "over-the-host",
    title="Power over the host",
    points=4,
    hints=(
        "The check makes six processes and asks nine times, for powers drawn anew. Of each "
        "process it observes `CapEff` in `/proc/PID/status`, and its user namespace.",
        "Which of the five sets does the kernel ask? And what were the full sets of `inner` worth, "
        "in section 2, when it asked for something of the host's?",
        "`/proc/PID/ns/user` identifies a user namespace, but of root's processes it tells only "
        "root. Another file in `/proc/PID` is about the user namespace, and everybody may read it.",
    ),
)
def over_the_host(box: Lab, may: object) -> Verdict:
    """Compare with the effective set of processes made for it, and with where that counts."""
    given, aside, missing = random.sample(_to_draw(box), 3)
    with ExitStack() as ending:
        questions = _questions(box, ending, given, aside, missing)
        agreed: list[str] = []
        for who, pid, name in questions:
            really = name in _powers(pid, "CapEff") and "user" not in outside.own(box, pid)
            tried = attempt(may, pid, name)
            if tried.failure:
                return failed(f"of {who}: {tried.failure}")
            if not isinstance(tried.value, int):  # True and False are numbers, too
                return failed(f"of {who}, your function says {tried.value!r:.80}", "True or False")
            if bool(tried.value) is not really:
                return failed(
                    f"of {who} and {name}, your function says {tried.value!r}",
                    "what the kernel answers" if agreed else str(really),
                )
            agreed.append(who if really else "")
    able = [who for who in agreed if who]
    return passed(f"asked {len(agreed)} times; {len(able)} times yes: of {', '.join(able)}")


def _to_draw(box: Lab) -> list[str]:
    """Return capabilities that the lab can give to a container, whoever has withheld others."""
    lab_has = _powers(box.agent, "CapEff")
    # These two are needed on the way to another user.
    return [name for name in capabilities.DEFAULT if name in lab_has - {"SETUID", "SETGID"}]


def _questions(
    box: Lab, ending: ExitStack, given: str, aside: str, missing: str
) -> list[tuple[str, int, str]]:
    """Make processes with different powers; return who each is, its pid, and a name to ask for."""

    def held() -> Held:
        process = box.hold()
        ending.callback(process.end)
        return process

    container = box.start(
        "busybox", "sleep 1000", cap_drop=["ALL"], cap_add=[given, aside], network="none"
    )
    ending.callback(container.remove)
    root, user, keeper, inner, mapped = held(), held(), held(), held(), held()
    number = random.randrange(20_000, 60_000)
    user.become_user(f"{number}:{number}")
    keeper.keep_capabilities(given, aside, "SETUID", "SETGID")
    keeper.python("syscalls.prctl(flags.PR_SET_KEEPCAPS, 1)")
    keeper.become_user(f"{number + 1}:{number + 1}")
    effective, permitted = capabilities.mask([given]), capabilities.mask([given, aside])
    keeper.python(f"syscalls.capset({effective}, {permitted}, 0)")
    inner.unshare("user")
    mapped.unshare("user")
    for kind in ("uid", "gid"):
        root.write(f"/proc/{mapped.pid}/{kind}_map", "0 2000500000 1000")
    mapped.become_user("0:0")
    return [
        ("root in a container", container.pid, given),
        ("root in a container", container.pid, missing),
        ("the host's root", root.pid, missing),
        ("a user", user.pid, given),
        ("a user with one power in use and one at hand", keeper.pid, given),
        ("a user with one power in use and one at hand", keeper.pid, aside),
        ("a process in a user namespace of its own", inner.pid, given),
        ("a process in a user namespace of its own", inner.pid, missing),
        ("root of a user namespace with a map", mapped.pid, given),
    ]


def _powers(pid: int, line: str) -> set[str]:
    bits = int(reading.status(pid)[line], 16)
    known = capabilities.names(bits)
    # A newer kernel may have more than kernelbox has names for; those count as well.
    return {*known, *(["one without a name"] if bits != capabilities.mask(known) else [])}


def _listed(names: set[str]) -> str:
    few = " ".join(sorted(names)) or "nothing"
    return few if len(names) <= 5 else f"{len(names)} capabilities"
