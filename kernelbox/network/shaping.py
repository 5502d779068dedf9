"""A cable that is slower than it could be: rate, delay and loss, both ways.

Version 2 of control groups has no controller for the network, so a container's share is limited
where its packets pass: at both ends of its cable, since a link orders what it sends and cannot
order what it is sent. The end inside orders what the container says, the host's what it hears. So a
delay is waited for twice on the way there and back.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager

from kernelbox.kernel import netlink
from kernelbox.kernel.errors import KernelboxError, KernelError, UsageError
from kernelbox.kernel.qdisc import HELD, ROOT, QdiscSocket
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_RATES = {"bit": 1, "kbit": 10**3, "mbit": 10**6, "gbit": 10**9, "bps": 8, "kbps": 8 * 10**3,
          "mbps": 8 * 10**6, "gbps": 8 * 10**9}  # fmt: skip
_TIMES = {"us": 10**3, "ms": 10**6, "s": 10**9}
_SLOWEST, _FASTEST = 8_000, 34 * 10**9  # bits a second: what fits into 32 bits as bytes
_LONGEST = 60 * 10**9  # nanoseconds
_BURST = 0.01  # seconds' worth at once ...
_LEAST = 20_000  # ... but at least so many bytes: a dozen packets
_WAIT = 0.05  # seconds that a packet may wait at most


class Shape(NamedTuple):
    """What a cable is to be like; 0 leaves it as it is.

    Attributes:
        rate: In bits a second.
        delay: In nanoseconds, each way.
        loss: The share of packets that is lost each way, from 0 to 1.
    """

    rate: int = 0
    delay: int = 0
    loss: float = 0.0


def parse(rate: str = "", delay: str = "", loss: str = "") -> Shape:
    """Return what `--network-rate`, `--network-delay` and `--network-loss` mean; empty for no wish.

    Raises:
        UsageError: It is not of the form, or more than the kernel can.

    Source: tc(8), "PARAMETERS", RATES, TIMES, PERCENTAGES.
    """
    return Shape(
        _number("rate", rate, _RATES, (_SLOWEST, _FASTEST), "10mbit") if rate else 0,
        _number("delay", delay, _TIMES, (1, _LONGEST), "20ms") if delay else 0,
        _share(loss) if loss else 0.0,
    )


def _number(
    what: str, text: str, units: dict[str, int], bounds: tuple[int, int], example: str
) -> int:
    found = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)([a-z]+)", text.lower(), re.ASCII)
    value = round(float(found[1]) * units.get(found[2], 0)) if found else 0
    if not bounds[0] <= value <= bounds[1]:
        raise UsageError(
            f"{text!r:.80} is no {what} that a link can have",
            f"Write it like {example}, with one of {', '.join(units)}",
        )
    return value


def _share(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)%", text, re.ASCII)
    if not found or float(found[1]) > 100:
        raise UsageError(f"{text!r:.80} is no share of packets", "Write it like 1%")
    return float(found[1]) / 100


def shape(link: str, pid: int, device: str, wish: Shape) -> None:
    """Shape a cable. What is made goes with it.

    Args:
        link: Its end on the host.
        pid: A process in the container's network namespace.
        device: Its end there.
        wish: What it is to be like.

    Raises:
        KernelError: EEXIST if it has been shaped already; EPERM.
        KernelboxError: This kernel lacks what the wish needs; or the container has ended.
    """
    if wish == Shape():
        return
    _shape_end(link, wish)
    try:
        netns_fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError) as gone:
        raise KernelboxError(f"process {pid} ended before its network was shaped") from gone
    try:
        with netlink.inside(netns_fd, f"nsenter -t {pid} -n"):
            _shape_end(device, wish)
    finally:
        os.close(netns_fd)


def _shape_end(name: str, wish: Shape) -> None:
    with QdiscSocket() as here:
        if wish.delay or wish.loss:
            with _lacking("netem", "delay and loss"):
                here.add_netem(name, wish.delay, wish.loss)
        if wish.rate:
            rate = wish.rate // 8
            burst = max(round(rate * _BURST), _LEAST)
            parent = HELD if wish.delay or wish.loss else ROOT
            with _lacking("tbf", "a rate"):
                here.add_tbf(name, rate, burst, burst + round(rate * _WAIT), parent=parent)


@contextmanager
def _lacking(kind: str, what: str) -> Iterator[None]:
    """Say what a kernel lacks, where it says that it knows no discipline of the name."""
    try:
        yield
    except KernelError as error:
        if error.errno != errno.ENOENT:
            raise
        raise KernelboxError(
            f"this kernel has no {kind}, which {what} on a network needs",
            f"Load it (modprobe sch_{kind}), or use the lab VM",
        ) from error
