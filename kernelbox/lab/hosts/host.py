"""A broken host, as a notebook has it: five complaints to be settled, by any route.

    host = lab.broken_host("04")      five faults, drawn; `seed=7` draws the same five again
    host                              what was reported, and where to look
    host["ferry"]                     a process of a service: held, as from box.hold()
    host.group("ferry")               a control group of a service, as from box.cgroup()
    host.machine                      process 1 of the machine
    host.hint(2)                      questions about the second complaint
    host.check()                      what is settled, and what should have stayed as it was

A check judges by what the kernel says at the end, whoever brought it about, and where: by held
processes, in a shell of the student's, with a script.
"""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING

from kernelbox.kernel.errors import UsageError
from kernelbox.lab import notebook
from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises.verdict import described
from kernelbox.lab.hosts import record
from kernelbox.lab.hosts.fault import Finding
from kernelbox.lab.hosts.pages import Checked, Complaints, Hints, Row
from kernelbox.lab.hosts.parts import KINDS, NAMES
from kernelbox.lab.hosts.world import NAME, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.lab.groups import Group
    from kernelbox.lab.held import Held
    from kernelbox.lab.hosts.fault import Fault
    from kernelbox.lab.notebook import Lab

_SEEDS = 10_000

_open: BrokenHost | None = None


def broken_host(number: str, seed: int | None = None) -> BrokenHost:
    """Break a machine in five places, in the lab that is open; the one before it goes.

    Args:
        number: Of the chapter that it comes after.
        seed: What it is drawn from; another each time, if not given.

    Raises:
        UsageError: No such chapter is followed by a broken host.
        LabError: The lab has not been started.
    """
    global _open
    if number not in KINDS:
        raise UsageError(f"no broken host {number!r}", f"There are: {', '.join(KINDS)}")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or seed < 0):
        raise UsageError(f"no host is drawn from {seed!r:.80}", "A seed is a number, 0 or more")
    if _open is not None:
        _open.end()
    _open = BrokenHost(notebook.current(), number, seed)
    return _open


class BrokenHost:
    """See above.

    Attributes:
        number: Of the chapter that it comes after.
        seed: What it was drawn from.
        machine: Process 1 of the machine.
        faults: What is broken: for tests, and for who wants to spoil it.
    """

    def __init__(self, box: Lab, number: str, seed: int | None = None) -> None:
        self.number = number
        self.seed = random.randrange(_SEEDS) if seed is None else seed
        self._world = World(box)
        self.machine = self._world.machine
        self._born = self._world.eye.started(self.machine.pid)
        self.faults = [
            kind(self._world, name, other, draw)
            for kind, name, other, draw in drawn(number, self.seed)
        ]

    @property
    def places(self) -> dict[str, Held]:
        """The held processes by name: the machine's, and the services'."""
        found = {NAME: self.machine}
        for fault in self.faults:
            found |= fault.processes
        return found

    def __getitem__(self, name: str) -> Held:
        try:
            return self.places[name]
        except KeyError:
            there = ", ".join(self.places)
            raise UsageError(f"no process is called {name!r}", f"There are: {there}") from None

    def group(self, name: str) -> Group:
        """Return the control group of a service.

        Raises:
            UsageError: No service of this name has one.
        """
        there = {each: group for fault in self.faults for each, group in fault.groups.items()}
        if name not in there:
            known = ", ".join(there) or "none"
            raise UsageError(f"no control group is called {name!r}", f"There are: {known}")
        return there[name]

    def hint(self, number: int) -> Hints:
        """Return questions about one complaint; what to do about it, they leave to you.

        Raises:
            UsageError: There is no such complaint.
        """
        if not 1 <= number <= len(self.faults):
            raise UsageError(f"no complaint {number}", f"They are 1 to {len(self.faults)}")
        fault = self.faults[number - 1]
        return Hints(tuple(fault.spoken(one) for one in fault.hints))

    def check(self) -> Checked:
        """Look at all of it now, and write down how far it is. It never fails."""
        rows = [_row(number, fault) for number, fault in enumerate(self.faults, 1)]
        there = self._runs()
        harbour = Row(0, there, "the harbour runs" if there else "The harbour has ended", (), 0)
        checked = Checked(rows, harbour)
        record.note(self.number, self.seed, checked.solved)
        return checked

    def _runs(self) -> bool:
        try:
            return self._world.eye.started(self.machine.pid) == self._born
        except LabError:  # the lab is closed
            return False

    def end(self) -> None:
        """End it; its processes, groups and mounts go with it. Twice is fine."""
        for fault in self.faults:  # first of all: who is frozen cannot end
            with suppress(LabError):  # the lab is closed, and all of it has gone with that
                fault.end()
        for process in [*reversed(self.places.values()), self._world.eye.process]:
            process.end()

    def _shown(self) -> Complaints:
        places = {name: process.pid for name, process in self.places.items()}
        return Complaints([one.reported for one in self.faults], places, self.seed)

    def __repr__(self) -> str:
        return repr(self._shown())

    def _repr_html_(self) -> str:
        return self._shown()._repr_html_()


def drawn(number: str, seed: int) -> list[tuple[type[Fault], str, str, random.Random]]:
    """Return five kinds of faults for a seed, each with two names and what it draws from."""
    draw = random.Random(seed)
    kinds = draw.sample(KINDS[number], record.FAULTS)
    names = draw.sample(NAMES, 2 * record.FAULTS)
    return [
        (kind, names[2 * place], names[2 * place + 1], random.Random(f"{seed} {place}"))
        for place, kind in enumerate(kinds)
    ]


def _row(number: int, fault: Fault) -> Row:
    found = _looked(fault.look)
    kept = [_looked(one.look) for one in fault.keeps]
    lost = tuple(one.observed for one in kept if not one.holds)
    return Row(number, found.holds, found.observed, lost, len(kept) - len(lost))


def _looked(look: Callable[[], Finding]) -> Finding:
    """Look, whatever the student has made of the thing that is looked at."""
    try:
        return look()
    except Exception as error:
        return Finding(False, f"it cannot be looked at: {described(error)}")
