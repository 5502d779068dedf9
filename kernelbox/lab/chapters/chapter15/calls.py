"""The exercise of chapter 15 about the filter: no way to it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox.lab import attacks
from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.seccomp import machines

if TYPE_CHECKING:
    from kernelbox.lab.notebook import Lab

# By the command that does it, all calls that do the same. A machine may have some of them only.
WAYS = {
    "mv": ("rename", "renameat", "renameat2"),
    "ln": ("link", "linkat"),
    "mkdir": ("mkdir", "mkdirat"),
    "chmod": ("chmod", "fchmod", "fchmodat", "fchmodat2"),
}
_WORK = "ls / >/dev/null && echo text >/file && grep -q text /file && (sleep 0.01 & wait)"


@exercise(
    "no-way-to-it",
    title="No way to it",
    points=3,
    seconds=45.0,
    hints=(
        "The check starts a container with your profile. A program in there makes each system call "
        "that does what the command does, by its number, and observes what the kernel says. And "
        "`ls`, `grep`, `sleep` have to work.",
        "A filter knows no commands and no files, only calls. How many calls are there for it? "
        "`kernelbox seccomp explain default` lists all names; older calls have younger sisters.",
        "`defaultAction` is for what no rule names. A rule has `names`, an `action`, and for "
        "SCMP_ACT_ERRNO an `errnoRet`, which is EPERM if nothing is said.",
    ),
)
def no_way_to_it(box: Lab, profile: object, deed: str) -> Verdict:
    """Start a container with the profile, and make each of the calls in there."""
    if not isinstance(profile, dict):
        return failed(f"profile is {profile!r:.80}", "a profile, as a dict")
    numbers = machines.this().numbers
    calls = [one for one in WAYS[deed] if one in numbers]
    with tempfile.TemporaryDirectory(prefix="kernelbox-check-") as directory:
        path = Path(directory, "profile.json")
        try:
            path.write_text(json.dumps(profile))
        except (TypeError, ValueError) as error:
            return failed(f"profile cannot be written as JSON: {error}", "texts, numbers, lists")
        confined = [f"seccomp={path}"]
        try:
            told = attacks.calls(box, calls, security_opt=confined)
            done = box.run(
                "busybox", ["sh", "-c", _WORK], quiet=True, network="none", security_opt=confined
            )
        except LabError as error:
            return failed(f"no program runs with it: {error}", "sh, ls, grep and sleep run")
    killed = [one for one in told.values() if one.startswith("SIG")]
    if killed:
        return failed(f"who makes such a call is killed: {killed[0]}", "it fails with EPERM")
    if others := [one for one in told.values() if one != "EPERM"]:
        return failed(
            f"of {len(calls)} calls that do what {deed} does, {len(others)} did not fail with "
            f"EPERM: the kernel said {others[0]}",
            "EPERM for all of them",
        )
    if done.code != 0:
        return failed("with it, ls, grep or sleep do not work", "they work")
    return passed("every call that does it fails with EPERM, and a shell works")
