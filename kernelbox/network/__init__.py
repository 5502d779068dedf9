"""A container's network: a bridge on the host, a veth into the container, addresses, NAT, ports.

    bridge.py      the default bridge: its subnet, made and repaired
    addresses.py   which container has which address: leases
    veth.py        a container's eth0: the cable from the bridge, address and default route
    nat.py         forwarding and masquerade, and keeping strangers out
    ports.py       published ports: `-p 8080:80`
    dns.py         the container's /etc/hosts and /etc/resolv.conf

The order is `prepare`, `lease`, `connect`, `publish`, and nothing is made before it is written
down: each of them calls `record(kind, name)` first, and `release[kind](name)` is the way back. A
name is for `release` to understand and for nobody else; releasing twice, or something that was
never made after all, is fine. A container with `--network none` needs
none of this.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.network.addresses import release_lease
    from kernelbox.network.bridge import Bridge, lease, prepare
    from kernelbox.network.dns import hosts_file, resolv_conf
    from kernelbox.network.nat import release_nft, restore_sysctl
    from kernelbox.network.ports import Port, parse_port, publish
    from kernelbox.network.veth import connect, release_link

_ROOM_OF = {
    "Bridge": "bridge",
    "Port": "ports",
    "connect": "veth",
    "hosts_file": "dns",
    "lease": "bridge",
    "parse_port": "ports",
    "prepare": "bridge",
    "publish": "ports",
    "release_lease": "addresses",
    "release_link": "veth",
    "release_nft": "nat",
    "resolv_conf": "dns",
    "restore_sysctl": "nat",
}
__all__ = [
    "Bridge",
    "Port",
    "connect",
    "hosts_file",
    "lease",
    "parse_port",
    "prepare",
    "publish",
    "release",
    "release_lease",
    "release_link",
    "release_nft",
    "resolv_conf",
    "restore_sysctl",
]


def __getattr__(name: str) -> object:
    # A room is imported when it is used: a container without network pays for none of them.
    if name in _ROOM_OF:
        return getattr(importlib.import_module(f"kernelbox.network.{_ROOM_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _later(function: str) -> Callable[[str], None]:
    return lambda name: __getattr__(function)(name)  # type: ignore[operator]


# kind in the ledger: how to undo it, given the name
release = {
    "link": _later("release_link"),
    "nft": _later("release_nft"),
    "lease": _later("release_lease"),
    "sysctl": _later("restore_sysctl"),
}
