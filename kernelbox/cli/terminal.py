"""The front at a terminal: the person's own process while a monitor runs a container.

It carries no data: the monitor reads and writes the person's streams itself. It shows the trace,
asks before each step, puts the terminal into raw mode, and forwards signals and window sizes. If
it is killed, the container lives on.
"""

from __future__ import annotations

import errno
import os
import select
import sys

from kernelbox.container.conversation import messages
from kernelbox.container.conversation.front import Front
from kernelbox.container.conversation.monitor_messages import Detached, Exited, Resize, Started
from kernelbox.kernel import trace
from kernelbox.kernel.errors import KernelboxError
from kernelbox.kernel.explain import output_error
from kernelbox.plumbing.light import contextmanager, signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from kernelbox.container.conversation.messages import Failed
    from kernelbox.kernel.door import Event
    from kernelbox.plumbing.channel import Channel

# Not forwarded: what the kernel does not let anyone catch, what is about this process's own
# children and pipes, and what the shell's job control needs.
_OWN = {
    signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGWINCH,
    signal.SIGTSTP, signal.SIGCONT, signal.SIGTTIN, signal.SIGTTOU,
}  # fmt: skip
_ENOUGH = 3


class TerminalFront(Front):
    """A front at a terminal, or in a pipeline.

    Args:
        monitor: The channel that `launch` gave.
        terminal: Whether the program has a terminal and reads it, so that ours becomes its window.
        tracing: Empty, `text` or `json`.
        stepping: Whether to ask before each request.
    """

    def __init__(
        self, monitor: Channel, *, terminal: bool, tracing: str = "", stepping: bool = False
    ) -> None:
        super().__init__(monitor)
        self.terminal = terminal and os.isatty(0)
        self.tracing = tracing
        self.stepping = stepping
        self._color = os.isatty(2) and "NO_COLOR" not in os.environ
        self._interrupts = 0
        self._asking = False
        self.on_start: Callable[[str], object] = lambda _id: None
        self._heard = -1  # where signals are told of, once they are taken

    def until_exited(self) -> int:
        """Follow the program to its end; return its exit code, or 0 if it was left before.

        Raises:
            KernelboxError: It could not be started, its monitor was killed, or output was lost.
        """
        self._take_signals()
        self.until(Started)
        with self._raw_terminal():
            last = self.until(Exited, Detached)
        if isinstance(last, Detached) and last.lost:
            stream, number = next(iter(last.lost.items()))
            if number == errno.EPIPE:
                return 1
            raise output_error(stream, number, 125)
        if isinstance(last, Detached):
            print("read escape sequence", file=sys.stderr)  # as Docker says it
            return 0
        assert isinstance(last, Exited)
        for stream, number in last.lost.items():
            raise output_error(stream, number, last.code or 125)
        return last.code

    def wait(self) -> None:
        """Wait until the monitor has said something, and let no signal go unheard meanwhile."""
        self._await(self.monitor)

    def _await(self, whom: Channel | TextIO) -> None:
        """Wait until there is something to read, or to be handled.

        Python calls a handler between two of its own steps only. A signal that comes right before
        the wait would be heard after it, so each also writes into a pipe that is waited for.
        """
        while self._heard >= 0:
            poller = select.poll()
            poller.register(whom, select.POLLIN)
            poller.register(self._heard, select.POLLIN)
            ready = {fd for fd, _ in poller.poll()}
            if self._heard in ready:
                os.read(self._heard, 1 << 10)
            if whom.fileno() in ready:
                return

    def started(self, message: Started) -> None:
        """Tell whoever wants to know its id."""
        self.on_start(message.id)

    def failed(self, message: Failed) -> KernelboxError:
        """Return a failure as an exception; for KERNELBOX_DEBUG, with the monitor's traceback."""
        trace = message.traceback if os.environ.get("KERNELBOX_DEBUG") else ""
        return KernelboxError(trace + message.message, message.hint, message.code)

    def made(self, event: Event) -> None:
        """Show a request that was made."""
        text = trace.as_json(event) if self.tracing == "json" else self._line(event)
        print(text, file=sys.stderr, flush=True)

    def _line(self, event: Event) -> str:
        width = terminal_size()[1] if os.isatty(2) else 0
        return trace.line(event, color=self._color, width=width)

    def pending(self, event: Event) -> None:
        """Show what comes next, and wait for Enter. At the end of input, go on without asking."""
        if self.stepping:
            try:
                self._asking = True
                print(f"next: {self._line(event)} [Enter]", end="", file=sys.stderr, flush=True)
                self.stepping = bool(self._key())
            except KeyboardInterrupt:
                print(file=sys.stderr)
                self.signal(signal.SIGINT)
                return
            finally:
                self._asking = False
        self.go()

    def _key(self) -> str:
        """Wait for a line from the keyboard; standard input may be the program's to read."""
        try:
            with open("/dev/tty", encoding="utf-8", errors="replace") as keyboard:
                self._await(keyboard)
                return keyboard.readline()
        except OSError:
            return sys.stdin.readline()

    def _take_signals(self) -> None:
        """Send the signals this process gets to the container, until it ends with it."""
        self._heard, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in signal.valid_signals() - _OWN:
            signal.signal(number, self._forward)

    def _forward(self, number: int, _frame: object) -> None:
        if self._asking:
            raise KeyboardInterrupt
        if number == signal.SIGINT:
            self._interrupts += 1
        impatient = self._interrupts >= _ENOUGH
        self.signal(signal.SIGKILL if impatient else number)

    def _resized(self, _number: int, _frame: object) -> None:
        rows, columns = terminal_size()
        messages.send(self.monitor, Resize(rows, columns))

    @contextmanager
    def _raw_terminal(self) -> Iterator[None]:
        """Let every key go to the container, Ctrl-C too, and tell it when the window changes."""
        if not self.terminal:
            yield
            return
        import termios
        import tty

        before = termios.tcgetattr(0)
        signal.signal(signal.SIGWINCH, self._resized)
        try:
            tty.setraw(0, termios.TCSADRAIN)  # what has been typed ahead is kept
            self._resized(signal.SIGWINCH, None)  # it may have changed meanwhile
            yield
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, before)
            signal.signal(signal.SIGWINCH, signal.SIG_DFL)


def terminal_size() -> tuple[int, int]:
    """Return rows and columns of the terminal on standard input; 24 and 80 if it is none."""
    try:
        size = os.get_terminal_size(0)
    except OSError:
        return 24, 80
    return size.lines, size.columns
