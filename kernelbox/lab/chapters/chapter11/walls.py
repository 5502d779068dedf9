"""An exercise of chapter 11: which rule of several drops a packet."""

from __future__ import annotations

import random
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from kernelbox.lab.chapters.chapter11.wires import not_apart, witness
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.neighbours import WALLED, WORLD

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab

_SHUT = 0.2  # seconds: so long a call waits; the kernel repeats its packet after one


@exercise(
    "which-rule",
    title="Which rule?",
    points=2,
    hints=(
        "The check reads the counters of the rules, calls from home a few times, and reads them "
        "again. The rule whose comment is in `culprit` should have met these packets.",
        'Each rule in `router.rules("wall")` says how many packets it has met. When do you have to '
        "look at it, and what has to happen in between?",
        "A call that is not answered is `connected(home, world, ...)` with a short `seconds`, in a "
        "`try`. Only one counter differs after it.",
    ),
)
def which_rule(box: Lab, home: Held, router: Held, port: int, culprit: object) -> Verdict:
    """Call from home, and see which counters rise."""
    if wrong_thing := not_apart(box, home=home, router=router):
        return wrong_thing
    if not isinstance(culprit, str):
        return failed(f"culprit is {culprit!r:.80}", "the comment of a rule, a text")
    times = random.randint(2, 3)
    with witness(box, router) as reader, witness(box, home) as caller:
        before = _met(reader)
        if len(before) != WALLED:
            return failed(f"{len(before)} rules of the table drop", f"{WALLED}, as the lab made it")
        if culprit not in before:
            return failed(f"no rule has the comment {culprit!r:.40}", "one of those in the table")
        for _ in range(times):
            with caller.socket("tcp") as calling, suppress(OSError):
                calling.settimeout(_SHUT)
                calling.connect((WORLD[0], port))
        after = _met(reader)
    rose = after.get(culprit, 0) - before[culprit]
    if rose < times:
        return failed(
            f"home has called {times} times, and the rule {culprit!r} has met {rose} packets",
            "each of them",
        )
    return passed("each call from home has raised the counter of that rule, and was dropped by it")


def _met(reader: Held) -> dict[str, int]:
    """Return how many packets each rule has met, by its comment."""
    found = re.findall(
        r'counter packets (\d+) bytes \d+ drop comment "(\w+)"', reader.rules("wall")
    )
    return {comment: int(packets) for packets, comment in found}
