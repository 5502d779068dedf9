"""Exercises of chapter 13 about what a bundle demands: mounts and limits, a hook that refuses."""

from __future__ import annotations

import os
import random
import secrets
from typing import TYPE_CHECKING, Any

from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kernelbox.lab.lifecycle import Bundle, Engine
    from kernelbox.lab.notebook import Lab

# --- demanded -------------------------------------------------------------------------------------


@exercise(
    "demanded",
    title="It is written",
    points=3,
    seconds=30.0,
    hints=(
        "The check creates a container of the bundle `order`, and reads in /proc/PID/mountinfo of "
        "its first process, and in its control group, what has become of the demand.",
        "config.md of the spec says what an entry of `mounts` has, and config-linux.md where a "
        "limit of a control group stands. What does `engine.bundles[...].config` have by now?",
        "A mount has a destination, a type, a source and options, as mount(8) writes them: "
        "`noexec`, `size=4m`. The number of processes is `linux.resources.pids.limit`.",
    ),
)
def demanded(box: Lab, engine: Engine, order: Bundle, place: str, size: int, most: int) -> Verdict:
    """Create a container of it, and read what the kernel has."""
    name = f"check-{random.randrange(1000)}"
    engine.bundles[name] = order
    try:
        engine.create(name)
        pid = engine.pid(name)
        mounts = [one.split() for one in engine.read(f"/proc/{pid}/mountinfo").splitlines()]
        device = _device(box, f"/proc/{pid}/root{place}")
        limits = [
            engine.read(f"{group}/pids.max").strip()
            for group in engine.left(name).groups
            if "pids.max" in engine.listing(group)
        ]
    except LabError as error:
        return failed(f"the runtime refuses the bundle: {error}", "a container")
    except (OSError, TypeError, ValueError) as error:
        return failed(f"the config is no JSON: {error}"[:200])
    finally:
        engine.delete(name)
        del engine.bundles[name]
    there = [fields for fields in mounts if fields[4] == place]
    if not there:
        return failed(f"nothing is mounted on {place}", "a tmpfs")
    if not (seen := [fields for fields in there if fields[2] == device]):
        return failed(f"what is mounted on {place} is covered by another mount", "a tmpfs")
    return _wrong_mount(seen[-1], place, size) or _wrong_limit(limits, most) or passed(
        "there is a tmpfs of that size in its place, where nothing is executed, and the control "
        "group has its limit"
    )  # fmt: skip


def _device(box: Lab, path: str) -> str:
    """Return the numbers of the file system that a path leads to, `0:42`; empty without a path."""
    witness = box.hold()
    try:
        number = int(witness.evaluate(f"os.path.exists({path!r}) and os.stat({path!r}).st_dev"))
    finally:
        witness.end()
    return f"{os.major(number)}:{os.minor(number)}" if number else ""


def _wrong_mount(fields: list[str], place: str, size: int) -> Verdict | None:
    """Return the verdict on a line of mountinfo. Source: proc_pid_mountinfo(5)."""
    kind, _, super_options = fields[fields.index("-") + 1 :][:3]
    if kind != "tmpfs":
        return failed(f"on {place} there is a file system of type {kind}", "a tmpfs")
    if "noexec" not in fields[5].split(","):
        return failed(f"on {place} programs can be executed", "noexec")
    found = dict(one.partition("=")[::2] for one in super_options.split(","))
    if found.get("size") != f"{size << 10}k":
        return failed(
            f"the size of the tmpfs is {found.get('size', 'without a limit')}", f"{size} MiB"
        )
    return None


def _wrong_limit(limits: list[str], most: int) -> Verdict | None:
    told = ", ".join(limits) or "missing"
    if told != str(most):
        return failed(f"pids.max of its control group is {told}", str(most))
    return None


# --- refusing -------------------------------------------------------------------------------------


@exercise(
    "refusing",
    title="Not without a label",
    points=3,
    seconds=60.0,
    hints=(
        "The check gives your hooks to containers with the annotation and without it, and observes "
        "which of them can be created, whether a program has run, and what is left.",
        "Whose failure comes early enough to stop a container from being created? And where does a "
        "hook learn which annotations it has?",
        "A hook reads the state as JSON on its standard input, and its exit status is its answer. "
        "`annotations` is an object there; the text of it may say the label elsewhere, too.",
    ),
)
def refusing(box: Lab, engine: Engine, hooks: object, label: str) -> Verdict:
    """Create containers with the annotation and without, each with the student's hooks."""
    if not isinstance(hooks, dict) or not hooks:
        return failed(f"hooks is {hooks!r:.80}", "a dict: by the kind of hook, a list of them")
    word = f"ran-{random.randrange(10**6)}"
    value, other = secrets.token_hex(3), secrets.token_hex(3)
    with_it = {"note": other, label: value}
    if verdict := _refused(engine, hooks, with_it, word):
        return verdict
    several: list[dict[str, str]] = [
        {},
        {"note": f"its {label} is on {other}"},
        {f"{label}{random.choice('sx')}": value},
        {random.choice(("lacks", "has")): label},
        {other: value},
    ]
    # Once more with it among those without: or who lets the first one pass would do.
    for noted in random.sample([*several, with_it], len(several) + 1):
        check = _refused if label in noted else _let_through
        if verdict := check(engine, hooks, noted, word):
            return verdict
    return passed(
        "with the label it runs; without it, create fails, no program has run, nothing is left"
    )


def _refused(
    engine: Engine, hooks: dict[str, Any], annotations: Mapping[str, str], word: str
) -> Verdict | None:
    """Return the verdict on hooks that do not let a good container run."""
    name = _bundle(engine, hooks, annotations, word)
    try:
        said = engine.run(name).said
    except (LabError, TypeError, ValueError) as error:
        return failed(f"with the annotation it cannot run: {error}"[:200], "a container")
    finally:
        engine.delete(name)
        del engine.bundles[name]
    return None if word in said else failed(f"with the annotation it says {said!r:.80}", word)


def _let_through(
    engine: Engine, hooks: dict[str, Any], annotations: Mapping[str, str], word: str
) -> Verdict | None:
    """Return the verdict on hooks that let a container be created without the label."""
    name = _bundle(engine, hooks, annotations, word)
    try:
        engine.create(name)
    except LabError as error:
        if "hook" not in str(error):
            return failed(f"it was not a hook that refused it: {error}"[:200], "the hook")
        if word in engine.printed(name):
            return failed("its program has run all the same", "a refusal before it")
        if left := engine.left(name).things:
            return failed(f"{left} things are left of one that was refused", "nothing")
        return None
    finally:
        engine.delete(name)
        del engine.bundles[name]
    return failed(f"with the annotations {annotations} it was created", "a refusal")


def _bundle(
    engine: Engine, hooks: dict[str, Any], annotations: Mapping[str, str], word: str
) -> str:
    name = f"check-{random.randrange(1000)}"
    engine.bundle(name, ["echo", word], hooks=hooks, annotations=dict(annotations))
    return name
