"""The name server of a network, from outside: started when it is missing, found again, ended.

    networks/web/names    locked for as long as the server lives; PID START_TIME of it

The lock is of the open file (flock), which the server inherits: whether one lives is one question,
and a server that was only just started and has not yet said its pid is no exception.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import sys
import time
from contextlib import ExitStack, suppress

from kernelbox.kernel import door, process
from kernelbox.kernel.errors import KernelboxError, KernelError
from kernelbox.network.addresses import directory
from kernelbox.network.listeners import listener
from kernelbox.network.names import inside
from kernelbox.plumbing import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kernelbox.network.link_names import Bridge

_PORT = 53
_PATIENCE = 20.0  # seconds until a server that was started has said its pid, or has ended: on
# a busy machine, or an emulated one, a Python takes its time
_STEP = 0.002


def keep(bridge: Bridge, record: Callable[[str, str], None]) -> None:
    """See to it that a network's name server lives. The network's lock is held.

    Raises:
        KernelboxError: Port 53 of the gateway's address is somebody else's.
    """
    lock = os.open(_lock(bridge.network), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _is_free(lock):
            return
        record("names", bridge.network)
        os.truncate(lock, 0)
        with ExitStack() as opened:
            sockets = [opened.enter_context(one) for one in _sockets(bridge)]
            _start(bridge, lock, [one.fileno() for one in sockets])
        if bridge.parent:
            inside.lend_again(bridge.network)
    finally:
        os.close(lock)


def _lock(network: str) -> str:
    return f"{directory(network)}/names"


def _is_free(lock: int) -> bool:
    """Take the lock if nobody has it; return whether we have it now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sockets(bridge: Bridge) -> Iterator[socket.socket]:
    """Yield those that the server begins with: at the gateway, or the one that brings others."""
    if bridge.parent:
        yield inside.door(bridge.network)
        return
    yield _bound(bridge, socket.SOCK_DGRAM)
    tcp = _bound(bridge, socket.SOCK_STREAM)
    tcp.listen(64)
    yield tcp


def _bound(bridge: Bridge, kind: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    try:
        if kind == socket.SOCK_STREAM:  # connections that are closing do not count
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((bridge.gateway, _PORT))
    except OSError as refusal:
        sock.close()
        if refusal.errno != errno.EADDRINUSE:
            raise
        protocol = "tcp" if kind == socket.SOCK_STREAM else "udp"
        raise KernelboxError(
            f"network {bridge.network} needs port {_PORT}/{protocol} of its gateway "
            f"{bridge.gateway} for names, and {listener(protocol, _PORT)} listens on it",
            "Let that listen on addresses of its own alone (dnsmasq: bind-interfaces)",
        ) from refusal
    return sock


def _start(bridge: Bridge, lock: int, sockets: list[int]) -> None:
    """Start the server: nobody's child, in a session of its own.

    Source: setsid(1), `--fork`; posix_spawn(3).
    """
    networks = os.open(paths.networks(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    given = [lock, networks, *sockets]
    kind = "internal" if bridge.internal else "open"
    program = [sys.executable, "-I", "-m", "kernelbox.network.names.server", bridge.network, kind]
    words = ["setsid", "--fork", *program, *map(str, given)]

    def act() -> None:
        log = f"{directory(bridge.network)}/names.log"
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        ]
        for fd in given:
            os.set_inheritable(fd, True)
        pid = os.posix_spawnp("setsid", words, os.environ, file_actions=actions)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
            raise OSError(errno.ENOEXEC, os.strerror(errno.ENOEXEC))

    try:
        door.request("posix_spawn", ("setsid", words), act, " ".join(words))
    finally:
        os.close(networks)


def release_names(network: str) -> None:
    """End a network's name server; one that is gone is fine.

    Raises:
        KernelboxError: It does not end.
    """
    try:
        lock = os.open(_lock(network), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _is_free(lock):
            if (words := os.pread(lock, 64, 0).split()) and len(words) == 2:
                _end(*map(int, words))
            if time.monotonic() > deadline:
                raise KernelboxError(
                    f"the name server of network {network} does not end",
                    f"See who has it open: fuser -v {_lock(network)}",
                )
            time.sleep(_STEP)
    finally:
        os.close(lock)


def _end(pid: int, started: int) -> None:
    try:
        pidfd = process.pidfd_of(pid)
    except ProcessLookupError:
        return
    try:
        with suppress(KernelError):  # gone in this moment: that is what we want
            if process.start_time(pid) == started:
                process.pidfd_send_signal(pidfd, signal.SIGKILL)
        process.wait_until_gone(pidfd, _PATIENCE)
    finally:
        os.close(pidfd)
