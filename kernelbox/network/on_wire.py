"""Whether somebody on a bridge has an address already, whom no lease knows: an ARP probe.

Leases know all containers. But whoever plugs something else into the bridge, or may give addresses
in a container, can take one. To ask everybody each time would cost a container more than all its
network, for the kernel waits until no packet is on its way past a socket that is closed. So it is
asked where a clash is likely, and where a person can choose otherwise: of an address that somebody
wishes for by name.

Source: RFC 5227, section 2.1.1: a probe names nobody as its sender, so no cache learns from it.
"""

from __future__ import annotations

import select
import socket
import struct
import time

_ARP = 0x0806  # linux/if_ether.h, ETH_P_ARP
_FRAME = struct.Struct("!6s6sH HHBBH 6s4s6s4s")
_ETHERNET, _IPV4 = 1, 0x0800
_REQUEST = 1
_EVERYBODY, _NOBODY = b"\xff" * 6, bytes(6)
# Seconds, and how often. RFC 5227 waits up to 7 s for machines that are just being plugged in; what
# is on a bridge of this host answers within a millisecond.
_PATIENCE, _TIMES = 0.02, 2


def owner(link: str, address: str) -> str:
    """Return the MAC address of who has an IPv4 address on a link; empty if nobody answers.

    It asks, and changes nothing: it is not recorded.

    Raises:
        OSError: EPERM without CAP_NET_RAW; ENODEV if there is no such link; ENETDOWN.
    """
    wanted = socket.inet_aton(address)
    # Of no protocol until it is bound: or it would hear every link for a moment.
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as ear:
        ear.bind((link, _ARP))
        own = ear.getsockname()[4]
        probe = _FRAME.pack(
            *(_EVERYBODY, own, _ARP, _ETHERNET, _IPV4, 6, 4, _REQUEST),
            *(own, bytes(4), _NOBODY, wanted),
        )
        for _ in range(_TIMES):
            ear.send(probe)
            deadline = time.monotonic() + _PATIENCE
            while (left := deadline - time.monotonic()) > 0:
                if not select.select([ear], [], [], left)[0]:
                    break
                frame = ear.recv(_FRAME.size)
                if len(frame) < _FRAME.size:
                    continue
                *_, sender_mac, sender, _, _ = _FRAME.unpack(frame)
                if sender == wanted and sender_mac != own:
                    return bytes(sender_mac).hex(":")
    return ""
