"""The exercise of chapter 14 about machines: whose kernel."""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING

from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from kernelbox.lab.notebook import Lab

_WORDS = "anchor beacon canal dune estuary fjord gulf harbour isle jetty".split()

# What somebody is asked who lives in a container or a machine.
_ASKED = """
{
    "boot_id": open("/proc/sys/kernel/random/boot_id").read().strip(),
    "release": os.uname().release,
    "hostname": os.uname().nodename,
    "uptime": float(open("/proc/uptime").read().split()[0]),
}
"""


@exercise(
    "whose-kernel",
    title="Whose kernel?",
    points=2,
    seconds=30.0,
    hints=(
        "The check asks processes with hostnames of their own, as containers have them, and draws "
        "what virtual machines would say. Then it asks your function how many kernels there are.",
        "Which of the four is the same for all who share a kernel, and can two kernels never have "
        "in common? Two machines may have booted the same version in the same second.",
        "random(4), or `Documentation/admin-guide/sysctl/kernel.rst`, random: what is "
        "`boot_id`, and when is it drawn?",
    ),
)
def whose_kernel(box: Lab, kernels: object) -> Verdict:
    """Ask real processes of this kernel, add machines, and compare the number."""
    process = box.hold()
    try:
        process.unshare("uts")
        for number in range(4):
            told, wanted = {}, 1
            names = random.sample(_WORDS, len(_WORDS))
            for _ in range(random.randint(2, 4) if number else 4):
                process.sethostname(name := names.pop())
                told[name] = process.evaluate(_ASKED)
            for _ in range(random.randint(1, 3) if number else 2):
                # The last one's twin, but for one line.
                told |= _machine(names, process.evaluate(_ASKED))
                wanted += 1
            several = list(told.items())
            random.shuffle(several)
            tried = attempt(kernels, dict(several))
            if tried.failure:
                return failed(tried.failure)
            if tried.value != wanted or isinstance(tried.value, bool):
                return failed(
                    f"of {len(told)} that were asked, your function says {tried.value!r:.60}",
                    f"{wanted} kernels" if not number else "as many as there are kernels",
                )
    finally:
        process.end()
    return passed("containers of one kernel, and machines with the same version, name and age")


def _machine(names: list[str], like: dict[str, object]) -> dict[str, dict[str, object]]:
    """Return what is said in a virtual machine that looks like this host, and in a container of it.

    Args:
        names: Those that are free; two at most are taken.
        like: What a process of this host says.
    """
    said = {**like, "boot_id": str(uuid.uuid4())}
    found = {names.pop(): said}
    if random.random() < 0.5:
        found[names.pop()] = {**said, "hostname": random.choice(_WORDS), "uptime": 1.0}
    return found
