"""Exercises of chapter 12 about who gets where: two legs, only here."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from kernelbox.lab import reading
from kernelbox.lab.chapters.chapter12.wire import addresses, not_plugged_in
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.packets import BRIEFLY, SOON, pinged, taught, witness
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.started import Container

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab

_ASK = b"GET / HTTP/1.0\r\nX-Weight: " + 4000 * b"x" + b"\r\n\r\n"  # who gets that, is heavier


@exercise(
    "two-legs",
    title="Two legs",
    points=3,
    seconds=30.0,
    hints=(
        "The check sends pings: from `front` to `back` and out to the machine next door, from "
        "`back` to the machine next door, and from outside to both of them.",
        "Can one network keep `back` in and let `front` out? How many does `front` need?",
        "A network can be `internal`. Who is on two of them has a leg in each.",
    ),
)
def two_legs(box: Lab, front: object, back: object) -> Verdict:
    """Send pings along every way that matters, and see which are answered."""
    for name, one in (("front", front), ("back", back)):
        if wrong_thing := not_plugged_in(box, one, name):
            return wrong_thing
    assert isinstance(front, Container)
    assert isinstance(back, Container)
    theirs = {"front": addresses(box, front), "back": addresses(box, back)}
    with ExitStack() as ending:
        world = box.next_door()
        ending.callback(world.end)
        with witness(box, front) as inside:
            if not pinged(inside, theirs["back"]):
                return failed("back does not answer front", "an answer")
            if not pinged(inside, [world.address]):
                return failed("front does not reach the machine next door", "a way out")
        with witness(box, back) as inside:
            if pinged(inside, [world.address], BRIEFLY):
                return failed("back reaches the machine next door", "no way out")
        _settled(taught(world), world.host)
        if who := pinged(world, theirs["front"] + theirs["back"], BRIEFLY):
            name = "front" if who in theirs["front"] else "back"
            return failed(f"the machine next door reaches {name}", "no way in")
        other = box.start("busybox", "sleep 1000")
        ending.callback(other.remove)
        with witness(box, other) as inside:
            _settled(inside, inside.evaluate("gateway()"))
            if pinged(inside, theirs["back"], BRIEFLY):
                return failed("a container on the default bridge reaches back", "front alone")
    return passed("front reaches back and the world, back reaches front alone, nobody comes in")


@exercise(
    "only-here",
    title="Only here",
    seconds=30.0,
    hints=(
        "The check asks for the page at your port from this host, from the machine next door, and "
        "from a container on another network; and where `page` listens, at its own address.",
        "A published port belongs to an address of the host's. To which one, if none is said? And "
        "which address do only programs of this host get to?",
        "`kernelbox run --help` says what may stand in front of the two numbers of `--publish`.",
    ),
)
def only_here(box: Lab, page: object, port: int) -> Verdict:
    """Ask for the page from five sides."""
    if wrong_thing := not_plugged_in(box, page, "page"):
        return wrong_thing
    assert isinstance(page, Container)
    with witness(box, page) as inside, witness(box) as host:
        _ = reading.until(lambda: bool(inside.evaluate("listening()")), SOON)  # it may just begin
        inner, own = list(inside.evaluate("listening()")), addresses(box, page)
        if not inner:
            return failed("nobody in page listens at a port", "a web server")
        before = _received(inside)
        if not _asked(host, "127.0.0.1", port, SOON):
            return failed(f"this host asks 127.0.0.1 at port {port}, and nobody answers", "a page")
        if _received(inside) - before < len(_ASK):
            return failed(f"who answers at port {port} of 127.0.0.1 is not page", "page")
        theirs = list(host.evaluate("addresses()"))
    with ExitStack() as ending:
        world = box.next_door()
        ending.callback(world.end)
        away = box.make_network("check-away")
        ending.callback(away.remove)
        other = box.start("busybox", "sleep 1000", network="check-away")
        with witness(box, other) as inside:
            _settled(taught(world), world.host)
            _settled(inside, away.gateway)
            for who, where in ((world, "the machine next door"), (inside, "a container")):
                for address in (*theirs, world.host, away.gateway):
                    for one in {port, *_published(page)}:
                        if _asked(who, address, one, BRIEFLY):
                            return failed(f"{where} gets the page at {address}, port {one}")
                for address in own:
                    if any(_asked(who, address, one, BRIEFLY) for one in inner):
                        return failed(f"{where} gets the page at page's own address", "nobody")
    return passed("this host gets the page at 127.0.0.1; next door and other networks do not")


def _settled(who: Held, near: str) -> None:
    """Wait until its new cable carries: before that, what it cannot reach tells nothing."""
    _ = pinged(who, [near])


def _asked(who: Held, address: str, port: int, seconds: float) -> str:
    return str(who.evaluate(f"connected({address!r}, {port}, {seconds}, {_ASK!r})") or "")


def _published(page: Container) -> set[int]:
    """Return the host's TCP ports that lead to a container, as it was asked for."""
    found = (text.partition("/") for text in page.inspect()["HostConfig"]["PortBindings"])
    return {int(where.split(":")[-2]) for where, _, protocol in found if protocol == "tcp"}


def _received(inside: Held) -> int:
    """Return the bytes that a container has received by its links."""
    found = inside.evaluate("[counted(f'eth{one}') for one in range(4)]")
    return sum(one[0] for one in found if one)
