"""The verbs of an OCI runtime: which there are, and what holds for all of them.

Each is in a room that is loaded when it is called: an engine makes a process of every call, and
one that kills need not know how to create.
"""

from __future__ import annotations

import os

from kernelbox.cli.parser import read
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.light import import_module
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from kernelbox.cli.parser import Command
    from kernelbox.oci.log import Log
    from kernelbox.oci.state import Box


class Surroundings(NamedTuple):
    """What holds for every verb.

    Attributes:
        given_root: Where the states of containers are; empty for the usual place.
        log: Where an engine reads of failures.
        rootless: Whether refusals of the kernel's are borne: true, false or auto.
    """

    given_root: str
    log: Log
    rootless: str = "auto"

    @property
    def root(self) -> str:
        """Where the states of containers are."""
        if self.given_root:
            return os.path.abspath(self.given_root)
        from kernelbox.oci import places  # not for engines

        return os.path.abspath(places.usual())

    def find(self, container_id: str) -> Box:
        """Return a container. Raises UsageError if there is none."""
        from kernelbox.oci import state

        return state.find(self.root, container_id)

    def warn(self, problems: list[str]) -> None:
        """Say what went wrong and is no reason to fail."""
        for problem in problems:
            self.log.write("warning", problem)


# verb: (module, what it does)
VERBS = {
    "create": ("oci_making", "Make a container of a bundle, up to its program"),
    "start": ("oci_living", "Let the program of a created container begin"),
    "state": ("oci_living", "Show the state of a container"),
    "kill": ("oci_living", "Send a signal to a container"),
    "delete": ("oci_living", "Take away what is left of a container"),
    "run": ("oci_making", "Make a container of a bundle, and run its program"),
    "exec": ("oci_more", "Run one more program in a container"),
    "pause": ("oci_living", "Let a container stand still"),
    "resume": ("oci_living", "Let it run again"),
    "update": ("oci_more", "Give a container other limits"),
    "ps": ("oci_told", "Show the processes of a container"),
    "list": ("oci_told", "List containers"),
    "events": ("oci_told", "Show what a container uses, and when it runs out of memory"),
    "features": ("oci_told", "Show what this runtime can do"),
    "spec": ("oci_told", "Write a config.json to begin with, or check one"),
}


def read_all(command: Command, argv: list[str]) -> dict[str, Any]:
    """Parse a command line whose options may also follow the id, as runc has it.

    Raises:
        UsageError: There is something else behind the id.
    """
    given = read(command, argv)
    if given["command"]:
        given = read(command, [*argv[: len(argv) - len(given["command"]) - 1], *given["command"],
                               given["id"]])  # fmt: skip
    if given["command"]:
        raise UsageError(f"unexpected words: {given['command']!r:.60}", "Name one container")
    return given


def run(verb: str, argv: list[str], where: Surroundings) -> int:
    """Do what a verb stands for; return the exit status.

    Args:
        verb: One of VERBS.
        argv: What follows it.
        where: What came before.
    """
    room = import_module(f"kernelbox.cli.{VERBS[verb][0]}")
    act: Callable[[list[str], Surroundings], int] = getattr(room, f"verb_{verb}")
    return act(argv, where)


def usage(called: str) -> str:
    """Return what there is, for a person."""
    lines = [f"  {name:9} {summary}" for name, (_, summary) in VERBS.items()]
    return "\n".join(
        [
            f"usage: {called} [--root DIRECTORY] [--log FILE] [--log-format text|json] [--debug]",
            f"       {' ' * len(called)} [--rootless auto|true|false] VERB ...",
            "",
            "An OCI runtime: containers of bundles, for engines and for who wants to see how.",
            "",
            *lines,
            "",
            f"More: {called} VERB --help",
        ]
    )


def version(called: str) -> str:
    """Return which runtime this is, in the form that engines read."""
    import kernelbox
    from kernelbox.oci.features import OCI_VERSION

    return f"{called.split()[-1]} version {kernelbox.__version__}\nspec: {OCI_VERSION}"
