"""Exercises of chapter 15 about privilege: the least that does, and none that is new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab import reading
from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.plain import plain
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.started import Container
from kernelbox.users import capabilities

if TYPE_CHECKING:
    from kernelbox.lab.notebook import Lab

_MOST = 20  # capabilities that are tried one by one
_TINI = "/usr/bin/tini-static"  # a program that needs nothing else, and starts another
_PROGRAM = "/check-of-the-lab"
_USER = "1000"
_WHO = "grep ^Uid: /proc/$PPID/status"  # of its parent: busybox itself gives that up
# It belongs to the container's root: in a user namespace that is another number outside.
_COPY = f"""
with open({_TINI!r}, "rb") as tini, open({{place!r}}, "wb") as copy:
    copy.write(tini.read())
root = os.stat({{root!r}})
os.chown({{place!r}}, root.st_uid, root.st_gid)
os.chmod({{place!r}}, 0o4755)
"""


@exercise(
    "least-power",
    title="The least power",
    points=3,
    seconds=60.0,
    hints=(
        "The check runs the service in a container that has dropped all capabilities, and has "
        "those in `kept` added. Then once more for each of them, without it.",
        "What does each command of the service change, and whose is that? capabilities(7) has a "
        "list by capability; `man 2` of a system call says which one it needs, at EPERM.",
        "Or by experiment: begin with everything, take one away, and see whether the service still "
        "works. If it does, it was not needed. How often do you have to try?",
    ),
)
def least_power(box: Lab, kept: object, service: str) -> Verdict:
    """Run the service with these capabilities, and without each of them."""
    told = plain(kept)
    if not isinstance(told, list | set) or not all(isinstance(one, str) for one in told):
        return failed(f"kept is {kept!r:.80}", "a list of names")
    names = sorted({str(one).upper().removeprefix("CAP_") for one in told})
    if strange := [one for one in names if one not in capabilities.NAMES]:
        return failed(f"{strange[0]:.40} is no capability", "names from capabilities(7)")
    if len(names) > _MOST:
        return failed(f"there are {len(names)} in kept", "a few")
    if not _works(box, service, names):
        return failed(f"with these {len(names)}, the service does not work", "it works")
    for one in names:
        if _works(box, service, [other for other in names if other != one]):
            return failed(f"without {one} the service works as well", "none that is not needed")
    return passed("the service works with these, and without any one of them it does not")


def _works(box: Lab, service: str, names: list[str]) -> bool:
    asked = ["sh", "-c", service]
    done = box.run("busybox", asked, quiet=True, network="none", cap_drop=["ALL"], cap_add=names)
    return done.code == 0


@exercise(
    "no-new-powers",
    title="No new powers",
    hints=(
        "The check puts a program into `safe` that belongs to root and has the set-user-ID bit, "
        "lets user 1000 run it in there, and observes who it is then.",
        "When does a process become another user by that bit? One request before that says no, for "
        "itself and all its children, for ever.",
        "prctl(2) has PR_SET_NO_NEW_PRIVS. Which of the words that `--security-opt` takes asks for "
        "it? `kernelbox run --help` lists them.",
    ),
)
def no_new_powers(box: Lab, safe: object) -> Verdict:
    """Put a set-user-ID program into it, and let a user run that."""
    if not isinstance(safe, Container):
        return failed(f"safe is {safe!r:.80}", "a container that box.start() returned")
    if not reading.alive(safe.pid):
        return failed("the container safe has ended", "one that runs")
    try:
        _plant(box, safe.pid)
    except LabError:
        return failed("the check cannot write to the root of safe", "one that can be written to")
    try:
        done = safe.exec([_PROGRAM, "--", "sh", "-c", _WHO], user=_USER, quiet=True)
    finally:
        _plant(box, safe.pid, take_away=True)
    effective = [line.split()[2] for line in done.stdout.splitlines()]
    if effective == ["0"]:
        return failed("user 1000 has run that program, and was root", "still user 1000")
    if effective != [_USER]:
        return failed(f"user 1000 cannot run a program: {done.stderr.strip()[:100]}", "one can")
    return passed("user 1000 has run a set-user-ID program of root's, and stayed user 1000")


def _plant(box: Lab, pid: int, *, take_away: bool = False) -> None:
    """Put a program with the set-user-ID bit into a container, or take it out again."""
    place = f"/proc/{pid}/root{_PROGRAM}"
    builder = box.hold()
    try:
        if take_away:
            builder.python(f"os.unlink({place!r})")
        else:
            builder.python(_COPY.format(place=place, root=f"/proc/{pid}/root"))
    finally:
        builder.end()
