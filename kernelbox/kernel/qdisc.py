"""Queueing disciplines: what a link does with packets before it sends them.

Each link sends through one (`root`), which may hold another. Two are needed here: `tbf` lets so
many bytes a second pass, and `netem` lets each packet wait, or loses some.

Source: tc(8), tc-tbf(8), tc-netem(8); linux/pkt_sched.h.
"""

from __future__ import annotations

import struct

from kernelbox.kernel import flags as k
from kernelbox.kernel.netlink import CREATE, EXCLUSIVE, attribute
from kernelbox.kernel.rtnetlink import RouteSocket, fields

_TC = struct.Struct("=BxxxiIII")  # family, index, handle, parent, info
_RATE = struct.Struct("=BBHhHI")  # cell_log, linklayer, overhead, cell_align, mpu, bytes a second
_TBF = struct.Struct("=III")  # limit, buffer, mtu: in bytes, but for the buffer, see TCA_TBF_BURST
_NETEM = struct.Struct("=IIIIII")  # latency, limit in packets, loss, gap, duplicate, jitter
_ETHERNET = 1  # the link layer: then the kernel works out times by itself
_PACKETS = 10_000  # that netem may hold
_EVERY = (1 << 32) - 1  # the share that means all packets

ROOT = 0xFFFFFFFF
HOLDER = 0x10000  # 1:, the handle of a discipline that holds another
HELD = 0x10001  # 1:1, where that one is


class QdiscSocket(RouteSocket):
    """An rtnetlink socket that can also give links their queueing disciplines.

    What is asked can be refused as RouteSocket says, and with ENOENT if this kernel has no such
    discipline, or EEXIST if the link has one already.
    """

    def add_tbf(self, name: str, rate: int, burst: int, limit: int, *, parent: int = ROOT) -> None:
        """Let a link send no more than `rate` bytes a second (token bucket filter).

        Args:
            name: The link.
            rate: In bytes a second.
            burst: So many bytes may go at once.
            limit: So many bytes may wait; what comes then is lost.
            parent: ROOT, or HELD by another.

        Source: tc-tbf(8).
        """
        parameters = _RATE.pack(0, _ETHERNET, 0, -1, 0, rate) + bytes(_RATE.size)
        options = attribute(k.TCA_TBF_PARMS, parameters + _TBF.pack(limit, 0, 0))
        options += attribute(k.TCA_TBF_BURST, burst)
        shell = f"tbf rate {rate * 8}bit burst {burst} limit {limit}"
        self._add(name, "tbf", parent, 0, options, shell)

    def add_netem(self, name: str, delay: int, loss: float, *, handle: int = HOLDER) -> None:
        """Let each packet that a link sends wait, and lose some (network emulator).

        Args:
            name: The link.
            delay: In nanoseconds.
            loss: The share that is lost, from 0 to 1.
            handle: What others call it that are held by it.

        Source: tc-netem(8).
        """
        options = _NETEM.pack(0, _PACKETS, round(loss * _EVERY), 0, 0, 0)
        options += attribute(k.TCA_NETEM_LATENCY64, struct.pack("=q", delay))
        shell = f"netem limit {_PACKETS} delay {delay // 1000}us loss {loss * 100:g}%"
        self._add(name, "netem", ROOT, handle, options, shell)

    def _add(
        self, name: str, kind: str, parent: int, handle: int, options: bytes, shell: str
    ) -> None:
        def act() -> None:
            body = (
                _TC.pack(0, self._index(name), handle, parent, 0)
                + attribute(k.TCA_KIND, kind)
                + attribute(k.TCA_OPTIONS, options)
            )
            self.change(k.RTM_NEWQDISC, body, CREATE | EXCLUSIVE)

        where = "root" if parent == ROOT else f"parent {parent >> 16:x}:{parent & 0xFFFF:x}"
        where += f" handle {handle >> 16:x}:" if handle else ""
        shown = fields(ifname=name, kind=kind, parent=f"{parent:#x}", handle=f"{handle:#x}")
        self._request("RTM_NEWQDISC", shown, f"tc qdisc add dev {name} {where} {shell}", act)
