"""The steps by which a process becomes a program: each is the same for an image's and a bundle's.

Their order is in program.py, and for a bundle in `kernelbox.oci.standing`.
"""

from __future__ import annotations

import errno
import os

from kernelbox.container.birth.birth import cannot_execute
from kernelbox.container.conversation import messages
from kernelbox.container.conversation.messages import ExecRefused, Executing, Watched
from kernelbox.kernel import files, process, seccomp, stepping_stone, syscalls
from kernelbox.kernel.errors import CommandError, KernelError, errno_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from kernelbox.container.birth.confinement import Filter
    from kernelbox.kernel.stepping_stone import Stone
    from kernelbox.plumbing.channel import Channel

_LONGEST_NAME = 200  # that an error repeats


def deserve_oom_kill(adjustment: int | None) -> None:
    """Say how much the program deserves to be killed where memory runs out.

    Args:
        adjustment: From -1000 to 1000; None for what its parent has.

    Raises:
        KernelError: EACCES to deserve it less, without CAP_SYS_RESOURCE; EXDEV if /proc is
            something else.

    Source: proc(5), /proc/PID/oom_score_adj.
    """
    if adjustment is None:
        return
    try:
        files.write_proc("self/oom_score_adj", str(adjustment))
    except KernelError as refusal:
        refusal.hint = "To lower it, who starts the container needs CAP_SYS_RESOURCE"
        raise


def confine(confined: Filter, control: Channel) -> None:
    """Let every call from here on pass through a filter.

    Args:
        confined: The filter. If it asks a listener, whoever is to listen fetches it: to be sent, it
            would have to be asked about the sending.
        control: The conversation with the runtime side, which is told where to find it.
    """

    def tell(number: int) -> None:
        messages.send(control, Watched(number))

    seccomp.set_filter(confined.program, confined.flags, tell if confined.watched else None)
    if confined.handed_on and messages.receive(control) is None:
        os._exit(1)  # the runtime side is dead, and nobody would answer


def leave_session_keyring() -> None:
    """Part from the keyring that was inherited: what the operator has in it is the operator's.

    Source: keyrings(7); runc and crun do the same.
    """
    try:
        syscalls.join_session_keyring()
    except KernelError as refusal:
        if refusal.errno != errno.ENOSYS:  # a kernel without keys has nothing to hide
            raise


def become(
    path: str, args: list[str], environment: dict[str, str], control: Channel, stone: Stone
) -> NoReturn:
    """Replace this process by the program; the runtime side hears of it by descriptors closing.

    Raises:
        CommandError: It has too many arguments. What else the kernel refuses, it refuses the stone.
    """
    event = process.announce_exec(path, args)
    messages.send(control, Executing(event, args[0][:_LONGEST_NAME], os.path.isdir(path)))
    process.default_signals()
    try:
        stepping_stone.take(stone, path, args, environment)
    except OSError as error:
        messages.send(control, ExecRefused(errno_name(error.errno or 0)))
        raise cannot_execute(args[0], error.errno or 0, directory=False) from error
    raise AssertionError("execve returned")


def find_program(name: str, search_path: str) -> str:
    """Return the path of the program called `name`, as a shell would find it.

    Raises:
        CommandError: 127 if there is none; 126 if there is, but it may not be executed.

    Source: exec(3), execvp.
    """
    if "/" in name:
        return name
    refused = ""
    for directory in search_path.split(":"):
        path = f"{directory or '.'}/{name}"
        if os.path.isfile(path):
            if os.access(path, os.X_OK):
                return path
            refused = path
    if refused:
        raise cannot_execute(name, errno.EACCES, directory=False)
    raise CommandError(
        f"{name!r}: executable file not found in $PATH",
        f"The image has no such program in {search_path}",
        127,
    )
