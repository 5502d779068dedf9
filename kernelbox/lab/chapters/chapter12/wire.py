"""What the checks see of a container on networks: its addresses, and the names that it finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab.exercises import outside
from kernelbox.lab.exercises.packets import witness
from kernelbox.lab.exercises.verdict import Verdict, failed
from kernelbox.lab.started import Container

if TYPE_CHECKING:
    from kernelbox.lab.notebook import Lab


def addresses(box: Lab, thing: Container) -> list[str]:
    """Return the IPv4 addresses of a container, as the kernel has them."""
    with witness(box, thing) as held:
        return list(held.evaluate("addresses()"))


def finds(box: Lab, thing: Container, *names: str) -> list[list[str]]:
    """Return for each name the addresses that a container's name servers have, in their order.

    Asked are those servers of its resolv.conf that are on this host: no other knows containers.
    """
    with witness(box) as host:
        text = str(host.evaluate(f"open('/proc/{thing.pid}/root/etc/resolv.conf').read()"))
        ours = list(host.evaluate("addresses()"))
    lines = (line.split() for line in text.splitlines())
    servers = [line[1] for line in lines if len(line) > 1 and line[0] == "nameserver"]
    with witness(box, thing) as held:
        for server in servers:
            if server in ours:
                question = f"[asked({server!r}, one) or [] for one in {names!r}]"
                return [list(one) for one in held.evaluate(question)]
    return [[] for _ in names]


def not_running(thing: object, name: str) -> Verdict | None:
    """Return the verdict on what is no running container of the notebook's."""
    if not isinstance(thing, Container):
        return failed(f"{name} is {thing!r:.80}", "a container that box.start() returned")
    if outside.has_ended(thing.pid):
        return failed(f"the container {name} has ended", "one that runs")
    return None


def not_plugged_in(box: Lab, thing: object, name: str) -> Verdict | None:
    """Return the verdict on what is no running container with a network, and an address on it."""
    if wrong_thing := not_running(thing, name):
        return wrong_thing
    assert isinstance(thing, Container)
    if "net" not in outside.own(box, thing.pid):
        return failed(f"{name} is on the host's network", "a network of its own")
    if not addresses(box, thing):
        return failed(f"{name} has no address but that of its loopback", "one on a network")
    return None
