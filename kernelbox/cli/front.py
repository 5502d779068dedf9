"""The front: the process at the person's terminal while a monitor runs a container.

It carries no data: the monitor reads and writes the person's streams itself. It shows the trace,
asks before each step, puts the terminal into raw mode, and forwards signals and window sizes. If
it is killed, the container lives on.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import contextmanager

from kernelbox import trace
from kernelbox.kernel.errors import KernelboxError
from kernelbox.kernel.record import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from kernelbox.channel import Channel

# Not forwarded: what the kernel does not let anyone catch, what is about this process's own
# children and pipes, and what the shell's job control needs.
_OWN = {
    signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGWINCH,
    signal.SIGTSTP, signal.SIGCONT, signal.SIGTTIN, signal.SIGTTOU,
}  # fmt: skip
_ENOUGH = 3


class Front:
    """A conversation with the monitor of one container.

    Args:
        monitor: The channel that `launch` gave.
        terminal: Whether the program has a terminal and reads it, so that ours becomes its window.
        tracing: Empty, `text` or `json`.
        stepping: Whether to ask before each request.
    """

    def __init__(
        self, monitor: Channel, *, terminal: bool, tracing: str = "", stepping: bool = False
    ) -> None:
        self.monitor = monitor
        self.terminal = terminal and os.isatty(0)
        self.tracing = tracing
        self.stepping = stepping
        self._color = os.isatty(2) and "NO_COLOR" not in os.environ
        self._interrupts = 0
        self._asking = False
        self._heard = -1  # where signals are told of, once they are taken

    def until_started(self) -> str:
        """Follow the birth; return the container's id.

        Raises:
            KernelboxError: It could not be started.
        """
        while True:
            message = self._next()
            if message["kind"] == "started":
                container_id: str = message["id"]
                return container_id

    def until_exited(self) -> int:
        """Follow the program to its end; return its exit code.

        Raises:
            KernelboxError: It could not be started, or its monitor was killed.
        """
        self._take_signals()
        self.until_started()
        with self._raw_terminal():
            while True:
                message = self._next()
                if message["kind"] == "exited":
                    code: int = message["code"]
                    return code

    def _next(self) -> dict[str, Any]:
        """Return the next message that is not about the trace."""
        while True:
            self._wait()
            message = self.monitor.receive()
            if message is None:
                raise KernelboxError(
                    "the container's monitor was killed, and the container with it", code=137
                )
            if message["kind"] == "error":
                raise _as_exception(message)
            if message["kind"] == "event":
                self._show(Event(*message["event"]))
            elif message["kind"] == "pause":
                self._ask(Event(*message["event"]))
            else:
                return message

    def _wait(self) -> None:
        """Wait until the monitor has said something, and let no signal go unheard meanwhile.

        Python calls a handler between two of its own steps only. A signal that comes right before
        the wait would be heard after it, so each also writes into a pipe that is waited for.
        """
        while self._heard >= 0:
            poller = select.poll()
            poller.register(self.monitor, select.POLLIN)
            poller.register(self._heard, select.POLLIN)
            ready = {fd for fd, _ in poller.poll()}
            if self._heard in ready:
                os.read(self._heard, 1 << 10)
            if self.monitor.fileno() in ready:
                return

    def _show(self, event: Event) -> None:
        text = trace.as_json(event) if self.tracing == "json" else self._line(event)
        print(text, file=sys.stderr, flush=True)

    def _line(self, event: Event) -> str:
        width = terminal_size()[1] if os.isatty(2) else 0
        return trace.line(event, color=self._color, width=width)

    def _ask(self, pending: Event) -> None:
        """Show what comes next, and wait for Enter. At the end of input, go on without asking."""
        if self.stepping:
            print(f"next: {self._line(pending)}", end=" ", file=sys.stderr)
            print("[Enter]", end="", file=sys.stderr, flush=True)
            self._asking = True
            try:
                self.stepping = bool(_key())
            except KeyboardInterrupt:
                print(file=sys.stderr)
                self.monitor.send("signal", number=signal.SIGINT)
                return
            finally:
                self._asking = False
        self.monitor.send("go")

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
        self.monitor.send("signal", number=signal.SIGKILL if impatient else number)

    def _resized(self, _number: int, _frame: object) -> None:
        rows, columns = terminal_size()
        self.monitor.send("resize", rows=rows, columns=columns)

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


def _as_exception(message: dict[str, Any]) -> KernelboxError:
    text, hint = message["message"], message["hint"]
    if os.environ.get("KERNELBOX_DEBUG") and "traceback" in message:
        text = message["traceback"] + text
    return KernelboxError(text, hint, message["code"])


def _key() -> str:
    """Wait for a line from the keyboard; standard input may be the program's to read."""
    try:
        with open("/dev/tty", encoding="utf-8", errors="replace") as keyboard:
            return keyboard.readline()
    except OSError:
        return sys.stdin.readline()


def terminal_size() -> tuple[int, int]:
    """Return rows and columns of the terminal on standard input; 24 and 80 if it is none."""
    try:
        size = os.get_terminal_size(0)
    except OSError:
        return 24, 80
    return size.lines, size.columns
