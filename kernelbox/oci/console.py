"""A container's terminal: made in its own devpts, its other end sent to whoever shows it.

Source: runc, docs/terminals.md; pty(7); ioctl_tty(2), TIOCGPTPEER; CVE-2025-52565.
"""

from __future__ import annotations

import fcntl
import os

from kernelbox.kernel import flags as k
from kernelbox.kernel import lookup, mounts
from kernelbox.kernel.errors import KernelError, UsageError
from kernelbox.plumbing import sockets
from kernelbox.plumbing.light import closing, struct
from kernelbox.root import targets

_INSIDE = k.RESOLVE_IN_ROOT | k.RESOLVE_NO_MAGICLINKS
_UNLOCK = 0x40045431  # TIOCSPTLCK
_PEER = 0x5441  # TIOCGPTPEER


def make(root: int, size: tuple[int, int] | None) -> tuple[int, int]:
    """Open a terminal in the devpts that is mounted in a container; return both of its ends.

    Where it has no devpts, the terminal is of the caller's.

    Args:
        root: The container's root, as a descriptor.
        size: Rows and columns; None for none that are known.

    Raises:
        UsageError: What is mounted there is no devpts.
        OSError: ENOSPC, if there are too many terminals.
    """
    try:
        place = lookup.openat2(root, "dev/pts/ptmx", os.O_PATH, _INSIDE)
    except KernelError:
        master, slave = os.openpty()
    else:
        os.close(place)
        master, slave = _of_devpts(root)
    if size is not None:
        fcntl.ioctl(slave, k.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    return master, slave


def _of_devpts(root: int) -> tuple[int, int]:
    flags = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK
    master = lookup.openat2(root, "dev/pts/ptmx", flags, _INSIDE)
    if lookup.file_system_of(master) != k.DEVPTS_SUPER_MAGIC:
        os.close(master)
        raise UsageError("/dev/pts in the container is no devpts", "Mount one there")
    os.set_blocking(master, True)
    fcntl.ioctl(master, _UNLOCK, struct.pack("i", 0))
    slave = fcntl.ioctl(master, _PEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    return master, slave


def show(slave: int, root: int) -> None:
    """Show the terminal as /dev/console, too.

    Args:
        slave: The program's end.
        root: The container's root.

    Raises:
        UsageError: The image has something there that is no file.

    Source: OCI runtime-spec, config-linux.md, "Default Devices".
    """
    fd = mounts.open_tree(f"/proc/self/fd/{slave}", 0)
    targets.attach(fd, "/dev/console", directory=False, root=root)


def send(path: str, master: int, name: str) -> None:
    """Send the other end of a terminal to whoever listens at a socket.

    Args:
        path: Of the socket.
        master: The end.
        name: What the message says beside it.

    Raises:
        UsageError: Nobody listens there.
    """
    try:
        with closing(connected(path)) as connection:
            sockets.send(connection, name.encode(), [master])
    except OSError as error:
        raise UsageError(
            f"nobody takes the terminal at {path}: {(error.strerror or 'no socket').lower()}",
            "--console-socket is a socket that an engine listens at",
        ) from error


def connected(path: str) -> sockets.socket:
    """Return a connection to whoever listens at a socket, whose path may be of any length.

    Raises:
        OSError: ENOENT, ECONNREFUSED: nobody does; EPROTOTYPE: it is for messages of another kind.
    """
    connection = sockets.new(sockets.SOCK_STREAM)
    directory, name_there = os.path.split(os.path.abspath(path))
    place = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:  # a socket's own has 108 bytes at most
        connection.connect(f"/proc/self/fd/{place}/{name_there}")
    except OSError:
        connection.close()
        raise
    finally:
        os.close(place)
    return connection
