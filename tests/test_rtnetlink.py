"""The door's own netlink beside what `ip`, `nft`, pyroute2 and /proc tell of the same namespace."""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyroute2 import IPRoute

from kernelbox.kernel import flags as k
from kernelbox.kernel import nft
from kernelbox.kernel.errors import KernelError
from kernelbox.kernel.netlink import NetlinkSocket, Refusal, attribute, attributes, nested
from kernelbox.kernel.rtnetlink import RouteSocket
from tests.scene import Namespace

MAC = "02:00:00:00:00:01"
MANY = 300
LONGEST = "x" * 15  # bytes of a link's name

Act = Callable[[RouteSocket], object]


@pytest.fixture
def world() -> Iterator[Namespace]:
    made = Namespace()
    made.run("ip link set lo up")
    yield made
    made.close()


@pytest.fixture
def other() -> Iterator[Namespace]:
    made = Namespace()
    yield made
    made.close()


@pytest.fixture
def here(world: Namespace) -> Iterator[RouteSocket]:
    """A socket of the world, whose owner is somewhere else."""
    with world.entered():
        opened = RouteSocket()
    with opened:
        yield opened


def batch(world: Namespace, lines: list[str]) -> None:
    """Run many `ip` commands at once."""
    command = ["nsenter", "-t", str(world.pid), "-n", "ip", "-batch", "-"]
    subprocess.run(command, input="\n".join(lines), text=True, check=True)


# --- changes ------------------------------------------------------------------------------------


def test_a_bridge_is_made_sized_and_set_up(world: Namespace, here: RouteSocket) -> None:
    here.add_bridge("br9", MAC)
    link = world.link("br9")
    assert (link["linkinfo"]["info_kind"], link["address"]) == ("bridge", MAC)
    assert "UP" not in link["flags"]
    here.set_mtu("br9", 1280)
    here.set_up("br9")
    link = world.link("br9")
    assert link["mtu"] == 1280 and "UP" in link["flags"]
    here.delete_link("br9")
    assert world.links() == {"lo"}


def test_a_cable_has_its_other_end_in_the_other_namespace_with_mac_and_mtu(
    world: Namespace, other: Namespace, here: RouteSocket
) -> None:
    fd = os.open(f"/proc/{other.pid}/ns/net", os.O_RDONLY)
    here.add_veth("cable", "eth0", netns_fd=fd, peer_mac="02:00:00:00:00:02", mtu=1400)
    os.close(fd)
    near, far = world.link("cable"), other.link("eth0")
    assert near["linkinfo"]["info_kind"] == far["linkinfo"]["info_kind"] == "veth"
    assert (near["link_index"], far["link_index"]) == (far["ifindex"], near["ifindex"])
    assert (near["mtu"], far["mtu"], far["address"]) == (1400, 1400, "02:00:00:00:00:02")


def test_a_port_is_plugged_into_a_bridge_and_may_be_a_hairpin(
    world: Namespace, here: RouteSocket
) -> None:
    batch(world, ["link add br9 type bridge", "link add port type veth peer name end"])
    here.set_master("port", "br9")
    port = world.link("port")
    assert (port["master"], port["linkinfo"]["info_slave_data"]["hairpin"]) == ("br9", False)
    here.set_hairpin("port")
    assert world.link("port")["linkinfo"]["info_slave_data"]["hairpin"] is True
    assert "hairpin" in world.run("bridge -d link show dev port").split("hairpin off")[0]


def test_an_address_and_a_default_route_are_given(world: Namespace, here: RouteSocket) -> None:
    world.run("ip link add br9 up type bridge")
    here.add_address("br9", "192.0.2.130", 26)
    (address,) = world.ip("-4 address show br9")[0]["addr_info"]
    told = {key: address.get(key) for key in ("local", "prefixlen", "broadcast", "scope")}
    assert told == {
        "local": "192.0.2.130",
        "prefixlen": 26,
        "broadcast": "192.0.2.191",
        "scope": "global",
    }
    here.add_default_route("192.0.2.129", "br9")
    (route,) = [one for one in world.ip("-4 route show") if one["dst"] == "default"]
    assert (route["gateway"], route["dev"], route["protocol"]) == ("192.0.2.129", "br9", "static")


def test_a_socket_acts_and_looks_names_up_where_it_was_opened(
    world: Namespace, other: Namespace, here: RouteSocket
) -> None:
    batch(other, [f"link add br{number} type bridge" for number in range(9)])
    batch(world, ["link add br8 type bridge"])
    with other.entered():  # where br8 is another link with another number
        here.set_up("br8")
    assert "UP" in world.link("br8")["flags"]
    assert not any("UP" in link["flags"] for link in other.ip("link show"))


@pytest.mark.parametrize("name", [LONGEST, "eth0.5", "größe", 'a"b\\c', "-", "lo0", "100"])
def test_whatever_may_be_a_name_is_one(world: Namespace, here: RouteSocket, name: str) -> None:
    here.add_bridge(name, MAC)
    here.set_up(name)
    assert "UP" in world.link(name)["flags"]
    (link,) = [one for one in here.links() if one.name == name]
    assert (link.ifindex, link.up) == (world.link(name)["ifindex"], True)
    here.delete_link(name)
    assert world.links() == {"lo"}


def test_a_name_that_is_no_text_does_not_hide_the_others(
    world: Namespace, here: RouteSocket
) -> None:
    words = [
        "nsenter",
        "-t",
        str(world.pid),
        "-n",
        "ip",
        "link",
        "add",
        b"a\xffb",
        "type",
        "bridge",
    ]
    subprocess.run(words, check=True)
    assert [link.name for link in here.links()] == ["lo", "a\ufffdb"]


# --- refusals -----------------------------------------------------------------------------------


def essence(world: Namespace) -> Any:
    """Return what changes by request only."""
    links = [(link["ifname"], "UP" in link["flags"], link["mtu"]) for link in world.ip("link")]
    addresses = [one["local"] for link in world.ip("-4 address") for one in link["addr_info"]]
    return links, addresses, world.ip("-4 route show table main")


@pytest.mark.parametrize(
    ("number", "hint", "act"),
    [
        (errno.EEXIST, "see `ip link`", lambda s: s.add_bridge("br9", MAC)),
        (errno.EEXIST, "has this address already", lambda s: s.add_address("br9", "192.0.2.1", 24)),
        (errno.EEXIST, "a default route", lambda s: s.add_default_route("192.0.2.3", "br9")),
        (errno.ENETUNREACH, "on no network", lambda s: s.add_default_route("203.0.113.1", "br9")),
        (errno.ENODEV, "no such link", lambda s: s.set_up("none")),
        (errno.ENODEV, "no such link", lambda s: s.set_mtu("none", 1400)),
        (errno.ENODEV, "no such link", lambda s: s.set_master("none", "br9")),
        (errno.ENODEV, "no such link", lambda s: s.set_master("br9", "none")),
        (errno.ENODEV, "no such link", lambda s: s.delete_link("none")),
        (errno.ENODEV, "", lambda s: s.set_hairpin("none")),
        (errno.ENODEV, "", lambda s: s.add_address("none", "192.0.2.1", 24)),
        (errno.ENODEV, "", lambda s: s.add_default_route("192.0.2.2", "none")),
        (errno.ERANGE, "at most 15 bytes", lambda s: s.add_bridge(LONGEST + "x", MAC)),
        (errno.ERANGE, "at most 15 bytes", lambda s: s.set_up(LONGEST + "x")),
        (errno.EINVAL, "", lambda s: s.add_bridge("a/b", MAC)),
        (errno.EINVAL, "", lambda s: s.add_bridge("a b", MAC)),
        (errno.EINVAL, "The kernel says: ", lambda s: s.set_mtu("br9", 1)),
    ],
)
def test_a_refusal_has_its_errno_and_changes_nothing(
    world: Namespace, here: RouteSocket, number: int, hint: str, act: Act
) -> None:
    batch(
        world,
        [
            "link add br9 up type bridge",
            "address add 192.0.2.1/24 dev br9",
            "route add default via 192.0.2.2 dev br9",
        ],
    )
    before = essence(world)
    with pytest.raises(KernelError) as refusal:
        act(here)
    assert refusal.value.errno == number
    assert refusal.value.request.startswith("RTM_")
    assert hint in refusal.value.hint
    assert essence(world) == before
    here.set_mtu("br9", 1300)  # the socket is as good as before
    assert world.link("br9")["mtu"] == 1300


def test_without_privilege_one_may_look_and_not_touch(world: Namespace) -> None:
    program = """
import os
from kernelbox.kernel.errors import KernelError
from kernelbox.kernel.rtnetlink import RouteSocket
with RouteSocket() as here:
    for act in (
        lambda: here.add_bridge("br9", "02:00:00:00:00:01"),
        lambda: here.set_up("lo"),
        lambda: here.delete_link("lo"),
        lambda: here.add_address("lo", "192.0.2.1", 24),
        lambda: here.add_default_route("192.0.2.1", "lo"),
    ):
        try:
            act()
        except KernelError as refusal:
            print(os.strerror(refusal.errno), "|", refusal.hint)
    print([link.name for link in here.links()])
"""
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", program]
    words = ["nsenter", "-t", str(world.pid), "-n", *bare]
    done = subprocess.run(words, capture_output=True, text=True)
    refused = "Operation not permitted | This needs privilege: run as root (sudo)\n"
    assert (done.stdout, done.stderr) == (5 * refused + "['lo']\n", "")
    assert world.links() == {"lo"}


def test_a_question_that_the_kernel_does_not_know_is_refused(world: Namespace) -> None:
    with world.entered(), NetlinkSocket() as kernel:
        with pytest.raises(Refusal) as refusal:
            kernel.all(0x3FC, bytes(16))
        assert refusal.value.errno == errno.EOPNOTSUPP
        assert kernel.one(k.RTM_GETLINK, bytes(4) + struct.pack("=i", 1) + bytes(8))


# --- looking ------------------------------------------------------------------------------------


def shown(world: Namespace) -> list[tuple[int, str, str, int]]:
    return [(one["ifindex"], one["ifname"], one["address"], one["mtu"]) for one in world.ip("link")]


def listed(here: RouteSocket) -> list[tuple[int, str, str, int]]:
    return [(one.ifindex, one.name, one.mac, one.mtu) for one in here.links()]


def test_a_list_of_many_datagrams_is_complete(world: Namespace, here: RouteSocket) -> None:
    batch(world, [f"link add br{number} type bridge" for number in range(MANY)])
    addresses = [f"10.{number // 250}.{number % 250}.1" for number in range(MANY)]
    batch(world, ["link set br7 up", *(f"address add {one}/24 dev br7" for one in addresses)])
    assert listed(here) == sorted(shown(world))
    assert {one.address for one in here.addresses()} == {*addresses, "127.0.0.1"}
    with world.entered(), IPRoute() as outside:
        routes = outside.get_routes(family=socket.AF_INET)
        links = {link["index"]: link.get("ifname") for link in outside.get_links()}
    assert links == {link.ifindex: link.name for link in here.links()}
    assert [(one.destination, one.prefix, one.gateway, one.ifindex) for one in here.routes()] == [
        (m.get("dst") or "0.0.0.0", m["dst_len"], m.get("gateway") or "", m.get("oif"))
        for m in routes
    ]
    assert len(routes) > MANY


def test_what_stays_is_on_every_list_while_other_things_come_and_go(
    world: Namespace, here: RouteSocket
) -> None:
    batch(world, [f"link add stays{number} type bridge" for number in range(MANY)])
    staying = {"lo", *(f"stays{number}" for number in range(MANY))}
    churn = "while :; do for n in 1 2 3 4; do echo link add goes$n type bridge; done; "
    churn += "for n in 1 2 3 4; do echo link del goes$n; done; done | ip -batch -"
    words = ["nsenter", "-t", str(world.pid), "-n", "sh", "-c", churn]
    with subprocess.Popen(words, start_new_session=True, stderr=subprocess.DEVNULL) as changing:
        try:
            lists = [{link.name for link in here.links()} for _ in range(100)]
        finally:
            os.killpg(changing.pid, 9)
    assert all(staying <= one for one in lists)
    assert len({frozenset(one) for one in lists}) > 1  # something did come and go


def test_a_message_of_many_kilobytes_is_read_to_its_end(
    world: Namespace, here: RouteSocket
) -> None:
    names = [f"{number:0127}" for number in range(450)]
    world.run("ip link add br9 type bridge")
    batch(world, [f"link property add altname {name} dev br9" for name in names])
    here.set_up("br9")
    assert [link.name for link in here.links()] == ["lo", "br9"]
    header = bytes(16) + attribute(k.IFLA_IFNAME, "br9")
    message = here.one(k.RTM_GETLINK, header)
    assert len(message) > 1 << 15
    assert json.loads(world.run("ip -json link show br9"))[0]["altnames"] == names
    properties = attributes(message, 16)[52]  # IFLA_PROP_LIST
    assert properties.count(b"0000") >= len(names) and properties.endswith(b"449\0")


def test_links_tell_their_state_their_cable_and_their_bridge(
    world: Namespace, other: Namespace, here: RouteSocket
) -> None:
    batch(
        world,
        [
            f"link add near type veth peer name eth0 netns {other.pid}",
            "link add both type veth peer name ends",
            "link add br9 type bridge",
            "link set near master br9 up",
            "link set both up",
        ],
    )
    other.run("ip link set eth0 up")
    found = {link.name: link for link in here.links()}
    assert {name: link.state for name, link in found.items()} == {
        "lo": "up",
        "near": "up",
        "both": "no-carrier",
        "ends": "down",
        "br9": "down",
    }
    assert {name: link.kind for name, link in found.items()} == {
        "lo": "loopback",
        "near": "veth",
        "both": "veth",
        "ends": "veth",
        "br9": "bridge",
    }
    assert found["near"].master == found["br9"].ifindex and found["both"].master == 0
    assert found["near"].peer == other.link("eth0")["ifindex"]
    assert (found["both"].peer, found["both"].peer_nsid) == (found["ends"].ifindex, -1)
    assert found["near"].peer_nsid == here.nsid(pid=other.pid) == world.link("near")["link_netnsid"]
    assert here.nsid(pid=world.pid) == -1


def test_routes_of_other_tables_and_with_several_next_hops_are_told(
    world: Namespace, here: RouteSocket
) -> None:
    batch(
        world,
        [
            "link add br9 up type bridge",
            "address add 192.0.2.1/24 dev br9",
            "route add 10.1.0.0/16 nexthop via 192.0.2.2 dev br9 nexthop via 192.0.2.3 dev br9",
            "route add 10.2.0.0/16 via 192.0.2.2 metric 7 src 192.0.2.1",
            "route add 10.3.0.0/16 via 192.0.2.2 table 100",
            "route add blackhole 10.4.0.0/16",
        ],
    )
    link = world.link("br9")["ifindex"]
    by_table = {table: here.routes(table) for table in (0, k.RT_TABLE_MAIN, 100, 99)}
    told = {
        table: {(one.destination, one.gateway, one.ifindex) for one in routes}
        for table, routes in by_table.items()
    }
    assert told[k.RT_TABLE_MAIN] == {
        ("192.0.2.0", "", link),
        ("10.1.0.0", "192.0.2.2", link),
        ("10.1.0.0", "192.0.2.3", link),
        ("10.2.0.0", "192.0.2.2", link),
        ("10.4.0.0", "", 0),
    }
    assert told[100] == {("10.3.0.0", "192.0.2.2", link)}
    assert told[99] == set()
    assert told[0] > told[k.RT_TABLE_MAIN] | told[100] | {("127.0.0.1", "", 1)}
    (preferred,) = [one for one in by_table[k.RT_TABLE_MAIN] if one.destination == "10.2.0.0"]
    assert (preferred.metric, preferred.source) == (7, "192.0.2.1")


def test_addresses_of_both_families_are_told_when_asked_for(
    world: Namespace, here: RouteSocket
) -> None:
    world.run("ip address add 2001:db8::1/64 dev lo")
    assert [one.address for one in here.addresses()] == ["127.0.0.1"]
    both = {(one.family, one.address, one.prefix) for one in here.addresses(socket.AF_UNSPEC)}
    assert both == {
        (socket.AF_INET, "127.0.0.1", 8),
        (socket.AF_INET6, "::1", 128),
        (socket.AF_INET6, "2001:db8::1", 64),
    }


def test_a_link_without_anybody_at_its_other_end_is_not_waited_for_forever(
    world: Namespace, here: RouteSocket
) -> None:
    batch(world, ["link add one type veth peer name two", "link set one up"])
    assert not here.wait_until_running("one", 0.01)
    assert not here.wait_until_running("none")
    world.run("ip link set two up")
    assert here.wait_until_running("one")


# --- the conversation ---------------------------------------------------------------------------


def test_only_the_kernel_is_heard_and_only_about_the_last_question(world: Namespace) -> None:
    with world.entered(), RouteSocket() as here, socket.socket(socket.AF_NETLINK, 3, 0) as liar:
        here.set_up("lo")
        with open("/proc/net/netlink") as file:
            lines = [line.split() for line in file.readlines()[1:]]
        (address,) = {int(line[2]) for line in lines if line[1:3] == ["0", str(os.getpid())]}
        refusal = struct.pack("=i", -errno.EPERM)
        for sequence in range(8):
            message = struct.pack("=IHHII", 20, 2, 0, sequence, address) + refusal  # NLMSG_ERROR
            liar.sendto(message, (address, 0))
        here.set_mtu("lo", 9000)
        assert [link.mtu for link in here.links()] == [9000]


def test_a_socket_is_not_inherited_and_is_closed_when_left(world: Namespace) -> None:
    def mine() -> list[str]:
        targets = []
        for fd in os.listdir("/proc/self/fd"):
            try:
                targets.append(os.readlink(f"/proc/self/fd/{fd}"))
            except FileNotFoundError:  # the one that listed them
                continue
        return sorted(one for one in targets if one.startswith("socket:"))

    before = mine()
    with world.entered(), RouteSocket() as here:
        assert len(mine()) == len(before) + 1
        assert not os.get_inheritable(here._socket.fileno())
    assert mine() == before


def test_attributes_are_padded_nested_and_taken_apart_again() -> None:
    inner = attribute(1, "abc"), attribute(2, 0x01020304), attribute(3, b"")
    data = bytes(8) + nested(18, *inner) + attribute(7, b"\1\2\3\4\5")
    assert len(data) % 4 == 0
    outer = attributes(data, 8)
    assert outer[7] == b"\1\2\3\4\5"
    assert attributes(outer[18]) == {
        1: b"abc\0",
        2: (0x01020304).to_bytes(4, sys.byteorder),
        3: b"",
    }


# --- packet filter rules ------------------------------------------------------------------------


def test_the_generation_is_another_after_each_change_of_a_rule(
    world: Namespace, other: Namespace
) -> None:
    def now(where: Namespace = world) -> str:
        with where.entered():
            return nft.generation()

    seen = [now(), now(other)]
    assert now() == seen[0]
    for command in (
        "add table ip t",
        "add chain ip t c",
        "add rule ip t c accept",
        "flush ruleset",
    ):
        world.run(f"nft {command}")
        seen.append(now())
        assert now() == seen[-1]
    assert now(other) == seen[1]
    assert len(set(seen)) == len(seen)


def test_the_tables_are_those_that_nft_lists(world: Namespace) -> None:
    for table in ("ip one", "inet two", "ip6 one", "arp three", "bridge four", "netdev five"):
        world.run(f"nft add table {table}")
    with world.entered():
        told: list[Any] = [f"table {family} {name}" for family, name in nft.tables()]
    assert sorted(told) == sorted(world.run("nft list tables").splitlines())
