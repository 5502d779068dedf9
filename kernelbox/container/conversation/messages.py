"""What the two sides of a birth say to each other, one record a message; how a message travels.

    runtime -> container  Go, Start
    container -> runtime  Made, Pending, Ready, Terminal, Sibling, Watched, Executing,
                          ExecRefused, Failed

How they talk is in birth.py. What is said to a container's monitor is in monitor_messages.py: an
OCI runtime has none.
"""

from __future__ import annotations

from kernelbox.kernel.door import Event
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.plumbing.channel import Channel


class Go(NamedTuple):
    """Make the request that was pending; after `Ended`, undo the rest."""


class Made(NamedTuple):
    """A request to the kernel was made."""

    event: Event


class Pending(NamedTuple):
    """A request is about to be made, and waits for a `Go`."""

    event: Event


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


Message = NamedTuple  # each is one

_KINDS: dict[str, type[Message]] = {
    "go": Go,
    "event": Made,
    "pause": Pending,
    "error": Failed,
    "ready": Ready,
    "start": Start,
    "terminal": Terminal,
    "sibling": Sibling,
    "watched": Watched,
    "exec": Executing,
    "exec-refused": ExecRefused,
}
_NAMES = {record: kind for kind, record in _KINDS.items()}


def know(kinds: dict[str, type[Message]]) -> None:
    """Let records of more kinds be messages, too: by what each is called on its way."""
    _KINDS.update(kinds)
    _NAMES.update({record: kind for kind, record in kinds.items()})


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
    record: Callable[..., Message] | None = _KINDS.get(fields.pop("kind", ""))
    if record is None:
        raise ValueError("this is no message of kernelbox's")
    if "event" in fields:
        fields["event"] = Event(*fields["event"])
    return record(**fields)
