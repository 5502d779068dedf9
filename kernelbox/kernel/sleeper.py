"""Sleep without an interpreter: a process that waits, in a few pages of memory.

An interpreter that waits for a container's end takes six MiB, whatever it waits for. So a monitor
with nothing to do becomes a program of a dozen instructions, which waits in its place, with its
pid, its children, its locks and its descriptors, and becomes the interpreter again when something
can be read (C, for a reader):

    int main(int argc, char **argv, char **envp) {        // argv: the interpreter's, to be
        struct epoll_event one;
        prctl(PR_SET_NAME, "kernelbox");                  // what `ps` shows
        while (epoll_wait(FD, &one, 1, -1) == -EINTR)     // a SIGSTOP, and a SIGCONT
            ;
        for (;;) {
            if (access(NEEDED, R_OK) == 0)
                execve(argv[0], argv, envp);
            poll(NULL, 0, 1000);                          // then once more
        }
    }

While it sleeps, an upgrade may take its interpreter away, or what that is to run, and bring others:
it waits until both are there, for as long as that takes, since its end would be its children's.

Source: epoll(7); execve(2), "Effect on process attributes"; elf(5), and stepping_stone.py.
"""

from __future__ import annotations

import os
import select
import struct

from kernelbox.kernel import stepping_stone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import NoReturn

_CODE = {  # machine: its number for ELF, and the code; {fd} is the descriptor of the epoll
    "x86_64": (
        62,
        "bf0f000000 488d356c000000 b89d000000 0f05"  # prctl(PR_SET_NAME, ...)
        "bf{fd} 488d742480 ba01000000 49c7c2ffffffff b8e8000000 0f05"  # epoll_wait(FD, ..., 1, -1)
        "83f8fc 74de"  # if a signal came: once more
        "488d3d46000000 be04000000 b815000000 0f05"  # access(NEEDED, R_OK)
        "85c0 751a"  # if that fails: poll
        "488b7c2408 488d742408 488b0424 488d54c410 b83b000000 0f05"  # execve
        "31ff 31f6 bae8030000 b807000000 0f05"  # poll(NULL, 0, 1000)
        "ebbd",  # back to access
    ),
}
_NAME = b"kernelbox\0"  # behind the code, and then NEEDED


def image(machine: str, epoll: int, needed: str) -> bytes:
    """Return the sleeper for a machine: an ELF file of some 300 bytes.

    Args:
        machine: As `uname -m` calls it.
        epoll: The descriptor that it waits at.
        needed: The path of a file without which it becomes nothing else.

    Raises:
        KeyError: There is none for it.
    """
    number, text = _CODE[machine]
    code = bytes.fromhex(text.format(fd=struct.pack("<I", epoll).hex()))
    return stepping_stone.elf(number, code + _NAME + os.fsencode(needed) + b"\0")


def can_sleep(machine: str) -> bool:
    """Whether there is a sleeper for a machine, as `uname -m` calls it; else one stays awake."""
    return machine in _CODE


def sleep(
    until: Iterable[int],
    kept: Iterable[int],
    command: Sequence[str],
    environment: Mapping[str, str],
    needed: str,
) -> NoReturn:
    """Become a sleeper until one of some descriptors can be read, and then a command.

    Args:
        until: Descriptors to wait for.
        kept: Those that the command is to have, too.
        command: Its path, which is its zeroth argument, and the others.
        environment: Its variables.
        needed: The path of a file that it is of no use without.

    Raises:
        OSError: Nothing in memory may be executed here; this process is as it was.
    """
    waiting = select.epoll()
    inherited = [*until, *kept, waiting.fileno()]
    program = stepping_stone.in_memory(image(os.uname().machine, waiting.fileno(), needed))
    try:
        for fd in until:
            waiting.register(fd, select.EPOLLIN)
        for fd in inherited:
            os.set_inheritable(fd, True)
        os.execve(program, list(command), dict(environment))
    finally:  # only if that failed
        for fd in inherited:
            os.set_inheritable(fd, False)
        os.close(program)
        waiting.close()
