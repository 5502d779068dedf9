"""Networks without a bridge: containers on the wire of a link of the host's.

The wire is a cable from the town's host to another machine, which is the way out there. What its
kernel may lack, a dummy and a vlan, is told where it does, and tried where it does not.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest

from tests import looking
from tests.scene import Inside, Namespace, refuses, talk
from tests.town import Town

FOREVER = ("busybox", "sleep", "infinity")
TRUE = ("busybox", "true")
SUBNET = ("--subnet", "192.168.77.0/24", "--gateway", "192.168.77.1")


@pytest.fixture
def far(town: Town) -> Iterator[Namespace]:
    """A machine at the other end of the host's link `wire`."""
    made = Namespace()
    town.scene.host.run(f"ip link add wire type veth peer name eth0 netns {made.pid}")
    town.scene.host.run("ip link set wire up")
    made.run("ip address add 192.168.77.1/24 dev eth0")
    made.run("ip link set eth0 up")
    made.run("ip link set lo up")
    yield made
    town.clean_up()
    town.ok("network", "prune", "--force")
    town.scene.host.run("ip link del wire")
    made.close()


def lan(town: Town, *options: str, name: str = "lan") -> None:
    """Make a network on the wire."""
    wish = ("--driver", "macvlan", "-o", "parent=wire", *SUBNET)
    town.ok("network", "create", *wish, *options, name)


def reaches(town: Town, container: str, to: str) -> bool:
    return not town.fails_inside(container, f"ping -c 1 -W 1 {to}")


def asked(container: Inside, name: str, kind: int = socket.SOCK_DGRAM) -> str:
    """Return the address that the name server inside has for a name; empty if it has none."""
    question = dns.message.make_query(name, "A").to_wire()
    over_tcp = kind == socket.SOCK_STREAM
    with container.socket(kind) as asking:
        asking.connect(("127.0.0.11", 53))
        asking.sendall((len(question).to_bytes(2, "big") if over_tcp else b"") + question)
        told = dns.message.from_wire(asking.recv(512)[2 if over_tcp else 0 :])
    return str(told.answer[0][0]) if told.answer else ""


def links_on(where: Inside, kind: str) -> list[str]:
    """Return the links of a kind that a namespace has."""
    return [one["ifname"] for one in where.ip(f"link show type {kind}") if one]


def makes(where: Inside, link: str) -> bool:
    """Whether the kernel makes such a link: `ip` tries it."""
    done = where.run(f"sh -c 'ip link add {link} && ip link del trial || echo no'")
    return "no" not in done


VLAN = "link wire name trial type vlan id 7"


# --- on the wire ----------------------------------------------------------------------------------


def test_a_container_is_one_more_machine_on_the_wire(town: Town, far: Namespace) -> None:
    lan(town)
    container = town.start("--network", "lan", *FOREVER)
    inside = Inside(town.pid(container))
    link = inside.link("eth0")
    assert link["linkinfo"]["info_kind"] == "macvlan"
    assert link["linkinfo"]["info_data"]["mode"] == "bridge"
    assert link["address"] == "02:42:c0:a8:4d:02"
    (address,) = inside.ip("-4 address show eth0")[0]["addr_info"]
    assert (address["local"], address["prefixlen"]) == ("192.168.77.2", 24)
    (way_out,) = inside.ip("route show default")
    assert way_out["gateway"] == "192.168.77.1"
    # Its address is its own, both ways: nothing is translated, nothing has to be published.
    assert talk(inside, ("", 80), far, ("192.168.77.2", 80)) == "192.168.77.1"
    assert talk(far, ("", 80), inside, ("192.168.77.1", 80)) == "192.168.77.2"
    (neighbour,) = far.ip("neighbour show 192.168.77.2")
    assert neighbour["lladdr"] == "02:42:c0:a8:4d:02"
    assert not [one for one in town.scene.host.links() if container[:7] in one]
    assert not [one for one in town.scene.tables() if "kernelbox_net" in one]


def test_the_host_does_not_reach_it_by_that_link(town: Town, far: Namespace) -> None:
    lan(town)
    inside = Inside(town.pid(town.start("--network", "lan", *FOREVER)))
    town.scene.host.run("ip address add 192.168.77.200/24 dev wire")
    with inside.listener(("", 80)):
        assert refuses(town.scene.host, ("192.168.77.2", 80))
        with far.socket() as caller:
            caller.connect(("192.168.77.2", 80))


@pytest.mark.parametrize(("mode", "each_other"), [("private", False), ("vepa", False)])
def test_what_they_hear_of_each_other_is_the_mode(
    town: Town, far: Namespace, mode: str, each_other: bool
) -> None:
    """In bridge they do, see below; in vepa a switch would have to send back where it came from."""
    lan(town, "-o", f"macvlan_mode={mode}")
    one, other = (town.start("--network", "lan", *FOREVER) for _ in range(2))
    assert Inside(town.pid(one)).link("eth0")["linkinfo"]["info_data"]["mode"] == mode
    assert reaches(town, one, town.address(other)) is each_other
    assert reaches(town, one, "192.168.77.1") and reaches(town, other, "192.168.77.1")
    # Names are no matter of the wire.
    assert asked(Inside(town.pid(one)), other) == town.address(other)


def test_in_passthru_one_has_the_parent_for_himself(town: Town, far: Namespace) -> None:
    lan(town, "-o", "macvlan_mode=passthru")
    mac = town.scene.host.link("wire")["address"]
    container = town.start("--network", "lan", "--name", "alone", *FOREVER)
    assert Inside(town.pid(container)).link("eth0")["address"] == mac
    assert town.network("lan")["Containers"][container]["MacAddress"] == mac
    assert reaches(town, container, "192.168.77.1")
    said = town.refused("run", "--network", "lan", *TRUE)
    assert "wire takes nobody more: somebody has it for himself (passthru)" in said
    assert town.ok("ps", "-aq").split() == [container]
    town.ok("restart", "-t", "0", "alone")  # its next life does not find it taken
    assert reaches(town, container, "192.168.77.1")
    wish = ("--driver", "macvlan", "-o", "parent=wire", "second")
    assert "is that of network lan, and in mode passthru" in town.refused(
        "network", "create", *wish
    )
    town.ok("rm", "-f", "alone")
    wish = ("--network", "lan", "--mac-address", "02:00:00:00:00:07")
    assert "Leave out --mac-address" in town.refused("run", *wish, *TRUE)


def test_several_networks_share_a_parent(town: Town, far: Namespace) -> None:
    lan(town)
    other = ("--driver", "macvlan", "-o", "parent=wire", "--subnet", "192.168.78.0/24")
    town.ok("network", "create", *other, "--ipv6", "--subnet", "fd00:78::/64", "second")
    town.start("--network", "lan", *FOREVER)
    container = town.start("--network", "second", *FOREVER)
    inside = Inside(town.pid(container))
    told = {one["local"] for one in inside.ip("address show eth0")[0]["addr_info"]}
    assert {"192.168.78.2", "fd00:78::2"} <= told
    assert inside.ip("-6 route show default")[0]["gateway"] == "fd00:78::1"


# --- names ----------------------------------------------------------------------------------------


def test_they_find_each_other_by_name_alias_and_id(town: Town, far: Namespace) -> None:
    lan(town)
    first = town.start("--network", "lan", "--name", "db", "--network-alias", "store", *FOREVER)
    second = town.start("--network", "lan", "--name", "app", *FOREVER)
    assert town.inside(second, "cat /etc/resolv.conf").splitlines()[0] == "nameserver 127.0.0.11"
    for name in ("db", "store", first, "db.lan"):
        assert reaches(town, second, name)
    assert "store" not in town.inside(second, "cat /etc/hosts")
    assert asked(Inside(town.pid(second)), "db", socket.SOCK_STREAM) == "192.168.77.2"
    town.ok("rename", "db", "base")
    inside = Inside(town.pid(second))
    assert asked(inside, "base") == "192.168.77.2" and asked(inside, "db") == ""
    town.ok("rm", "-f", "base")
    assert asked(inside, "base") == ""


def test_the_name_server_is_started_again_and_listens_in_all_of_them(
    town: Town, far: Namespace
) -> None:
    lan(town)
    one, other = (town.start("--network", "lan", *FOREVER) for _ in range(2))
    (server,) = town.name_servers()
    assert looking.status(server)["Uid"].split() == ["65534"] * 4
    os.kill(server, signal.SIGKILL)
    looking.soon(lambda: not town.name_servers(), 10.0)
    third = town.start("--network", "lan", *FOREVER)
    for asking in (one, other, third):
        assert asked(Inside(town.pid(asking)), other) == town.address(other)


def test_who_is_on_several_networks_knows_the_names_of_all(town: Town, far: Namespace) -> None:
    lan(town)
    lan_too = ("--driver", "macvlan", "-o", "parent=wire", "--subnet", "192.168.78.0/24")
    town.ok("network", "create", *lan_too, "second")
    town.ok("network", "create", "web")
    names = {"lan": "one", "second": "two", "web": "three"}
    for network, name in names.items():
        town.start("--network", network, "--name", name, *FOREVER)
    container = town.start("--network", "lan", *FOREVER)
    inside = Inside(town.pid(container))
    for network in ("second", "web"):
        town.ok("network", "connect", network, container)
    assert inside.links() == {"lo", "eth0", "eth1", "eth2"}
    for name in names.values():
        assert reaches(town, container, name)
    town.ok("network", "disconnect", "lan", container)
    assert inside.links() == {"lo", "eth1", "eth2"}
    assert [one["gateway"] for one in inside.ip("route show default")] == ["192.168.78.1"]
    for name in ("two", "three"):
        assert reaches(town, container, name)
    assert asked(inside, "one") == ""
    town.ok("network", "disconnect", "second", container)
    assert reaches(town, container, "three"), "now the bridge has the name server"


# --- its life -------------------------------------------------------------------------------------


def test_a_container_that_lives_again_has_its_address_at_once(town: Town, far: Namespace) -> None:
    lan(town)
    container = town.start("--network", "lan", "--name", "again", *FOREVER)
    for _ in range(3):
        town.ok("restart", "-t", "0", "again")
        assert town.address(container) == "192.168.77.2"
        assert reaches(town, container, "192.168.77.1")


def test_who_shares_its_network_does_not_keep_its_link(town: Town, far: Namespace) -> None:
    lan(town)
    owner = town.start("--network", "lan", *FOREVER)
    guest = town.start("--network", f"container:{owner}", *FOREVER)
    assert reaches(town, guest, "192.168.77.1")
    town.ok("rm", "-f", owner)
    assert Inside(town.pid(guest)).links() == {"lo"}
    following = town.start("--network", "lan", "--ip", "192.168.77.2", *FOREVER)
    assert reaches(town, following, "192.168.77.1")


def test_a_monitor_that_is_killed_leaves_nothing_on_the_wire(town: Town, far: Namespace) -> None:
    lan(town)
    container = town.start("--network", "lan", *FOREVER)
    os.kill(int(looking.status(town.pid(container))["PPid"]), signal.SIGKILL)
    town.ok("ps")
    assert town.network("lan")["Containers"] == {}
    following = town.start("--network", "lan", "--ip", "192.168.77.2", *FOREVER)
    assert reaches(town, following, "192.168.77.1")


def test_it_is_listed_told_of_and_removed_and_its_parent_is_left_as_it_was(
    town: Town, far: Namespace
) -> None:
    before = town.scene.host.link("wire")
    lan(town)
    row = next(line for line in town.ok("network", "ls").splitlines() if line.startswith("lan "))
    assert row.split() == ["lan", "macvlan", "192.168.77.0/24", "192.168.77.1", "0"]
    said = town.network("lan")
    assert (said["Driver"], said["Internal"]) == ("macvlan", False)
    assert said["Options"]["parent"] == "wire" and said["Options"]["macvlan_mode"] == "bridge"
    container = town.start("--network", "lan", *FOREVER)
    assert "network lan is in use by" in town("network", "rm", "lan").stderr
    town.ok("rm", "-f", container)
    assert town.ok("network", "prune", "--force") == "lan\n"
    now = town.scene.host.link("wire")
    assert now["flags"] == before["flags"] and now["address"] == before["address"]


def test_an_address_that_another_machine_has_is_not_given(town: Town, far: Namespace) -> None:
    lan(town)
    far.run("ip address add 192.168.77.9/24 dev eth0")
    line = town.refused("run", "--network", "lan", "--ip", "192.168.77.9", *TRUE)
    assert f"is in use by {far.link('eth0')['address']}, of whom no lease knows" in line


# --- what it has not ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("-p", "8080:80"), "nothing is published on network lan, a macvlan"),
        (("-P",), "nothing is published on network lan, a macvlan"),
        (("--network-rate", "1mbit"), "is a macvlan: there is no cable to be slow"),
    ],
)
def test_what_needs_a_bridge_is_refused(
    town: Town, far: Namespace, words: tuple[str, ...], line: str
) -> None:
    lan(town)
    assert line in town.refused("run", "--network", "lan", *words, *TRUE)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("parent=nowhere",), "this host has no link 'nowhere'"),
        (("parent=nowhere.7",), "this host has no link 'nowhere.7'"),
        (("parent=wire.4095",), "this host has no link 'wire.4095'"),
        (("parent=lo",), "lo can be nobody's parent: it leads to this host alone"),
        (("parent=sleeper",), "the parent sleeper of network n is down"),
        (("parent=plugged",), "plugged can be nobody's parent: it is plugged into switch0"),
        (("parent=radio0",), "radio0 can be nobody's parent: it is wireless"),
        (("parent=wire", "macvlan_mode=source"), "a macvlan has no mode 'source'"),
        (("parent=wire", "icc=false"), "of driver macvlan has no option 'icc=false'"),
        (("parent=",), "of driver macvlan has no option 'parent='"),
        (("parent=wire", "mtu=9000"), "no packet of 9000 bytes fits on wire, whose MTU is 1500"),
    ],
)
def test_what_can_be_nobody_s_parent_is_one_clear_line(
    town: Town, far: Namespace, options: tuple[str, ...], line: str
) -> None:
    host = town.scene.host
    host.run("ip link add sleeper type veth peer name awake")
    host.run("ip link add switch0 type bridge")
    host.run("ip link add plugged master switch0 type veth peer name loose")
    host.run("ip link add radio0 up type veth peer name tower")
    # No radio is on board: the directory by which the kernel says so is put where it would be.
    radio = town.root.parent / "radios" / "radio0" / "phy80211"
    radio.mkdir(parents=True, exist_ok=True)
    enter = f"nsenter -t {town.holder.pid} -m"
    host.run(f"{enter} mount --bind {radio.parent.parent} /sys/class/net")
    try:
        words = [word for one in options for word in ("-o", one)]
        assert line in town.refused("network", "create", "--driver", "macvlan", *words, "n")
        assert not list((town.root / "networks").glob("*/config.json"))
    finally:
        host.run(f"{enter} umount /sys/class/net")
        for name in ("sleeper", "plugged", "switch0", "radio0"):
            host.run(f"ip link del {name}")


def test_a_parent_that_went_is_named_and_one_that_came_again_serves(
    town: Town, far: Namespace
) -> None:
    lan(town)
    container = town.start("--network", "lan", "--name", "app", *FOREVER)
    town.scene.host.run("ip link del wire")  # as after a reboot
    town.ok("stop", "-t", "0", "app")
    line = town("start", "app").stderr
    assert "this host has no link 'wire' that network lan could stand on" in line
    assert line.count("\n") == 1
    town.scene.host.run(f"ip link add wire up type veth peer name eth0 netns {far.pid}")
    far.run("ip address add 192.168.77.1/24 dev eth0")
    far.run("ip link set eth0 up")
    town.ok("start", "app")
    assert reaches(town, container, "192.168.77.1")


def test_overlapping_subnets_are_those_of_networks_and_not_the_hosts(
    town: Town, far: Namespace
) -> None:
    town.scene.host.run("ip address add 192.168.77.200/24 dev wire")  # as it usually is
    lan(town)
    wish = ("--driver", "macvlan", "-o", "parent=wire", "--subnet", "192.168.77.0/25", "half")
    line = town.refused("network", "create", *wish)
    assert "overlaps 192.168.77.0/24, and it is network lan" in line


# --- what a kernel may lack -----------------------------------------------------------------------


def test_without_a_parent_it_stands_on_a_dummy_and_is_internal(town: Town) -> None:
    if not makes(town.scene.host, "trial type dummy"):
        line = town.refused("network", "create", "--driver", "macvlan", "cellar")
        assert "this kernel has no dummy, which a network without a parent needs" in line
        assert "modprobe dummy" in line
        assert "cellar" not in town.ok("network", "ls", "-q").split()
        return
    town.ok("network", "create", "--driver", "macvlan", "cellar")
    said = town.network("cellar")
    assert said["Internal"] is True
    parent = said["Options"]["parent"]
    assert links_on(town.scene.host, "dummy") == [parent]
    one, other = (town.start("--network", "cellar", *FOREVER) for _ in range(2))
    assert reaches(town, one, other)
    assert Inside(town.pid(one)).ip("route show default") == []
    assert asked(Inside(town.pid(one)), "example.org") == ""
    town.ok("rm", "-f", one, other)
    town.scene.host.run(f"ip link del {parent}")  # as a reboot does
    third, fourth = (town.start("--network", "cellar", *FOREVER) for _ in range(2))
    assert reaches(town, third, fourth)
    town.ok("rm", "-f", third, fourth)
    town.ok("network", "rm", "cellar")
    assert links_on(town.scene.host, "dummy") == []


def test_a_parent_with_a_number_is_a_vlan_of_its_own(town: Town, far: Namespace) -> None:
    wish = ("--driver", "macvlan", "-o", "parent=wire.50", *SUBNET, "marked")
    if not makes(town.scene.host, VLAN):
        line = town.refused("network", "create", *wish)
        assert "this kernel has no 8021q, which the parent wire.50 needs" in line
        assert town.scene.host.links() & {"wire.50"} == set()
        return
    far.run("ip address flush dev eth0")  # or it would answer there, without the number
    far.run("ip link add link eth0 name eth0.50 type vlan id 50")
    far.run("ip address add 192.168.77.7/24 dev eth0.50")
    far.run("ip link set eth0.50 up")
    town.ok("network", "create", *wish)
    assert town.scene.host.link("wire.50")["linkinfo"]["info_data"]["id"] == 50
    container = town.start("--network", "marked", *FOREVER)
    assert reaches(town, container, "192.168.77.7")
    town.ok("rm", "-f", container)
    town.ok("network", "rm", "marked")
    assert "wire.50" not in town.scene.host.links()


def test_a_vlan_that_was_there_is_left_there(town: Town, far: Namespace) -> None:
    if not makes(town.scene.host, VLAN):
        assert "modprobe 8021q" in town.refused(
            "network", "create", "--driver", "macvlan", "-o", "parent=wire.60", "theirs"
        )
        return
    town.scene.host.run("ip link add link wire name wire.60 type vlan id 60")
    town.scene.host.run("ip link set wire.60 up")
    town.ok("network", "create", "--driver", "macvlan", "-o", "parent=wire.60", "theirs")
    town.ok("network", "rm", "theirs")
    assert "wire.60" in town.scene.host.links()
    town.scene.host.run("ip link del wire.60")


def test_reset_takes_all_of_it(tmp_path: Path) -> None:
    made = Town(tmp_path / "root")
    host = made.scene.host
    host.run("ip link add wire up type veth peer name end")
    host.run("ip link set end up")
    lan(made)
    made.start("--network", "lan", *FOREVER)
    made.close()  # which is a reset, and looks for what is left


def test_a_definition_says_what_it_was_made_with(town: Town, far: Namespace) -> None:
    lan(town, "-o", "macvlan_mode=private", "-o", "mtu=1400")
    definition = json.loads((town.root / "networks/lan/config.json").read_text())
    assert [definition[key] for key in ("driver", "parent", "mode", "mtu")] == [
        *("macvlan", "wire", "private"),
        1400,
    ]
    container = town.start("--network", "lan", *FOREVER)
    assert Inside(town.pid(container)).link("eth0")["mtu"] == 1400
