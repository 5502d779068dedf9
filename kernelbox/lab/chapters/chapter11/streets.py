"""Exercises of chapter 11 about what lies beyond a cable: a router, a port, and a shared house."""

from __future__ import annotations

import random
import secrets
import select
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from kernelbox.lab.chapters.chapter11.wires import (
    PATIENCE,
    ends,
    given,
    not_apart,
    room,
    seen,
    witness,
)
from kernelbox.lab.exercises import outside
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.held import Held
from kernelbox.lab.neighbours import HOME, OUTER, WORLD
from kernelbox.lab.started import Container

if TYPE_CHECKING:
    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.traffic import Echo

_INNER_PORT = 80
_SHUT = 0.5  # seconds in which nothing must come through


@exercise(
    "to-the-world",
    title="To the world",
    points=2,
    hints=(
        "The check observes the links and routes of all three, sends pings from home and hears at "
        "`world` what arrives there, and then reads on a connection whom `world` takes it for.",
        "How far does the packet come? Where it stops, somebody lacks something: the permission to "
        "forward, or an address to send the answer to.",
        "Section 4: one file below `/proc/sys`, and one rule. At which hook is a source address "
        "replaced, and on which link does such a packet leave?",
    ),
)
def to_the_world(box: Lab, home: Held, router: Held, world: Held) -> Verdict:
    """Let home talk to the world, and look at whom the world has seen."""
    if wrong_street := _not_the_street(box, home, router, world):
        return wrong_street
    with witness(box, home) as near, witness(box, world) as far:
        if not _forwards(box, router):
            return failed("the router does not forward: ip_forward is 0", "a router that does")
        echo, arrived = _ping(near, far)
        if not echo:
            if not arrived:
                return failed(f"a ping from home does not arrive at world: {echo!r}", "an answer")
            return failed(
                f"a ping from home arrives at world as one from {arrived[0]}, and the answer does "
                "not come back",
                "an answer",
            )
        for target in WORLD:
            try:
                source = _caller(near, far, target)
            except OSError as error:
                return failed(f"a connection from home to {target}: {error}", "one that is made")
            if source != OUTER:
                return failed(f"world has a caller with the address {source}", OUTER)
    return passed(f"home reaches world, and world has seen {OUTER}")


def _forwards(box: Lab, router: Held) -> bool:
    """Say whether the router forwards, in its own network namespace."""
    with witness(box, router) as there:
        return bool(int(there.evaluate("open('/proc/sys/net/ipv4/ip_forward').read()")))


def _ping(near: Held, far: Held) -> tuple[Echo, list[str]]:
    """Ping the world until it answers; return that, and from whom pings have arrived there.

    Two that have arrived and are not answered are enough: no third will be.
    """
    arrived: list[str] = []
    deadline = time.monotonic() + PATIENCE
    with far.capture("eth0") as ear:
        while True:
            echo = near.ping(WORLD[0], _SHUT)
            heard = [one.ip.source for one in ear.pings() if not one.outgoing]
            if echo or (heard and arrived) or time.monotonic() > deadline:
                return echo, arrived + heard
            arrived += heard


def _caller(near: Held, far: Held, target: str) -> str:
    """Connect to an address of the world; return as whom it takes us."""
    with far.socket("tcp") as listener, near.socket("tcp") as caller:
        for one in (listener, caller):
            one.settimeout(PATIENCE)
        listener.bind((target, 0))
        listener.listen()
        caller.connect(listener.getsockname())
        accepted, peer = listener.accept()
        accepted.close()
    return str(peer[0])


def _not_the_street(box: Lab, home: Held, router: Held, world: Held) -> Verdict | None:
    """Return the verdict on a street that has been cabled or addressed in another way."""
    if wrong_thing := not_apart(box, home=home, router=router, world=world):
        return wrong_thing
    network = seen(box)
    here, there = room(box, network, home), room(box, network, world)
    if ends(here, there):
        return failed("a cable leads from home to world, past the router", "no such cable")
    for name, place, own in (("home", here, {HOME}), ("world", there, set(WORLD))):
        found = {str(one.ip) for link in place.links if link.name != "lo" for one in given(link)}
        if found != own:
            return failed(
                f"the addresses of {name} are {' '.join(sorted(found)) or 'none'}",
                " ".join(sorted(own)),
            )
    beyond = [one for one in there.routes if "203.0.113.0/24" not in one]
    if beyond:
        return failed(f"world has the route {beyond[0]}", "none but that to its own network")
    return None


@exercise(
    "published",
    title="Published by hand",
    points=2,
    seconds=30.0,
    hints=(
        f"The check listens at port {_INNER_PORT} of home and at another one. It calls the router "
        "from both addresses of `world`, at the published port and at that other one.",
        "Before which decision has a destination to be another one, so that the router forwards "
        "the packet instead of taking it for its own?",
        "Section 6 published a port of the router with one rule. What of it does your port need, "
        "and what lets the packets go on from `wan` to `lan`?",
    ),
)
def published(box: Lab, home: Held, router: Held, world: Held, port: int) -> Verdict:
    """Connect from the world to the published port and to another one, and see who answers."""
    if wrong_street := _not_the_street(box, home, router, world):
        return wrong_street
    other = random.randint(20_000, 30_000)
    with (
        witness(box, home) as inside,
        witness(box, world) as caller,
        inside.socket("tcp") as wanted,
        inside.socket("tcp") as unwanted,
    ):
        for listener, number in ((wanted, _INNER_PORT), (unwanted, other)):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("0.0.0.0", number))
            except OSError:
                return failed(f"port {number} of home is in use", "free: the check listens there")
            listener.listen()
        for source in random.sample(WORLD, len(WORLD)):
            said = _asked(caller, source, port, [wanted], PATIENCE)
            if said:
                return failed(f"port {port} of the router, called from {source}: {said}")
        for beside in (other, port - 1, port + 1):
            if not _asked(caller, WORLD[0], beside, [wanted, unwanted], _SHUT):
                return failed(f"port {beside} leads home, too", "the published one alone")
    return passed(
        f"the published port is port {_INNER_PORT} of home for every caller, and no other is"
    )


def _asked(
    caller: Held, source: str, port: int, listeners: list[socket.socket], seconds: float
) -> str:
    """Call a port of the router; return what is wrong; nothing if one of home's has answered."""
    word = secrets.token_hex(8).encode()
    with caller.socket("tcp") as calling:
        calling.settimeout(seconds)
        calling.bind((source, 0))
        try:
            calling.connect((OUTER, port))
        except OSError as error:
            return f"no connection: {error.strerror or error}"
        called = select.select(listeners, [], [], seconds)[0]
        if not called:
            return "somebody answers, and it is not home"
        accepted, _ = called[0].accept()
        with accepted, suppress(TimeoutError):
            accepted.settimeout(seconds)
            calling.sendall(word)
            if accepted.recv(len(word)) == word:
                return ""
    return "the connection is made, and nothing comes through"


@exercise(
    "a-pod",
    title="A pod",
    points=2,
    hints=(
        "The check observes the network and PID namespaces of both, and calls from one to a port "
        "that it opens on `127.0.0.1` of the other.",
        "What is `localhost`? It belongs to a network namespace. How many of these may the two "
        "have together?",
        "`kernelbox run --help`: `--network` takes more than the names of networks. (Or, by hand: "
        "which request moves a process into the namespace of another?)",
    ),
)
def a_pod(box: Lab, one: object, two: object) -> Verdict:
    """Compare their namespaces, and call from one to the other by 127.0.0.1."""
    for name, thing in (("one", one), ("two", two)):
        if not isinstance(thing, Held | Container):
            return failed(f"{name} is {thing!r:.80}", "what box.start() or box.hold() returned")
        if outside.has_ended(thing.pid):
            return failed(f"{name} has ended", "one that is there to be looked at")
        if "net" not in outside.own(box, thing.pid):
            return failed(f"{name}: its net namespace is the host's", "one of their own")
    assert isinstance(one, Held | Container) and isinstance(two, Held | Container)
    spaces, others = box.namespaces(one.pid), box.namespaces(two.pid)
    if spaces["net"] != others["net"]:
        return failed("each of them has a network namespace of its own", "one for both")
    if spaces["pid"] == others["pid"]:
        return failed("they share their PID namespace, too", "each its own processes")
    with (
        witness(box, one) as near,
        witness(box, two) as far,
        far.socket("tcp") as listener,
        near.socket("tcp") as caller,
    ):
        caller.settimeout(PATIENCE)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        try:
            caller.connect(listener.getsockname())
        except OSError as error:
            return failed(f"a call to 127.0.0.1: {error.strerror or error}", "an answer")
    return passed("one network namespace with one localhost, and two PID namespaces")
