"""A held process's network by hand, seen from outside by `ip`, `nft` and sockets of our own."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kernelbox import lab
from kernelbox.lab import Held, LabError, neighbours, speed
from kernelbox.observe.headers import ECHO_REPLY, ECHO_REQUEST
from tests.looking import is_alive, soon
from tests.scene import Inside


@pytest.fixture(scope="module")
def box() -> Iterator[lab.Lab]:
    opened = lab.start()
    yield opened
    opened.close()


@pytest.fixture
def ends(box: lab.Lab) -> Iterator[tuple[Held, Held]]:
    """Two processes, each with a network namespace of its own."""
    made = box.hold(), box.hold()
    for one in made:
        one.unshare("network")
    yield made
    for one in made:
        one.end()


def joined(left: Held, right: Held, number: int = 1) -> None:
    """Lay a cable between two: 10.0.N.1 and 10.0.N.2."""
    left.add_veth(f"left{number}", f"right{number}")
    left.move_link(f"right{number}", right)
    for place, (one, name) in enumerate(
        ((left, f"left{number}"), (right, f"right{number}")), start=1
    ):
        one.add_address(name, f"10.0.{number}.{place}/24")
        one.set_up(name)


def outside(process: Held) -> Inside:
    return Inside(process.pid)


def test_the_ends_of_a_pair_know_each_other_by_their_numbers(ends: tuple[Held, Held]) -> None:
    left, right = ends
    trace = left.add_veth("cable", "other")
    assert [event.shell for event in trace] == ["ip link add cable type veth peer name other"]
    assert outside(left).links() == {"lo", "cable", "other"}
    trace = left.move_link("other", right)
    assert [event.shell for event in trace] == [f"ip link set other netns {right.pid}"]
    one, two = outside(left).link("cable"), outside(right).link("other")
    assert (one["link_index"], two["link_index"]) == (two["ifindex"], one["ifindex"])
    assert one["operstate"] == two["operstate"] == "DOWN"


def test_a_link_that_is_carried_arrives_down_and_without_addresses(
    box: lab.Lab, ends: tuple[Held, Held]
) -> None:
    left, right = ends
    joined(left, right)
    assert left.ping("10.0.1.2", 5)
    third = box.hold()
    third.unshare("network")
    right.move_link("right1", third)
    found = outside(third).link("right1")
    assert "UP" not in found["flags"]
    addresses = outside(third).ip("address show dev right1")
    assert not [one for one in addresses if one.get("addr_info")]
    assert not left.ping("10.0.1.2", 0.3)
    third.end()
    # With a namespace goes its end of a cable, and with that the other end.
    assert soon(lambda: "left1" not in outside(left).links())


def test_addresses_routes_mtu_and_ports_are_as_ip_shows_them(ends: tuple[Held, Held]) -> None:
    left, right = ends
    joined(left, right)
    left.add_route("192.0.2.0/24", via="10.0.1.2")
    left.add_route("default", via="10.0.1.2")
    found = {one["dst"]: one.get("gateway") for one in outside(left).ip("route show")}
    assert found == {"10.0.1.0/24": None, "192.0.2.0/24": "10.0.1.2", "default": "10.0.1.2"}
    left.set_mtu("left1", 1234)
    assert outside(left).link("left1")["mtu"] == 1234
    right.add_bridge("switch")
    right.set_master("right1", "switch")
    assert outside(right).link("right1")["master"] == "switch"
    assert outside(right).link("switch")["linkinfo"]["info_kind"] == "bridge"
    left.set_down("left1")
    assert "UP" not in outside(left).link("left1")["flags"]
    assert not outside(left).ip("route show")
    left.rename_link("left1", "other")
    assert "other" in outside(left).links() and "left1" not in outside(left).links()
    left.delete_link("other")
    assert outside(right).links() == {"lo", "switch"}


def test_a_network_for_two_has_no_broadcast_address(ends: tuple[Held, Held]) -> None:
    neighbours.cable(ends[0], "eth0", ends[1], "eth0", ("10.0.0.0/31", "10.0.0.1/31"))
    assert ends[0].ping("10.0.0.1", 5) and ends[1].ping("10.0.0.0", 5)
    (found,) = outside(ends[0]).ip("-4 address show dev eth0")
    assert "broadcast" not in found["addr_info"][0]


def test_rules_are_those_of_the_process_and_not_of_the_host(ends: tuple[Held, Held]) -> None:
    left, right = ends
    left.nft("add table ip mine")
    assert outside(left).run("nft list tables") == "table ip mine\n"
    assert left.rules("mine").startswith("table ip mine {") and left.rules("other") == ""
    assert outside(right).run("nft list tables") == ""


def test_a_street_is_cabled_and_its_router_forwards_nothing_yet(box: lab.Lab) -> None:
    street = home, router, world = neighbours.street(box)
    assert home.ping(neighbours.INNER, 5) and world.ping(neighbours.OUTER, 5)
    assert home.ping(neighbours.OUTER, 5), "an address of the router's own"
    assert not home.ping(neighbours.WORLD[0], 0.3)
    assert outside(router).setting("ipv4/ip_forward") == "0"
    routes = [one["dst"] for one in outside(world).ip("route show")]
    assert routes == ["203.0.113.0/24"]
    seen = neighbours.room(box, router)
    assert [link.name for link in seen.links] == sorted(outside(router).links(), key=index(router))
    for one in street:
        one.end()


KILLED = """
import os, sys, time
from kernelbox import lab
from kernelbox.lab.neighbours import street

box = lab.start()
print(*(one.pid for one in street(box)), flush=True)
if sys.argv[1] == "agent":
    os.kill(box.agent, 9)
time.sleep(1000)
"""


@pytest.mark.parametrize("victim", ["notebook", "agent"])
def test_of_a_street_nothing_is_left_when_somebody_is_killed(victim: str) -> None:
    before = _host()
    command = [sys.executable, "-c", KILLED, victim]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as notebook:
        assert notebook.stdout is not None
        pids = [int(word) for word in notebook.stdout.readline().split()]
        assert len(pids) == 3
        if victim == "notebook":
            notebook.kill()
        # Nobody else is in these namespaces: with the process goes the namespace and its links.
        assert soon(lambda: not any(map(is_alive, pids)))
        notebook.kill()
    assert _host() == before


def index(process: Held) -> Callable[[str], int]:
    return lambda name: int(outside(process).link(name)["ifindex"])


def test_links_are_printed_as_the_kernel_has_them(
    box: lab.Lab, ends: tuple[Held, Held], capsys: pytest.CaptureFixture[str]
) -> None:
    left, right = ends
    neighbours.cable(left, "eth0", right, "eth0", ("10.0.0.1/24", ""))
    right.add_bridge("switch")
    right.set_master("eth0", "switch")
    for one in ends:
        neighbours.links(box, one)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "eth0 veth up 10.0.0.1/24" in lines
    assert "eth0 veth up port of switch" in lines and "switch bridge down" in lines


@pytest.mark.parametrize(
    "asked",
    [
        lambda p: p.add_veth("one", "two"),
        lambda p: p.add_bridge("one"),
        lambda p: p.delete_link("lo"),
        lambda p: p.rename_link("lo", "ol"),
        lambda p: p.set_up("lo"),
        lambda p: p.set_down("lo"),
        lambda p: p.set_master("lo", "lo"),
        lambda p: p.set_mtu("lo", 1500),
        lambda p: p.add_address("lo", "127.9.9.9/8"),
        lambda p: p.add_route("192.0.2.0/24", via="127.0.0.1"),
        lambda p: p.nft("add table ip mine"),
    ],
)  # fmt: skip
def test_the_network_of_the_host_is_out_of_reach(box: lab.Lab, asked: object) -> None:
    process = box.hold()
    before = _host()
    with pytest.raises(LabError, match=r"would change the host itself.*net namespace"):
        asked(process)  # type: ignore[operator]
    assert _host() == before
    process.end()


def test_no_link_is_carried_into_the_host(box: lab.Lab, ends: tuple[Held, Held]) -> None:
    left, right = ends
    left.add_veth("one", "two")
    with pytest.raises(LabError, match="EINVAL"):
        left.move_link("lo", right)  # each namespace has its own
    before = _host()
    for there in (box.hold(), box.agent, os.getpid()):
        with pytest.raises(LabError, match="would be carried into its network"):
            left.move_link("two", there)
    assert _host() == before
    assert "two" in outside(left).links()


def _host() -> object:
    """Return what these tests could have changed of the host's: others work there meanwhile."""
    host = Inside(os.getpid())
    lo = host.link("lo")
    ours = host.links() & {"one", "two", "ol", "lan", "wan"}
    tables = [line for line in host.run("nft list tables").splitlines() if line.endswith(" mine")]
    routes = [one for one in host.ip("route show") if one["dst"] == "192.0.2.0/24"]
    addresses = host.ip("address show dev lo")[0]["addr_info"]
    return lo["flags"], lo["mtu"], addresses, ours, tables, routes


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda p: p.add_address("lo", "10.0.0.300/24"), "no IPv4 address. Write it as 10.0.0.1"),
        (lambda p: p.add_route("somewhere", via="10.0.0.1"), "'somewhere' is no IPv4 address"),
        (lambda p: p.ping("example.org"), "'example.org' is no IPv4 address"),
        (lambda p: p.set_up("eth7"), "ENODEV"),
        (lambda p: p.capture("eth7"), "ENODEV"),
        (lambda p: p.add_route("default", via="192.0.2.1"), "ENETUNREACH"),
        (lambda p: p.add_veth("x" * 16, "y"), "ERANGE"),
        (lambda p: p.nft("add table nonsense mine twice"), "nft says: "),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_clear_line(
    ends: tuple[Held, Held], asked: object, said: str
) -> None:
    with pytest.raises(LabError) as refused:
        asked(ends[0])  # type: ignore[operator]
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_a_ping_tells_who_answers_and_why_nobody_does(ends: tuple[Held, Held]) -> None:
    left, right = ends
    assert repr(left.ping("127.0.0.1", 0.2)) == "cannot be sent: Network is unreachable"
    left.set_up("lo")
    assert repr(left.ping("127.0.0.1", 5)) == "127.0.0.1 answers, ttl 64"
    joined(left, right)
    assert repr(left.ping("10.0.1.2", 5)) == "10.0.1.2 answers, ttl 64"
    left.add_route("default", via="10.0.1.2")
    right.write("/proc/sys/net/ipv4/ip_forward", "1")
    said = repr(left.ping("192.0.2.1", 1))
    assert said == "10.0.1.2 says: unreachable"
    right.nft(
        "table ip bar {\n chain in {\n type filter hook input priority 0; policy drop;\n }\n}"
    )
    echo = left.ping("10.0.1.2", 0.3)
    assert not echo and repr(echo) == "no answer"


def test_an_ear_hears_each_frame_of_its_link_and_when(ends: tuple[Held, Held]) -> None:
    left, right = ends
    joined(left, right)
    assert left.ping("10.0.1.2", 5)
    with left.capture("left1") as near, right.capture("right1") as far:
        assert left.ping("10.0.1.2", 5)
        here, there = near.pings(), far.pings()
        assert near.frames() == []
    assert [(one.outgoing, one.headers.transport.kind) for one in here[:2]] == [  # type: ignore[union-attr]
        (True, ECHO_REQUEST),
        (False, ECHO_REPLY),
    ]
    assert [one.outgoing for one in there[:2]] == [False, True]
    assert here[0].headers == there[0].headers
    assert here[0].time <= there[0].time <= there[1].time <= here[1].time
    assert near.namespace == os.stat(f"/proc/{left.pid}/ns/net").st_ino
    assert near.index == outside(left).link("left1")["ifindex"]


def test_a_socket_stays_in_the_namespace_where_it_was_opened(ends: tuple[Held, Held]) -> None:
    left, right = ends
    joined(left, right)
    with speed.connected(left, right, "10.0.1.2", 8080) as (near, far):
        assert near.getsockname()[0] == far.getpeername()[0] == "10.0.1.1"
        assert _listens(right, 8080) and not _listens(left, 8080)


def _listens(process: Held, port: int) -> bool:
    lines = Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") for line in lines)


def test_what_is_measured_is_what_goes_through(ends: tuple[Held, Held]) -> None:
    left, right = ends
    joined(left, right)
    counter = f"/proc/{left.pid}/net/dev"
    before = _sent(counter)
    times = speed.round_trips(left, right, "10.0.1.2", 100)
    assert len(times) == 100 and statistics.median(times) > 0
    assert _sent(counter) - before >= 150 * 64
    before = _sent(counter)
    assert speed.throughput(left, right, "10.0.1.2", 0.05) > 0
    assert _sent(counter) - before > 1 << 16


def _sent(path: str) -> int:
    """Return the bytes that left1 has sent. Source: proc_pid_net(5), /proc/PID/net/dev."""
    [line] = [one for one in Path(path).read_text().splitlines() if "left1:" in one]
    return int(line.partition(":")[2].split()[8])
