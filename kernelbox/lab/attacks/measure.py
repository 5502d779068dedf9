"""Containers behind a defence each, all attacks in each of them, and what got through."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Unpack

from kernelbox.lab.attacks import tries
from kernelbox.lab.attacks.grid import Grid, Outcome
from kernelbox.lab.attacks.planted import SECRET, planted
from kernelbox.lab.conversation import LabError
from kernelbox.seccomp import machines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kernelbox.container.option_types import ContainerOptions
    from kernelbox.lab.notebook import Lab

ATTACKS = {name: (attack.__doc__ or "") for name, attack in tries.ATTACKS.items()}

# From the fewest defences to the most; what is not said is as in every container.
DEFENCES: dict[str, ContainerOptions] = {
    "privileged": {"privileged": True},
    "all capabilities": {"cap_add": ["ALL"], "security_opt": ["seccomp=unconfined"]},
    "no filter": {"security_opt": ["seccomp=unconfined"]},
    "default": {},
    "user namespace": {"userns": "auto"},
    "hardened": {
        "cap_drop": ["ALL"],
        "pids_limit": 50,
        "read_only": True,
        "security_opt": ["no-new-privileges"],
        "userns": "auto",
    },
}
# What Docker's defaults leave open, and so do ours: work needs it, or nothing can be done.
OPEN_BY_DEFAULT = ("a fork bomb", "raw packets", "set-user-ID", "a changed program", "one kernel")

# The host's Python runs in there, whatever the image has: its programs and libraries.
_TOOLS = tuple(
    f"{one}:{one}:ro" for one in ("/usr/bin", "/usr/lib", "/lib", "/lib64") if os.path.isdir(one)
)
_SCRIPT = ("-ISB", "/attacks.py")
_PYTHON = ("/usr/bin/python3", *_SCRIPT)
_SOON = 0.02  # seconds
_COPIES = 4  # each of them meets the directory or the link
_NOT_FOUND = 127


def attack(box: Lab, **options: Unpack[ContainerOptions]) -> dict[str, Outcome]:
    """Make all attacks in a container with these options; return what became of each, by name.

    Args:
        box: The lab.
        **options: As `box.run` has them; it has no network if they do not say otherwise.

    Raises:
        LabError: The container could not be started; /usr/bin/python3 cannot be run in it.
    """
    with planted(box) as scene:
        return _attacked(box, scene, options)


def measure(
    box: Lab, defences: Mapping[str, ContainerOptions] = DEFENCES, *, show: bool = False
) -> Grid:
    """Make all attacks behind each defence.

    Args:
        box: The lab.
        defences: By name, as of `attack`, whose errors these are.
        show: Whether to print how far it is, a line that is written over.
    """
    outcomes = {}
    with planted(box) as scene:
        for number, (name, more) in enumerate(defences.items(), 1):
            if show:
                print(f"\rdefence {number} of {len(defences)}: {name:20}", end="", flush=True)
            outcomes[name] = _attacked(box, scene, more)
    if show:
        print(f"\r{len(defences)} defences, {len(defences) * len(ATTACKS)} attacks".ljust(40))
    return Grid(outcomes)


def calls(box: Lab, names: Sequence[str], **options: Unpack[ContainerOptions]) -> dict[str, str]:
    """Make system calls in a container, by their numbers; return what the kernel said, by name.

    Their arguments make no sense: where a call is let through, it fails with EFAULT or EBADF.

    Args:
        box: The lab.
        names: Of the calls.
        **options: As of `attack`.

    Raises:
        LabError: No program runs in such a container.
    """
    told = _made(box, {"calls": machines.this().numbers}, options, *names)
    return {name: said for name, (_, said) in told.items()}


def _attacked(box: Lab, scene: dict[str, Any], options: ContainerOptions) -> dict[str, Outcome]:
    told = _made(box, scene, options)
    told["the runtime"] = _in_its_place(box, scene, options)
    told["a volume"] = _while_it_copies(box, scene, options)
    return {name: Outcome(*told[name]) for name in ATTACKS}


def _in_its_place(box: Lab, scene: dict[str, Any], options: ContainerOptions) -> tuple[bool, str]:
    """Start a container whose program is "the program that is running": the runtime's own."""
    name = "the runtime"
    asked = _options(scene, options)
    done = box.run("busybox", ["/proc/self/exe", *_SCRIPT, name], quiet=True, **asked)
    if done.code == 0:
        through, said = _told(done.stdout)[name]
        return through, said
    # The stepping stone ends like this: run once more, it finds its descriptor closed. With
    # --init it is that one's program, which takes no such words.
    return False, "EBADF" if done.code == _NOT_FOUND else f"exit {done.code}"


def _while_it_copies(
    box: Lab, scene: dict[str, Any], options: ContainerOptions
) -> tuple[bool, str]:
    """Copy a file out of a container, by a path whose first part it exchanges all the while."""
    asked = _options(scene, options)
    asked["volume"] = [*asked["volume"], tries.VOLUME]
    asked["rm"] = False  # what it has said is read, also if it has ended
    there = box.start("busybox", [*_PYTHON, "a volume"], **asked)
    wanted = ["cp", f"{there.id}:{tries.VOLUME}/way{scene['file']}", "-"]
    try:
        while not (said := box.kernelbox(["logs", there.id], quiet=True).stdout):
            time.sleep(_SOON)
        if said.strip() != tries.EXCHANGING:  # it has not come so far
            through, word = _told(said)["a volume"]
            return through, word
        for _ in range(_COPIES):
            with suppress(LabError):  # there is no such file
                if SECRET in box.kernelbox(wanted, quiet=True).stdout:
                    return True, SECRET
    finally:
        there.remove()
    return False, "ENOENT"


def _made(
    box: Lab, scene: dict[str, Any], options: ContainerOptions, *names: str
) -> dict[str, Any]:
    done = box.run("busybox", [*_PYTHON, *names], quiet=True, **_options(scene, options))
    if done.code != 0:
        raise LabError("the attacks did not run in there", done.stderr.strip()[-200:])
    return _told(done.stdout)


def _told(text: str) -> dict[str, Any]:
    """Return what the program has told of its attacks: options may have led to another."""
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise LabError("the attacks did not run in there", f"What did said: {text.strip()[:200]}")
    return told


def _options(scene: dict[str, Any], options: ContainerOptions) -> ContainerOptions:
    """Return the options of a container in which the attacks are, and what they are after."""
    asked: ContainerOptions = {"network": "none", **options}
    asked["volume"] = [*asked.get("volume", ()), *_TOOLS, f"{tries.__file__}:/attacks.py:ro"]
    asked["env"] = {"SCENE": json.dumps(scene)}
    return asked
