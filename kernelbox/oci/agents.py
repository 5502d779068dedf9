"""A seccomp agent: a process of somebody else's that answers calls which a filter leaves to it.

    container   says which descriptor its listener will have, and installs the filter
    runtime     fetches the listener, and sends it to the agent's socket: here
    agent       is asked from then on; if it ends, what is left to it fails (ENOSYS)

The word comes before the filter is there, and the answer after the agent has the listener, so a
profile may leave any call to the agent, also those that it takes to say something.

Source: OCI runtime-spec, config-linux.md, "Seccomp", "The Container Process State";
seccomp_unotify(2).
"""

from __future__ import annotations

import os
import time

from kernelbox.container.conversation import messages
from kernelbox.container.conversation.messages import Go
from kernelbox.kernel import listening, process
from kernelbox.kernel.errors import KernelError, UsageError
from kernelbox.oci.console import connected
from kernelbox.plumbing import documents, sockets
from kernelbox.plumbing.light import closing, signal, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from kernelbox.container.birth.birth import Newborn

_SOON = 0.001  # seconds until a listener is looked for again that is about to be made


def has_one(profile: dict[str, Any] | None) -> bool:
    """Whether a container's profile names an agent."""
    return bool(profile and profile.get("listenerPath"))


def introduce(born: Newborn, profile: dict[str, Any] | None, state: dict[str, Any]) -> None:
    """See to it that a process which is about to become a program gets to its container's agent.

    Args:
        born: The process. If there is no agent it is killed, since nobody would answer it.
        profile: Of the system calls in its container.
        state: Of that, as the spec has it.
    """
    if profile is not None and has_one(profile):
        born.watch = _introduction(born, profile, state)


def _introduction(
    born: Newborn, profile: dict[str, Any], state: dict[str, Any]
) -> Callable[[int, int], None]:
    def act(pidfd: int, number: int) -> None:
        listener = _fetched(pidfd, number)
        if listener is None:  # it says itself why not
            return
        told = {
            "ociVersion": state["ociVersion"],
            "fds": ["seccompFd"],
            "pid": born.pid,
            "metadata": profile.get("listenerMetadata") or "",
            "state": state,
        }
        try:
            _send(profile["listenerPath"], documents.dumps(told).encode(), listener)
        except UsageError:
            with suppress(KernelError):
                process.pidfd_send_signal(pidfd, signal.SIGKILL)
            raise
        finally:
            os.close(listener)
        messages.send(born.control, Go())

    return act


def _fetched(pidfd: int, number: int) -> int | None:
    """Return a process's listener; None if it ends without one."""
    with suppress(ProcessLookupError):
        while (found := listening.listener(pidfd, number)) is None:
            time.sleep(_SOON)
        return found
    return None


def _send(path: str, text: bytes, listener: int) -> None:
    try:
        with closing(connected(path)) as connection:
            sockets.send(connection, text, [listener])
    except OSError as error:
        raise UsageError(
            f"failed to connect with seccomp agent at {path}: "
            f"{(error.strerror or 'no socket').lower()}",
            "linux.seccomp.listenerPath is a socket that somebody listens at",
        ) from error
