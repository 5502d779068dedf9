"""A container's network: a bridge on the host, a veth into the container, addresses, NAT, ports.

Chapters 11 and 12 cable one by hand.

    addresses.py   which container has which address: leases
    port.py        a published port: of the host, and of the container
    dns.py         the container's /etc/hosts and /etc/resolv.conf
    counters.py    what has gone through a container's interfaces
    on_wire.py     whether somebody unknown has an address
    listeners.py   which port of the host's is free, and which program has it
    notes.py       what was found or done since the host was started
    link_names.py  what bridge, table, links and MAC addresses are called
    forwarding.py  the host's switches for forwarding, and for whom they are on
    definition.py  the networks that people make: what they wished, on disk
    endpoints.py   who is on a network, and by which names
    subnets.py     which subnets are free on this host
    nat.py         which packets pass, masquerade, and keeping strangers out
    ipv6.py        IPv6 addresses beside the others
    names/         the name server of a network that somebody made
    ports.py       published ports: `-p 8080:80`
    parents.py     the host's link that a network without a bridge stands on
    link_inside.py  a container's eth0 from inside: address and default route
    shaping.py     rate, delay and loss of a cable
    bridge.py      a network's bridge: made when it is needed, and repaired
    veth.py        the cable from the bridge to a container
    macvlan.py     a container that stands on a link of the host's instead
    joining.py     which of both
    creation.py    making and removing networks of people's own

The order is `prepare`, `lease`, `connect`, `publish`, `add`, and nothing is made before it is
written down: each of them calls `record(kind, name)` first, and `release[kind](name)` is the way
back. A name is for `release` to understand and for nobody else; releasing twice, or something that
was never made after all, is fine. A container with `--network none` needs none of this.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.network.addresses import missing, release_lease
    from kernelbox.network.bridge import (
        gateway,
        gateway6,
        lease,
        name_server,
        prepare,
        remembered,
    )
    from kernelbox.network.definition import exists, has_ipv6, is_internal, is_macvlan
    from kernelbox.network.dns import hosts_file, resolv_conf, resolv_conf_with
    from kernelbox.network.endpoints import Endpoint, add, of_container, release_endpoint
    from kernelbox.network.forwarding import restore
    from kernelbox.network.ipv6 import lease_ipv6
    from kernelbox.network.joining import connect
    from kernelbox.network.link_inside import route_out
    from kernelbox.network.link_names import Bridge, link_name, mac_address
    from kernelbox.network.macvlan import release_standing
    from kernelbox.network.names.keeper import release_names
    from kernelbox.network.nat import release_nft
    from kernelbox.network.port import Port
    from kernelbox.network.ports import on_both, parse_ports, publish, release_ports
    from kernelbox.network.shaping import Shape, parse, shape
    from kernelbox.network.veth import release_link

_ROOM_OF = {
    "Bridge": "link_names",
    "Endpoint": "endpoints",
    "Port": "port",
    "Shape": "shaping",
    "add": "endpoints",
    "connect": "joining",
    "exists": "definition",
    "gateway": "bridge",
    "gateway6": "bridge",
    "has_ipv6": "definition",
    "hosts_file": "dns",
    "is_internal": "definition",
    "is_macvlan": "definition",
    "lease": "bridge",
    "lease_ipv6": "ipv6",
    "link_name": "link_names",
    "mac_address": "link_names",
    "missing": "addresses",
    "name_server": "bridge",
    "of_container": "endpoints",
    "on_both": "ports",
    "parse": "shaping",
    "parse_ports": "ports",
    "prepare": "bridge",
    "publish": "ports",
    "release_endpoint": "endpoints",
    "release_lease": "addresses",
    "release_link": "veth",
    "release_names": "names.keeper",
    "release_nft": "nat",
    "release_ports": "ports",
    "release_standing": "macvlan",
    "remembered": "bridge",
    "resolv_conf": "dns",
    "resolv_conf_with": "dns",
    "restore": "forwarding",
    "route_out": "link_inside",
    "shape": "shaping",
}
__all__ = [
    "Bridge",
    "Endpoint",
    "Port",
    "Shape",
    "add",
    "connect",
    "exists",
    "gateway",
    "gateway6",
    "has_ipv6",
    "hosts_file",
    "is_internal",
    "is_macvlan",
    "lease",
    "lease_ipv6",
    "link_name",
    "mac_address",
    "missing",
    "name_server",
    "of_container",
    "on_both",
    "parse",
    "parse_ports",
    "prepare",
    "publish",
    "release",
    "release_endpoint",
    "release_lease",
    "release_link",
    "release_names",
    "release_nft",
    "release_ports",
    "release_standing",
    "remembered",
    "resolv_conf",
    "resolv_conf_with",
    "restore",
    "route_out",
    "shape",
]


def __getattr__(name: str) -> object:
    # A room is imported when it is used: a container without network pays for none of them.
    if name in _ROOM_OF:
        from kernelbox.plumbing.light import import_module

        return getattr(import_module(f"kernelbox.network.{_ROOM_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _later(function: str) -> Callable[[str], None]:
    return lambda name: __getattr__(function)(name)  # type: ignore[operator]


# kind in the ledger: how to undo it, given the name
release = {
    "link": _later("release_link"),
    "nft": _later("release_nft"),
    "ports": _later("release_ports"),
    "standing": _later("release_standing"),
    "endpoint": _later("release_endpoint"),
    "names": _later("release_names"),
    "lease": _later("release_lease"),
    "sysctl": _later("restore"),
}
