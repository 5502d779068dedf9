"""The exercises of chapter 01: a container's numbers, its members, half of it, and its monitor."""

from __future__ import annotations

import os
import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kernelbox import cgroup
from kernelbox.lab import reading
from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises import outside, pictures
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.started import Container


@exercise(
    "all-its-numbers",
    title="All its numbers",
    points=1,
    hints=(
        "The check observes one number for this notebook, two for `web`, and more for a process "
        "in a PID namespace within a PID namespace.",
        "The numbers stand in one line, and section 1 has read it for `web`.",
        'A file\'s line is text. `"12 1"` is not yet `[12, 1]`.',
    ),
)
def all_its_numbers(box: Lab, pids_of: object, web: Container) -> Verdict:
    """Compare with the numbers of a notebook, a container, and a process deep below."""
    with _deep_below(box) as process:
        for name, pid in (
            ("this notebook", os.getpid()),
            ("web", web.pid),
            ("one far below", process.pid),
        ):
            numbers = [int(word) for word in reading.status(pid)["NSpid"].split()]
            tried = attempt(pids_of, pid)
            if tried.failure:
                return failed(f"for {name}: {tried.failure}")
            if repr(tried.value) != repr(numbers):  # 1.0 and True are 1, and no PIDs
                first = f"{numbers}, says the kernel" if len(numbers) == 1 else ""
                return failed(
                    f"for {name}: {tried.value!r}",
                    first or "a number for each PID namespace it is in, as the kernel has them",
                )
    return passed(f"one number for this notebook, two for web, {len(numbers)} for one far below")


@contextmanager
def _deep_below(box: Lab) -> Iterator[Held]:
    """Hold a process some PID namespaces below, and not always the same number in each of them."""
    line = [box.hold()]
    try:
        for _ in range(2):
            line[-1].unshare("pid")
            line.append(line[-1].fork())
            for _ in range(random.randint(0, 3)):  # numbers that are given out before
                line[-1].fork().end()
        line.append(line[-1].fork())
        yield line[-1]
    finally:
        for one in reversed(line):
            one.end()


@exercise(
    "who-lives-there",
    title="Who lives there?",
    seconds=30,
    hints=(
        "The check compares with `cgroup.procs`, the kernel's own list of a group's members. It "
        "observes three numbers there for `busy`; `busy.pid` is only one of them.",
        "Print `/proc/PID/cgroup` for `busy.pid` and for this notebook. What is in the one, and "
        "not in the other? Not every member descends from `busy.pid`: think of `exec`.",
        "The directories in `/proc` whose names are digits are the processes. A process may end "
        "while you walk: reading its files then raises `OSError`.",
    ),
)
def who_lives_there(box: Lab, members: object, busy: Container, web: Container) -> Verdict:
    """Compare with the kernel's own list of a control group's members."""
    with _lodging(box) as lodging:
        for name, one in (("busy", busy), ("web", web), ("one that the check has made", lodging)):
            tried = attempt(members, one.id, seconds=6)
            if tried.failure:
                return failed(f"for {name}: {tried.failure}")
            if strange_ones := outside.not_pids(tried.value):
                return failed(f"for {name}: {strange_ones}", "numbers, one for each process")
            kernels, yours = outside.members(one), list(tried.value)
            if not kernels:
                return failed(f"for {name}: nobody lives there any more", "a container that runs")
            if missing := sum(pid not in yours for pid in kernels):
                return failed(f"for {name}: {missing} of its {len(kernels)} processes are missing")
            if strange := sum(pid not in kernels for pid in yours):
                return failed(f"for {name}: {strange} of yours are not in its control group")
            if again := len(yours) - len(kernels):
                return failed(f"for {name}: {again} of yours were there already", "each PID once")
    return passed("all of busy, all of web, and all of a third one, with one that had come later")


@contextmanager
def _lodging(box: Lab) -> Iterator[Container]:
    """Start a container with some processes, and one more, as `exec` brings it.

    That one descends from nobody in there. Yet another one is in its PID namespace, and in the
    host's control group.
    """
    sleepers = random.randint(2, 5)
    script = "(sleep 1000 & wait) & " * sleepers + "wait"
    container = box.start("busybox", ["sh", "-c", script], network="none")
    door = box.hold()
    made = [door]
    try:
        door.setns(container.pid, "pid")
        made += [door.fork(), door.fork()]
        for directory in cgroup.of(container.id).inside.directories:
            made[1].write(f"{directory}/cgroup.procs", "0")
        deadline = time.monotonic() + 5
        while len(outside.members(container)) < 2 * sleepers + 2 and time.monotonic() < deadline:
            time.sleep(0.02)  # until the shell has started all
        yield container
    finally:
        for one in reversed(made):
            one.end()
        container.remove()


@exercise(
    "half-a-container",
    title="Half a container",
    hints=(
        "The check looks at the last number of `NSpid`. For a process that has unshared *pid* "
        "itself, it finds the host's number there: that process is in no new PID namespace, as "
        "section 4 has shown.",
        "A hostname that is set before *uts* is unshared would be the host's. A child inherits its "
        "parent's namespaces.",
        "Look at `maker` and at `tiny` in section 4, at both: which rows differ from the host's in "
        "the one, which in the other? One of them is to be the host's here.",
    ),
)
def half_a_container(box: Lab, half: Held) -> Verdict:
    """Look at its PIDs, its namespaces and its hostname."""
    if wrong_thing := outside.not_held(half, "half"):
        return wrong_thing
    inside = reading.status(half.pid)["NSpid"].split()[1:]
    if inside[-1:] != ["1"]:
        have = inside[-1:] or ["none: it is in the host's PID namespace"]
        return failed(f"its PID inside is {have[0]}", "1")
    own = outside.own(box, half.pid)
    if "uts" not in own:
        return failed("its uts namespace is the host's, and so is its hostname")
    if too_many := own & {"net", "mnt"}:
        return failed(f"these are its own, too: {' '.join(sorted(too_many))}", "the host's")
    hostname = outside.hostname(box, half)
    if hostname != "half":
        return failed(f"its hostname is {hostname!r}", "'half'")
    return passed("PID 1, called half, on the host's network and mounts")


@exercise(
    "kill-the-other-one",
    title="Kill the other one",
    points=3,
    hints=(
        "The check observes whether the init has ended, and whether somebody was left to report "
        "its exit code. Who does that? There is one process that a container does not outlive.",
        "Section 3 found it: in `/proc/PID/status`, one line below `Pid`.",
        "The monitor cannot clean up if it gets no chance to. Which signal gives none?",
    ),
)
def kill_the_other_one(box: Lab, last: Container) -> Verdict:
    """See that init is gone, after its monitor, and nobody was there to report how it ended."""
    picture = pictures.of(last)
    begun = time.monotonic()
    while reading.alive(last.pid):
        # A monitor that runs on is not about to end its init; one that has ended takes it along.
        patience = 0.5 if picture and reading.alive(picture.parent) else 3
        if time.monotonic() > begun + patience:
            return failed("its init still runs")
        time.sleep(0.01)
    if picture and picture.ends.so_far()[0] != picture.parent:
        return failed("its init ended before its monitor did", "the monitor, and then its init")
    try:
        code = last.wait()
    except LabError as error:
        said = str(error)
    else:
        return failed(
            f"somebody reported its exit code, {code}: the monitor has outlived it",
            "nobody left to report one",
        )
    box.call("sweep")  # what every command of kernelbox does first
    if cgroup.of(last.id).exists():
        return failed("its control group is still there, and the sweep did not take it")
    return passed(f"{said}. The sweep took the rest")
