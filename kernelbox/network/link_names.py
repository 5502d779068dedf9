"""What things are called, so that whoever knows a container's id and address finds them again.

Two roots (`KERNELBOX_ROOT`) know nothing of each other's leases, so each has a bridge of its own:
`kernelbox0` belongs to the usual root, and any other root's is named after it.
"""

from __future__ import annotations

from kernelbox.network.addresses import Subnet, number
from kernelbox.plumbing import paths
from kernelbox.plumbing.records import NamedTuple


class Bridge(NamedTuple):
    """A network's bridge: the link's name, its nft table, and the addresses on it."""

    name: str
    table: str
    subnet: Subnet

    @property
    def gateway(self) -> str:
        """The bridge's own address: where containers send what is not for each other."""
        return self.subnet.gateway


def bridge_and_table() -> tuple[str, str]:
    """Return the names of this root's bridge (at most 15 bytes) and nft table."""
    if paths.is_usual():
        return "kernelbox0", "kernelbox"
    return f"kernelbox-{paths.suffix()}", f"kernelbox_{paths.suffix()}"


def link_name(container_id: str) -> str:
    """Return the name of a container's link on the host: `veth` and seven digits of its id."""
    return f"veth{container_id[:7]}"


def mac_address(address: str) -> str:
    """Return the MAC address that belongs to an IPv4 address: 02:42 and its four bytes.

    Whoever gets the address later has the same MAC, so no ARP cache is ever wrong about it. The
    bit 02 marks it as locally administered; Docker uses the same ones.

    Source: IEEE 802, "locally administered address"; Docker, `libnetwork/netutils`.
    """
    return "02:42:" + number(address).to_bytes(4, "big").hex(":")
