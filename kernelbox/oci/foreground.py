"""A program in the foreground: its streams are ours, its terminal is shown in ours.

Signals that are sent to the command are meant for the program.

Source: runc, `run` and `exec` without --detach; termios(3), cfmakeraw.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select

from kernelbox.kernel import flags as k
from kernelbox.kernel import process
from kernelbox.kernel.errors import KernelError
from kernelbox.plumbing.light import signal, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.container.birth.birth import Newborn

_CHUNK = 1 << 16
_NOT_PASSED_ON = {
    signal.SIGCHLD, signal.SIGKILL, signal.SIGSTOP, signal.SIGURG, signal.SIGWINCH, signal.SIGPIPE,
    signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTTIN, signal.SIGTTOU,
}  # fmt: skip


def wait(born: Newborn) -> int:
    """Wait for the end of a program that is our child; return its exit status as a shell has it.

    Args:
        born: It; our end of its terminal, if it has one.
    """

    def pass_on(number: int, _: object) -> None:
        with suppress(KernelError):  # it has just ended
            process.pidfd_send_signal(born.pidfd, number)

    for number in signal.valid_signals() - _NOT_PASSED_ON:
        with suppress(OSError, ValueError):  # those that the C library keeps
            signal.signal(number, pass_on)
    if born.terminal is not None:
        _show(born.terminal, born.pidfd)
    return process.wait_exit(born.pid)


def make_plain(master: int) -> None:
    """Let a terminal end lines without carriage returns, if we show it to who is no terminal.

    Args:
        master: Our end of it; its program has not begun yet.

    Source: runc, ClearONLCR.
    """
    if not os.isatty(1):
        import termios  # few have a terminal

        modes = termios.tcgetattr(master)
        modes[1] &= ~termios.ONLCR  # c_oflag
        termios.tcsetattr(master, termios.TCSANOW, modes)


def _show(master: int, pidfd: int) -> None:
    """Carry bytes between a terminal and ours until nobody has the other end open any more."""
    before = None
    if os.isatty(0):
        import termios
        import tty

        before = termios.tcgetattr(0)
        tty.setraw(0)
        signal.signal(signal.SIGWINCH, lambda *_: _resize(master))
        _resize(master)
    try:
        _carry(master, pidfd)
    finally:
        if before is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, before)


def _resize(master: int) -> None:
    with suppress(OSError):
        size = fcntl.ioctl(0, k.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(master, k.TIOCSWINSZ, size)


def _carry(master: int, pidfd: int) -> None:
    poller = select.poll()
    for fd in (0, master, pidfd):
        poller.register(fd, select.POLLIN)
    while True:
        ready = [fd for fd, _ in poller.poll()]
        if master in ready:
            try:
                _write(1, os.read(master, _CHUNK))
            except OSError as error:
                if error.errno != errno.EIO:  # EIO: nobody has the other end open
                    raise
                return
        elif pidfd in ready:
            return
        if 0 in ready:
            if typed := os.read(0, _CHUNK):
                _write(master, typed)
            else:
                poller.unregister(0)


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
