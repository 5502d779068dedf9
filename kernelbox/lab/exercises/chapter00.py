"""Chapter 00, the lab and how to reset it: what it asks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelbox import cgroup
from kernelbox.lab.exercises import outside
from kernelbox.lab.exercises.predictions import choice, number
from kernelbox.lab.exercises.quiz import question, right, wrong
from kernelbox.lab.exercises.registry import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.running import Container

if TYPE_CHECKING:
    from kernelbox.lab.client import Lab
    from kernelbox.lab.held import Held

PREDICTIONS = (
    number("threads", "threads of this notebook"),
    number("namespaces", "namespaces it is in, without a container"),
    choice("hostname", "the machine is called, after sethostname", "lab", "before"),
    number("requests", "requests until a container says hello"),
)


@exercise(
    "an-island",
    title="An island",
    hints=(
        "A freshly held process shares all eight. The check looks at `/proc/PID/ns/net`, and finds "
        "the host's number there until somebody asks for another.",
        "In section 5, one request changed one row of the look, and no other row.",
        "The kinds are called `pid`, `mount`, `network`, `uts`, `ipc`, `cgroup`, `user` and "
        "`time`; `/proc` shortens two of them.",
    ),
)
def an_island(box: Lab, island: Held) -> Verdict:
    """Compare its namespaces with the host's."""
    if wrong_thing := outside.not_held(island, "island"):
        return wrong_thing
    own = outside.own(box, island.pid)
    if "net" not in own:
        return failed("its net namespace is the host's", "one of its own")
    if own != {"net"}:
        return failed(f"these are its own, too: {' '.join(sorted(own - {'net'}))}", "net alone")
    return passed("its own is net, and all others are the host's")


@exercise(
    "at-most-twenty",
    title="At most twenty",
    hints=(
        "The check reads `pids.max` in the container's control group. For a container without a "
        "limit it finds the word `max` there.",
        "`hello` was given the options `hostname` and `network`. Which line of `kernelbox run "
        "--help` speaks of processes?",
        "What is `--pids-limit 20` in a terminal is a keyword argument here.",
    ),
)
def at_most_twenty(_box: Lab, capped: object) -> Verdict:
    """Read the limit of its control group, and what runs in it."""
    if not isinstance(capped, Container):
        return failed(f"capped is {capped!r:.80}", "a container that box.start() returned")
    if not outside.alive(capped.pid):
        return failed("the container does not run")
    program = Path(f"/proc/{capped.pid}/cmdline").read_bytes().split(b"\0")[:-1]
    if program[-2:] != [b"sleep", b"1000"]:
        said = b" ".join(program).decode(errors="replace")
        return failed(f"the container runs {said!r}", "'sleep 1000'")
    limit = outside.limit(capped.id, "pids.max")
    if limit != "20":
        return failed(f"pids.max of its control group says {limit}", "20")
    return passed("pids.max says 20, and sleep 1000 runs")


@exercise(
    "this-one-not-that-one",
    title="This one, not that one",
    hints=(
        "The check looks for the process, for the control group, and for the name. If you only "
        "kill the process, it still finds the name: an exited container keeps its status and its "
        "log.",
        "`box.reset()` does too much: the check then finds no `keep`.",
        "The cell that defines `terminal` cleans up after its own earlier run.",
    ),
)
def this_one_not_that_one(box: Lab, made: dict[str, dict[str, Any]]) -> Verdict:
    """Look for what one had, and see that the other still runs."""
    litter, keep = made["litter"], made["keep"]
    if not outside.alive(keep["State"]["Pid"]):
        return failed("keep does not run any more")
    if outside.alive(litter["State"]["Pid"]):
        return failed("litter's process still runs")
    if cgroup.of(litter["Id"]).exists():
        return failed("litter's control group is still there")
    if litter["Id"] in [one["Id"] for one in box.containers(every=True)]:
        return failed("litter is still known", "no such line in kernelbox ps --all")
    return passed("litter is gone with its group and its name, and keep runs")


QUIZ = (
    question(
        "What must be installed on a Linux machine before it can run a container?",
        wrong("Docker", "It makes the requests for you, and so does any other program that is "
              "allowed to: section 6 found no engine between the container and this notebook."),
        wrong("Docker or Podman", "Podman makes the same requests. The kernel does not care who "
              "asks (section 6)."),
        wrong("a hypervisor", "That is for virtual machines, which bring a kernel of their own."),
        right("nothing: the kernel has it", "Section 6: between the container and this notebook "
              "there was no engine."),
    ),
    question(
        "A process that is in no container is in ...",
        wrong("no namespace", "There is no outside: a process is in one namespace of each kind."),
        right("the same namespaces as init", "It has inherited them (section 4)."),
        wrong("a namespace called `host`", "No namespace is special by its name: they have numbers "
              "only, and init's are those that were there first."),
    ),
    question(
        '`p.unshare("uts")`, then `p.sethostname("lab")`. Who sees the new name?',
        wrong("all processes of this machine", "So it would be without the `unshare`."),
        right("`p`, and what it starts from now on", "Namespaces are handed down to children."),
        wrong("`p` and all its ancestors", "Namespaces are handed down; nothing is handed up."),
    ),
    question(
        "Why does the notebook need an agent?",
        wrong("Python cannot make system calls", "It made that one very well: the kernel's answer "
              "was `EINVAL` (section 3)."),
        right("the notebook has several threads, and the kernel moves processes with one",
              "Section 3: `EINVAL`."),
        wrong("so that containers survive the notebook", "What the agent holds ends with the "
              "notebook (section 7)."),
    ),
    question(
        "Your notebook crashed. What is left of its containers?",
        wrong("all of them, until you reboot", "They are bound to the notebook, and end with it."),
        right("nothing, or what `kernelbox reset` removes", "Everything was written down before it "
              "was made."),
        wrong("it cannot be known", "The ledger names each thing since before it was made."),
    ),
)  # fmt: skip
