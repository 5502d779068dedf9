"""Faults of CPU time, for after chapter 10: who runs, where, and how much."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kernelbox.lab import reading
from kernelbox.lab.hosts.fault import Fault, Finding
from kernelbox.lab.measuring import cpu_groups, cpu_max

if TYPE_CHECKING:
    from kernelbox.lab.groups import Group

BUSY = "while :; do :; done"
_LOOKS = 0.5  # seconds until a busy process is seen to be one


def quota(pid: int) -> float:
    """Return how many processors the groups of a process leave to it; infinity without a quota."""
    found = [float("inf")]
    for directory in cpu_groups(pid):
        most, period = cpu_max(directory).split()
        if most != "max":
            found.append(int(most) / int(period))
    return min(found)


class Runaway(Fault):
    """A program that takes all the CPU time there is, below no limit."""

    complaint = (
        "The report of {name} has run away: it takes a whole processor, day and night. It must not "
        "be lost, and it may go on, with a tenth of a processor at most. {other} needs the rest."
    )
    hints = (
        "In which control group is that process, and what does the group say about CPU time?",
        "Would a weight keep it from an idle processor? What would?",
    )

    def break_(self) -> None:
        """See Fault."""
        service = self.serve(self.world.whole_service(self.name))
        self.group().add(service)
        self.report = self.world.worker(service, BUSY)
        neighbour = self.group(self.other)
        neighbour.add(self.serve(self.world.service(self.other), self.other))
        self.keep_running(f"the report of {self.name}", self.report)
        self.keep(f"{self.other} has no quota", lambda: neighbour.read("cpu.max"))

    def look(self) -> Finding:
        """See Fault: it wants to run all the time, also while its quota is spent."""
        if self.eye.started(self.report) is None:
            return Finding(False, f"the report of {self.name} has ended")
        most = quota(self.report)
        if most > 0.1:
            share = "all there is" if most == float("inf") else f"{most:.2g} processors"
            return Finding(False, f"the report of {self.name} may use {share}")
        wants = reading.until(self._wants, _LOOKS)
        return Finding(
            wants,
            f"the report of {self.name} {'has a tenth' if wants else 'stands still'}",
        )

    def _wants(self) -> bool:
        still = _stands_still(self.groups[self.name])
        return self.eye.state(self.report) == "R" and not still


def _stands_still(group: Group) -> bool:
    return bool(group.events["frozen"])


class Frozen(Fault):
    """A group that somebody has frozen, and not thawed."""

    complaint = (
        "Since the backup of last night the till of {name} answers nobody. It uses no CPU time, it "
        "has not ended, and no signal has any effect. What it has in memory is nowhere else."
    )
    hints = (
        "Its state is none that a signal has brought about. Who else can make a process stand?",
        "In which control group is it? What does `cgroup.events` say there, and who wrote that?",
    )

    def break_(self) -> None:
        """See Fault."""
        service = self.serve(self.world.whole_service(self.name))
        self.till = self.world.worker(service, BUSY)
        group = self.group()
        group.write("cpu.max", "10000 100000")
        group.add(self.till)
        group.freeze()
        self.keep_running(f"the till of {self.name}", self.till)
        self.keep(f"{self.name} has its quota", lambda: group.read("cpu.max"))

    def look(self) -> Finding:
        """See Fault: it works, so it is seen running, or waiting to."""
        there = self.eye.started(self.till) is not None
        works = reading.until(self._works, _LOOKS)
        return Finding(
            there and works, f"the till of {self.name} {'works' if works else 'stands still'}"
        )

    def _works(self) -> bool:
        return self.eye.state(self.till) == "R" and not _stands_still(self.groups[self.name])


class OneProcessor(Fault):
    """A group that may run on one processor only, where two were meant."""

    complaint = (
        "The two presses of {name} are to work side by side, wherever there is room. Since the "
        "last trial they take turns. {other} has a licence for one processor, and keeps to it."
    )
    hints = (
        "On which processors may each of the two run? What do they have in common?",
        "A quota says how long, a weight says who first. What says where?",
    )

    def break_(self) -> None:
        """See Fault."""
        self.all = os.sched_getaffinity(self.world.machine.pid)
        one = str(self.draw.choice(sorted(self.all)))
        service = self.serve(self.world.whole_service(self.name))
        group, neighbour = self.group(), self.group(self.other)
        for each in (group, neighbour):
            each.write("cpuset.cpus", one)
        group.add(service)
        self.presses = [self.world.worker(service, "exec sleep infinity") for _ in range(2)]
        other = self.serve(self.world.service(self.other), self.other)
        neighbour.add(other)
        for number, pid in enumerate(self.presses, 1):
            self.keep_running(f"press {number} of {self.name}", pid)
        self.keep(
            f"{self.other} keeps to its processor",
            lambda: sorted(os.sched_getaffinity(other.pid)),
        )

    def look(self) -> Finding:
        """See Fault."""
        try:
            found = [os.sched_getaffinity(pid) for pid in self.presses]
        except ProcessLookupError:
            return Finding(False, f"a press of {self.name} has ended")
        said = " and ".join(",".join(map(str, sorted(one))) for one in found)
        return Finding(
            all(one >= self.all for one in found),
            f"the presses of {self.name} may run on processors {said}",
        )


class SwappedWeights(Fault):
    """Two weights, the one where the other should be."""

    complaint = (
        "{name} serves customers, {other} counts the stock by night. When both want a processor, "
        "{other} gets nearly all of it. It was to be the other way round, ten to one. When {name} "
        "sleeps, {other} may have all there is."
    )
    hints = (
        "What decides who gets how much, where nobody is limited?",
        "Which numbers do the two groups have? Would a limit be as good, by the last sentence?",
    )

    def break_(self) -> None:
        """See Fault."""
        heavy = self.draw.randrange(500, 1000, 100)
        for name, weight in ((self.name, heavy // 10), (self.other, heavy)):
            group = self.group(name)
            group.write("cpu.weight", weight)
            group.add(self.serve(self.world.service(name), name))
        for name, group in self.groups.items():
            self.keep(f"{name} has no quota", lambda group=group: group.read("cpu.max"))  # type: ignore[misc]

    def look(self) -> Finding:
        """See Fault."""
        mine, theirs = (int(self.groups[one].read("cpu.weight")) for one in (self.name, self.other))
        return Finding(
            9 <= mine / theirs <= 11,
            f"weights of {self.name} and {self.other}: as {mine / theirs:.2g} to 1",
        )
