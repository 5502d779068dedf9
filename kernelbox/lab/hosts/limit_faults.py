"""Faults of limits, for after chapter 10: memory, processes, a disk, and who is counted where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab import reading
from kernelbox.lab.hosts.fault import Fault, Finding

if TYPE_CHECKING:
    from kernelbox.lab.working import Load

MIB = 1 << 20
_PATIENCE = 5.0  # seconds for a witness that has come as far as it can


def _reaches(load: Load, count: int) -> bool:
    """Say whether a witness does so much before it is killed, or is kept waiting."""
    reading.until(lambda: load.count >= count or not load.running, _PATIENCE)
    return load.count >= count and load.running


class TightMemory(Fault):
    """A group whose memory is less than what its program works with."""

    complaint = (
        "The import of {name} takes {need} MiB of memory, and has never come that far since it was "
        "moved here: it ends with 137, each night. No service of the harbour may have more than "
        "{most} MiB, and none may be without a limit."
    )
    hints = (
        "Who ends a process with 137, and where is that counted?",
        "How much may the group use, and how much does the import need? And beside it?",
    )

    def break_(self) -> None:
        """See Fault."""
        self.need = self.draw.randrange(20, 29, 4)
        self.words |= {"need": str(self.need), "most": str(3 * self.need)}
        group, neighbour = self.group(), self.group(self.other)
        for each in (group, neighbour):
            each.write("memory.max", self.need // 2 * MIB)
        self.counter = self.serve(self.world.service(self.name))
        group.add(self.counter)
        self.keep(f"{self.other} has its limit", lambda: neighbour.read("memory.max"))

    def look(self) -> Finding:
        """See Fault: a witness, born in the group, takes as much."""
        group = self.groups[self.name]
        most = group.read("memory.max")
        if most == "max" or int(most) > 3 * self.need * MIB:
            return Finding(False, f"the limit of {self.name} is {most}: more than is allowed")
        if int(most) <= self.need * MIB:
            return Finding(False, f"{self.name} may use {int(most) >> 20} MiB in all")
        witness = self.world.box.eat(self.need * MIB, group=group)
        try:
            fits = _reaches(witness, self.need * MIB)
        finally:
            witness.end()
        how = "fit" if fits else "do not fit"
        return Finding(fits, f"{self.need} MiB {how} into the group of {self.name}")


class FewProcesses(Fault):
    """A limit of processes that is left from an experiment."""

    complaint = (
        "{name} cannot start anything any more: fork says `Resource temporarily unavailable`, "
        "though the harbour has room for thousands. It needs {need} helpers. The rule is: no "
        "service without an end to its forks, and none above {most}."
    )
    hints = (
        "Which limit makes fork say that, in that service alone? Where does the kernel count it?",
        "How many are there, how many may there be, and how many are wanted?",
    )

    def break_(self) -> None:
        """See Fault."""
        self.need = self.draw.randint(12, 20)
        self.words |= {"need": str(self.need), "most": "100"}
        service = self.serve(self.world.whole_service(self.name))
        group, neighbour = self.group(), self.group(self.other)
        group.add(service)
        shop = self.world.worker(service, "exec sleep infinity")
        group.write("pids.max", self.draw.randint(2, 4))
        neighbour.write("pids.max", self.draw.randint(5, 9))
        self.keep_running(f"the counter of {self.name}", shop)
        self.keep(f"{self.other} has its limit", lambda: neighbour.read("pids.max"))

    def look(self) -> Finding:
        """See Fault: a witness, moved into the group, has so many children."""
        group = self.groups[self.name]
        most = group.read("pids.max")
        if most == "max" or int(most) > 100:
            return Finding(False, f"the limit of {self.name} is {most}: more than is allowed")
        if int(most) <= self.need + len(group.processes):
            return Finding(
                False, f"{self.name} may have {most} processes, with {self.need} helpers to come"
            )
        witness = self.world.box.fork_many(self.need, 500, group=group)
        try:
            forks = _reaches(witness, self.need)
        finally:
            witness.end()
        done = "have" if forks else "have not"
        return Finding(
            forks, f"{self.need} helpers {done} been started in the group of {self.name}"
        )


class SlowDisk(Fault):
    """A limit for writes that nobody wants any more, beside one for reads that is wanted."""

    complaint = (
        "The log of {name} is hours behind: whatever it writes to the disk {disk}, creeps. Reads "
        "have a limit too, and that one was agreed upon."
    )
    hints = (
        "Is it the disk that is slow, or is somebody kept waiting? Where is that written?",
        "What does the line of this disk say, word by word? Which of them is too much?",
    )

    def break_(self) -> None:
        """See Fault."""
        self.disk = self.world.box.disk(2 * MIB)
        self.words["disk"] = self.disk.number
        group = self.group()
        reads = self.draw.randint(2, 9) * MIB
        slow = self.draw.choice(("wbps=16384", "wiops=2"))  # 1 is too few for v2
        group.write("io.max", f"{self.disk.number} rbps={reads} {slow}")
        group.add(self.serve(self.world.service(self.name)))
        self.keep("the limit of reads is as agreed", lambda: self._limits().get("rbps"))

    def _limits(self) -> dict[str, str]:
        """Return what the group's line for the disk says; nothing without one."""
        for line in self.groups[self.name].read("io.max").splitlines():
            number, *pairs = line.split()
            if number == self.disk.number:
                return dict(pair.split("=") for pair in pairs)
        return {}

    def look(self) -> Finding:
        """See Fault: a witness, born in the group, writes past the cache."""
        found = {key: self._limits().get(key, "max") for key in ("wbps", "wiops")}
        free = all(
            value == "max" or int(value) >= least
            for value, least in zip(found.values(), (MIB, 1000), strict=True)
        )
        said = ", ".join(f"{key}={value}" for key, value in found.items())
        if not free:
            return Finding(False, f"writes of {self.name} to that disk are limited: {said}")
        witness = self.world.box.write(
            self.disk.path, MIB, block=16 << 10, direct=True, group=self.groups[self.name]
        )
        try:
            fast = _reaches(witness, MIB // 2)
        finally:
            witness.end()
        return Finding(fast, f"writes of {self.name} to that disk {'get on' if fast else 'creep'}")

    def end(self) -> None:
        """See Fault."""
        super().end()
        self.disk.remove()


class WrongGroup(Fault):
    """A process that is counted, and limited, where it does not belong."""

    complaint = (
        "The bill of {other} shows a process that nobody there knows: it is the mill of {name}. "
        "{name} has a group of its own, with limits of its own, and its mill belongs there."
    )
    hints = (
        "How does one see in which control groups a process is?",
        "A child is born where its parent is. How does somebody who runs get elsewhere?",
    )

    def break_(self) -> None:
        """See Fault."""
        service = self.serve(self.world.whole_service(self.name))
        group, neighbour = self.group(), self.group(self.other)
        for each in (group, neighbour):
            each.write("pids.max", self.draw.randint(20, 60))
        self.mill = self.world.worker(service, "exec sleep infinity")
        group.add(service)
        theirs = self.serve(self.world.service(self.other), self.other)
        neighbour.add(theirs)
        neighbour.add(self.mill)
        self.keep_running(f"the mill of {self.name}", self.mill)
        for name, each in self.groups.items():
            self.keep(f"{name} has its limit", lambda each=each: each.read("pids.max"))  # type: ignore[misc]
        self.keep(
            f"the process of {self.other} is in its group",
            lambda: theirs.pid in neighbour.processes,
        )

    def look(self) -> Finding:
        """See Fault."""
        mine, theirs = (self.mill in self.groups[one].processes for one in (self.name, self.other))
        where = self.other if theirs else self.name if mine else "neither"
        return Finding(mine and not theirs, f"the mill of {self.name} is in the group of {where}")
