"""What is said to a container's monitor, and what it answers; one record a message.

    front -> monitor      Order, Go, Signal, Resize
    monitor -> front      Made, Pending, Started, Detached, Ended, Exited, Failed
    agent -> monitor      NextFront; and back: Free
    others -> monitor     Attach, then as a front; Halt; Watched
    monitor -> recorder   Watched

A front is whoever asked for a container: the command line, a notebook, a build. Its monitor makes
it and looks after it. How they talk is in front.py and monitor.py; what is not here is in
messages.py.
"""

from __future__ import annotations

from kernelbox.container.conversation import messages
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Wish(NamedTuple):
    """How a program is to be run, beside what it is.

    Attributes:
        observed: Whether the front wants to hear of every request to the kernel.
        stepped: Whether each request waits for a `Go`; if `bound`, those of the birth only.
        size: Rows and columns of the front's terminal.
        interactive: Whether the program's standard input stays open.
        bound: Whether the container dies with the front (a notebook's does).
        recorded: The file for a profile of the system calls that it makes; empty without.
        detach_keys: What a person types to leave its terminal; empty if that is not to be.
        read_later: Whether the front reads what the program has changed before all is undone: the
            monitor says `Ended` then, and waits for `Go` or for the front's end.
    """

    observed: bool = False
    stepped: bool = False
    size: tuple[int, int] = (24, 80)
    interactive: bool = False
    bound: bool = False
    read_later: bool = False
    detach_keys: str = ""
    recorded: str = ""


class Order(NamedTuple):
    """Run a container (`run`), one that is there (`start`), or one more program in one (`exec`).

    Attributes:
        what: `run`, `start` or `exec`.
        wish: How, as a list.
        fds: A file in memory with the container's spec, or the container's id and the process; then
            the front's standard streams, three or none.
    """

    what: str
    wish: list[Any]
    fds: list[int]


class Signal(NamedTuple):
    """Send the program a signal; from a front that is asked for a `Go`: no."""

    number: int


class Resize(NamedTuple):
    """The front's terminal has another size, in characters."""

    rows: int
    columns: int


class Attach(NamedTuple):
    """Let me be at the program's streams: how, as a list, and my own three."""

    wish: list[Any]
    fds: list[int]


class Halt(NamedTuple):
    """Let no other life follow this one; answered by `Go`."""


class Started(NamedTuple):
    """The program runs: the container's id, and the program's pid as the host counts."""

    id: str
    pid: int


class Detached(NamedTuple):
    """The program goes on, and the front is told nothing more: the detach keys were typed.

    Or nobody takes what the front shows: `lost` is the errno, by stream.
    """

    lost: dict[str, int] = {}  # noqa: RUF012 - nobody changes it


class Ended(NamedTuple):
    """The program has ended; what it has changed is still there to be read."""

    code: int


class Exited(NamedTuple):
    """The program has ended, and all is cleaned up.

    `lost` is the errno that output to the front's `stdout` or `stderr` was lost with, by stream.
    """

    code: int
    lost: dict[str, int] = {}  # noqa: RUF012 - nobody changes it


class NextFront(NamedTuple):
    """A front's end of a conversation, for a monitor that an agent keeps."""

    fds: list[int]


class Free(NamedTuple):
    """The monitor is as good as before, and may be given the next front."""


messages.know(
    {
        "order": Order,
        "signal": Signal,
        "resize": Resize,
        "attach": Attach,
        "halt": Halt,
        "started": Started,
        "detached": Detached,
        "ended": Ended,
        "exited": Exited,
        "front": NextFront,
        "free": Free,
    }
)
