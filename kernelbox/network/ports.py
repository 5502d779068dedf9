"""Published ports: `-p [ip:][hostPort:]containerPort[/tcp|udp]`, or ranges of as many.

A published port is one rule in the chain `publish` of the network's table: what is addressed to
the host's port goes to the container's instead (DNAT). It holds for packets from outside and for
those of the host itself, 127.0.0.1 included. The rule's comment says whose it is, so the rules of
one container can be found again and removed exactly:

    tcp dport 8080 counter dnat to 172.29.0.2:80 comment "4f2a91c0... 0.0.0.0:8080:80/tcp"

A rule is asked once in a flow, and a UDP flow lasts as long as its client sends: with each change
the flows to that port are forgotten, or who sent before goes on sending to nobody. (A connection
knows itself that it is over.)
"""

from __future__ import annotations

import errno
import re
import socket

from kernelbox.kernel import conntrack, nft
from kernelbox.kernel.errors import UsageError
from kernelbox.kernel.rtnetlink import RouteSocket
from kernelbox.network import endpoints
from kernelbox.network.addresses import locked, number
from kernelbox.network.definition import tables
from kernelbox.network.link_names import link_name
from kernelbox.network.listeners import listener
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kernelbox.network.link_names import Bridge

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


_HINT = "Write [ip:]hostPort:containerPort[/tcp|udp], such as 8080:80 or 127.0.0.1:8080:80"


def parse_ports(text: str) -> list[Port]:
    """Read a `-p` option: `8080:80`, `127.0.0.1:8080:80`, `5353:53/udp`, `80`, `8000-8002:80-82`.

    Without a port of the host one is chosen that is free; of a range of the host's for one port of
    the container's, the first that is.

    Raises:
        UsageError: It is not of this form; an address is not IPv4; a port is not in 1 to 65535;
            the ranges differ in length, or no port is free.

    Source: Docker, "docker run", "-p, --publish".
    """
    plain, _, protocol = text.partition("/")
    if plain.startswith("["):
        raise UsageError(f"cannot publish {text!r:.80}: the bridge speaks IPv4 only", _HINT)
    *given, inside = plain.split(":")
    protocol_known = protocol in ("", "tcp", "udp") and not text.endswith("/")
    if len(given) > 2 or not protocol_known:
        raise UsageError(f"cannot publish {text!r:.80}", _HINT)
    outside = given.pop() if given else ""
    address = given[0] if given else _ANY
    try:
        number(address)
    except OSError as error:
        raise UsageError(
            f"{address!r:.80} in {text!r:.80} is not an IPv4 address", _HINT
        ) from error
    theirs = _range(inside, text)
    ours = _range(outside, text) if outside not in ("", "0") else [0] * len(theirs)
    protocol = protocol or "tcp"
    if len(theirs) == 1 and len(ours) > 1:
        return [_first_free([Port(address, one, theirs[0], protocol) for one in ours], text)]
    if len(ours) != len(theirs):
        raise UsageError(f"the ranges in {text!r:.80} differ in length", _HINT)
    pairs = [Port(address, *pair, protocol) for pair in zip(ours, theirs, strict=True)]
    return [one if one.host_port else _any_free(one) for one in pairs]


def _range(text: str, whole: str) -> list[int]:
    first, hyphen, last = text.partition("-")
    for port in (first, last) if hyphen else (first,):
        if not re.fullmatch("[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
            raise UsageError(f"{port!r:.80} in {whole!r:.80} is not a port from 1 to 65535", _HINT)
    if hyphen and int(last) < int(first):
        raise UsageError(f"the range {text} in {whole!r:.80} ends before it begins", _HINT)
    return list(range(int(first), int(last if hyphen else first) + 1))


def _any_free(port: Port) -> Port:
    """Return the port with one of the host's that the kernel says is free."""
    kind = socket.SOCK_STREAM if port.protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as sock:
        try:
            sock.bind((port.host_ip, 0))
        except OSError as refusal:
            raise _no_such_address(port) from refusal
        return port._replace(host_port=sock.getsockname()[1])


def _first_free(ports: list[Port], text: str) -> Port:
    taken = [other for _, other, _ in _published_anywhere()]
    for port in ports:
        try:
            _ask_host(port)
        except UsageError:
            continue
        if not any(map(port.collides, taken)):
            return port
    raise UsageError(f"no port of {text!r:.80} is free", "Publish others")


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
    wanted = [port for text in ports for port in parse_ports(text)]
    with locked("lock"):
        taken = [(port, f"container {owner[:12]}") for owner, port, _ in _published_anywhere()]
        for port in wanted:
            for other, owner in taken:
                if port.collides(other):
                    raise _in_use(port, owner)
            _ask_host(port)
            taken.append((port, "this container, which asks for it twice"))
        record("ports", f"{bridge.table}:{container_id}")
        for port in wanted:
            nft.apply(_rule(bridge.table, container_id, address, port))
        _begin_anew(wanted)
    # Its own packet to its own published port: with br_netfilter it never leaves the bridge, and
    # has to go back out where it came in.
    with RouteSocket() as host:
        host.set_hairpin(link_name(container_id))


def publish_again(bridge: Bridge) -> None:
    """Publish what a network's containers have published and somebody has taken away.

    The network's lock is held: a container that is just coming has no endpoint yet.
    """
    ends = [one for one in endpoints.of(bridge.network).values() if one.ports]
    if not ends:
        return
    there = {(owner, port) for owner, port, _ in _published(bridge.table)}
    for one in ends:
        for port in (port for text in one.ports for port in parse_ports(text)):
            if (one.container, port) not in there:
                nft.apply(_rule(bridge.table, one.container, one.address, port))


def _rule(table: str, container_id: str, address: str, port: Port) -> str:
    where = "" if port.host_ip == _ANY else f"ip daddr {port.host_ip} "
    return (
        f"add rule ip {table} publish {where}{port.protocol} dport {port.host_port} counter "
        f'dnat to {address}:{port.container_port} comment "{container_id} {port}"'
    )


def _published_anywhere() -> Iterator[tuple[str, Port, int]]:
    """Yield the published ports of all networks of this root."""
    for table in tables():
        yield from _published(table)


def _published(table: str) -> Iterator[tuple[str, Port, int]]:
    """Yield the published ports: container id, port, and the rule's handle."""
    if nft.program() is None:  # then there was never a table either
        return
    for owner, text, handle in _RULE.findall(nft.list_table(table) or ""):
        yield owner, parse_ports(text)[0], int(handle)


def release_ports(name: str) -> None:
    """Take back every port that a container published; `name` is as recorded, `TABLE:ID`."""
    table, _, container_id = name.partition(":")
    own = [(port, handle) for owner, port, handle in _published(table) if owner == container_id]
    for _, handle in own:
        nft.apply(f"delete rule ip {table} publish handle {handle}")
    _begin_anew([port for port, _ in own])


def _begin_anew(ports: list[Port]) -> None:
    """Forget the UDP flows to these ports of the host's, and no flow that only passes through."""
    udp = [port for port in ports if port.protocol == "udp"]
    if not udp:
        return
    with RouteSocket() as host:
        ours = {one.address for one in host.addresses()}
    for port in udp:
        for flow in conntrack.udp_flows_to(port.host_port):
            to = flow.destination
            is_local = to in ours or to.startswith("127.")
            if to == port.host_ip or (port.host_ip == _ANY and is_local):
                conntrack.forget(flow)


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
                raise _in_use(port, listener(port.protocol, port.host_port)) from refusal
            if refusal.errno == errno.EADDRNOTAVAIL:
                raise _no_such_address(port) from refusal
            raise


def _no_such_address(port: Port) -> UsageError:
    return UsageError(
        f"no link of this host has the address {port.host_ip}",
        "Publish on one that `ip address` shows, or on all: leave the address out",
    )
