"""A birth, and what its two sides say to each other: runtime outside, first process inside.

    Birth       what the runtime side hands over when it forks
    reporting   the container side's voice: its requests, and its failure
    Newborn     the runtime side's ear

The socket between them is close-on-exec: when the first process becomes the program, it closes, and
that is how the runtime side hears of it.
"""

from __future__ import annotations

import errno
import os
import select
import sys
import time

from kernelbox.container.conversation import messages
from kernelbox.container.conversation.messages import (
    ExecRefused,
    Executing,
    Failed,
    Go,
    Made,
    Pending,
    Terminal,
    Watched,
)
from kernelbox.kernel import door, process
from kernelbox.kernel.errors import CommandError, KernelboxError, errno_name
from kernelbox.plumbing.light import contextmanager, suppress
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from kernelbox.cgroup import Entrance
    from kernelbox.container.birth.confinement import Filter
    from kernelbox.container.conversation.messages import Message
    from kernelbox.container.spec import Spec
    from kernelbox.kernel.door import Event
    from kernelbox.kernel.stepping_stone import Stone
    from kernelbox.overlay import Overlay
    from kernelbox.plumbing.channel import Channel

    Wanted = TypeVar("Wanted", bound=Message)


class Birth(NamedTuple):
    """What the runtime side hands to the container side.

    Attributes:
        spec: What the container shall be.
        control: The conversation with the runtime side.
        delivery: Where detached mounts come from that the runtime side opens meanwhile: the root of
            a container in a user namespace, then the binds in the order of mounting, then the end.
        stdio: Descriptors for 0, 1 and 2; with a terminal they are not used.
        overlay: The directories of its root.
        entrance: The way into its cgroup.
        cgroup_version: 1 or 2.
        controllers: The v1 hierarchies it shall see.
        network_fd: A network namespace to join; None when born into its own, or sharing the host's.
        devices: Device nodes to borrow, by name; empty when it can make its own.
        is_limited_to_devices: Whether the kernel lets it use no others, whatever nodes it makes.
        helper: The small init of `--init`; None without.
        filter: Of its system calls; None without one.
        stone: What its first process becomes before it is the program.
        observed: Whether the other side wants to hear of every request.
        stepped: Whether each request waits for its go.
    """

    spec: Spec
    control: Channel
    delivery: Channel
    stdio: tuple[int, int, int]
    overlay: Overlay
    entrance: Entrance
    cgroup_version: int
    controllers: list[str]
    network_fd: int | None
    devices: dict[str, int]
    is_limited_to_devices: bool
    helper: int | None
    filter: Filter | None
    stone: Stone
    observed: bool
    stepped: bool


@contextmanager
def reporting(control: Channel, observed: bool, stepped: bool) -> Iterator[None]:
    """Be the container side: report requests and failure to the runtime side, and never return.

    Args:
        control: The conversation with the runtime side.
        observed: Whether it wants to hear of every request.
        stepped: Whether each request waits for its go.
    """

    def show(event: Event) -> None:
        messages.send(control, Made(event))

    def wait(event: Event) -> None:
        messages.send(control, Pending(event))
        if messages.receive(control) is None:
            os._exit(1)

    # From now on nothing may be imported: the files found would be the image's.
    sys.path.clear()
    sys.meta_path.clear()
    door.become("container")
    door.sink = show if observed else None
    door.gate = wait if stepped else None
    try:
        yield
    except KernelboxError as error:
        messages.send(control, Failed(error.message, error.hint, error.code))
    except BaseException as error:
        # A bug: say which and where, since this process has no other voice.
        text = f"the container's init failed: {type(error).__name__}: {error} ({_where(error)})"
        messages.send(control, Failed(text, "", 125))
    finally:
        os._exit(1)


def _where(error: BaseException) -> str:
    """Return the innermost place of an exception, as `file:line`."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None:
        return "nowhere"
    return f"{os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}"


class Newborn:
    """A container, or one more process in it, whose first process is alive, from the outside.

    Attributes:
        pid: Of that process, in the runtime's PID namespace.
        pidfd: The same, safe against reuse.
        start_time: Of that process, in clock ticks since boot; looked up where it is asked for.
        control: The conversation with it.
        terminal: The runtime's end of its terminal; None without `-t`.
        address: On the bridge; empty without one.
        watch: Where a filter that asks about each call finds a listener; None without a record.
    """

    def __init__(self, pid: int, pidfd: int, control: Channel, stone: Stone) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.control = control
        self._stone = stone
        self.terminal: int | None = None
        self.address = ""
        self.watch: Callable[[int, int], object] | None = None
        self._executing: tuple[Executing, int] | None = None
        self._start_time = 0

    @property
    def start_time(self) -> int:
        """See the class. Whoever has entered a container would read the container's /proc."""
        if not self._start_time:
            self._start_time = process.start_time(self.pid)
        return self._start_time

    def until(self, wanted: type[Message]) -> None:
        """Pass on what it reports, until it says what is wanted or becomes the program.

        Raises:
            KernelboxError: It failed (its own words), or died without a word.
        """
        while True:
            message = messages.receive(self.control)
            if message is None:
                self._gone()
                return
            if isinstance(message, wanted):
                return
            self._hear(message)

    def until_executed(
        self, patience: float | None = None, silent: Callable[[], object] = lambda: None
    ) -> None:
        """Pass on what it reports, until it has become the program.

        Args:
            patience: How many seconds it may say nothing before `silent` is asked, again and again.
            silent: Raises if it is of no use to wait longer.

        Raises:
            KernelboxError: As `until`.
        """
        while True:
            while patience is not None and not _speaks(self.control.fileno(), patience):
                silent()
            message = messages.receive(self.control)
            if message is None:
                break
            self._hear(message)
        # The stone, too, may stand still.
        while patience is not None and not _speaks(self._stone.heard, patience):
            silent()
        self._gone()

    def _hear(self, message: Message) -> None:
        if isinstance(message, Made):
            if door.sink is not None:
                door.sink(message.event)
        elif isinstance(message, Pending):
            if door.gate is not None:
                door.gate(message.event)
            messages.send(self.control, Go())
        elif isinstance(message, Watched) and self.watch is not None:
            self.watch(self.pidfd, message.number)
        elif isinstance(message, Executing):
            self._executing = (message, time.perf_counter_ns())
        elif isinstance(message, Terminal):
            self.terminal = message.fds[0]
        elif isinstance(message, ExecRefused):
            self._report_exec(message.result)
        elif isinstance(message, Failed):
            raise KernelboxError(message.message, message.hint, message.code)

    def _gone(self) -> None:
        """Hear how it went: its side of the conversation is closed, and it is the stone, or more.

        Raises:
            KernelboxError: It died before; or there is no such program.
        """
        if self._executing is None:
            raise KernelboxError(
                "the container's first process died before it could become its program",
                "Out of memory? Look at `dmesg`. Or a seccomp profile kills for what a start takes",
            )
        refusal = self._refusal_of_child() if self._stone.bears else self._refusal()
        self._report_exec(errno_name(refusal) if refusal else "0")
        if refusal:
            executing, _ = self._executing
            raise cannot_execute(executing.name, refusal, directory=executing.directory)
        os.close(self._stone.heard)

    def _refusal(self) -> int:
        """Return the errno of execve(2); 0 if there is a program."""
        return (os.read(self._stone.heard, 1) or b"\0")[0]

    def _refusal_of_child(self) -> int:
        """Be about the stone's child, which is ours, from now on; else as `_refusal`.

        Whoever looks into the child may have written here as well: it is ours, or it is not told.

        Raises:
            KernelboxError: There is none.
        """
        process.wait_exit(self.pid)  # which has said all it had to say by then
        os.set_blocking(self._stone.heard, False)
        told = b""
        with suppress(BlockingIOError):  # somebody has it open, and so it does not end
            told = os.read(self._stone.heard, 5)
        if len(told) == 1:
            return told[0]  # of clone(2)
        pid = int.from_bytes(told[-4:], "little", signed=True)
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            pidfd = process.pidfd_of(pid)
        except OSError as error:
            raise KernelboxError(
                "the process has died before it could become the program",
                "Out of memory? Look at `dmesg`. Or somebody in the container has killed it",
            ) from error
        os.close(self.pidfd)
        self.pid, self.pidfd = pid, pidfd
        if len(told) == 5:
            process.wait_exit(pid)
            return told[0]
        return 0

    def _report_exec(self, result: str) -> None:
        """Complete the record of `execve`: it worked, or did not, just now."""
        if self._executing is not None and door.sink is not None:
            executing, since = self._executing
            elapsed = (time.perf_counter_ns() - since) // 1000
            door.sink(executing.event._replace(result=result, microseconds=elapsed))


def _speaks(fd: int, seconds: float) -> bool:
    """Whether something can be read within some time; also that there will be nothing more."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(seconds * 1000))


def cannot_execute(name: str, number: int, *, directory: bool) -> CommandError:
    """Return why a program is none.

    Args:
        name: As it was asked for.
        number: The kernel's errno.
        directory: Whether it is one.
    """
    if number == errno.ENOENT:
        hint = "The image has no such file, or not the interpreter or loader that it asks for"
        return CommandError(f"{name!r}: no such file or directory", hint, 127)
    if directory:
        return CommandError(f"{name!r}: is a directory", "Name a program in it", 126)
    hints = {
        errno.EACCES: "Its mode has no x for this user: chmod +x",
        errno.EPERM: "Does its seccomp profile forbid execve? Ask: kernelbox seccomp explain",
        errno.ENOEXEC: "It is no program for this machine, or a script without a #! line",
    }
    hint = hints.get(number, "")
    return CommandError(f"{name!r}: {os.strerror(number).lower()}", hint, 126)
