"""What the processes around a container say to each other: one record a message.

    front -> monitor      Order, Go, Signal, Resize
    monitor -> front      Made, Pending, Started, Detached, Ended, Exited, Failed
    runtime -> container  Go, Start
    container -> runtime  Made, Pending, Ready, Terminal, Sibling, Watched, Executing,
                          ExecRefused, Failed
    agent -> monitor      NextFront; and back: Free
    others -> monitor     Attach, then as a front; Halt; Watched
    monitor -> recorder   Watched

A front is whoever asked for a container: the command line, a notebook, a build. Its monitor makes
it and looks after it. How they talk is in front.py and monitor.py, and for a birth in birth.py.
"""

from __future__ import annotations

from kernelbox.kernel.door import Event
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.plumbing.channel import Channel


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


class Go(NamedTuple):
    """Make the request that was pending; after `Ended`, undo the rest."""


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


class Made(NamedTuple):
    """A request to the kernel was made."""

    event: Event


class Pending(NamedTuple):
    """A request is about to be made, and waits for a `Go`."""

    event: Event


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


class Failed(NamedTuple):
    """It could not be done: the words and the exit code of a KernelboxError.

    `traceback` is empty, but for a bug of ours.
    """

    message: str
    hint: str
    code: int
    traceback: str = ""


class Ready(NamedTuple):
    """The container is built, and waits for `Start`."""


class Start(NamedTuple):
    """Become the program."""


class Terminal(NamedTuple):
    """The other end of the container's terminal."""

    fds: list[int]


class Sibling(NamedTuple):
    """The sender has had a sibling, and ends: a pidfd of that."""

    fds: list[int]


class Watched(NamedTuple):
    """The filter that is installed next asks a listener about each call.

    Attributes:
        number: Of the descriptor that the process will have of it.
        fds: A pidfd of the process, for whoever has none.
    """

    number: int
    fds: list[int] = []  # noqa: RUF012 - nobody changes it


class Executing(NamedTuple):
    """The container's first process becomes the program now: if this works, it says no more.

    Attributes:
        event: The request, still without a result.
        name: The program's, as it was asked for.
        directory: Whether what was found is one.
    """

    event: Event
    name: str
    directory: bool


class ExecRefused(NamedTuple):
    """It did not work: the name of the errno."""

    result: str


class NextFront(NamedTuple):
    """A front's end of a conversation, for a monitor that an agent keeps."""

    fds: list[int]


class Free(NamedTuple):
    """The monitor is as good as before, and may be given the next front."""


if TYPE_CHECKING:
    Message = (
        Order
        | Go
        | Signal
        | Resize
        | Attach
        | Halt
        | Made
        | Pending
        | Started
        | Detached
        | Ended
        | Exited
        | Failed
        | Ready
        | Start
        | Terminal
        | Sibling
        | Watched
        | Executing
        | ExecRefused
        | NextFront
        | Free
    )

_KINDS: dict[str, type[Message]] = {
    "order": Order,
    "go": Go,
    "signal": Signal,
    "resize": Resize,
    "attach": Attach,
    "halt": Halt,
    "event": Made,
    "pause": Pending,
    "started": Started,
    "detached": Detached,
    "ended": Ended,
    "exited": Exited,
    "error": Failed,
    "ready": Ready,
    "start": Start,
    "terminal": Terminal,
    "sibling": Sibling,
    "watched": Watched,
    "exec": Executing,
    "exec-refused": ExecRefused,
    "front": NextFront,
    "free": Free,
}
_NAMES = {record: kind for kind, record in _KINDS.items()}


def send(channel: Channel, message: Message) -> bool:
    """Send a message; False if nobody listens any more.

    The sender closes the descriptors that it passes.

    Raises:
        OSError: EMSGSIZE if it is longer than 128 KiB.
    """
    return channel.send(_NAMES[type(message)], **message._asdict())


def receive(channel: Channel) -> Message | None:
    """Return the next message, or None when the other side is gone.

    Descriptors that came along are the receiver's to close.

    Raises:
        ValueError: It is none of these.
    """
    fields = channel.receive()
    if fields is None:
        return None
    record = _KINDS.get(fields.pop("kind", ""))
    if record is None:
        raise ValueError("this is no message of kernelbox's")
    if "event" in fields:
        fields["event"] = Event(*fields["event"])
    return record(**fields)
