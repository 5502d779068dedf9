"""The verbs of an OCI runtime, with runc's options: see runtime.py for what comes before them."""

from __future__ import annotations

import importlib
import json
import os

from kernelbox.cli.parser import Command, Option, read
from kernelbox.kernel.errors import UsageError
from kernelbox.oci import creation, ending, starting
from kernelbox.oci import state as states
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from kernelbox.oci.log import Log
    from kernelbox.oci.state import Box


class Surroundings(NamedTuple):
    """What holds for every verb: where the states of containers are (empty: usual), and the log."""

    given_root: str
    log: Log

    @property
    def root(self) -> str:
        """Where the states of containers are."""
        return os.path.abspath(self.given_root or states.ROOT)

    def find(self, container_id: str) -> Box:
        """Return a container. Raises UsageError if there is none."""
        return states.find(self.root, container_id)

    def warn(self, problems: list[str]) -> None:
        """Say what went wrong and is no reason to fail."""
        for problem in problems:
            self.log.write("warning", problem)


_CREATE = (
    Option(("--bundle", "-b"), "the bundle's directory", "DIRECTORY", default="."),
    Option(("--config", "-f"), "the file in it that describes the container", "FILE",
           default="config.json"),
    Option(("--console-socket",), "where its terminal is sent to", "SOCKET", default=""),
    Option(("--pid-file",), "where its pid is written to", "FILE", default=""),
    Option(("--pidfd-socket",), "where a pidfd of it is sent to", "SOCKET", default=""),
    Option(("--preserve-fds",), "descriptors that it keeps beside 0 to 2", "N", int, default=0),
    Option(("--no-pivot",), "not done: a root is always pivoted to", default=False),
    Option(("--no-new-keyring",), "let it have the caller's session keyring", default=False),
)  # fmt: skip
CREATE = Command("oci create", "Make a container of a bundle, up to its program.", _CREATE, "ID")
RUN = Command(
    "oci run",
    "Make a container of a bundle, and run its program.",
    (
        *_CREATE,
        Option(("--detach", "-d"), "do not wait for its end", default=False),
        Option(("--keep",), "do not delete it then", default=False),
        Option(("--no-subreaper",), "taken for runc's sake", default=False),
    ),
    "ID",
)
KILL = Command(
    "oci kill",
    "Send a signal, TERM if none is named, to the first process of a container.",
    (Option(("--all", "-a"), "... to all processes in it", default=False),),
    "ID",
)
DELETE = Command(
    "oci delete",
    "Take away what is left of a container.",
    (Option(("--force", "-f"), "kill it first, if it runs", default=False),),
    "ID",
)


def _plain(verb: str, summary: str, *options: Option) -> Command:
    return Command(f"oci {verb}", summary, options, "ID")


START = _plain("start", "Let the program of a created container begin.")
STATE = _plain("state", "Show the state of a container.")
PAUSE = _plain("pause", "Let a container stand still.")
RESUME = _plain("resume", "Let it run again.")


def _create(argv: list[str], where: Surroundings) -> int:
    creation.create(_asked(read(CREATE, argv), where, foreground=False))
    return 0


def _asked(given: dict[str, Any], where: Surroundings, *, foreground: bool) -> creation.Asked:
    if given["no_pivot"]:
        raise UsageError("--no-pivot is not done: a root is always pivoted to", "Leave it out")
    if given["preserve_fds"] < 0:
        raise UsageError("--preserve-fds cannot be negative", "It is how many are kept")
    return creation.Asked(
        where.root, given["id"], given["bundle"], given["config"], given["console_socket"],
        given["pid_file"], given["pidfd_socket"], given["preserve_fds"],
        not given["no_new_keyring"], foreground,
    )  # fmt: skip


def _run(argv: list[str], where: Surroundings) -> int:
    given = read(RUN, argv)
    detached = given["detach"]
    created = creation.create(_asked(given, where, foreground=not detached))
    box, born = created.box, created.born
    try:
        where.warn(starting.start(box, created.config))
    except BaseException:
        ending.delete(where.root, box.id, force=True)
        raise
    if detached:
        return 0
    from kernelbox.oci import foreground

    status = foreground.wait(born)
    if not given["keep"]:
        where.warn(ending.delete(where.root, box.id, force=True))
    return status


def _start(argv: list[str], where: Surroundings) -> int:
    box = where.find(read(START, argv)["id"])
    where.warn(starting.start(box, box.config()))
    return 0


def _state(argv: list[str], where: Surroundings) -> int:
    print(json.dumps(where.find(read(STATE, argv)["id"]).told(), indent=2))
    return 0


def _kill(argv: list[str], where: Surroundings) -> int:
    given = read(KILL, argv)
    words = [one for one in given["command"] if one not in ("--all", "-a")]
    number = ending.signal_number(words[0] if words else "TERM")
    everybody = given["all"] or len(words) < len(given["command"])
    ending.kill(where.find(given["id"]), number, everybody=everybody)
    return 0


def _delete(argv: list[str], where: Surroundings) -> int:
    given = read(DELETE, argv)
    where.warn(ending.delete(where.root, given["id"], force=given["force"]))
    return 0


def _pause(argv: list[str], where: Surroundings) -> int:
    box = _of_status(where.find(read(PAUSE, argv)["id"]), ("created", "running"), "pause")
    box.group.freeze()
    return 0


def _resume(argv: list[str], where: Surroundings) -> int:
    box = _of_status(where.find(read(RESUME, argv)["id"]), ("paused",), "resume")
    box.group.thaw()
    return 0


def _of_status(box: Box, wanted: tuple[str, ...], verb: str) -> Box:
    status = box.status()
    if status not in wanted:
        raise UsageError(f"cannot {verb} a container that is {status}", "See: state")
    return box


def _later(module: str, verb: str) -> Callable[[list[str], Surroundings], int]:
    """Return a verb of another room, which is loaded when it is called."""

    def act(argv: list[str], where: Surroundings) -> int:
        room = importlib.import_module(f"kernelbox.cli.{module}")
        run: Callable[[list[str], Surroundings], int] = getattr(room, verb)
        return run(argv, where)

    return act


VERBS: dict[str, Callable[[list[str], Surroundings], int]] = {
    "create": _create,
    "start": _start,
    "state": _state,
    "kill": _kill,
    "delete": _delete,
    "run": _run,
    "exec": _later("oci_more", "run_exec"),
    "pause": _pause,
    "resume": _resume,
    "update": _later("oci_more", "update"),
    "ps": _later("oci_told", "ps"),
    "list": _later("oci_told", "listing"),
    "events": _later("oci_told", "events"),
    "features": _later("oci_told", "features"),
    "spec": _later("oci_told", "spec"),
}
_SUMMARIES = {
    "create": "Make a container of a bundle, up to its program",
    "start": "Let the program of a created container begin",
    "state": "Show the state of a container",
    "kill": "Send a signal to a container",
    "delete": "Take away what is left of a container",
    "run": "Make a container of a bundle, and run its program",
    "exec": "Run one more program in a container",
    "pause": "Let a container stand still",
    "resume": "Let it run again",
    "update": "Give a container other limits",
    "ps": "Show the processes of a container",
    "list": "List containers",
    "events": "Show what a container uses, and when it runs out of memory",
    "features": "Show what this runtime can do",
    "spec": "Write a config.json to begin with, or check one",
}


def usage(called: str) -> str:
    """Return what there is, for a person."""
    lines = [f"  {name:9} {summary}" for name, summary in _SUMMARIES.items()]
    return "\n".join(
        [
            f"usage: {called} [--root DIRECTORY] [--log FILE] [--log-format text|json] [--debug]",
            f"       {' ' * len(called)} VERB ...",
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
