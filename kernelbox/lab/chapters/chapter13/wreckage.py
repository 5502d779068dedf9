"""The exercise of chapter 13 about what a killed engine leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from kernelbox.lab.lifecycle import Engine, Wreck
    from kernelbox.lab.notebook import Lab


@exercise(
    "wreckage",
    title="After the crash",
    seconds=30.0,
    hints=(
        "The check looks for control groups, processes and the runtime's notes of all three, and "
        "whether the wanted one runs on, the same process as before.",
        "`engine.noted()` has their ids, and `engine.status` says what the runtime makes of each. "
        "Why does `delete` refuse one of them?",
        "`delete --force` kills what is still there, and then takes away the rest. By hand: the "
        "processes in `cgroup.procs`, then the groups, then the directory.",
    ),
)
def wreckage(box: Lab, engine: Engine, wreck: Wreck) -> Verdict:
    """Count what is there of each."""
    for name in wreck.names:
        left = engine.left(name)
        if name != wreck.wanted and left.things:
            return failed(f"of {name} there is still: {left}", "nothing")
    status = engine.status(wreck.wanted)
    if status != "running":
        return failed(f"{wreck.wanted}, which is wanted, is {status or 'gone'}", "running")
    if engine.pid(wreck.wanted) != wreck.pid:
        return failed(f"{wreck.wanted} was made anew: what it did is lost", "the same process")
    if not engine.left(wreck.wanted).groups:
        return failed(f"{wreck.wanted} has no control group any more", "its own")
    return passed("of two nothing is left, and the third has noticed nothing")
