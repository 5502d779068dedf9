"""Which port of the host's is free, and which program has one that is not."""

from __future__ import annotations

import errno
import os
import socket

from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.network.port import Port


def listener(protocol: str, port: int) -> str:
    """Name the program that has a port: the owner of the socket that /proc/net lists for it."""
    inodes = set()
    for family in ("", "6"):
        try:
            with open(f"/proc/net/{protocol}{family}", encoding="ascii") as file:
                lines = [line.split() for line in file.readlines()[1:]]
        except FileNotFoundError:
            continue
        # The second field is the local address:port in hexadecimal, the tenth is the inode.
        inodes |= {f[9] for f in lines if int(f[1].rpartition(":")[2], 16) == port}
    sockets = {f"socket:[{inode}]" for inode in inodes - {"0"}}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{fd}") in sockets:
                    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                        return f"{file.read().strip()} (pid {pid})"
        except OSError:  # it ended while we looked, or is not ours to look at
            continue
    return "a program on this host"


def demand(port: Port) -> None:
    """Refuse a port on which a program of the host listens: that program would starve.

    Binding is the question, and closing at once takes the answer back: the rule needs no socket.

    Raises:
        UsageError: Somebody has it; or no link has the address.
    """
    with _socket(port) as sock:
        if port.protocol == "tcp":  # connections that are closing do not count
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((port.host_ip, port.host_port))
        except OSError as refusal:
            if refusal.errno == errno.EADDRINUSE:
                raise in_use(port, listener(port.protocol, port.host_port)) from refusal
            if refusal.errno == errno.EADDRNOTAVAIL:
                raise _no_such_address(port) from refusal
            raise


def choose(port: Port) -> Port:
    """Return the port with one of the host's that the kernel says is free.

    Raises:
        UsageError: No link has the address.
    """
    with _socket(port) as sock:
        try:
            sock.bind((port.host_ip, 0))
        except OSError as refusal:
            raise _no_such_address(port) from refusal
        return port._replace(host_port=sock.getsockname()[1])


def in_use(port: Port, owner: str) -> UsageError:
    """Return the refusal of a port that somebody has."""
    other = str(port._replace(host_port=port.host_port % 65535 + 1)).removesuffix("/tcp")
    # No other address than was asked for: a port of 127.0.0.1 is not for everybody.
    another = other.removeprefix("0.0.0.0:") if port.is_on_all else other
    removed = ", or remove that container" if owner.startswith("container ") else ""
    return UsageError(
        f"port {port.host_side} is in use by {owner}",
        f"Publish another, such as -p {another}{removed}",
    )


def _socket(port: Port) -> socket.socket:
    kind = socket.SOCK_STREAM if port.protocol == "tcp" else socket.SOCK_DGRAM
    try:
        sock = socket.socket(port.family, kind)
    except OSError as refusal:
        raise UsageError(
            "this kernel speaks no IPv6, so no port of it can be published", "Leave out [::]"
        ) from refusal
    if port.family == socket.AF_INET6:  # what listens on IPv4 alone is not in its way
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock


def _no_such_address(port: Port) -> UsageError:
    return UsageError(
        f"no link of this host has the address {port.host_ip}",
        "Publish on one that `ip address` shows, or on all: leave the address out",
    )
