"""What things are called, so that whoever knows a container's id and address finds them again.

Two roots (`KERNELBOX_ROOT`) know nothing of each other's leases, so each has a bridge of its own:
`kernelbox0` belongs to the usual root, and any other root's is named after it. So are the bridges
of the networks that people make: no name of theirs would fit, and another root may have it too.
"""

from __future__ import annotations

import functools
import os
from binascii import crc32

from kernelbox.network.addresses import DEFAULT, Subnet, number
from kernelbox.plumbing import paths
from kernelbox.plumbing.records import NamedTuple


class Bridge(NamedTuple):
    """A network's bridge, and what its network is. One on a parent has none: see `macvlan`.

    Attributes:
        name: The link's.
        table: Its nft table's.
        subnet: The addresses on it.
        network: What people call the network.
        own: Its own address, where that is not the first of the subnet's.
        internal: Whether nothing gets in or out.
        icc: Whether its containers reach each other ("inter-container communication").
        mtu: In bytes; 0 for that of the way out.
        subnet6: The IPv6 addresses on it, beside the others; None where it has none.
        own6: Its own IPv6 address, where that is not the first of these.
        parent: The host's link that its containers stand on, without a bridge; usually none.
        mode: What they may say to each other there; see `kernel.stacking`.
    """

    name: str
    table: str
    subnet: Subnet
    network: str = DEFAULT
    own: str = ""
    internal: bool = False
    icc: bool = True
    mtu: int = 0
    subnet6: Subnet | None = None
    own6: str = ""
    parent: str = ""
    mode: str = ""

    @property
    def link(self) -> str:
        """The host's link behind which its containers are."""
        return self.parent or self.name

    @property
    def gateway(self) -> str:
        """The bridge's own address: where containers send what is not for each other."""
        return self.own or self.subnet.gateway

    @property
    def gateway6(self) -> str:
        """Its own IPv6 address; empty where it has none."""
        return self.own6 or (self.subnet6.gateway if self.subnet6 else "")

    def reaches(self, address: str) -> bool:
        """Whether packets of its containers get to an address, as far as the network is asked."""
        return not self.internal or self.subnet.has(address)


def bridge_and_table(network: str = DEFAULT) -> tuple[str, str]:
    """Return the names of a network's bridge (at most 15 bytes) and nft table under this root."""
    if network != DEFAULT:
        digits = _digits(paths.root(), network)
        return f"kernelbox{digits}", f"kernelbox_net_{digits}"
    if paths.is_usual():
        return "kernelbox0", "kernelbox"
    return f"kernelbox-{paths.suffix()}", f"kernelbox_{paths.suffix()}"


@functools.lru_cache(256)  # a root stays where it is, and to follow its path takes a while
def _digits(root: str, network: str) -> str:
    return f"{crc32(os.fsencode(f'{os.path.realpath(root)}/{network}')) >> 8:06x}"


def link_name(container_id: str, device: str = "eth0") -> str:
    """Return the name of a container's link on the host: `veth` and seven digits of its id.

    That of a further network has the number of its end inside behind it: eth1 leads to
    `veth4f2a91c-1`.
    """
    number = device.removeprefix("eth")
    return f"veth{container_id[:7]}" + (f"-{number}" if number != "0" else "")


def mac_address(address: str) -> str:
    """Return the MAC address that belongs to an IPv4 address: 02:42 and its four bytes.

    Whoever gets the address later has the same MAC, so no ARP cache is ever wrong about it. The
    bit 02 marks it as locally administered; Docker uses the same ones.

    Source: IEEE 802, "locally administered address"; Docker, `libnetwork/netutils`.
    """
    return "02:42:" + number(address).to_bytes(4, "big").hex(":")
