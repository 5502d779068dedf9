"""How a notebook comes by an agent: it starts one, or asks the service that has been set up for it.

Root starts its own; others go through sudo. Where the lab is a service (labs-vm/), the environment
names a socket: systemd starts an agent for each connection to it, and who may connect is a matter
of the socket's group. It is the same agent either way, and it ends with the connection.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from typing import Protocol

from kernelbox.kernel import process
from kernelbox.lab.conversation import LabError
from kernelbox.plumbing import paths
from kernelbox.plumbing.channel import Channel

SOCKET = "KERNELBOX_AGENT"  # in the environment: the path of the service's socket


class Ending(Protocol):
    """What can be asked about the end of an agent; `subprocess.Popen` has it."""

    def poll(self) -> int | None:
        """Return None as long as it runs."""

    def wait(self) -> int:
        """Wait until it has ended."""


class Served:
    """An agent that a service has started, and will collect. Source: pidfd_open(2)."""

    def __init__(self, pid: int) -> None:
        self._pidfd = process.pidfd_of(pid)

    def poll(self) -> int | None:
        """Return None as long as it runs."""
        return 0 if self._pidfd < 0 or select.select([self._pidfd], [], [], 0)[0] else None

    def wait(self) -> int:
        """Wait until it has ended."""
        if self._pidfd >= 0:
            select.select([self._pidfd], [], [])
            os.close(self._pidfd)
            self._pidfd = -1
        return 0


def reach() -> tuple[Channel, int, Ending]:
    """Return a channel to an agent of the caller's own, its process id, and its end.

    Raises:
        LabError: There is no privilege, or the host is not fit: see `kernelbox doctor`.
    """
    place = os.environ.get(SOCKET)
    return _ask_service(place) if place else _start()


def privileged(command: list[str]) -> list[str]:
    """Return a command as it is started: by itself for root, else through sudo, unasked."""
    if os.geteuid() == 0:
        return command
    # sudo starts with an environment of its own.
    return ["sudo", "-n", "env", f"KERNELBOX_ROOT={paths.root()}", *command]


def _ask_service(place: str) -> tuple[Channel, int, Ending]:
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        end.connect(place)
    except OSError as error:
        end.close()
        raise LabError(
            f"the agent's socket {place} cannot be used: {error.strerror}",
            "See: systemctl status kernelbox-agent.socket",
        ) from error
    channel = Channel(end)
    pid = _hear_hello(channel)
    if pid is None:
        raise LabError("the lab's agent did not start", "See: journalctl -u 'kernelbox-agent@*'")
    try:
        return channel, pid, Served(pid)
    except ProcessLookupError:
        channel.close()
        raise LabError("the lab's agent has ended at once") from None


def _start() -> tuple[Channel, int, Ending]:
    """Start the agent: by itself for root, else through sudo without a question."""
    command = privileged([sys.executable, "-I", "-m", "kernelbox.agent"])
    channel, theirs = Channel.pair()
    try:
        # A session of its own: interrupting the notebook's kernel must not reach the agent.
        agent = subprocess.Popen(command, stdin=theirs.fileno(), start_new_session=True)
    except OSError as error:  # there is no sudo
        channel.close()
        raise _no_agent() from error
    finally:
        theirs.close()
    try:
        pid = _hear_hello(channel)
    except LabError:
        agent.wait()
        raise
    if pid is None:
        agent.wait()
        raise _no_agent()
    return channel, pid, agent


def _hear_hello(channel: Channel) -> int | None:
    """Return the agent's process id, which is the first thing it says; None if it says nothing."""
    hello = channel.receive()
    if hello is not None and hello["kind"] == "done":
        return int(hello["value"])
    channel.close()
    if hello is None:
        return None
    raise LabError(hello["message"], hello["hint"])


def _no_agent() -> LabError:
    return LabError(
        "the lab's agent did not start",
        "It needs root, or sudo without a password: try `sudo -v`, or kernelbox doctor",
    )
