"""`start`, `state`, `kill`, `delete`, `pause` and `resume` of the OCI runtime."""

from __future__ import annotations

from kernelbox.cli.oci import read_all
from kernelbox.cli.parser import Command, Option, read
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.cli.oci import Surroundings
    from kernelbox.oci.state import Box

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


def verb_start(argv: list[str], where: Surroundings) -> int:
    """Let the program of a created container begin."""
    from kernelbox.oci import starting  # not for the others

    box = where.find(read_all(START, argv)["id"])
    starting.start(box, box.document())
    return 0


def verb_state(argv: list[str], where: Surroundings) -> int:
    """Show the state of a container."""
    import json  # it is for who reads it: with line ends

    print(json.dumps(where.find(read_all(STATE, argv)["id"]).told(), indent=2))
    return 0


def verb_kill(argv: list[str], where: Surroundings) -> int:
    """Send a signal to a container."""
    from kernelbox.oci import ending

    given = read(KILL, argv)
    words = [one for one in given["command"] if one not in ("--all", "-a")]
    number = ending.signal_number(words[0] if words else "TERM")
    everybody = given["all"] or len(words) < len(given["command"])
    ending.kill(where.find(given["id"]), number, everybody=everybody)
    return 0


def verb_delete(argv: list[str], where: Surroundings) -> int:
    """Take away what is left of a container."""
    from kernelbox.oci import ending

    given = read_all(DELETE, argv)
    where.warn(ending.delete(where.root, given["id"], force=given["force"]))
    return 0


def verb_pause(argv: list[str], where: Surroundings) -> int:
    """Let a container stand still."""
    box = _of_status(where.find(read_all(PAUSE, argv)["id"]), ("created", "running"), "pause")
    box.check_made("pause")
    box.group.freeze()
    return 0


def verb_resume(argv: list[str], where: Surroundings) -> int:
    """Let it run again."""
    box = _of_status(where.find(read_all(RESUME, argv)["id"]), ("paused",), "resume")
    box.group.thaw()
    return 0


def _of_status(box: Box, wanted: tuple[str, ...], verb: str) -> Box:
    status = box.status()
    if status not in wanted:
        raise UsageError(f"cannot {verb} a container that is {status}", "See: state")
    return box
