"""A fault: what it breaks, how it shows from outside, and what a repair must leave as it was."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from kernelbox.lab.groups import Group
    from kernelbox.lab.held import Held
    from kernelbox.lab.hosts.world import World


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        holds: Whether it is as it should be.
        observed: What was found, in words that name no cure.
    """

    holds: bool
    observed: str


@dataclass(frozen=True)
class Keep:
    """One thing that a repair must leave as it was.

    Attributes:
        sentence: That it is so: "shop still runs".
        probe: Reads it from the kernel.
        before: What that returned when all was set up.
    """

    sentence: str
    probe: Callable[[], object]
    before: object

    def look(self) -> Finding:
        """Return whether it is as it was."""
        holds = self.probe() == self.before
        return Finding(holds, self.sentence if holds else f"no longer so: {self.sentence}")


class Fault(ABC):
    """One kind of fault, at one service of a world.

    Attributes:
        hints: Questions that lead to the cause, the weakest first; never a command.
        complaint: What somebody has reported; `{name}`, `{other}` and its words are put in.
        keeps: What a repair must leave as it was.
        processes: The held processes that are the student's to use, by name.
        groups: The control groups that are, likewise.
        words: What was drawn, and is put into its sentences as well.
    """

    hints: ClassVar[tuple[str, ...]]
    complaint: ClassVar[str]

    def __init__(self, world: World, name: str, other: str, draw: Random) -> None:
        """Make the service, and break it.

        Args:
            world: Where it is.
            name: Of the service.
            other: Of its neighbour, for a fault that takes two.
            draw: Where numbers and words come from.
        """
        self.world, self.eye = world, world.eye
        self.name, self.other, self.draw = name, other, draw
        self.keeps: list[Keep] = []
        self.processes: dict[str, Held] = {}
        self.groups: dict[str, Group] = {}
        self.words: dict[str, str] = {}
        self.break_()

    @abstractmethod
    def break_(self) -> None:
        """Set it up, broken, and say what is to be kept."""

    @abstractmethod
    def look(self) -> Finding:
        """Return whether it is repaired, and what was observed."""

    @property
    def reported(self) -> str:
        """The complaint, about this service."""
        return self.spoken(self.complaint)

    def spoken(self, sentence: str) -> str:
        """Return a sentence of this kind, about this service."""
        return sentence.format(name=self.name, other=self.other, **self.words)

    @property
    def top(self) -> str:
        """The service's directory."""
        return f"/srv/{self.name}"

    def keep(self, sentence: str, probe: Callable[[], object]) -> None:
        """Remember how something is now."""
        self.keeps.append(Keep(sentence, probe, probe()))

    def keep_running(self, name: str, pid: int) -> None:
        """Remember a process: the very same is to be there at the end."""
        self.keep(f"{name} runs, and is the same process", lambda: self.eye.started(pid))

    def keep_tree(self, sentence: str, path: str, process: Held | None = None) -> None:
        """Remember what a directory's files say, as the machine sees it or one of its processes."""
        where = self.world.path(path, process)
        self.keep(sentence, lambda: self.eye.tree(where))

    def keep_owners(self, path: str) -> None:
        """Remember whose all of a directory's files are, and who may do what with them."""
        where = self.world.path(path)
        self.keep(f"whose the files in {path} are", lambda: self.eye.owners(where))

    def group(self, name: str = "") -> Group:
        """Make the control group of a service."""
        name = name or self.name
        self.groups[name] = self.world.box.cgroup(name)
        return self.groups[name]

    def end(self) -> None:
        """End what it has made outside the world; twice is fine."""
        for group in self.groups.values():
            group.remove()

    def word(self) -> str:
        """Draw a word, as a file's content that nobody can know beforehand."""
        return "".join(self.draw.choice("abcdefghkmnprstuvwxyz") for _ in range(12))

    def serve(self, process: Held, name: str = "") -> Held:
        """Take a process as one of the student's, which must go on."""
        name = name or self.name
        self.processes[name] = process
        self.keep_running(name, process.pid)
        return process
