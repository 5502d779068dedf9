"""Chapter 01, a container is a process: what it asks."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox import cgroup
from kernelbox.lab.exercises import outside
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.predictions import choice, number
from kernelbox.lab.exercises.quiz import question, right, wrong
from kernelbox.lab.exercises.registry import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.wire import LabError

if TYPE_CHECKING:
    from kernelbox.lab.client import Lab
    from kernelbox.lab.held import Held
    from kernelbox.lab.running import Container

PREDICTIONS = (
    number("pids", "PIDs of one task in a container"),
    choice("boot", "the boot id, inside and outside", "the same", "different"),
    number("neighbours", "namespaces that two containers share"),
    choice(
        "newborn",
        "a container just cloned has the mounts of",
        "nobody", "the image", "the host",
    ),
    choice(
        "kill",
        "the container, when the host kills its init",
        "goes on", "restarts", "gone",
    ),
    choice("cost", "a container starts and ends within", "milliseconds", "seconds", "minutes"),
)  # fmt: skip


@exercise(
    "all-its-numbers",
    title="All its numbers",
    hints=(
        "The check observes one number for this notebook, two for `web`, and three for a process "
        "in a PID namespace within a PID namespace.",
        "The numbers stand in one line, and section 1 has read it for `web`.",
        'A file\'s line is text. `"12 1"` is not yet `[12, 1]`.',
    ),
)
def all_its_numbers(box: Lab, pids_of: object, web: Container) -> Verdict:
    """Compare with the numbers that a notebook, a container and a grandchild really have."""
    outer = box.hold()
    outer.unshare("pid")
    middle = outer.fork()
    middle.unshare("pid")
    inner = middle.fork()
    try:
        for name, numbers in (
            ("this notebook", [os.getpid()]),
            ("web", [web.pid, 1]),
            ("a grandchild", [inner.pid, 2, 1]),  # in the middle it is the second process
        ):
            tried = attempt(pids_of, numbers[0])
            if tried.failure:
                return failed(f"for {name}: {tried.failure}")
            if tried.value != numbers:
                return failed(f"for {name}: {tried.value!r}", f"{numbers}, says the kernel")
    finally:
        for one in (inner, middle, outer):
            one.end()
    return passed("one number for this notebook, two for web, three for a grandchild")


@exercise(
    "who-lives-there",
    title="Who lives there?",
    hints=(
        "The check compares with `cgroup.procs`, the kernel's own list of a group's members. It "
        "observes three numbers there; `busy.pid` is only one of them.",
        "Print `/proc/PID/cgroup` for `busy.pid` and for this notebook. What is in the one, and "
        "not in the other?",
        "The directories in `/proc` whose names are digits are the processes. A process may end "
        "while you walk: reading its files then raises `OSError`.",
    ),
)
def who_lives_there(_box: Lab, members: object, busy: Container, web: Container) -> Verdict:
    """Compare with the kernel's own list of a control group's members."""
    for name, one in (("busy", busy), ("web", web)):
        tried = attempt(members, one.id, seconds=6)
        if tried.failure:
            return failed(f"for {name}: {tried.failure}")
        if not isinstance(tried.value, set | list | tuple):
            return failed(f"for {name}: {tried.value!r}, and no set of PIDs")
        listed = Path(cgroup.of(one.id).directories[0], "cgroup.procs").read_text().split()
        kernels, yours = {int(pid) for pid in listed}, set(tried.value)
        if missing := len(kernels - yours):
            return failed(f"for {name}: {missing} of its {len(kernels)} processes are missing")
        if strange := len(yours - kernels):
            return failed(f"for {name}: {strange} of yours are not in its control group")
    return passed("all of busy, and all of web")


@exercise(
    "half-a-container",
    title="Half a container",
    hints=(
        "The check looks at the last number of `NSpid`. For a process that has unshared *pid* "
        "itself, it finds the host's number there: that process is in no new PID namespace, as "
        "section 4 has shown.",
        "A hostname that is set before *uts* is unshared would be the host's. A child inherits its "
        "parent's namespaces.",
        "`maker` unshared one kind too many for this exercise; the rest of the way is the same, up "
        "to `fork`.",
    ),
)
def half_a_container(box: Lab, half: Held) -> Verdict:
    """Look at its PIDs, its namespaces and its hostname."""
    if wrong_thing := outside.not_held(half, "half"):
        return wrong_thing
    numbers = outside.status(half.pid)["NSpid"].split()
    if numbers[1:] != ["1"]:
        inside = numbers[1:] or ["none: it is in the host's PID namespace"]
        return failed(f"its PID inside is {' '.join(inside)}", "1, and no namespace in between")
    own = outside.own(box, half.pid)
    if "uts" not in own:
        return failed("its uts namespace is the host's, and so is its hostname")
    if too_many := own - {"pid", "uts"}:
        return failed(f"these are its own, too: {' '.join(sorted(too_many))}", "pid and uts alone")
    hostname = outside.hostname(box, half)
    if hostname != "half":
        return failed(f"its hostname is {hostname!r}", "'half'")
    return passed("PID 1, called half, on the host's network and mounts")


@exercise(
    "kill-the-other-one",
    title="Kill the other one",
    hints=(
        "The check observes whether the init has ended, and whether somebody was left to report "
        "its exit code. Who does that? There is one process that a container does not outlive.",
        "Section 3 found it: in `/proc/PID/status`, one line below `Pid`.",
        "The monitor cannot clean up if it gets no chance to. Which signal gives none?",
    ),
)
def kill_the_other_one(box: Lab, last: Container) -> Verdict:
    """See that init is gone, and that nobody was there to report how it ended."""
    deadline = time.monotonic() + 3
    while outside.alive(last.pid):
        if time.monotonic() > deadline:
            return failed("its init still runs")
        time.sleep(0.01)
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


QUIZ = (
    question(
        "A container is ...",
        wrong("a light virtual machine", "A virtual machine boots a kernel of its own. Section 2 "
              "found one boot id, one kernel version, one amount of memory."),
        right("a process with other namespaces, a control group and another root directory",
              "One boot id, and eight links of which six differ (section 2)."),
        wrong("a directory with a kernel in it", "An image contains no kernel: what runs in a "
              "container calls the host's."),
    ),
    question(
        "On the host, `ps -ef` shows of a container ...",
        wrong("nothing", "The host's PID namespace is above the container's: every task in there "
              "has a number here as well (section 1)."),
        wrong("one entry for the container", "There is nothing that would be *the container* and "
              "could have an entry: the kernel knows processes, namespaces and groups."),
        right("each of its processes", "They are in the host's PID namespace as well, with numbers "
              "of its own."),
    ),
    question(
        "`NSpid: 4711 1` means ...",
        wrong("two processes, 4711 and its child", "It is one line in the status of one task."),
        right("one process, called 4711 here and 1 in its namespace", "One number for each PID "
              "namespace it is in, the outermost first (section 1)."),
        wrong("process 4711 has one thread", "That is the line `Threads`."),
    ),
    question(
        "You update the host's kernel and reboot. Which kernel do your containers run on?",
        wrong("the one in their image", "There is none in it."),
        wrong("the one with which they were built", "Building has put files into layers; nobody "
              "keeps a kernel for them."),
        right("the host's new one", "There is only one. This is why an image can be small, and why "
              "a hole in the kernel concerns every container (chapter 15)."),
    ),
    question(
        "Why could the container not signal the monitor?",
        wrong("it lacks the right to", "That it may even have, being root; nobody got as far as "
              "asking for it."),
        right("it has no number for it", "The monitor is not in the container's PID namespace."),
        wrong("the monitor ignores signals", "The host's `kill -0` reached it (section 3)."),
    ),
)  # fmt: skip
