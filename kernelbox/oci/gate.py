"""The gate between `create` and `start`: a socket at which a container's first process waits.

The process itself listens; the socket was made for it before it lost sight of the host's files.
Whoever connects and says `start` lets it through, and hears on the same connection how it went.
Whether anybody listens is the difference between created and running, and the kernel knows it: no
file can be wrong about it, whoever was killed when.

Source: OCI runtime-spec, runtime.md, "Start"; unix(7).
"""

from __future__ import annotations

import os

from kernelbox.plumbing import sockets
from kernelbox.plumbing.channel import Channel
from kernelbox.plumbing.light import closing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.kernel.stepping_stone import Stone

_WAITING = 16  # connections that nobody has accepted yet


def build(directory: int) -> sockets.socket:
    """Return the listening socket of a new container, in its directory (a descriptor).

    Raises:
        OSError: ENOSPC, EROFS.
    """
    listener = sockets.new()
    listener.bind(_path(directory))
    listener.listen(_WAITING)
    return listener


def _path(directory: int) -> str:
    # A socket's path has 108 bytes at most, and an engine's own may be longer.
    return f"/proc/self/fd/{directory}/start"


def is_waited_at(directory: int) -> bool:
    """Whether a container's first process waits there; it notices nothing of the question."""
    with closing(sockets.new()) as asking:
        asking.setblocking(False)
        try:
            asking.connect(_path(directory))
        except BlockingIOError:
            return True  # so many ask already
        except OSError:
            return False
    return True


def wait(listener: sockets.socket, stone: Stone) -> Channel:
    """Wait until somebody says `start`; return the conversation with them.

    A refusal of execve(2) is told to them, too: they have sent a pipe for it.

    Args:
        listener: From `build`; closed then.
        stone: What the process is going to step on.
    """
    while True:
        channel = Channel(sockets.accept(listener))
        try:
            message = channel.receive()
        except ValueError:
            message = None
        if message is not None and message.get("kind") == "start" and message.get("fds"):
            pipe = message["fds"][0]
            os.dup2(pipe, stone.refusals, inheritable=False)
            os.close(pipe)
            listener.close()
            return channel
        channel.close()


def knock(directory: int) -> tuple[Channel, int]:
    """Let a container's first process through.

    Returns:
        The conversation with it, and where a refusal of execve(2) is heard.

    Raises:
        OSError: ECONNREFUSED, ENOENT: nobody waits there.
    """
    connection = sockets.new()
    connection.connect(_path(directory))
    channel = Channel(connection)
    heard, refusals = os.pipe()
    channel.send("start", [refusals])
    os.close(refusals)
    return channel, heard
