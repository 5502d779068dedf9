"""Published ports: `-p [ip:]hostPort:containerPort[/tcp|udp]`.

A published port is one rule in the chain `publish` of the network's table: what is addressed to
the host's port goes to the container's instead (DNAT). It holds for packets from outside and for
those of the host itself, 127.0.0.1 included. The rule's comment says whose it is, so the rules of
one container can be found again and removed exactly:

    tcp dport 8080 counter dnat to 172.29.0.2:80 comment "4f2a91c0... 0.0.0.0:8080:80/tcp"
"""

from __future__ import annotations

import errno
import os
import re
import socket

from kernelbox.kernel import netlink, nft
from kernelbox.kernel.errors import UsageError
from kernelbox.network.addresses import locked, number
from kernelbox.network.veth import link_name
from kernelbox.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kernelbox.network.bridge import Bridge

_ANY = "0.0.0.0"
_RULE = re.compile(r'comment "(\S+) ([\d.]+:\d+:\d+/\w+)" # handle (\d+)')


class Port(NamedTuple):
    """A published port: `host_ip` is the host's address it holds for, 0.0.0.0 for all of them."""

    host_ip: str
    host_port: int
    container_port: int
    protocol: str

    def __str__(self) -> str:
        return f"{self.host_ip}:{self.host_port}:{self.container_port}/{self.protocol}"

    @property
    def host_side(self) -> str:
        """How to call the host's end of it: `0.0.0.0:8080/tcp`."""
        return f"{self.host_ip}:{self.host_port}/{self.protocol}"

    def collides(self, other: Port) -> bool:
        """Whether both claim the same port of some address of the host."""
        same_port = (self.host_port, self.protocol) == (other.host_port, other.protocol)
        return same_port and (
            self.host_ip == other.host_ip or _ANY in (self.host_ip, other.host_ip)
        )


def parse_port(text: str) -> Port:
    """Read a `-p` option: `8080:80`, `127.0.0.1:8080:80`, `5353:53/udp`.

    Raises:
        UsageError: It is not of this form; an address is not IPv4; a port is not in 1 to 65535.

    Source: Docker, "docker run", "-p, --publish".
    """
    plain, _, protocol = text.partition("/")
    parts = plain.split(":")
    if len(parts) == 2:
        parts.insert(0, _ANY)
    hint = "Write [ip:]hostPort:containerPort[/tcp|udp], such as 8080:80 or 127.0.0.1:8080:80"
    if len(parts) != 3 or protocol not in ("", "tcp", "udp") or text.endswith("/"):
        raise UsageError(f"cannot publish {text!r}", hint)
    try:
        number(parts[0])
    except OSError as error:
        raise UsageError(f"{parts[0]!r} in {text!r} is not an IPv4 address", hint) from error
    for port in parts[1:]:
        if not re.fullmatch("[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
            raise UsageError(f"{port!r} in {text!r} is not a port from 1 to 65535", hint)
    return Port(parts[0], int(parts[1]), int(parts[2]), protocol or "tcp")


def publish(
    bridge: Bridge,
    container_id: str,
    address: str,
    ports: list[str],
    record: Callable[[str, str], None],
) -> None:
    """Publish on the host the ports of a container that is connected.

    Args:
        bridge: From `prepare`.
        container_id: Whose they are.
        address: The container's, from `lease`.
        ports: In the form of `-p`.
        record: Writes down what is about to be made: kind and name.

    Raises:
        UsageError: A port is malformed, or in use: by a container, a program on the host, or
            twice in `ports`.
        KernelError: The rules were refused.

    Source: nft(8), "NAT STATEMENTS".
    """
    if not ports:
        return
    wanted = [parse_port(text) for text in ports]
    with locked("lock"):
        taken = [(port, f"container {owner[:12]}") for owner, port, _ in _published(bridge.table)]
        for port in wanted:
            for other, owner in taken:
                if port.collides(other):
                    raise _in_use(port, owner)
            _ask_host(port)
            taken.append((port, "this container, which asks for it twice"))
        record("nft", f"ports:{bridge.table}:{container_id}")
        for port in wanted:
            nft.apply(_rule(bridge.table, container_id, address, port))
    # Its own packet to its own published port: with br_netfilter it never leaves the bridge, and
    # has to go back out where it came in.
    with netlink.RouteSocket() as host:
        host.set_hairpin(link_name(container_id))


def _rule(table: str, container_id: str, address: str, port: Port) -> str:
    where = "" if port.host_ip == _ANY else f"ip daddr {port.host_ip} "
    return (
        f"add rule ip {table} publish {where}{port.protocol} dport {port.host_port} counter "
        f'dnat to {address}:{port.container_port} comment "{container_id} {port}"'
    )


def _published(table: str) -> Iterator[tuple[str, Port, int]]:
    """Yield the published ports: container id, port, and the rule's handle."""
    if nft.program() is None:  # then there was never a table either
        return
    for owner, text, handle in _RULE.findall(nft.list_table(table) or ""):
        yield owner, parse_port(text), int(handle)


def release_ports(table: str, container_id: str) -> None:
    """Take back every port that a container published; none is fine."""
    for owner, _, handle in list(_published(table)):
        if owner == container_id:
            nft.apply(f"delete rule ip {table} publish handle {handle}")


# --- who has it ---------------------------------------------------------------------------------


def _in_use(port: Port, owner: str) -> UsageError:
    return UsageError(
        f"port {port.host_side} is in use by {owner}",
        f"Publish another, such as -p {port.host_port % 65535 + 1}:{port.container_port}",
    )


def _ask_host(port: Port) -> None:
    """Refuse a port on which a program of the host listens: that program would starve.

    Binding is the question, and closing at once takes the answer back: the rule needs no socket.
    """
    kind = socket.SOCK_STREAM if port.protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as sock:
        if port.protocol == "tcp":  # connections that are closing do not count
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((port.host_ip, port.host_port))
        except OSError as refusal:
            if refusal.errno == errno.EADDRINUSE:
                raise _in_use(port, _listener(port)) from refusal
            if refusal.errno == errno.EADDRNOTAVAIL:
                raise UsageError(
                    f"no link of this host has the address {port.host_ip}",
                    "Publish on one that `ip address` shows, or on all: leave the address out",
                ) from refusal
            raise


def _listener(port: Port) -> str:
    """Name the program that has a port: the owner of the socket that /proc/net lists for it."""
    inodes = set()
    for family in ("", "6"):
        try:
            with open(f"/proc/net/{port.protocol}{family}", encoding="ascii") as file:
                lines = [line.split() for line in file.readlines()[1:]]
        except FileNotFoundError:
            continue
        # The second field is the local address:port in hexadecimal, the tenth is the inode.
        inodes |= {f[9] for f in lines if int(f[1].rpartition(":")[2], 16) == port.host_port}
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
