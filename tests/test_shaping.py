"""Rate, delay and loss of a container's cable, as `tc` and a stopwatch see them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernelbox.kernel.errors import UsageError
from kernelbox.network.shaping import Shape, parse
from tests.scene import Inside
from tests.town import Town

FOREVER = ("busybox", "sleep", "infinity")
TRUE = ("busybox", "true")


def qdiscs(where: Inside, link: str) -> list[dict[str, Any]]:
    """Return a link's queueing disciplines, as tc tells them."""
    found: list[dict[str, Any]] = json.loads(where.run(f"tc -json qdisc show dev {link}"))
    return [one for one in found if one["kind"] != "noqueue"]


def has_netem(town: Town) -> bool:
    """Whether this kernel has netem: tc tries it on a link of the scene's."""
    town.scene.outside.run("ip link add probe type veth peer name eborp")
    done = town.scene.outside.run("sh -c 'tc qdisc add dev probe root netem delay 1ms || echo no'")
    town.scene.outside.run("ip link del probe")
    return "no" not in done


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        (("10mbit",), Shape(10_000_000)),
        (("1.5Gbit",), Shape(1_500_000_000)),
        (("100kbps",), Shape(800_000)),
        (("", "20ms"), Shape(0, 20_000_000)),
        (("", "1.5s", "0.1%"), Shape(0, 1_500_000_000, 0.001)),
        (("", "", "100%"), Shape(0, 0, 1.0)),
        ((), Shape()),
    ],
)
def test_rate_delay_and_loss_are_read_as_tc_reads_them(words: Any, shape: Shape) -> None:
    assert parse(*words) == shape


@pytest.mark.parametrize(
    "words",
    [
        *[
            (one,)
            for one in ("10", "mbit", "10 mbit", "-1mbit", "0mbit", "1bit", "99gbit", "1e9bit")
        ],
        *[("", one) for one in ("20", "ms", "0ms", "2h", "61s", "\u0662ms")],
        *[("", "", one) for one in ("1", "%", "101%", "-1%", "one%")],
    ],
)
def test_what_no_link_can_have_is_refused(words: Any) -> None:
    with pytest.raises(UsageError, match="Write it like"):
        parse(*words)


def test_both_ends_of_a_cable_get_the_rate(town: Town) -> None:
    container = town.start("--network-rate", "10mbit", *FOREVER)
    inside = Inside(town.pid(container))
    for where, link in ((inside, "eth0"), (town.scene.host, f"veth{container[:7]}")):
        (found,) = qdiscs(where, link)
        assert (found["kind"], found["root"]) == ("tbf", True)
        assert found["options"]["rate"] == 1_250_000  # bytes a second
    town.inside(container, "ping -c 1 -W 2 198.51.100.2")


def test_a_cable_lets_no_more_pass_than_its_rate(town: Town) -> None:
    """What it has passed is what was sent; what came too soon had to wait, or was lost."""
    container = town.start("--network-rate", "1mbit", *FOREVER)
    with town.scene.outside.listener(("", 80)) as server:
        send = "head -c 400000 /dev/zero | nc 198.51.100.2 80"
        town.ok("exec", "-d", container, "sh", "-c", send)
        server.settimeout(60)
        accepted, _ = server.accept()
        accepted.settimeout(60)
        with accepted:
            received = 0
            while received < 400_000 and (data := accepted.recv(65536)):
                received += len(data)
        assert received == 400_000
    found = json.loads(Inside(town.pid(container)).run("tc -json -s qdisc show dev eth0"))
    (tbf,) = [one for one in found if one["kind"] == "tbf"]
    assert tbf["bytes"] > 400_000 and tbf["overlimits"] > 0


def test_delay_and_loss_are_had_or_named(town: Town) -> None:
    words = ("--network-delay", "20ms", "--network-loss", "1%", "--network-rate", "10mbit")
    if not has_netem(town):
        line = town.refused("run", *words, *TRUE)
        assert "this kernel has no netem, which delay and loss on a network needs" in line
        assert town.ok("ps", "-aq") == ""
        return
    container = town.start(*words, *FOREVER)
    inside = Inside(town.pid(container))
    for where, link in ((inside, "eth0"), (town.scene.host, f"veth{container[:7]}")):
        netem, tbf = qdiscs(where, link)
        assert netem["kind"] == "netem" and netem["options"]["delay"]["delay"] == 0.02
        assert round(netem["options"]["loss-random"]["loss"], 3) == 0.01
        assert (tbf["kind"], tbf["parent"]) == ("tbf", "1:1")


def test_only_a_cable_can_be_shaped(town: Town) -> None:
    line = town.refused("run", "--network", "none", "--network-rate", "1mbit", *TRUE)
    assert "only a link to a bridge has a rate" in line
    assert "'fast' is no rate" in town.refused("run", "--network-rate", "fast", *TRUE)
