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
never made after all, is fine. Containers with `--network none` have `loopback_up` and nothing else.
"""

from __future__ import annotations

from kernelbox.network.addresses import release_lease
from kernelbox.network.bridge import Bridge, lease, prepare
from kernelbox.network.dns import hosts_file, resolv_conf
from kernelbox.network.nat import release_nft, restore_sysctl
from kernelbox.network.ports import Port, parse_port, publish
from kernelbox.network.veth import connect, loopback_up, release_link

release = {
    "link": release_link,
    "nft": release_nft,
    "lease": release_lease,
    "sysctl": restore_sysctl,
}

__all__ = [
    "Bridge",
    "Port",
    "connect",
    "hosts_file",
    "lease",
    "loopback_up",
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
