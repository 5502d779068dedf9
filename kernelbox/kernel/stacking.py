"""Links that stand on another link, or on nothing: macvlan, vlan and dummy.

A *macvlan* is a further address (MAC) on its parent's wire, and may be in another namespace than
that. A *vlan* carries what the wire marks with a number. A *dummy* leads nowhere, and so can be the
parent of links that are to reach nobody but each other.

Source: rtnetlink(7); linux/if_link.h; ip-link(8), types macvlan, vlan and dummy.
"""

from __future__ import annotations

import errno
import struct

from kernelbox.kernel import flags as k
from kernelbox.kernel.links import LINK
from kernelbox.kernel.netlink import CREATE, EXCLUSIVE, attribute, nested
from kernelbox.kernel.rtnetlink import RouteSocket, fields

# What the links of one parent may say to each other; linux/if_link.h, enum macvlan_mode.
MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}


class StackingSocket(RouteSocket):
    """An rtnetlink socket that knows these kinds, too; what every request raises is as there."""

    def has_macvlan(self) -> bool:
        """Whether the kernel can make macvlans, or has a module that can.

        It is asked for one on no link: whoever knows the kind says that something is missing, and
        nothing is made.

        Source: kernel, `net/core/rtnetlink.c`, "Unknown device type".
        """
        kind = nested(k.IFLA_LINKINFO, attribute(k.IFLA_INFO_KIND, "macvlan"))
        try:
            self.change(k.RTM_NEWLINK, LINK.pack(0, 0, 0, 0, 0) + kind, CREATE | EXCLUSIVE)
        except OSError as refusal:
            return refusal.errno == errno.EINVAL
        return True

    def add_macvlan(
        self,
        parent: str,
        name: str,
        mode: str,
        *,
        netns_fd: int,
        mac: str = "",
        mtu: int = 0,
        netns: str = "",
    ) -> None:
        """Make a macvlan of a link that is here, born in the namespace behind `netns_fd`.

        Args:
            parent: The link that it stands on.
            name: What it is called there.
            mode: Of `MODES`.
            netns_fd: An open /proc/PID/ns/net.
            mac: Its MAC address; empty for one by lot, or the parent's own in mode `passthru`.
            mtu: In bytes; 0 for the parent's.
            netns: How `ip` would name the namespace (a pid), for the shell equivalent.

        Raises:
            KernelError: EOPNOTSUPP if the kernel has no macvlan; EEXIST if the name is taken there;
                EINVAL if the parent is in mode `passthru` already, or is to be and has others on
                it; EBUSY if it is a port of a bridge, or the like.

        Source: ip-link(8), type macvlan.
        """

        def act() -> None:
            data = nested(k.IFLA_INFO_DATA, attribute(k.IFLA_MACVLAN_MODE, MODES[mode]))
            body = (
                LINK.pack(0, 0, 0, 0, 0)
                + attribute(k.IFLA_IFNAME, name)
                + attribute(k.IFLA_LINK, self._index(parent))
                + attribute(k.IFLA_NET_NS_FD, netns_fd)
                + (attribute(k.IFLA_ADDRESS, bytes.fromhex(mac.replace(":", ""))) if mac else b"")
                + (attribute(k.IFLA_MTU, mtu) if mtu else b"")
                + nested(k.IFLA_LINKINFO, attribute(k.IFLA_INFO_KIND, "macvlan"), data)
            )
            self.change(k.RTM_NEWLINK, body, CREATE | EXCLUSIVE)

        words = f"{f' address {mac}' if mac else ''}{f' mtu {mtu}' if mtu else ''}"
        shown = fields(
            ifname=name,
            link=parent,
            net_ns_fd=netns_fd,
            address=mac or None,
            mtu=mtu or None,
            kind="macvlan",
            macvlan_mode=mode,
        )
        self._request(
            "RTM_NEWLINK",
            shown,
            f"ip link add link {parent} name {name}{words} netns {netns or '...'} "
            f"type macvlan mode {mode}",
            act,
        )

    def add_vlan(self, parent: str, name: str, number: int) -> None:
        """Make a link for what the parent's wire marks with a number.

        Raises:
            KernelError: EOPNOTSUPP if the kernel has no VLANs; EEXIST if the name is taken, or the
                parent has a link for this number already; ERANGE for one above 4094.

        Source: ip-link(8), type vlan; IEEE 802.1Q.
        """

        def act() -> None:
            data = nested(k.IFLA_INFO_DATA, attribute(k.IFLA_VLAN_ID, struct.pack("=H", number)))
            body = (
                LINK.pack(0, 0, 0, 0, 0)
                + attribute(k.IFLA_IFNAME, name)
                + attribute(k.IFLA_LINK, self._index(parent))
                + nested(k.IFLA_LINKINFO, attribute(k.IFLA_INFO_KIND, "vlan"), data)
            )
            self.change(k.RTM_NEWLINK, body, CREATE | EXCLUSIVE)

        self._request(
            "RTM_NEWLINK",
            fields(ifname=name, link=parent, kind="vlan", vlan_id=number),
            f"ip link add link {parent} name {name} type vlan id {number}",
            act,
        )

    def add_dummy(self, name: str) -> None:
        """Make a link that leads nowhere.

        Raises:
            KernelError: EOPNOTSUPP if the kernel has no such links; EEXIST if the name is taken.

        Source: ip-link(8), type dummy.
        """
        body = (
            LINK.pack(0, 0, 0, 0, 0)
            + attribute(k.IFLA_IFNAME, name)
            + nested(k.IFLA_LINKINFO, attribute(k.IFLA_INFO_KIND, "dummy"))
        )
        self._request(
            "RTM_NEWLINK",
            fields(ifname=name, kind="dummy"),
            f"ip link add {name} type dummy",
            lambda: self.change(k.RTM_NEWLINK, body, CREATE | EXCLUSIVE),
        )
