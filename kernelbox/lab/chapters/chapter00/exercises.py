"""The exercises of chapter 00: a container, an island, a limit, how to remove one of two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernelbox import cgroup
from kernelbox.lab import reading
from kernelbox.lab.exercises import outside
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.started import Container, Result

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab


@exercise(
    "a-first-container",
    title="A first container",
    points=1,
    hints=(
        "The check looks for a process that runs in namespaces of its own, and finds it by what "
        "`mine` is. `box.run` returns what has become of a container, when that has ended.",
        "How long does a container live? As long as its program does.",
        "The cell above has the image, the command and the network in their places. Only two of "
        "these are the same here, and the method has another name.",
    ),
)
def a_first_container(box: Lab, mine: Container) -> Verdict:
    """See that its first process runs, in other namespaces than the host's."""
    if isinstance(mine, Result):
        return failed("mine is the result of box.run: that container has ended", "one that runs")
    if not isinstance(mine, Container):
        return failed(f"mine is {mine!r:.80}", "a container that box.start() returned")
    if not reading.alive(mine.pid):
        return failed("its program has ended, and the container with it", "one that runs")
    if wrong_pid := outside.not_its_init(box, mine):
        return wrong_pid
    if runs_another := outside.does_not_run(mine, "sleep", "1000"):
        return runs_another
    own = outside.own(box, mine.pid)
    return passed(f"its first process runs, in namespaces of its own: {' '.join(sorted(own))}")


@exercise(
    "an-island",
    title="An island",
    points=1,
    hints=(
        "A freshly held process shares all eight. The check looks at `/proc/PID/ns/net`, and finds "
        "the host's number there until somebody asks for another.",
        "In section 5, one request changed one row of the look, and no other row.",
        "The kinds are called `pid`, `mount`, `network`, `uts`, `ipc`, `cgroup`, `user` and "
        "`time`; `/proc` shortens two of them.",
    ),
)
def an_island(box: Lab, island: Held) -> Verdict:
    """Compare its namespaces with the host's, those of its children to come, and containers'."""
    if wrong_thing := outside.not_held(island, "island"):
        return wrong_thing
    own = outside.own(box, island.pid)
    if "net" not in own:
        return failed("its net namespace is the host's", "one of its own")
    number = box.namespaces(island.pid)["net"]
    if any(number == box.namespaces(one["State"]["Pid"])["net"] for one in box.containers()):
        return failed("its net namespace is that of a container", "one of its own")
    if too_many := own - {"net"} | _for_its_children(box, island):
        return failed(f"these are its own, too: {' '.join(sorted(too_many))}", "net alone")
    return passed("its own is net, and all others are the host's")


def _for_its_children(box: Lab, process: Held) -> set[str]:
    """Return the kinds of namespaces that only its children will be in.

    Source: namespaces(7), /proc/PID/ns/pid_for_children: there is nothing to read in a PID
    namespace that nobody has been born in yet.
    """
    witness = box.hold()
    try:
        witness.python(
            "def number(name):\n"
            "    try:\n"
            f"        return os.readlink(f'/proc/{process.pid}/ns/{{name}}')\n"
            "    except OSError:\n"
            "        return ''"
        )
        kinds = "kind for kind in ('pid', 'time') if os.path.lexists(f'/proc/self/ns/{kind}')"
        differ = "number(kind) != number(f'{kind}_for_children')"
        return {f"{kind}_for_children" for kind in witness.evaluate(f"[{kinds} and {differ}]")}
    finally:
        witness.end()


@exercise(
    "at-most-twenty",
    title="At most twenty",
    points=1,
    hints=(
        "The check reads `pids.max` in the container's control group. For a container without a "
        "limit it finds the word `max` there.",
        "`hello` was given the options `hostname` and `network`. Which line of `kernelbox run "
        "--help` speaks of processes?",
        "A limit that a shell sets with `ulimit` is another one: it counts what a user has, not "
        "what is in a group. Who makes the group, and what has that to know before it does?",
    ),
)
def at_most_twenty(_box: Lab, capped: object) -> Verdict:
    """Read the limit of its control group, and what runs in that group."""
    if not isinstance(capped, Container):
        return failed(f"capped is {capped!r:.80}", "a container that box.start() returned")
    if not reading.alive(capped.pid):
        return failed("the container does not run")
    if capped.pid not in outside.members(capped):
        return failed("its init is not in its control group", "in the group that has the limit")
    if runs_another := outside.does_not_run(capped, "sleep", "1000"):
        return runs_another
    limit = outside.limit(capped.id, "pids.max")
    if limit != "20":
        return failed(f"pids.max of its control group says {limit}", "20")
    return passed("pids.max of its control group says 20, and sleep 1000 runs in it")


@exercise(
    "this-one-not-that-one",
    title="This one, not that one",
    hints=(
        "The check looks for the process, for the control group, and for the name. If you only "
        "kill the process, it still finds the name: an exited container keeps its status and its "
        "log.",
        "`kernelbox reset` does too much: the check then finds no `keep`.",
        "The cell that defines `terminal` cleans up after its own earlier run.",
    ),
)
def this_one_not_that_one(box: Lab, made: dict[str, dict[str, Any]]) -> Verdict:
    """Look for what one had, and see that the other still runs."""
    litter, keep = made["litter"], made["keep"]
    known = {one["Id"]: one for one in box.containers(every=True)}
    if not reading.alive(keep["State"]["Pid"]):
        return failed("keep does not run any more", "keep runs on: run the cell that makes both")
    if reading.status(keep["State"]["Pid"])["State"].startswith("T"):
        return failed("keep is stopped by a signal", "keep runs on")
    if keep["Id"] not in known or known[keep["Id"]]["State"]["Paused"]:
        return failed("keep is paused", "keep runs on")
    if reading.alive(litter["State"]["Pid"]):
        return failed("litter's process still runs")
    if cgroup.of(litter["Id"]).exists():
        return failed("litter's control group is still there")
    if litter["Id"] in known or "litter" in [one["Name"] for one in known.values()]:
        return failed("litter is still known", "no such line in kernelbox ps --all")
    return passed("litter is gone with its group and its name, and keep runs")
