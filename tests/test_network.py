"""The network of a container, in a scene that these tests made: the host is not touched."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyroute2 import IPRoute

from kernelbox import network
from kernelbox.kernel import conntrack, door, netdevice, netlink, nft
from kernelbox.kernel.errors import KernelboxError, KernelError, UsageError
from kernelbox.kernel.rtnetlink import RouteSocket
from kernelbox.network import addresses, endpoints
from kernelbox.network.addresses import Subnet
from kernelbox.network.link_names import bridge_and_table
from kernelbox.network.subnets import CANDIDATES
from kernelbox.plumbing import paths
from tests.scene import IDS, Namespace, Scene, nothing, refuses, run_in_parallel, talk


@pytest.fixture
def own_root(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("KERNELBOX_ROOT", str(tmp_path))
    return tmp_path


# --- the bridge ---------------------------------------------------------------------------------


def test_the_usual_root_has_kernelbox0_and_any_other_root_a_bridge_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KERNELBOX_ROOT", raising=False)
    assert bridge_and_table() == ("kernelbox0", "kernelbox")
    seen = set()
    for root in ("/tmp/one", "/tmp/two"):
        monkeypatch.setenv("KERNELBOX_ROOT", root)
        link, table = bridge_and_table()
        assert link.startswith("kernelbox-") and len(link) <= 15
        seen |= {link, table}
    assert len(seen) == 4


def test_preparing_makes_a_bridge_with_the_first_address_and_leaves_it_alone_next_time(
    scene: Scene,
) -> None:
    bridge = scene.prepare()
    link = scene.host.link(bridge.name)
    assert link["linkinfo"]["info_kind"] == "bridge"
    assert link["address"] == "02:42:ac:1d:00:01"
    (address,) = [one for one in scene.host.ip(f"-4 address show {bridge.name}")[0]["addr_info"]]
    assert (address["local"], address["prefixlen"]) == ("172.29.0.1", 16)
    assert address["broadcast"] == "172.29.255.255"
    assert scene.host.setting("ipv4/ip_forward") == "1"

    told: list[tuple[str, str]] = []
    assert scene.prepare(lambda *what: told.append(what)) == bridge
    assert told == []
    assert scene.host.link(bridge.name)["ifindex"] == link["ifindex"]


def test_the_bridge_is_no_wider_than_the_way_out(scene: Scene) -> None:
    uplink = next(name for name in scene.host.links() if name.startswith("up"))
    scene.host.run(f"ip link set {uplink} mtu 1400")
    container, _ = scene.container(IDS[0])
    assert container.link("eth0")["mtu"] == 1400
    assert scene.host.link(f"veth{IDS[0][:7]}")["mtu"] == 1400
    assert scene.host.link(scene.prepare().name)["mtu"] == 1400


def test_the_bridge_avoids_the_networks_of_the_host_and_keeps_its_choice(scene: Scene) -> None:
    uplink = next(name for name in scene.host.links() if name.startswith("up"))
    scene.host.run("ip route add 172.29.128.0/17 via 198.51.100.2")
    scene.host.run(f"ip address add 172.30.7.7/32 dev {uplink}")
    bridge = scene.prepare()
    assert str(bridge.subnet) == "172.31.0.0/16"

    scene.host.run("ip route del 172.29.128.0/17 via 198.51.100.2")
    scene.release("link", bridge.name)
    assert scene.prepare() == bridge


def test_a_remembered_subnet_that_the_host_took_meanwhile_is_given_up(scene: Scene) -> None:
    bridge = scene.prepare()
    scene.release("link", bridge.name)
    scene.host.run("ip route add 172.29.0.0/16 via 198.51.100.2")
    assert str(scene.prepare().subnet) == "172.30.0.0/16"


def test_without_a_free_subnet_the_error_says_where_to_name_one(scene: Scene) -> None:
    for candidate in CANDIDATES:
        scene.host.run(f"ip route add {candidate} via 198.51.100.2")
    with pytest.raises(KernelboxError, match=r"no subnet is free .*Write one .*/subnet"):
        scene.prepare()
    assert not any(name.startswith("kernelbox") for name in scene.host.links())
    with open(f"{paths.networks()}/bridge/subnet", "w") as file:
        file.write("10.77.0.0/24\n")
    assert scene.prepare().gateway == "10.77.0.1"


@pytest.mark.parametrize(
    "damage",
    [
        "ip link del {link}",
        "ip address flush dev {link}",
        "ip link set {link} down",
        "ip address replace 192.0.2.1/24 dev {link}",
        "nft delete table ip {table}",
        "nft flush ruleset",
        "sysctl -q net.ipv4.ip_forward=0",
        "sysctl -q net.ipv4.conf.{link}.route_localnet=0",
    ],
)
def test_preparing_repairs(scene: Scene, damage: str) -> None:
    container, address = scene.container(IDS[0])
    bridge = scene.prepare()
    scene.host.run(damage.format(link=bridge.name, table=bridge.table))
    assert scene.prepare() == bridge
    assert talk(scene.outside, ("", 80), container, ("198.51.100.2", 80)) == "198.51.100.1"
    container.run(f"busybox ping -c 1 -W 2 {bridge.gateway}")
    assert scene.host.setting(f"ipv4/conf/{bridge.name}/route_localnet") == "1"
    assert len(scene.tables()) == 1
    assert container.ip("-4 address show eth0")[0]["addr_info"][0]["local"] == address


def test_nft_is_not_started_while_nobody_changes_a_rule(scene: Scene, tmp_path: Any) -> None:
    program = "from kernelbox import network; network.prepare(lambda *what: None)"

    def programs() -> int:
        """Prepare in a process of its own; return how many programs it started."""
        seen = tmp_path / "strace"
        strace = f"strace --follow-forks --quiet=all -e trace=execve -e status=successful -o {seen}"
        scene.host.run(f"{strace} {sys.executable} -c '{program}'")
        return seen.read_text().count("execve(") - 1

    bridge = scene.prepare()
    assert programs() == 1  # it was made; now it is seen whole
    assert programs() == programs() == 0
    scene.host.run("nft add table ip another")
    assert (programs(), programs()) == (1, 0)
    scene.host.run(f"nft flush chain ip {bridge.table} forward")
    scene.host.run(f"nft delete table ip {bridge.table}")
    assert (programs(), programs(), programs()) == (2, 1, 0)


def _prepare_in(pid: int) -> None:
    fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    with netlink.inside(fd):
        network.prepare(nothing)
    os.close(fd)


def test_eight_processes_may_prepare_at_once(scene: Scene) -> None:
    run_in_parallel([(_prepare_in, (scene.host.pid,))] * 8)
    bridges = [name for name in scene.host.links() if name.startswith("kernelbox")]
    assert len(bridges) == 1
    assert len(scene.tables()) == 1


# --- a container's eth0 -------------------------------------------------------------------------


def test_a_connected_container_has_eth0_an_address_and_a_way_out(scene: Scene) -> None:
    container, address = scene.container(IDS[0])
    assert address == "172.29.0.2"
    assert container.links() == {"lo", "eth0"}
    eth0, lo = container.link("eth0"), container.link("lo")
    assert "UP" in eth0["flags"] and "UP" in lo["flags"]
    assert eth0["address"] == "02:42:ac:1d:00:02"
    (inet,) = container.ip("-4 address show eth0")[0]["addr_info"]
    assert (inet["local"], inet["prefixlen"]) == (address, 16)
    routes = {(r["dst"], r.get("gateway"), r["dev"]) for r in container.ip("-4 route show")}
    assert routes == {("default", "172.29.0.1", "eth0"), ("172.29.0.0/16", None, "eth0")}


def test_the_cable_of_a_container_leads_to_the_bridge(scene: Scene) -> None:
    container, _ = scene.container(IDS[0])
    eth0, veth = container.link("eth0"), scene.host.link(f"veth{IDS[0][:7]}")
    assert eth0["link_index"] == veth["ifindex"]
    assert veth["link_index"] == eth0["ifindex"]
    assert veth["linkinfo"]["info_kind"] == "veth"
    assert veth["master"] == scene.prepare().name
    assert "UP" in veth["flags"]


def test_containers_reach_each_other_and_the_gateway(scene: Scene) -> None:
    (one, first), (two, second) = scene.container(IDS[0]), scene.container(IDS[1])
    one.run(f"busybox ping -c 1 -W 2 {second}")
    one.run("busybox ping -c 1 -W 2 172.29.0.1")
    assert talk(two, (second, 80), one, (second, 80)) == first
    assert talk(scene.host, ("172.29.0.1", 80), one, ("172.29.0.1", 80)) == first


def test_the_cable_carries_packets_as_soon_as_connecting_returns(scene: Scene) -> None:
    bridge = scene.prepare()
    # A list of all links shows what is; a question about one would make the kernel catch up.
    with scene.host.entered(), IPRoute() as rtnetlink:
        for container_id in IDS:
            container = Namespace()
            scene.made.append(container)
            address = network.lease(bridge, container_id, nothing)
            network.connect(bridge, container.pid, container_id, address, nothing)
            states = {one.get("ifname"): one.get("operstate") for one in rtnetlink.get_links()}
            assert states[f"veth{container_id[:7]}"] == states[bridge.name] == "UP"


def _connect_in(host_pid: int, pid: int, container_id: str) -> None:
    fd = os.open(f"/proc/{host_pid}/ns/net", os.O_RDONLY)
    with netlink.inside(fd):
        bridge = network.prepare(nothing)
        address = network.lease(bridge, container_id, nothing)
        network.connect(bridge, pid, container_id, address, nothing)
        port = str(8000 + int(container_id[0], 16))
        network.publish(bridge, container_id, address, [f"{port}:80"], nothing)
    os.close(fd)


def test_eight_containers_may_be_connected_at_once(scene: Scene) -> None:
    containers = [Namespace() for _ in range(8)]
    scene.made += containers
    pairs = list(zip(containers, IDS, strict=False))
    run_in_parallel([(_connect_in, (scene.host.pid, one.pid, name)) for one, name in pairs])
    found = set()
    for one, name in pairs:
        (inet,) = one.ip("-4 address show eth0")[0]["addr_info"]
        found.add(inet["local"])
        to = ("198.51.100.1", 8000 + int(name[0], 16))
        assert talk(one, ("", 80), scene.outside, to) == "198.51.100.2"
    assert len(found) == 8


def test_a_container_that_has_ended_is_not_connected(scene: Scene) -> None:
    bridge = scene.prepare()
    gone = Namespace()
    gone.close()
    with scene.host.entered(), pytest.raises(KernelboxError, match="ended before it had a network"):
        network.connect(bridge, gone.pid, IDS[0], "172.29.0.2", nothing)


def test_an_eth0_in_the_way_is_an_error_and_leaves_no_cable(scene: Scene) -> None:
    bridge = scene.prepare()
    told: list[tuple[str, str]] = []
    with scene.host.entered(), pytest.raises(KernelError, match=r"RTM_NEWLINK.*EEXIST"):
        # The outside namespace has an eth0 already.
        network.connect(bridge, scene.outside.pid, IDS[0], "172.29.0.2", lambda *w: told.append(w))
    assert told == [("link", f"veth{IDS[0][:7]}")]
    assert f"veth{IDS[0][:7]}" not in scene.host.links()


def test_the_loopback_comes_up_and_nothing_heavy_is_loaded_for_any_network(scene: Scene) -> None:
    program = f"""
import os
import sys
from kernelbox.kernel import netdevice, netlink
from kernelbox.network import bridge, ports, veth
with netlink.inside(os.open("/proc/{scene.outside.pid}/ns/net", os.O_RDONLY)):
    netdevice.loopback_up()
heavy = {{"asyncio", "subprocess", "typing", "ipaddress", "dataclasses", "logging", "pathlib"}}
print(sorted(heavy & set(sys.modules)))
"""
    scene.outside.run("ip link set lo down")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert "UP" in scene.outside.link("lo")["flags"]
    scene.outside.run("busybox ping -c 1 -W 2 127.0.0.1")


def test_connecting_leaves_no_descriptor_no_thread_and_no_warning(scene: Scene) -> None:
    scene.container(IDS[0])  # what is imported and opened once
    before = set(os.listdir("/proc/self/fd"))
    threads = threading.active_count()  # of tests that came before
    container, _ = scene.container(IDS[1])
    assert set(os.listdir("/proc/self/fd")) == before
    assert threading.active_count() == threads
    program = """
import os
from kernelbox.kernel.rtnetlink import RouteSocket
with RouteSocket() as here:
    print([link.name for link in here.links()])
print(len(os.listdir("/proc/self/task")))
"""
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", program]
    words = ["nsenter", "-t", str(container.pid), "-n", *command]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("['lo', 'eth0']\n1\n", "")


def test_the_shell_commands_in_the_trace_do_the_same(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = scene.prepare()
    container, by_hand = Namespace(), Namespace()
    scene.made += [container, by_hand]
    events: list[door.Event] = []
    with scene.host.entered():
        monkeypatch.setattr(door, "sink", events.append)
        network.connect(bridge, container.pid, IDS[0], "172.29.0.9", nothing)
        monkeypatch.setattr(door, "sink", None)

    def appearance(namespace: Namespace) -> Any:
        links = [
            {key: link.get(key) for key in ("ifname", "flags", "mtu", "address", "operstate")}
            for link in namespace.ip("link show")
        ]
        inet = namespace.ip("-4 address show eth0")[0]["addr_info"]
        routes = [(r["dst"], r.get("gateway")) for r in namespace.ip("-4 route show")]
        return links, inet, routes

    seen = appearance(container)
    veth = scene.host.link(f"veth{IDS[0][:7]}")
    scene.release("link", veth["ifname"])
    here = scene.host
    for event in events:
        command = event.shell.replace(str(container.pid), str(by_hand.pid))
        if command.startswith("nsenter"):
            here = by_hand
        elif command == "exit":
            here = scene.host
        else:
            here.run(command)
    assert appearance(by_hand) == seen
    again = scene.host.link(veth["ifname"])
    assert {key: again[key] for key in ("master", "mtu", "flags")} == {
        key: veth[key] for key in ("master", "mtu", "flags")
    }


# --- the world outside --------------------------------------------------------------------------


def masqueraded_packets(scene: Scene) -> int:
    (table,) = scene.tables()
    rules = json.loads(scene.host.run(f"nft -j list {table}"))["nftables"]
    return sum(
        expression["counter"]["packets"]
        for rule in (one["rule"] for one in rules if "rule" in one)
        if any("masquerade" in expression for expression in rule["expr"])
        for expression in rule["expr"]
        if "counter" in expression
    )


def test_what_leaves_the_host_carries_the_address_of_the_host(scene: Scene) -> None:
    container, _ = scene.container(IDS[0])
    before = masqueraded_packets(scene)
    assert talk(scene.outside, ("", 80), container, ("198.51.100.2", 80)) == "198.51.100.1"
    container.run("busybox ping -c 1 -W 2 198.51.100.2")
    assert masqueraded_packets(scene) > before


def test_nobody_outside_reaches_a_container_that_publishes_nothing(scene: Scene) -> None:
    container, address = scene.container(IDS[0])
    scene.outside.run("ip route add 172.29.0.0/16 via 198.51.100.1")
    with container.listener(("", 80)):
        assert refuses(scene.outside, (address, 80))
        (table,) = scene.tables()
        name = table.removeprefix("table ")
        scene.host.run(f"nft flush chain {name} forward")
        assert not refuses(scene.outside, (address, 80))  # so it was that chain


def test_the_host_does_not_become_a_router_for_strangers(scene: Scene) -> None:
    stranger = Namespace()
    scene.made.append(stranger)
    scene.plug(stranger, "203.0.113")
    stranger.run("ip route add default via 203.0.113.1")
    scene.outside.run("ip route add default via 198.51.100.1")
    scene.prepare()
    with scene.outside.listener(("", 80)):
        assert refuses(stranger, ("198.51.100.2", 80))


def test_a_host_that_was_a_router_stays_one(scene: Scene) -> None:
    stranger = Namespace()
    scene.made.append(stranger)
    scene.plug(stranger, "203.0.113")
    stranger.run("ip route add default via 203.0.113.1")
    scene.outside.run("ip route add default via 198.51.100.1")
    scene.host.setting("ipv4/ip_forward", "1")
    told: list[tuple[str, str]] = []
    scene.prepare(lambda *what: told.append(what))
    assert "sysctl" not in dict(told)
    assert talk(scene.outside, ("", 80), stranger, ("198.51.100.2", 80)) == "203.0.113.2"


def test_a_container_cannot_reach_what_listens_on_the_loopback_of_the_host(scene: Scene) -> None:
    container, _ = scene.container(IDS[0])
    # As a container with CAP_NET_ADMIN can: send what is for 127.0.0.1 to the host (CVE-2020-8558).
    container.run("ip address flush dev lo")
    container.run("ip route flush table local dev lo")
    container.run("ip route add 127.0.0.1/32 via 172.29.0.1")
    container.setting("ipv4/conf/eth0/route_localnet", "1")
    with scene.host.listener(("127.0.0.1", 631)):
        assert refuses(container, ("127.0.0.1", 631))
        (table,) = scene.tables()
        scene.host.run(f"nft flush chain {table.removeprefix('table ')} raw")
        assert not refuses(container, ("127.0.0.1", 631))  # so it was that chain


# --- published ports ----------------------------------------------------------------------------


def test_a_published_port_is_reached_from_everywhere(scene: Scene) -> None:
    container, _ = scene.container(IDS[0], ["8080:80"])
    other, _ = scene.container(IDS[1])
    at = ("", 80)
    assert talk(container, at, scene.outside, ("198.51.100.1", 8080)) == "198.51.100.2"
    assert talk(container, at, scene.host, ("127.0.0.1", 8080)) == "172.29.0.1"
    assert talk(container, at, scene.host, ("198.51.100.1", 8080)) == "198.51.100.1"
    assert talk(container, at, scene.host, ("172.29.0.1", 8080)) == "172.29.0.1"
    assert talk(container, at, other, ("172.29.0.1", 8080)) == "172.29.0.1"
    assert talk(container, at, other, ("198.51.100.1", 8080)) == "172.29.0.1"
    assert talk(container, at, container, ("198.51.100.1", 8080)) == "172.29.0.1"


def test_a_udp_port_is_published_too(scene: Scene) -> None:
    container, _ = scene.container(IDS[0], ["5353:53/udp"])
    for client, to in ((scene.outside, "198.51.100.1"), (scene.host, "127.0.0.1")):
        with (
            container.socket(socket.SOCK_DGRAM) as server,
            client.socket(socket.SOCK_DGRAM) as caller,
        ):
            server.bind(("", 53))
            caller.connect((to, 5353))
            caller.send(b"who?")
            question, peer = server.recvfrom(16)
            server.sendto(b"me", peer)
            assert (question, caller.recv(16)) == (b"who?", b"me")


def ask(client: socket.socket, server: socket.socket) -> None:
    """Ask a question from a socket that may have sent before; the server must hear and answer."""
    client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # what came of that is read, and gone
    client.send(b"who?")
    heard, peer = server.recvfrom(16)
    server.sendto(b"me", peer)
    assert (heard, client.recv(16)) == (b"who?", b"me")


@contextlib.contextmanager
def dns(container: Namespace) -> Iterator[socket.socket]:
    with container.socket(socket.SOCK_DGRAM) as server:
        server.bind(("", 53))
        yield server


@pytest.mark.parametrize("place", ["", "198.51.100.1:"])
def test_a_udp_client_that_goes_on_sending_follows_the_port(scene: Scene, place: str) -> None:
    """As with Docker, which deletes the flows when it changes a port's rules."""
    told: list[tuple[str, str]] = []
    ports = [f"{place}5353:53/udp"]
    scene.prepare()
    with scene.outside.socket(socket.SOCK_DGRAM) as client:
        client.connect(("198.51.100.1", 5353))
        client.send(b"is anybody there?")  # before there is such a port
        first, _ = scene.container(IDS[0], ports, lambda *what: told.append(what))
        with dns(first) as server:
            ask(client, server)
            scene.release("ports", dict(told)["ports"])
            client.send(b"to whom?")
            with pytest.raises(ConnectionRefusedError):  # by the host: nobody has it
                client.recv(16)
            second, _ = scene.container(IDS[1], ports)
            with dns(second) as other:
                ask(client, other)


def test_only_the_flows_to_a_published_port_are_forgotten(scene: Scene) -> None:
    """Not those to another port of the host's, nor what passes through to another's same port."""
    told: list[tuple[str, str]] = []
    inside, _ = scene.container(IDS[0])
    scene.container(IDS[1], ["5354:53/udp"])
    with (
        scene.outside.socket(socket.SOCK_DGRAM) as far,
        inside.socket(socket.SOCK_DGRAM) as passing,
        scene.outside.socket(socket.SOCK_DGRAM) as neighbour,
    ):
        far.bind(("", 5353))
        passing.connect(("198.51.100.2", 5353))
        passing.send(b"through")
        far.recv(16)
        neighbour.connect(("198.51.100.1", 5354))
        neighbour.send(b"another port")
        with scene.host.entered():
            before = [conntrack.udp_flows_to(port) for port in (5353, 5354)]
            assert [len(flows) for flows in before] == [1, 1]
        scene.container(IDS[2], ["5353:53/udp"], lambda *what: told.append(what))
        scene.release("ports", dict(told)["ports"])
        with scene.host.entered():
            assert [conntrack.udp_flows_to(port) for port in (5353, 5354)] == before
            (flow,) = before[1]
            for _ in range(2):
                conntrack.forget(flow)
            assert conntrack.udp_flows_to(5354) == []


def test_a_port_published_on_127_0_0_1_is_for_the_host_alone(scene: Scene) -> None:
    container, _ = scene.container(IDS[0], ["127.0.0.1:8080:80"])
    assert talk(container, ("", 80), scene.host, ("127.0.0.1", 8080)) == "172.29.0.1"
    with container.listener(("", 80)):
        assert refuses(scene.outside, ("198.51.100.1", 8080))
        # A neighbour may put the address of the host's loopback on the wire.
        scene.outside.run("ip address flush dev lo")
        scene.outside.run("ip route flush table local dev lo")
        scene.outside.run("ip route add 127.0.0.1/32 via 198.51.100.1")
        scene.outside.setting("ipv4/conf/eth0/route_localnet", "1")
        assert refuses(scene.outside, ("127.0.0.1", 8080))


def test_a_port_can_be_published_on_one_address_of_the_host(scene: Scene) -> None:
    container, _ = scene.container(IDS[0], ["198.51.100.1:8080:80"])
    assert talk(container, ("", 80), scene.outside, ("198.51.100.1", 8080)) == "198.51.100.2"
    assert refuses(scene.host, ("127.0.0.1", 8080))


def test_a_port_of_a_program_on_the_host_is_refused_by_name(scene: Scene) -> None:
    told: list[tuple[str, str]] = []
    with scene.host.listener(("127.0.0.1", 8080)), pytest.raises(UsageError) as refusal:
        scene.container(IDS[0], ["9000:90", "8080:80"], lambda *what: told.append(what))
    with open("/proc/self/comm") as file:
        me = f"{file.read().strip()} (pid {os.getpid()})"
    assert refusal.value.message == f"port 0.0.0.0:8080/tcp is in use by {me}"
    assert refusal.value.hint == "Publish another, such as -p 8081:80"
    assert "ports" not in dict(told)
    assert "dnat to" not in scene.host.run("nft list ruleset")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("8080:80", "8080:81"),
        ("8080:80", "127.0.0.1:8080:80"),
        ("127.0.0.1:8080:80", "8080:80"),
        ("53:53/udp", "53:53/udp"),
    ],
)
def test_a_port_of_another_container_is_refused_by_its_id(
    scene: Scene, first: str, second: str
) -> None:
    scene.container(IDS[0], [first])
    with pytest.raises(UsageError, match=f"is in use by container {IDS[0][:12]}. Publish") as said:
        scene.container(IDS[1], [second])
    other = second.replace("8080", "8081").replace("53:53", "54:53")
    assert said.value.hint == f"Publish another, such as -p {other}, or remove that container"


def test_a_port_asked_for_twice_by_one_container_is_refused(scene: Scene) -> None:
    with pytest.raises(UsageError, match="asks for it twice"):
        scene.container(IDS[0], ["8080:80", "8080:81"])


def test_ports_that_differ_in_address_or_protocol_do_not_collide(scene: Scene) -> None:
    scene.container(IDS[0], ["127.0.0.1:53:53"])
    scene.container(IDS[1], ["198.51.100.1:53:53", "53:53/udp"])


def test_an_address_that_the_host_lacks_is_refused(scene: Scene) -> None:
    with pytest.raises(UsageError, match=r"no link of this host has the address 203.0.113.77"):
        scene.container(IDS[0], ["203.0.113.77:8080:80"])


@pytest.mark.parametrize(
    "text",
    [
        "", "80:", "8080:80:", "a:b", "80:0", "65536:80", "-1:80", "+1:80", "80-82:80-81", "9-8:1",
        "1 :80", "8080:80/", "8080:80/sctp", "1.2.3:80:80", "1.2.3.4.5:80:80", "host:80:80",
        "[::1]:80", "[::g]:80:80", "[]:80:80", "::1:80:80", "80:80 drop", "٣:80", "80-:80",
        "1-2-3:80",
    ],
)  # fmt: skip
def test_a_malformed_port_is_refused_with_the_form_it_should_have(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        network.parse_ports(text)
    assert "[ip:]hostPort:containerPort" in refusal.value.hint
    assert "\n" not in str(refusal.value)


def test_ports_may_be_ranges_or_left_to_the_host() -> None:
    """Docker, "docker run", -p: 80, 8000-8002:80-82, and 8000-8010:80 for the first free one."""
    said = [str(one) for one in network.parse_ports("127.0.0.1:47000-47002:80-82/udp")]
    assert said == [f"127.0.0.1:{47000 + one}:{80 + one}/udp" for one in range(3)]
    for text in ("80", "0:80", "127.0.0.1::80", "80-81"):
        ports = network.parse_ports(text)
        assert [one.container_port for one in ports] == ([80, 81] if "-" in text else [80])
        assert all(one.host_port >= 1024 for one in ports)
        assert len({one.host_port for one in ports}) == len(ports)
    with socket.socket() as first:
        first.bind(("127.0.0.1", 0))
        first.listen()
        taken = first.getsockname()[1]
        (found,) = network.parse_ports(f"127.0.0.1:{taken}-{min(taken + 20, 65535)}:80")
        assert found.host_port > taken


def test_taking_back_the_ports_of_one_container_leaves_the_others_theirs(scene: Scene) -> None:
    told: list[tuple[str, str]] = []
    scene.container(IDS[0], ["8080:80", "5353:53/udp"], lambda *what: told.append(what))
    two, _ = scene.container(IDS[1], ["8081:80"])
    for _ in range(2):
        scene.release("ports", dict(told)["ports"])
    rules = scene.host.run("nft list ruleset")
    assert IDS[0] not in rules and IDS[1] in rules
    assert refuses(scene.outside, ("198.51.100.1", 8080))
    assert talk(two, ("", 80), scene.outside, ("198.51.100.1", 8081)) == "198.51.100.2"
    scene.container(IDS[2], ["8080:80"])


# --- leases -------------------------------------------------------------------------------------


def _take_addresses(worker: int) -> None:
    for turn in range(50):
        addresses.reserve(Subnet.parse("10.1.0.0/22"), f"{worker}-{turn}", nothing)


def test_eight_processes_never_get_the_same_address(own_root: Any) -> None:
    run_in_parallel([(_take_addresses, (worker,)) for worker in range(8)])
    leases = addresses.leases()
    assert len(leases) == 400
    assert sorted(leases.values()) == sorted(f"{w}-{t}" for w in range(8) for t in range(50))


def test_the_network_the_gateway_and_the_broadcast_address_are_never_given(own_root: Any) -> None:
    subnet = Subnet.parse("10.1.2.8/29")
    given = {addresses.reserve(subnet, f"{n}", nothing) for n in range(5)}
    assert given == {"10.1.2.10", "10.1.2.11", "10.1.2.12", "10.1.2.13", "10.1.2.14"}
    with pytest.raises(
        KernelboxError, match=r"every address of 10.1.2.8/29 is taken.*kernelbox rm"
    ):
        addresses.reserve(subnet, "one more", nothing)


def test_a_released_address_waits_for_its_turn(own_root: Any) -> None:
    subnet = Subnet.parse("10.1.2.0/29")
    taken: list[str] = []
    first = addresses.reserve(subnet, "a", lambda kind, name: taken.append(name))
    network.release_lease(taken[0])
    following = []
    for _ in range(4):
        following.append(addresses.reserve(subnet, "b", lambda kind, name: taken.append(name)))
        network.release_lease(taken[-1])
    assert first not in following and len(set(following)) == 4
    assert addresses.reserve(subnet, "c", nothing) == first


def test_a_damaged_cursor_only_starts_again_from_the_first_address(own_root: Any) -> None:
    subnet = Subnet.parse("10.1.2.0/24")
    addresses.reserve(subnet, "a", nothing)
    for rubbish in ("", "999.1.1.1", "172.16.0.9", "10.1.2.255", "10.1.2.0", "\xff"):
        with open(f"{paths.networks()}/bridge/cursor", "w") as file:
            file.write(rubbish)
        addresses.reserve(subnet, "b", nothing)
    assert sorted(addresses.leases(), key=addresses.number)[-1] == "10.1.2.8"


def test_a_lease_is_only_released_for_its_owner(own_root: Any) -> None:
    subnet = Subnet.parse("10.1.2.0/24")
    address = addresses.reserve(subnet, "mine", nothing)
    network.release_lease(f"{paths.networks()}/bridge/{address}=yours")
    network.release_lease(f"{paths.networks()}/bridge/10.1.2.99=yours")
    assert addresses.leases() == {address: "mine"}


# --- the ledger ---------------------------------------------------------------------------------


def test_everything_is_written_down_before_it_is_made(scene: Scene) -> None:
    told: list[str] = []

    def exists(kind: str, name: str) -> bool:
        if kind == "link":
            return name in scene.host.links()
        if kind == "lease":
            return os.path.lexists(name.partition("=")[0])
        if kind == "endpoint":
            return name.partition("=")[2] in endpoints.of("bridge")
        if kind == "sysctl":
            return scene.host.setting("ipv4/ip_forward") != name.partition("=")[2]
        rules = scene.host.run("nft list ruleset")
        return name.split(":")[-1] in rules

    def check(kind: str, name: str) -> None:
        assert not exists(kind, name), f"{kind} {name} is there already"
        told.append(f"{kind} {name}")

    bridge = scene.prepare(check)
    host_side = dict.fromkeys(told)
    assert list(host_side) == [
        f"link {bridge.name}",
        f"nft {bridge.table}",
        "sysctl net.ipv4.ip_forward=0",
    ]
    told.clear()
    scene.container(IDS[0], ["8080:80"], check)
    assert told == [
        f"lease {paths.networks()}/bridge/172.29.0.2={IDS[0]}",
        f"link veth{IDS[0][:7]}",
        f"ports {bridge.table}:{IDS[0]}",
        f"endpoint bridge={IDS[0]}",
    ]
    for line in [*host_side, *told]:
        assert exists(*line.split(" ", 1)), line


def test_what_was_written_down_can_be_undone_twice_and_nothing_remains(scene: Scene) -> None:
    links = scene.host.links()
    ledger: list[tuple[str, str]] = []
    scene.prepare(lambda *what: ledger.append(what))
    container, _ = scene.container(IDS[0], ["8080:80"], lambda *what: ledger.append(what))
    for _ in range(2):
        for kind, name in reversed(ledger):
            scene.release(kind, name)
        assert scene.host.links() == links
        assert scene.tables() == []
        assert scene.host.setting("ipv4/ip_forward") == "0"
        assert addresses.leases() == {}
        assert container.links() == {"lo"}


def test_what_was_written_down_and_never_made_is_undone_without_complaint(scene: Scene) -> None:
    class Died(Exception):
        pass

    def die(kind: str, name: str) -> None:
        ledger.append((kind, name))
        if len(ledger) == after:
            raise Died

    links = scene.host.links()
    for after in range(1, 20):
        ledger: list[tuple[str, str]] = []
        with contextlib.suppress(Died):
            bridge = scene.prepare(die)
            namespace = Namespace()
            scene.made.append(namespace)
            with scene.host.entered():
                address = network.lease(bridge, IDS[0], die)
                network.connect(bridge, namespace.pid, IDS[0], address, die)
                network.publish(bridge, IDS[0], address, ["8080:80"], die)
        complete = len(ledger) < after
        for kind, name in reversed(ledger):
            scene.release(kind, name)
        assert scene.host.links() == links
        assert scene.tables() == []
        assert scene.host.setting("ipv4/ip_forward") == "0"
        assert addresses.leases() == {}
        if complete:
            break
    else:
        pytest.fail("it never came to an end")


def test_whichever_request_is_refused_the_host_is_clean_afterwards(scene: Scene) -> None:
    links = scene.host.links()
    refused = 0
    for number in range(1, 40):
        ledger: list[tuple[str, str]] = []

        def write(kind: str, name: str, ledger: list[tuple[str, str]] = ledger) -> None:
            ledger.append((kind, name))

        namespace = Namespace()
        door.arm(f"runtime:{number}:ENOMEM")
        try:
            with scene.host.entered():
                door.become("runtime")
                bridge = network.prepare(write)
                address = network.lease(bridge, IDS[0], write)
                network.connect(bridge, namespace.pid, IDS[0], address, write)
                network.publish(bridge, IDS[0], address, ["8080:80"], write)
        except KernelError as error:
            assert error.errno == errno.ENOMEM
            refused += 1
        finally:
            door.arm(None)
        for kind, name in reversed(ledger):
            scene.release(kind, name)
        namespace.close()
        assert scene.host.links() == links
        assert scene.tables() == []
        assert scene.host.setting("ipv4/ip_forward") == "0"
        assert addresses.leases() == {}
        if refused < number:
            break
    assert 15 < refused < 39


def test_two_roots_have_two_subnets_and_the_last_one_turns_forwarding_off(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledgers: dict[str, list[tuple[str, str]]] = {"ann": [], "bob": []}
    subnets = {}
    for name, ledger in ledgers.items():
        monkeypatch.setenv("KERNELBOX_ROOT", str(tmp_path / name))
        bridge = scene.prepare(lambda *what, ledger=ledger: ledger.append(what))
        subnets[str(bridge.subnet)] = bridge.name
        assert ("sysctl", "net.ipv4.ip_forward=0") in ledger
    assert len(subnets) == 2 and len(set(subnets.values())) == 2
    for name, setting in (("ann", "1"), ("bob", "0")):
        monkeypatch.setenv("KERNELBOX_ROOT", str(tmp_path / name))
        for what in reversed(ledgers[name]):
            scene.release(*what)
        assert scene.host.setting("ipv4/ip_forward") == setting
    assert not scene.note().exists() and scene.tables() == []


def test_a_root_whose_files_somebody_deleted_keeps_forwarding_on_for_nobody(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("lost", "ann"):
        monkeypatch.setenv("KERNELBOX_ROOT", str(tmp_path / name))
        ledger: list[tuple[str, str]] = []
        scene.prepare(lambda *what, ledger=ledger: ledger.append(what))
    shutil.rmtree(tmp_path / "lost")
    for what in reversed(ledger):
        scene.release(*what)
    assert scene.host.setting("ipv4/ip_forward") == "0"
    assert not scene.note().exists()


def test_two_roots_that_are_reset_at_once_turn_forwarding_off(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledgers: dict[str, list[tuple[str, str]]] = {"ann": [], "bob": []}
    for name, ledger in ledgers.items():
        monkeypatch.setenv("KERNELBOX_ROOT", str(tmp_path / name))
        scene.prepare(lambda *what, ledger=ledger: ledger.append(what))
    # The youngest first: both have undone the setting before the first comes to its bridge.
    for position in range(max(map(len, ledgers.values()))):
        for name, ledger in ledgers.items():
            monkeypatch.setenv("KERNELBOX_ROOT", str(tmp_path / name))
            for what in ledger[::-1][position : position + 1]:
                scene.release(*what)
    assert scene.host.setting("ipv4/ip_forward") == "0"
    assert not scene.note().exists() and scene.tables() == []


def test_forwarding_that_somebody_else_has_turned_on_stays_on(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.host.setting("ipv4/ip_forward", "1")
    for name in ("ann", "bob"):
        monkeypatch.setenv("KERNELBOX_ROOT", str(tmp_path / name))
        ledger: list[tuple[str, str]] = []
        scene.prepare(lambda *what, ledger=ledger: ledger.append(what))
        assert not [kind for kind, _ in ledger if kind == "sysctl"]
        for what in reversed(ledger):
            scene.release(*what)
    assert scene.host.setting("ipv4/ip_forward") == "1"


def test_forwarding_is_not_set_back_after_a_reboot(scene: Scene) -> None:
    scene.prepare()
    scene.note().write_text("another boot\n")
    scene.release("sysctl", "net.ipv4.ip_forward=0")
    assert scene.host.setting("ipv4/ip_forward") == "1"


# --- the door -----------------------------------------------------------------------------------


def test_a_refused_request_names_itself_and_the_errno(scene: Scene) -> None:
    with scene.host.entered(), RouteSocket() as host:
        host.add_bridge("br9", "02:00:00:00:00:01")
        with pytest.raises(KernelError) as refusal:
            host.add_bridge("br9", "02:00:00:00:00:01")
        assert refusal.value.errno == errno.EEXIST
        assert refusal.value.request.startswith('RTM_NEWLINK({ifname="br9", kind="bridge"')
        with pytest.raises(KernelError) as refusal:
            host.set_up("no-such-link")
        assert refusal.value.errno == errno.ENODEV
        with pytest.raises(KernelError) as refusal:
            host.add_default_route("192.0.2.99", "br9")
        assert refusal.value.errno in (errno.ENETUNREACH, errno.ENETDOWN)


def test_what_the_door_lists_is_what_ip_lists(scene: Scene) -> None:
    scene.container(IDS[0])
    with scene.host.entered(), RouteSocket() as host:
        links, inets, routes = host.links(), host.addresses(), host.routes()
        uplink = next(link.name for link in links if link.name.startswith("up"))
        assert netdevice.first_address(uplink) == ("198.51.100.1", 24)
        assert netdevice.is_up(uplink) and netdevice.mtu(uplink) == 1500
        assert netdevice.first_address("nonesuch") is None and netdevice.mtu("nonesuch") == 0
    seen = scene.host.ip("link show")
    assert [(one.ifindex, one.name, one.mtu, one.mac) for one in links] == [
        (one["ifindex"], one["ifname"], one["mtu"], one["address"]) for one in seen
    ]
    listed = {
        (one["ifindex"], inet["local"], inet["prefixlen"])
        for one in scene.host.ip("-4 address show")
        for inet in one["addr_info"]
    }
    assert set(inets) == listed
    names = {link.ifindex: link.name for link in links}
    shown = {(r["dst"], r.get("gateway", ""), r["dev"]) for r in scene.host.ip("-4 route show")}
    ours = {(f"{r.destination}/{r.prefix}", r.gateway, names[r.ifindex]) for r in routes}
    assert {("0.0.0.0/0" if d == "default" else d, g, n) for d, g, n in shown} <= ours


def test_an_error_on_the_way_back_does_not_leave_the_process_in_the_container(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = os.readlink("/proc/self/ns/net")
    fd = os.open(f"/proc/{scene.outside.pid}/ns/net", os.O_RDONLY)
    door.become("runtime")
    door.arm("runtime:2:ENOMEM")
    try:
        with pytest.raises(KernelError, match=r"setns.*ENOMEM"), netlink.inside(fd):
            assert os.readlink("/proc/self/ns/net") != here
    finally:
        door.arm(None)
        os.close(fd)
    assert os.readlink("/proc/self/ns/net") == here


def test_a_ruleset_is_applied_as_a_whole_or_not_at_all(scene: Scene) -> None:
    with scene.host.entered():
        nft.apply("add table ip one\nadd chain ip one c\n")
        with pytest.raises(KernelError) as refusal:
            nft.apply("add table ip two\nadd rule ip one absent accept\n")
        assert refusal.value.errno == errno.ENOENT
        with pytest.raises(KernelError, match=r"nft says: .*syntax error"):
            nft.apply("tabel ip two\n")
        assert "chain c" in (nft.list_table("one") or "")
        assert nft.list_table("two") is None
        nft.delete_table("one")
        nft.delete_table("one")
    assert scene.tables() == []


def test_without_nft_the_error_says_how_to_get_it(scene: Scene) -> None:
    program = f"""
import os
from kernelbox import network
from kernelbox.kernel.errors import KernelboxError
def ledger(kind, name):
    print(kind, name)
network.release["nft"]("kernelbox")
network.release["ports"]("kernelbox:{IDS[0]}")
try:
    network.prepare(ledger)
except KernelboxError as error:
    print(error)
"""
    # In a mount namespace of its own, nft is something that cannot be executed.
    hide = 'mount --bind /dev/null "$(readlink -f "$(command -v nft)")"; exec "$@"'
    words = ["nsenter", "-t", str(scene.host.pid), "-n", "unshare", "-m", "sh", "-c", hide, "sh"]
    done = subprocess.run([*words, sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout == (
        "nft is not installed. Install it (apt-get install nftables), or use --network none\n"
    )
    assert not any(name.startswith("kernelbox") for name in scene.host.links())


# --- names --------------------------------------------------------------------------------------


def test_the_hosts_file_names_the_container() -> None:
    lines = [line.split() for line in network.hosts_file("web", "172.29.0.2").splitlines()]
    assert ["127.0.0.1", "localhost"] in lines
    assert lines[-1] == ["172.29.0.2", "web"]
    assert network.hosts_file("web").endswith("127.0.1.1\tweb\n")


def test_name_servers_out_of_reach_are_left_out(tmp_path: Any) -> None:
    source = tmp_path / "resolv.conf"
    source.write_text(
        "# written by a tool\nsearch example.org\nnameserver 127.0.0.1\nnameserver ::1\n"
        "nameserver 192.0.2.53\nnameserver fe80::1%eth0\noptions edns0"
    )
    text = network.resolv_conf(str(source), str(tmp_path / "none"))
    assert text == "search example.org\nnameserver 192.0.2.53\noptions edns0\n"


def test_behind_systemd_resolved_the_real_name_servers_are_used(tmp_path: Any) -> None:
    source, upstream = tmp_path / "resolv.conf", tmp_path / "upstream"
    source.write_text("nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n")
    upstream.write_text("nameserver 192.0.2.53\nnameserver 192.0.2.54\nsearch lan\n")
    text = network.resolv_conf(str(source), str(upstream))
    assert text == "nameserver 192.0.2.53\nnameserver 192.0.2.54\nsearch lan\n"


@pytest.mark.parametrize("text", ["nameserver 127.0.0.53\n", "nameserver\nnameserver nobody\n", ""])
def test_without_a_name_server_the_file_says_so(tmp_path: Any, text: str) -> None:
    source = tmp_path / "resolv.conf"
    source.write_text(text)
    result = network.resolv_conf(str(source), str(tmp_path / "none"))
    assert result.startswith("# No name server") and "nameserver 1" not in result
    assert network.resolv_conf(str(tmp_path / "none"), str(tmp_path / "none")) == result
