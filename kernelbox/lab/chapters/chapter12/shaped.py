"""The exercise of chapter 12 about a rate: a narrow link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab.chapters.chapter12.wire import not_plugged_in
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.packets import witness
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.started import Container
from kernelbox.network.link_names import link_name

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab

_MEGABIT = 125_000  # bytes
_NEAR = 0.1  # of the rate, up and down
_HOPELESS = 0.6  # of the rate: below that it is not this machine alone that keeps it waiting
_PUSHED = 2.5  # times the rate are sent
_SECONDS, _SETTLE = 0.65, 0.2  # of which the first are not counted: a bucket is full at first
_TRIES = 6  # a machine that has much else to do loses tokens


@exercise(
    "narrow",
    title="A narrow link",
    points=3,
    seconds=60.0,
    hints=(
        "The check sends more than fits, from the container to its gateway and back, and reads in "
        "`/proc/net/dev` how many bytes its `eth0` has really sent and received in that time.",
        "Is the number in bits or in bytes? And which of the two directions is right already?",
        "`kernelbox run --help` has an option for the rate of the network. `mbit` are megabits a "
        "second, and `mbps` are not.",
    ),
)
def narrow(box: Lab, slow: object, rate: int) -> Verdict:
    """Send more than fits, both ways, and count what has passed."""
    if wrong_thing := not_plugged_in(box, slow, "slow"):
        return wrong_thing
    assert isinstance(slow, Container)
    found: dict[str, float] = {}
    with witness(box, slow) as inside, witness(box) as host:
        gateway = inside.evaluate("gateway()")
        if gateway is None:
            return failed("slow has no default route: nobody is there to send to", "a gateway")
        [address, *_] = inside.evaluate("addresses()")
        ways = {
            "sends": (inside, gateway, "eth0"),
            "receives": (host, address, link_name(slow.id)),
        }
        for way, (who, to, link) in ways.items():
            found[way] = measured = _measured(who, to, link, rate)
            if abs(measured - rate) > _NEAR * rate:
                return failed(f"slow {way} {measured:.1f} Mbit/s", f"{rate} Mbit/s, within 10 %")
    return passed(f"slow {' and '.join(found)} what it should, however much is offered")


def _measured(who: Held, to: str, link: str, rate: int) -> float:
    """Return how much passes a link when more is sent, Mbit/s.

    A machine that is busy makes it less, now and then: below the rate, the best moment counts.
    """
    best = 0.0
    for _ in range(_TRIES):
        pushed = _PUSHED * rate * _MEGABIT
        call = f"poured({to!r}, {pushed}, {_SECONDS}, {link!r}, {_SETTLE})"
        whole, moment = (one / _MEGABIT for one in who.evaluate(call))
        if whole > (1 + _NEAR) * rate:
            return float(whole)
        best = max(best, min(moment, rate))
        if best >= (1 - _NEAR) * rate or best < _HOPELESS * rate:
            break
    return best
