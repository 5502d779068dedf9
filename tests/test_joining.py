"""Containers on several networks, and what they are told of them: connect, hosts, resolv.conf."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from tests import looking
from tests.scene import Inside, refuses, talk
from tests.town import Town

FOREVER = ("busybox", "sleep", "infinity")
TRUE = ("busybox", "true")


def routes(container: Inside) -> set[tuple[str, str | None, str]]:
    return {(one["dst"], one.get("gateway"), one["dev"]) for one in container.ip("-4 route show")}


def way_out(container: Inside) -> list[str]:
    return [gateway or "" for to, gateway, _ in routes(container) if to == "default"]


def hosts(town: Town, container: str, name: str) -> list[str]:
    lines = town.inside(container, "cat /etc/hosts").splitlines()
    return [line.split()[0] for line in lines if name in line.split()[1:]]


# --- several networks -----------------------------------------------------------------------------


def test_a_container_joins_a_network_and_leaves_it(town: Town) -> None:
    for name in ("web", "back"):
        town.ok("network", "create", name)
    container = town.start("--network", "web", "--name", "app", *FOREVER)
    other = town.start("--network", "back", "--name", "db", *FOREVER)
    inside = Inside(town.pid(container))
    assert town.ok("network", "connect", "--alias", "front", "back", "app") == ""
    assert inside.links() == {"lo", "eth0", "eth1"}
    assert way_out(inside) == ["10.170.0.1"]
    # Each finds the other by name, and the newcomer by its alias, too.
    assert town.inside(container, "ping -c 1 -W 1 db")
    for name in ("app", "front", container):
        assert town.inside(other, f"ping -c 1 -W 1 {name}")
    assert hosts(town, container, container) == ["10.170.0.2", "10.170.1.3"]
    settings = town.inspect("app")["NetworkSettings"]["Networks"]
    assert {name: one["IPAddress"] for name, one in settings.items()} == {
        "web": "10.170.0.2",
        "back": "10.170.1.3",
    }
    before = inside.ip("address show eth0")
    assert town.ok("network", "disconnect", "back", "app") == ""
    assert inside.links() == {"lo", "eth0"} and inside.ip("address show eth0") == before
    assert f"veth{container[:7]}-1" not in town.scene.host.links()
    assert town.fails_inside(other, "ping -c 1 -W 1 front")
    assert hosts(town, container, container) == ["10.170.0.2"]
    town.ok("network", "connect", "back", "app")
    assert way_out(inside) == ["10.170.0.1"]


def test_the_way_out_is_the_first_networks_and_passes_to_the_next(town: Town) -> None:
    town.ok("network", "create", "--internal", "cellar")
    for name in ("web", "back"):
        town.ok("network", "create", name)
    container = town.start("--network", "cellar", *FOREVER)
    inside = Inside(town.pid(container))
    gateways = {
        name: town.network(name)["IPAM"]["Config"][0]["Gateway"] for name in ("web", "back")
    }
    assert way_out(inside) == []
    town.ok("network", "connect", "web", container)
    assert way_out(inside) == [gateways["web"]]
    town.ok("network", "connect", "back", container)
    assert way_out(inside) == [gateways["web"]]
    town.inside(container, "ping -c 1 -W 1 198.51.100.2")
    town.ok("network", "disconnect", "web", container)
    assert way_out(inside) == [gateways["back"]]
    town.inside(container, "ping -c 1 -W 1 198.51.100.2")
    town.ok("network", "disconnect", "back", container)
    assert way_out(inside) == []


def test_a_container_of_the_default_bridge_finds_names_once_it_has_joined(town: Town) -> None:
    town.ok("network", "create", "web")
    town.start("--network", "web", "--name", "db", *FOREVER)
    container = town.start(*FOREVER)
    assert "198.51.100.2" in town.inside(container, "cat /etc/resolv.conf")
    town.ok("network", "connect", "--ip", "10.170.0.50", "web", container)
    assert "inet 10.170.0.50/24" in town.inside(container, "ip address show eth1")
    assert "nameserver 10.170.0.1" in town.inside(container, "cat /etc/resolv.conf")
    town.inside(container, "ping -c 1 -W 1 db")
    town.ok("network", "disconnect", "web", container)
    assert "nameserver 198.51.100.2" in town.inside(container, "cat /etc/resolv.conf")


def test_what_cannot_be_joined_or_left_is_one_clear_line(town: Town) -> None:
    town.ok("network", "create", "web")
    container = town.start("--network", "web", *FOREVER)
    alone = town.start("--network", "none", *FOREVER)
    connect = ("network", "connect")
    assert "is on network web already" in town.refused(*connect, "web", container)
    assert "no network 'moon'" in town.refused(*connect, "moon", container)
    assert "no such container" in town.refused(*connect, "web", "nobody")
    assert "has network none" in town.refused(*connect, "web", alone)
    assert "no aliases" in town.refused(*connect, "--alias", "a", "bridge", container)
    assert "cannot be an alias" in town.refused(*connect, "--alias", "a b", "bridge", container)
    line = town.refused("network", "disconnect", "bridge", container)
    assert f"container {container} is not on a network 'bridge'" in line
    town.ok("network", "create", "back")
    assert "in use by its gateway" in town.refused(
        *connect, "--ip", "10.170.1.1", "back", container
    )
    inside = Inside(town.pid(container))
    assert inside.links() == {"lo", "eth0"}
    assert town.network("back")["Containers"] == {}


@pytest.mark.parametrize("number", range(1, 9))
def test_a_join_that_was_killed_leaves_nothing_once_the_container_is_gone(
    town: Town, number: int
) -> None:
    town.ok("network", "create", "back")
    container = town.start(*FOREVER)
    wound = {"KERNELBOX_BREAK": f"runtime:{number}:SIGKILL"}
    town("network", "connect", "back", container, env=wound)
    town.ok("rm", "-f", container)
    assert town.network("back")["Containers"] == {}
    assert not [one for one in town.scene.host.links() if one.startswith("veth")]
    assert [one for one in os.listdir(town.root / "networks/back") if one[0].isdigit()] == []


@pytest.mark.parametrize("number", range(1, 9))
def test_a_join_that_fails_leaves_nothing_at_once(town: Town, number: int) -> None:
    town.ok("network", "create", "back")
    container = town.start(*FOREVER)
    wound = {"KERNELBOX_BREAK": f"runtime:{number}:ENOMEM"}
    line = town("network", "connect", "back", container, env=wound).stderr
    assert "ENOMEM" in line and line.count("\n") == 1
    assert Inside(town.pid(container)).links() == {"lo", "eth0"}
    assert town.network("back")["Containers"] == {}
    assert [one for one in os.listdir(town.root / "networks/back") if one[0].isdigit()] == []


def test_a_container_that_dies_on_two_networks_leaves_both(town: Town) -> None:
    town.ok("network", "create", "back")
    container = town.start(*FOREVER)
    town.ok("network", "connect", "back", container)
    monitor = int((town.root / "containers" / container / "lock").read_text().split()[0])
    os.kill(monitor, signal.SIGKILL)
    assert looking.soon(lambda: not looking.is_alive(monitor))
    town.ok("ps")
    for name in ("back", "bridge"):
        assert container not in town.network(name)["Containers"]


# --- hosts, name servers, MAC address -------------------------------------------------------------


def test_hosts_that_were_wished_are_in_the_file(town: Town) -> None:
    town.ok("network", "create", "web")
    add = ("--add-host", "files:192.0.2.7", "--add-host", "me:host-gateway", "--add-host", "v6:::1")
    one, two = town.start(*add, *FOREVER), town.start("--network", "web", *add, *FOREVER)
    gateway = town.network("bridge")["IPAM"]["Config"][0]["Gateway"]
    assert (hosts(town, one, "files"), hosts(town, one, "me")) == (["192.0.2.7"], [gateway])
    assert (hosts(town, two, "v6"), hosts(town, two, "me")) == (["::1"], ["10.170.0.1"])
    for wrong in ("files", "files:", ":192.0.2.7", "a b:192.0.2.7", "files:192.0.2"):
        line = town.refused("run", "--rm", "--add-host", wrong, *TRUE)
        assert "adds no host" in line or "cannot be an alias" in line
    # What listens on the host for its containers is reached by that name.
    with town.scene.host.listener((gateway, 8000)) as server:
        town.inside(one, "echo hello | nc -w 2 me 8000 & sleep 0.3")
        accepted, _ = server.accept()
        with accepted:
            assert accepted.recv(16) == b"hello\n"


def test_name_servers_and_domains_that_were_wished_are_asked(town: Town) -> None:
    wish = ("--dns", "198.51.100.9", "--dns-search", "lab.example", "--dns-search", "example")
    container = town.start(*wish, *FOREVER)
    assert town.inside(container, "cat /etc/resolv.conf").splitlines() == [
        "nameserver 198.51.100.9",
        "search lab.example example",
    ]
    assert "search" not in town.ok(
        "run", "--rm", "--dns-search", ".", "busybox", "cat", "/etc/resolv.conf"
    )
    assert "no IPv4 address" in town.refused("run", "--rm", "--dns", "nowhere", *TRUE)
    assert "cannot be an alias" in town.refused("run", "--rm", "--dns-search", "a b", *TRUE)


def test_a_network_asks_the_servers_that_a_container_wished(town: Town) -> None:
    town.ok("network", "create", "web")
    container = town.start("--network", "web", "--dns", "198.51.100.77", *FOREVER)
    assert "nameserver 10.170.0.1" in town.inside(container, "cat /etc/resolv.conf")
    inside = Inside(town.pid(container))
    town.scene.outside.run("ip address add 198.51.100.77/24 dev eth0")
    with (
        town.scene.outside.socket(socket.SOCK_DGRAM) as server,
        inside.socket(socket.SOCK_DGRAM) as client,
    ):
        server.bind(("198.51.100.77", 53))
        client.connect(("10.170.0.1", 53))
        question = bytes.fromhex("000701000001000000000000") + b"\7example\3org\0\0\1\0\1"
        client.send(question)
        heard, who = server.recvfrom(512)
        assert heard[2:] == question[2:]
        server.sendto(heard[:2] + b"\x81\x80" + heard[4:], who)
        assert client.recv(512) == question[:2] + b"\x81\x80" + question[4:]
    town.scene.outside.run("ip address del 198.51.100.77/24 dev eth0")


def test_a_link_has_the_mac_address_that_was_wished(town: Town) -> None:
    container = town.start("--mac-address", "02:42:0A:00:00:77", *FOREVER)
    assert Inside(town.pid(container)).link("eth0")["address"] == "02:42:0a:00:00:77"
    assert town.network("bridge")["Containers"][container]["MacAddress"] == "02:42:0a:00:00:77"
    for wrong in ("02:42", "01:00:5e:00:00:01", "00:00:00:00:00:00", "zz:42:0a:00:00:01"):
        assert "is no MAC address" in town.refused("run", "--rm", "--mac-address", wrong, *TRUE)
    line = town.refused("run", "--network", "none", "--mac-address", "02:42:0a:00:00:77", *TRUE)
    assert "only a link to a bridge" in line


# --- published ports ------------------------------------------------------------------------------


def test_published_ports_answer_from_everywhere_and_nothing_else_does(town: Town) -> None:
    town.ok("network", "create", "web")
    ports = ("-p", "8080:80", "-p", "127.0.0.1:8081:81")
    container = Inside(town.pid(town.start("--network", "web", "--name", "a", *ports, *FOREVER)))
    other = Inside(town.pid(town.start(*FOREVER)))
    scene = town.scene
    at = ("", 80)
    assert talk(container, at, scene.outside, ("198.51.100.1", 8080)) == "198.51.100.2"
    assert talk(container, at, scene.host, ("127.0.0.1", 8080)) == "10.170.0.1"
    assert talk(container, at, scene.host, ("198.51.100.1", 8080)) == "198.51.100.1"
    assert talk(container, at, container, ("198.51.100.1", 8080)) == "10.170.0.1"
    assert talk(container, at, other, ("198.51.100.1", 8080)) == "10.170.0.1"
    assert talk(container, ("", 81), scene.host, ("127.0.0.1", 8081)) == "10.170.0.1"
    # A neighbour that takes the host for the router to the container's network.
    scene.outside.run("ip route replace 10.170.0.0/24 via 198.51.100.1")
    with container.listener(("", 80)), container.listener(("", 81)), container.listener(("", 82)):
        for port in (80, 81, 82):
            assert refuses(scene.outside, ("10.170.0.2", port))
        assert refuses(scene.outside, ("198.51.100.1", 8081))
        assert refuses(other, ("10.170.0.2", 82))
        assert refuses(other, ("198.51.100.1", 8081))
    assert town.ok("port", "a") == "80/tcp -> 0.0.0.0:8080\n81/tcp -> 127.0.0.1:8081\n"
    assert town.ok("port", "a", "81") == "127.0.0.1:8081\n"
    assert "publishes no port 82/tcp" in town.refused("port", "a", "82")


def test_what_an_image_exposes_is_published_on_free_ports(town: Town) -> None:
    (town.root.parent / "Containerfile").write_text("FROM busybox\nEXPOSE 80 53/udp\n")
    town.ok("build", "-q", "-t", "exposed", str(town.root.parent))
    container = town.start("-P", "exposed", "sleep", "infinity")
    told = dict(line.split(" -> ") for line in town.ok("port", container).splitlines())
    assert told.keys() == {"80/tcp", "53/udp"}
    port = int(told["80/tcp"].rpartition(":")[2])
    inside = Inside(town.pid(container))
    assert talk(inside, ("", 80), town.scene.outside, ("198.51.100.1", port)) == "198.51.100.2"
    assert int(told["53/udp"].rpartition(":")[2]) > 0


# --- beside others' rules -------------------------------------------------------------------------

STRANGERS = """
table inet firewall {
    chain input { type filter hook input priority 0; policy accept; tcp dport 4444 drop; }
    chain forward { type filter hook forward priority 0; policy accept; }
}
table ip nat {
    chain POSTROUTING { type nat hook postrouting priority 100; policy accept; counter; }
}
"""


def rules_of_strangers(town: Town) -> str:
    return "".join(
        town.scene.host.run(f"nft list table {one}") for one in ("inet firewall", "ip nat")
    )


def test_what_strangers_have_survives_making_a_crash_and_a_reset(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    town = Town(tmp_path_factory.mktemp("strangers") / "root")
    try:
        leave_strangers_alone(town)
    finally:
        town.scene.host.run("nft flush ruleset")
        town.close()


def leave_strangers_alone(town: Town) -> None:
    host = town.scene.host
    file = town.root.parent / "rules"
    file.write_text(STRANGERS.replace("counter;", "ip saddr 192.0.2.0/24 masquerade;"))
    host.run(f"nft -f {file}")
    host.run("ip link add br9 type bridge")
    host.run("ip address add 192.0.2.1/24 dev br9")
    host.run("ip link set br9 up")
    host.setting("ipv4/conf/br9/route_localnet", "1")
    before = rules_of_strangers(town), host.ip("-4 address show br9")[0]["addr_info"]
    town.ok("network", "create", "web")
    container = town.start("--network", "web", "-p", "8080:80", *FOREVER)
    monitor = int((town.root / "containers" / container / "lock").read_text().split()[0])
    os.kill(monitor, signal.SIGKILL)
    assert looking.soon(lambda: not looking.is_alive(monitor))
    town.ok("ps")
    town.ok("run", "-d", "--network", "web", "-p", "8080:80", *FOREVER)
    assert (rules_of_strangers(town), host.ip("-4 address show br9")[0]["addr_info"]) == before
    town.ok("reset")
    assert (rules_of_strangers(town), host.ip("-4 address show br9")[0]["addr_info"]) == before
    assert host.setting("ipv4/conf/br9/route_localnet") == "1"


@pytest.mark.parametrize("network", ["bridge", "web"])
def test_a_flush_of_all_rules_is_mended_at_the_next_command_published_ports_too(
    town: Town, network: str
) -> None:
    town.ok("network", "create", "web")
    ports = ("-p", "8080:80", "-p", "127.0.0.1:8081:80")
    container = Inside(town.pid(town.start("--network", network, *ports, *FOREVER)))
    to = ("198.51.100.1", 8080)
    assert talk(container, ("", 80), town.scene.outside, to) == "198.51.100.2"
    for damage in ("nft flush ruleset", "flush chain ip {table} publish"):
        table = town.network(network)["Table"]
        town.scene.host.run(
            damage if damage.startswith("nft") else f"nft {damage}".format(table=table)
        )
        with container.listener(("", 80)):
            assert refuses(town.scene.outside, to)
        town.ok("run", "--rm", "--network", network, *TRUE)
        assert talk(container, ("", 80), town.scene.outside, to) == "198.51.100.2"
        assert len(town.scene.host.run(f"nft list chain ip {table} publish").split("dnat")) == 3
