"""What the kernel announces of changes to networks: here, and wherever there is a number for.

A namespace that a cable leads to has a number in the one that it comes from (`nsid`). Who listens
there hears of both, and neither needs to be entered, nor is kept alive by being listened to. What
exactly has changed is not read: whoever hears of a namespace looks at it again.

Source: netlink(7); linux/netlink.h, NETLINK_LISTEN_ALL_NSID; linux/rtnetlink.h, RTNLGRP_*;
linux/netfilter/nfnetlink.h, NFNLGRP_NFTABLES.
"""

from __future__ import annotations

import errno
import socket
import sys
from contextlib import ExitStack

from kernelbox.kernel import netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

HERE = -1  # instead of a number: the namespace in which it was opened

_SOL_NETLINK = 270
_ADD_MEMBERSHIP, _LISTEN_ALL_NSID = 1, 8
# Links, addresses of both families, routes, and whether packets are forwarded; rules of nftables.
_GROUPS = {netlink.ROUTE: (1, 5, 7, 9, 24), netlink.NETFILTER: (7,)}
_ENOUGH = 256  # bytes of an announcement


class Announcements:
    """Ears in the network namespace in which it is opened. Whoever opened it closes it."""

    def __init__(self) -> None:
        """Begin to listen.

        Raises:
            OSError: EPERM without CAP_NET_BROADCAST; EPROTONOSUPPORT without nftables; EMFILE.
        """
        with ExitStack() as opened:
            self._ears = [
                opened.enter_context(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol))
                for protocol in _GROUPS
            ]
            for ear, groups in zip(self._ears, _GROUPS.values(), strict=True):
                ear.setblocking(False)
                ear.bind((0, 0))  # who has no address is told nothing
                ear.setsockopt(_SOL_NETLINK, _LISTEN_ALL_NSID, 1)
                for group in groups:
                    ear.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        """Return the ears."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self.close()

    def close(self) -> None:
        """Listen no more; twice is fine."""
        self._opened.close()

    def heard(self) -> set[int] | None:
        """Return in which namespaces something has changed since the last time, by number.

        None if more was announced than the kernel kept: anything may have changed.
        """
        found: set[int] = set()
        missed = False
        for ear in self._ears:
            while True:
                try:
                    _, ancillary, _, _ = ear.recvmsg(_ENOUGH, socket.CMSG_SPACE(4))
                except BlockingIOError:
                    break
                except OSError as refusal:
                    if refusal.errno != errno.ENOBUFS:
                        raise
                    missed = True
                    continue
                number = next((data for *_, data in ancillary), None)
                found.add(_signed(number) if number else HERE)
        return None if missed else found


def _signed(data: bytes) -> int:
    return int.from_bytes(data, sys.byteorder, signed=True)
