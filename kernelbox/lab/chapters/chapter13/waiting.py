"""Exercises of chapter 13 between create and start: who waits, which state, somebody joins."""

from __future__ import annotations

import itertools
import json
import os
import random
from typing import TYPE_CHECKING

from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from kernelbox.lab.lifecycle import Engine
    from kernelbox.lab.notebook import Lab

# --- waiting --------------------------------------------------------------------------------------


@exercise(
    "waiting",
    title="At the gate",
    seconds=30.0,
    hints=(
        "The check asks the runtime for the state of `waiter`, and the kernel which program its "
        "first process has become.",
        "Which of the two acts makes the process, and which lets it become the program? Which "
        "state is between them?",
        "`engine.create` makes it and leaves it there. Whoever has started it already has to make "
        "it anew: no state leads back.",
    ),
)
def waiting(box: Lab, engine: Engine, word: str) -> Verdict:
    """Ask the runtime for the state, and the kernel for the program of its first process."""
    if odd := not_in_state(engine, "waiter", "created"):
        return odd
    pid = engine.pid("waiter")
    if (program := engine.program(pid)) != "the runtime":
        return failed(f"the first process of waiter is {program}", "the runtime, which waits")
    args = noted(engine, "waiter")["process"]["args"]
    if args != ["sh", "-c", f"echo {word}; sleep 1000"]:
        return failed(f"its program is to be {' '.join(args)!r:.80}", "the one of the bundle")
    return passed("waiter is created: its first process waits, and has not become the program")


def not_in_state(engine: Engine, container: str, wanted: str) -> Verdict | None:
    """Return the verdict on a container that is in another state, or in none."""
    status = engine.status(container)
    if status == wanted:
        return None
    if not status:
        return failed(f"there is no container {container}", f"one that is {wanted}")
    return failed(f"{container} is {status}", wanted)


def noted(engine: Engine, container: str) -> dict[str, dict[str, list[str]]]:
    """Return the config.json that a container was made of, as its runtime has kept it."""
    found: dict[str, dict[str, list[str]]] = json.loads(
        engine.read(engine.states / container / "config.json")
    )
    return found


# --- which state ----------------------------------------------------------------------------------

Facts = dict[str, object]
_LETTERS = ("R", "S", "T", "Z", None)


@exercise(
    "which-state",
    title="Which state is it?",
    seconds=45.0,
    hints=(
        "The check makes containers in several states, reads the facts about each in the kernel, "
        "and compares what your function says with what the runtime says; then it draws others.",
        "Which facts make all others worthless? Think of a process that has ended, and of another "
        "one that has got its number since.",
        "Ask in this order: is it dead (none, a zombie, or not the same)? Is it frozen? Does it "
        "wait? One that is created can stand still, too.",
    ),
)
def which_state(box: Lab, engine: Engine, state: object) -> Verdict:
    """Compare with the runtime on real containers, then with the spec on drawn facts."""
    tried = attempt(state, {"process": "S", "same": True, "waits": False, "frozen": False})
    if tried.failure:  # alone first: what goes wrong is told as it is
        return failed(tried.failure)
    cases = [*_real(engine), *_drawn()]
    tried = attempt(lambda: [state(dict(facts)) for facts, _ in cases])  # type: ignore[operator]
    if tried.failure:
        return failed(tried.failure)
    for number, (said, (facts, wanted)) in enumerate(zip(tried.value, cases, strict=True)):
        if said != wanted:
            return failed(
                f"of {facts} your function says {said!r:.40}",
                wanted if number == 0 else "what the runtime says",
            )
    return passed(f"{len(cases)} sets of facts, and in each the state that the runtime would tell")


def _real(engine: Engine) -> list[tuple[Facts, str]]:
    """Return the facts about a container that is walked through its states, and what it is then."""
    name = f"check-{random.randrange(1000)}"
    engine.bundle(name, "sleep 1000")
    found = []
    try:
        engine.create(name)
        pid = engine.pid(name)
        _, began = _life(engine, pid)
        for verb in ("", "start", "pause", "kill"):
            if verb == "kill":
                engine.kill(name)
            elif verb:
                engine(verb, name)
            found.append((_facts(engine, name, pid, began), engine.status(name)))
    finally:
        engine.delete(name)
        del engine.bundles[name]
    return found


def _facts(engine: Engine, container: str, pid: int, began: str) -> Facts:
    """Return what the kernel says of a container whose first process began then."""
    letter, begins = _life(engine, pid)
    waits = letter not in (None, "Z") and engine.program(pid) == "the runtime"
    frozen = _is_frozen(engine, container)
    return {"process": letter, "same": begins == began, "waits": waits, "frozen": frozen}


def _life(engine: Engine, pid: int) -> tuple[str | None, str]:
    """Return a process's state, and when it began. Source: proc_pid_stat(5), fields 3 and 22."""
    if not os.path.exists(f"/proc/{pid}/stat"):
        return None, ""
    fields = engine.read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[0], fields[19]


def _is_frozen(engine: Engine, container: str) -> bool:
    """Whether a control group is frozen. Source: freezer-subsystem.rst; cgroup-v2.rst."""
    for group in engine.left(container).groups:
        names = engine.listing(group)
        if "freezer.state" in names:
            return engine.read(f"{group}/freezer.state").strip() == "FROZEN"
        if "cgroup.freeze" in names:
            return "frozen 1" in engine.read(f"{group}/cgroup.events").splitlines()
    return False


def _drawn() -> list[tuple[Facts, str]]:
    every: list[Facts] = [
        {"process": letter, "same": same, "waits": waits, "frozen": frozen}
        for letter, same, waits, frozen in itertools.product(
            _LETTERS, (True, False), (True, False), (True, False)
        )
    ]
    return [(facts, _told(**facts)) for facts in random.sample(every, len(every))]  # type: ignore[arg-type]


def _told(process: str | None, *, same: bool, waits: bool, frozen: bool) -> str:
    if process in (None, "Z") or not same:
        return "stopped"
    if frozen:
        return "paused"
    return "created" if waits else "running"


# --- prepared -------------------------------------------------------------------------------------


@exercise(
    "prepared",
    title="Before it wakes",
    seconds=30.0,
    hints=(
        "The check observes which hostname the first process of `lodger` has, by entering its UTS "
        "namespace; that it is the one the lab gave; and that it still waits.",
        "The process is there, and so are its namespaces. How did `exec` come into them, and who "
        "else may?",
        "setns(2) takes a process by its PID: `engine.pid` knows it. A held process has a method "
        "for it, and nsenter(1) is the same in a shell.",
    ),
)
def prepared(box: Lab, engine: Engine, lodger: int, called: str) -> Verdict:
    """Enter its UTS namespace and look; then look who and where it is."""
    if odd := not_in_state(engine, "lodger", "created"):
        return odd
    if engine.pid("lodger") != lodger:
        return failed("lodger was made anew: it has another first process", "the one that waits")
    if os.uname().nodename == called:
        return failed(f"the host is called {called} now", "lodger alone")
    witness = box.hold()
    try:
        witness.setns(lodger, "uts")
        name = str(witness.look().inside["hostname"])
    finally:
        witness.end()
    if name != called:
        return failed(f"lodger's hostname is {name!r}", repr(called))
    return passed("lodger waits still, and when it wakes, it will find another hostname")
