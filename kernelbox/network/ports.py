"""Published ports: `-p [ip:][hostPort:]containerPort[/tcp|udp]`, or ranges of as many.

A published port is one rule in the chain `publish` of the network's table: what is addressed to
the host's port goes to the container's instead (DNAT). It holds for packets from outside and for
those of the host itself, 127.0.0.1 included. The rule's comment says whose it is, so the rules of
one container can be found again and removed exactly:

    tcp dport 8080 counter dnat to 172.29.0.2:80 comment "4f2a91c0... 0.0.0.0:8080:80/tcp"

Those of IPv6 are in the table of that family.

A rule is asked once in a flow, and a UDP flow lasts as long as its client sends: with each change
the flows to that port are forgotten, or who sent before goes on sending to nobody. (A connection
knows itself that it is over.)
"""

from __future__ import annotations

import re
import socket

from kernelbox.kernel import conntrack, nft
from kernelbox.kernel.errors import UsageError
from kernelbox.kernel.rtnetlink import RouteSocket
from kernelbox.network import endpoints, listeners
from kernelbox.network.addresses import locked
from kernelbox.network.definition import tables
from kernelbox.network.link_names import link_name
from kernelbox.network.port import HINT, Port, address, numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kernelbox.network.link_names import Bridge

_RULE = re.compile(r'comment "(\S+) ([\[\]\da-f.:]+:\d+:\d+/\w+)" # handle (\d+)')


def parse_ports(text: str) -> list[Port]:
    """Read a `-p` option: `8080:80`, `127.0.0.1:8080:80`, `5353:53/udp`, `80`, `8000-8002:80-82`.

    An IPv6 address stands in brackets: `[::]:8080:80`. Without a port of the host one is chosen
    that is free; of a range of the host's for one port of the container's, the first that is.

    Raises:
        UsageError: It is not of this form; an address is none; a port is not in 1 to 65535;
            the ranges differ in length, or no port is free.

    Source: Docker, "docker run", "-p, --publish".
    """
    match = re.fullmatch(
        r"(?:(?P<ip>\[[^\]]*\]|[^:\[]*):(?=[^:]*:))?(?:(?P<ours>[^:]*):)?(?P<theirs>[^:/]*)"
        r"(?:/(?P<protocol>tcp|udp))?",
        text,
    )
    if match is None or match["ip"] == "[]":
        raise UsageError(f"cannot publish {text!r:.80}", HINT)
    protocol = match["protocol"] or "tcp"
    try:
        host_ip = address(match["ip"] or "")
        theirs = numbers(match["theirs"])
        ours = numbers(match["ours"]) if match["ours"] not in (None, "", "0") else [0] * len(theirs)
    except UsageError as error:
        raise UsageError(f"cannot publish {text!r:.80}: {error}", error.hint) from None
    if len(theirs) == 1 and len(ours) > 1:
        return [_first_free([Port(host_ip, one, theirs[0], protocol) for one in ours], text)]
    if len(ours) != len(theirs):
        raise UsageError(f"the ranges in {text!r:.80} differ in length", HINT)
    pairs = [Port(host_ip, *pair, protocol) for pair in zip(ours, theirs, strict=True)]
    return [one if one.host_port else listeners.choose(one) for one in pairs]


def _first_free(ports: list[Port], text: str) -> Port:
    taken = [other for _, other, _ in _published_anywhere()]
    for port in ports:
        try:
            listeners.demand(port)
        except UsageError:
            continue
        if not any(map(port.collides, taken)):
            return port
    raise UsageError(f"no port of {text!r:.80} is free", "Publish others")


def on_both(ports: list[Port]) -> list[Port]:
    """Return ports with those of IPv6 beside those on all addresses of IPv4, as Docker does."""
    return [
        both
        for one in ports
        for both in ([one, one._replace(host_ip="::")] if one.host_ip == "0.0.0.0" else [one])
    ]


def publish(
    bridge: Bridge,
    container_id: str,
    address: str,
    ports: list[str],
    record: Callable[[str, str], None],
    address6: str = "",
) -> None:
    """Publish on the host the ports of a container that is connected.

    Args:
        bridge: From `prepare`.
        container_id: Whose they are.
        address: The container's, from `lease`.
        ports: In the form of `-p`.
        record: Writes down what is about to be made: kind and name.
        address6: From `lease_ipv6`; empty without IPv6.

    Raises:
        UsageError: A port is malformed, or in use: by a container, a program on the host, or
            twice in `ports`; one is of IPv6, and the container is not.
        KernelError: The rules were refused.

    Source: nft(8), "NAT STATEMENTS".
    """
    if not ports:
        return
    wanted = [port for text in ports for port in parse_ports(text)]
    if not address6 and any(port.is_ipv6 for port in wanted):
        raise UsageError(
            f"network {bridge.network} has no IPv6 addresses, so no port of IPv6 leads there",
            "Use one that has: kernelbox network create --ipv6 NAME; then --network NAME",
        )
    with locked("lock"):
        taken = [(port, f"container {owner[:12]}") for owner, port, _ in _published_anywhere()]
        for port in wanted:
            for other, owner in taken:
                if port.collides(other):
                    raise listeners.in_use(port, owner)
            listeners.demand(port)
            taken.append((port, "this container, which asks for it twice"))
        record("ports", f"{bridge.table}:{container_id}")
        for port in wanted:
            nft.apply(_rule(bridge.table, container_id, [address, address6], port))
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
                nft.apply(_rule(bridge.table, one.container, [one.address, one.address6], port))


def _rule(table: str, container_id: str, addresses: list[str], port: Port) -> str:
    address, address6 = addresses
    family, to = ("ip6", f"[{address6}]") if port.is_ipv6 else ("ip", address)
    where = "" if port.is_on_all else f"{family} daddr {port.host_ip} "
    return (
        f"add rule {family} {table} publish {where}{port.protocol} dport {port.host_port} counter "
        f'dnat to {to}:{port.container_port} comment "{container_id} {port}"'
    )


def _published_anywhere() -> Iterator[tuple[str, Port, int]]:
    """Yield the published ports of all networks of this root."""
    for table in tables():
        yield from _published(table)


def _published(table: str) -> Iterator[tuple[str, Port, int]]:
    """Yield the published ports: container id, port, and the rule's handle."""
    if nft.program() is None:  # then there was never a table either
        return
    for family in ("ip", "ip6") if ("ip6", table) in nft.tables() else ("ip",):
        for owner, text, handle in _RULE.findall(nft.list_table(table, family) or ""):
            yield owner, parse_ports(text)[0], int(handle)


def release_ports(name: str) -> None:
    """Take back every port that a container published; `name` is as recorded, `TABLE:ID`."""
    table, _, container_id = name.partition(":")
    own = [(port, handle) for owner, port, handle in _published(table) if owner == container_id]
    for port, handle in own:
        family = "ip6" if port.is_ipv6 else "ip"
        nft.apply(f"delete rule {family} {table} publish handle {handle}")
    _begin_anew([port for port, _ in own])


def _begin_anew(ports: list[Port]) -> None:
    """Forget the UDP flows to these ports of the host's, and no flow that only passes through."""
    udp = [port for port in ports if port.protocol == "udp"]
    if not udp:
        return
    with RouteSocket() as host:
        ours = {one.address for one in host.addresses(socket.AF_UNSPEC)}
    for port in udp:
        for flow in conntrack.udp_flows_to(port.host_port, port.family):
            to = flow.destination
            is_local = to in ours or to.startswith("127.")
            if to == port.host_ip or (port.is_on_all and is_local):
                conntrack.forget(flow)
