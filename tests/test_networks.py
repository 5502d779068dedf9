"""Networks that people make: `kernelbox network`, and containers on them.

All of it in a scene: real containers on a host that is a namespace, beside a world outside.
"""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest

from kernelbox.network import addresses, creation, definition, subnets
from kernelbox.network.addresses import Subnet
from tests import looking
from tests.scene import IDS, Inside, refuses, talk
from tests.town import Town

FOREVER = ("busybox", "sleep", "infinity")
TRUE = ("busybox", "true")


def definition_files(town: Town) -> list[Path]:
    return list((town.root / "networks").glob("*/config.json"))


def made_links(town: Town) -> set[str]:
    """Return the links of networks that people made: nine letters and six digits."""
    return {one for one in town.scene.host.links() if len(one) == 15 and "kernelbox" in one} - {
        default_link(town)
    }


def default_link(town: Town) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERNELBOX_ROOT", str(town.root))
        from kernelbox.network.link_names import bridge_and_table

        return bridge_and_table()[0]


# --- making, listing, removing --------------------------------------------------------------------


def test_a_network_is_made_listed_told_of_and_removed(town: Town) -> None:
    assert town.ok("network", "create", "web") == "web\n"
    said = town.network("web")
    (config,) = said["IPAM"]["Config"]
    assert (config["Subnet"], config["Gateway"]) == ("10.170.0.0/24", "10.170.0.1")
    link = said["Options"]["com.docker.network.bridge.name"]
    (address,) = town.scene.host.ip(f"-4 address show {link}")[0]["addr_info"]
    assert (address["local"], address["prefixlen"]) == ("10.170.0.1", 24)
    assert town.scene.host.link(link)["linkinfo"]["info_kind"] == "bridge"
    assert f"table ip {said['Table']}" in town.scene.tables()
    row = next(line for line in town.ok("network", "ls").splitlines() if line.startswith("web "))
    assert row.split() == ["web", "bridge", "10.170.0.0/24", "10.170.0.1", "0"]
    assert town.ok("network", "rm", "web") == "web\n"
    assert link not in town.scene.host.links()
    assert f"table ip {said['Table']}" not in town.scene.tables()
    assert "web" not in town.ok("network", "ls", "-q").split()
    assert "no network 'web'" in town.refused("run", "--rm", "--network", "web", *TRUE)


def test_the_default_network_is_one_like_the_others(town: Town) -> None:
    container = town.start("--name", "plain", *FOREVER)
    said = town.network("bridge")
    assert said["Containers"][container]["Name"] == "plain"
    assert said["Containers"][container]["IPv4Address"] == f"{town.address(container)}/16"
    assert set(town.ok("network", "ls", "-q").split()) == {"bridge", "host", "none"}
    done = town("network", "rm", "bridge")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the network bridge is always there" in done.stderr


def test_who_shares_a_network_shares_its_hosts_and_name_server(town: Town) -> None:
    for name in ("shared", "further"):
        town.ok("network", "create", name)
    options = ("--name", "owner", "--network", "shared", "--add-host", "db:192.0.2.7")
    owner = town.start(*options, *FOREVER)
    guest = town.start("--network", "container:owner", *FOREVER)
    for file in ("hosts", "resolv.conf"):
        assert town.inside(guest, f"cat /etc/{file}") == town.inside(owner, f"cat /etc/{file}")
    assert f"{town.address(owner)}\t{owner}" in town.inside(guest, "cat /etc/hosts")
    assert "1 packets received" in town.inside(guest, "ping -c 1 owner")
    town.ok("network", "connect", "further", "owner")
    assert town.inside(guest, f"grep -c {owner} /etc/hosts") == "2", (
        "what changes, changes for both"
    )
    said = town.refused("run", "--network", "container:owner", "--dns", "192.0.2.53", *TRUE)
    assert "Leave out --dns" in said
    third = town.start("--network", f"container:{guest}", *FOREVER)
    assert "db" in town.inside(third, "cat /etc/hosts"), "of whom the guest has it"


def test_an_address_that_somebody_has_whom_no_lease_knows_is_not_given(town: Town) -> None:
    town.ok("network", "create", "--subnet", "10.170.9.0/24", "wired")
    bridge = town.network("wired")["Options"]["com.docker.network.bridge.name"]
    town.scene.host.run(
        f"ip link add foreign0 master {bridge} up type veth peer name eth9 "
        f"netns {town.scene.outside.pid}"
    )
    town.scene.outside.run("ip link set eth9 up")
    town.scene.outside.run("ip address add 10.170.9.7/24 dev eth9")
    mac = town.scene.outside.link("eth9")["address"]
    said = town.refused("run", "--rm", "--network", "wired", "--ip", "10.170.9.7", *TRUE)
    assert f"the address 10.170.9.7 of network 'wired' is in use by {mac}" in said
    town.scene.outside.run("ip link del eth9")
    town.ok("run", "--rm", "--network", "wired", "--ip", "10.170.9.7", *TRUE)
    town.ok("network", "rm", "wired")  # nobody has kept a lease


def test_stats_count_what_goes_through_a_container_s_own_interfaces(town: Town) -> None:
    town.ok("network", "create", "busy")
    talker = town.start("--network", "busy", *FOREVER)
    host = town.start("--network", "host", *FOREVER)
    town.inside(talker, f"ping -c 3 -s 1000 {town.network('busy')['IPAM']['Config'][0]['Gateway']}")
    shown = town.ok("stats", "--no-stream", "--format", "json", talker, host).splitlines()
    received, sent = json.loads(shown[0])["NetIO"].split(" / ")
    for told in (received, sent):  # three packets of 1042 bytes, and what the kernel says by itself
        assert told.endswith("KiB") and 3 < float(told.removesuffix("KiB")) < 6
    assert json.loads(shown[1])["NetIO"] == "0B / 0B", "the host's is nobody's"
    assert "NET I/O" in town.ok("stats", "--no-stream", talker)


def test_containers_of_one_network_reach_each_other_and_those_of_no_other(town: Town) -> None:
    for name in ("red", "blue"):
        town.ok("network", "create", name)
    reds = [town.start("--network", "red", *FOREVER) for _ in range(2)]
    blue, plain = town.start("--network", "blue", *FOREVER), town.start(*FOREVER)
    ping = "busybox ping -c 1 -W 1 "
    town.inside(reds[0], ping + town.address(reds[1]))
    for one, other in ((reds[0], blue), (blue, reds[0]), (reds[0], plain), (plain, reds[0])):
        assert town.fails_inside(one, ping + town.address(other))
    # The rule that keeps them apart is the one of the network that is not reached.
    table = town.network("blue")["Table"]
    town.scene.host.run(f"nft flush chain ip {table} forward")
    town.inside(reds[0], ping + town.address(blue))


def test_what_leaves_a_network_carries_the_address_of_the_host(town: Town) -> None:
    town.ok("network", "create", "web")
    container = town.start("--network", "web", *FOREVER)
    with town.scene.outside.listener(("198.51.100.2", 80)) as server:
        town.inside(container, "nc -w 2 198.51.100.2 80 </dev/null & sleep 0.2")
        accepted, peer = server.accept()
        accepted.close()
    assert peer[0] == "198.51.100.1"


def test_nothing_gets_out_of_an_internal_network_or_into_it(town: Town) -> None:
    town.ok("network", "create", "--internal", "cellar")
    one, two = (town.start("--network", "cellar", *FOREVER) for _ in range(2))
    town.inside(one, f"ping -c 1 -W 1 {town.address(two)}")
    assert "default" not in town.inside(one, "ip route")
    pid = town.pid(one)
    # Somebody with privilege over its network adds the way out: the rules hold all the same.
    looking.enter(pid, "-n", "ip", "route", "add", "default", "via", "10.170.0.1")
    assert town.fails_inside(one, "ping -c 1 -W 1 198.51.100.2")
    town.scene.outside.run("ip route replace 10.170.0.0/24 via 198.51.100.1")
    assert refuses(town.scene.outside, (town.address(one), 80))
    assert town.network("cellar")["Internal"] is True
    assert "internal" in town.refused("run", "--rm", "--network", "cellar", "-p", "80", *TRUE)


def test_without_icc_containers_reach_the_world_and_not_each_other(town: Town) -> None:
    town.ok("network", "create", "--opt", "icc=false", "shy")
    one, two = (town.start("--network", "shy", *FOREVER) for _ in range(2))
    assert town.fails_inside(one, f"ping -c 1 -W 1 {town.address(two)}")
    town.inside(one, "ping -c 1 -W 1 10.170.0.1 && ping -c 1 -W 1 198.51.100.2")


def test_subnet_gateway_and_mtu_are_as_wished(town: Town) -> None:
    wish = ("--subnet", "10.77.0.0/16", "--gateway", "10.77.9.1", "-o", "mtu=1280")
    town.ok("network", "create", *wish, "wished")
    container = town.start("--network", "wished", *FOREVER)
    assert town.address(container) == "10.77.0.1"  # the gateway is elsewhere
    assert "default via 10.77.9.1 dev eth0" in town.inside(container, "ip route")
    assert town.inside(container, "cat /sys/class/net/eth0/mtu") == "1280"
    assert "mtu 1280" in town.inside(container, "ip link show eth0")


def test_a_container_has_the_address_that_it_wants(town: Town) -> None:
    town.ok("network", "create", "web")
    run = ("run", "--rm", "--network", "web", "--ip")
    container = town.start("--network", "web", "--ip", "10.170.0.77", *FOREVER)
    assert town.address(container) == "10.170.0.77"
    assert "inet 10.170.0.77/24" in town.inside(container, "ip address show eth0")
    for wanted, words in (
        ("10.170.0.77", f"in use by container {container}"),
        ("10.170.0.1", "in use by its gateway"),
        ("10.170.0.255", "is no address for a container"),
        ("10.171.0.2", "is no address for a container"),
        ("10.170.0", "is not an IP address"),
    ):
        assert words in town.refused(*run, wanted, *TRUE)
    assert "on networks of your own only" in town.refused("run", "--ip", "172.29.0.7", *TRUE)
    town.ok("rm", "-f", container)
    assert town.ok(*run, "10.170.0.77", "busybox", "hostname", "-i") == "10.170.0.77\n"


def test_a_network_in_use_stays_and_prune_leaves_it(town: Town) -> None:
    for name in ("used", "unused"):
        town.ok("network", "create", name)
    container = town.start("--name", "user", "--network", "used", *FOREVER)
    done = town("network", "rm", "used")
    assert done.returncode == 1 and "network used is in use by user. Remove" in done.stderr
    assert "nobody is there to ask" in town.refused("network", "prune")
    assert town.ok("network", "prune", "-f") == "unused\n"
    assert town.network("used")["Containers"].keys() == {container}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--subnet", "10.1.2.3/24", "n"), "10.1.2.3/24 is an address in a subnet. Write .*10.1.2"),
        (("--subnet", "10.1.2.0", "n"), "no IPv4 subnet"),
        (("--subnet", "fd00::/64", "n"), "fd00::/64 is IPv6. Ask for it: --ipv6"),
        (("--subnet", "10.1.2.0/33", "n"), "no prefix from /8 to /29|no IPv4 subnet"),
        (("--subnet", "10.1.2.0/31", "n"), "no prefix from /8 to /29"),
        (("--subnet", "224.0.0.0/8", "n"), "reserved"),
        (("--subnet", "127.0.0.0/8", "n"), "reserved"),
        (("--gateway", "10.1.2.1", "n"), "a gateway goes with a subnet"),
        (("--subnet", "10.1.2.0/24", "--gateway", "10.1.3.1", "n"), "no address in 10.1.2.0/24"),
        (("--subnet", "198.51.100.0/25", "n"), r"overlaps 198.51.100.0/24, and the host reaches"),
        (("--subnet", "10.9.0.0/16", "n"), r"overlaps 10.9.9.0/24.*via 198.51.100.2 on up"),
        (("-o", "mtu=12", "n"), "'12' is no MTU. Use 68"),
        (("-o", "icc=maybe", "n"), "icc is true or false"),
        (("-o", "colour=red", "n"), "no option 'colour=red'"),
        (("--driver", "overlay", "n"), "invalid choice: 'overlay'"),
        (("host",), "cannot be the name of a network"),
        (("../n",), "cannot be the name of a network"),
        (("n n",), "cannot be the name of a network"),
    ],
)
def test_a_wish_that_cannot_be_is_one_clear_line(
    town: Town, words: tuple[str, ...], complaint: str
) -> None:
    town.scene.host.run("ip route replace 10.9.9.0/24 via 198.51.100.2")
    before = town.scene.host.links()
    line = town.refused("network", "create", *words)
    assert re.search(complaint, line), line
    assert town.scene.host.links() == before and definition_files(town) == []


def test_a_name_or_a_subnet_that_is_taken_is_refused(town: Town) -> None:
    town.ok("network", "create", "web")
    assert "there is a network 'web' already" in town.refused("network", "create", "web")
    line = town.refused("network", "create", "--subnet", "10.170.0.128/25", "other")
    assert "the subnet 10.170.0.128/25 overlaps 10.170.0.0/24, and it is network web" in line
    town.ok("network", "create", "other")
    assert town.network("other")["IPAM"]["Config"][0]["Subnet"] == "10.170.1.0/24"


def test_networks_that_are_no_more_are_one_clear_line(town: Town) -> None:
    for command in ("rm", "inspect"):
        done = town("network", command, "moon")
        assert done.returncode in (1, 125) and done.stdout == ""
        assert "no network 'moon'. " in done.stderr and done.stderr.count("\n") == 1
    assert "There are: create, ls" in town.refused("network", "paint")


def test_without_a_free_subnet_the_error_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KERNELBOX_ROOT", str(tmp_path))
    everything = [subnets.Taken(Subnet.parse("0.0.0.0/1"), "the host reaches that on eth0")]
    assert subnets.first_free(subnets.candidates_of_people(), everything) is None
    monkeypatch.setattr(subnets, "taken", lambda link="": everything)
    with pytest.raises(creation.UsageError, match=r"no subnet is free .*--subnet"):
        creation._subnet(creation.define("web"))


# --- what breaks, and is mended -------------------------------------------------------------------


def test_a_network_is_made_again_when_it_is_used_first_after_a_reboot(town: Town) -> None:
    town.ok("network", "create", "-o", "mtu=1300", "web")
    said = town.network("web")
    link = said["Options"]["com.docker.network.bridge.name"]
    town.scene.host.run(f"ip link del {link}")
    town.scene.host.run("nft flush ruleset")
    container = town.start("--network", "web", *FOREVER)
    assert town.scene.host.link(link)["mtu"] == 1300
    town.inside(container, "ping -c 1 -W 1 198.51.100.2")
    assert town.network("web")["IPAM"] == said["IPAM"]


def test_a_subnet_that_the_host_took_meanwhile_is_one_clear_line(town: Town) -> None:
    town.ok("network", "create", "web")
    link = town.network("web")["Options"]["com.docker.network.bridge.name"]
    town.scene.host.run(f"ip link del {link}")
    town.scene.host.run("ip route add 10.170.0.0/16 via 198.51.100.2")
    line = town.refused("run", "--rm", "--network", "web", *TRUE)
    assert "network web cannot have its subnet 10.170.0.0/24 any more: it overlaps" in line
    assert "kernelbox network rm web" in line
    town.scene.host.run("ip route del 10.170.0.0/16 via 198.51.100.2")


def test_a_damaged_definition_is_told_and_can_be_removed(town: Town) -> None:
    town.ok("network", "create", "web")
    path = town.root / "networks/web/config.json"
    path.write_text('{"name": "web"')
    assert "the definition of network web is damaged" in town.refused("network", "inspect", "web")
    assert town.ok("network", "rm", "web") == "web\n"
    assert made_links(town) == set()


@pytest.mark.parametrize("number", range(1, 9))
def test_a_network_whose_making_was_killed_is_removed_or_mended(town: Town, number: int) -> None:
    done = town("network", "create", "web", env={"KERNELBOX_BREAK": f"runtime:{number}:SIGKILL"})
    assert done.returncode in (-signal.SIGKILL, 0)
    container = town.start("--network", "web", *FOREVER)
    town.inside(container, "ping -c 1 -W 1 198.51.100.2")
    town.ok("rm", "-f", container)
    town.ok("network", "rm", "web")
    assert made_links(town) == set()


@pytest.mark.parametrize("number", range(1, 6))
def test_a_network_that_cannot_be_made_leaves_nothing(town: Town, number: int) -> None:
    tables = town.scene.tables()
    done = town("network", "create", "web", env={"KERNELBOX_BREAK": f"runtime:{number}:ENOMEM"})
    assert done.returncode == 125 and "ENOMEM" in done.stderr
    assert made_links(town) == set() and town.scene.tables() == tables
    assert definition_files(town) == []


@pytest.mark.parametrize("number", range(1, 4))
def test_a_network_whose_removal_was_killed_is_still_there_or_gone(town: Town, number: int) -> None:
    town.ok("network", "create", "web")
    town("network", "rm", "web", env={"KERNELBOX_BREAK": f"runtime:{number}:SIGKILL"})
    if definition_files(town):
        container = town.start("--network", "web", *FOREVER)
        town.inside(container, "ping -c 1 -W 1 10.170.0.1")
        town.ok("rm", "-f", container)
        town.ok("network", "rm", "web")
    assert made_links(town) == set()


def test_the_address_of_a_container_whose_monitor_was_killed_is_free_again(town: Town) -> None:
    town.ok("network", "create", "web")
    container = town.start("--network", "web", "--ip", "10.170.0.9", *FOREVER)
    monitor = int((town.root / "containers" / container / "lock").read_text().split()[0])
    os.kill(monitor, signal.SIGKILL)
    assert looking.soon(lambda: not looking.is_alive(monitor))
    assert town.ok("ps", "-q") == ""
    assert town.network("web")["Containers"] == {}
    again = town.start("--network", "web", "--ip", "10.170.0.9", *FOREVER)
    assert town.address(again) == "10.170.0.9"


def test_a_lost_lock_is_no_way_around_the_leases(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A network that is removed while somebody waits for its lock gives no address any more."""
    monkeypatch.setenv("KERNELBOX_ROOT", str(tmp_path))
    wish = creation.define("web", "10.170.0.0/24")
    definition.write(wish)
    told: list[str] = []

    def remove(kind: str, name: str) -> None:
        """What happens between the lock and the link: the directory goes."""
        told.append(name)
        os.rename(tmp_path / "networks/web", tmp_path / "trash")

    with pytest.raises(creation.UsageError, match="no network 'web'"):
        addresses.reserve(wish.bridge.subnet, IDS[0], remove, network="web")
    assert len(told) == 1
    with pytest.raises(creation.UsageError, match="no network 'web'"):
        addresses.reserve(wish.bridge.subnet, IDS[0], remove, network="web")


# --- published ports ------------------------------------------------------------------------------


def test_a_port_of_one_network_cannot_be_published_on_another(town: Town) -> None:
    town.ok("network", "create", "web")
    container = town.start("--network", "web", "-p", "8080:80", *FOREVER)
    line = town.refused("run", "--rm", "-p", "8080:80", *TRUE)
    assert f"port 0.0.0.0:8080/tcp is in use by container {container}" in line
    inside = Inside(town.pid(container))
    assert talk(inside, ("", 80), town.scene.outside, ("198.51.100.1", 8080)) == "198.51.100.2"


def test_networks_are_in_docker_words(town: Town) -> None:
    town.ok("network", "create", "web")
    container = town.start("--name", "one", "--network", "web", *FOREVER)
    assert (
        town.inspect(container)["NetworkSettings"]["Networks"]["web"]["IPAddress"] == "10.170.0.2"
    )
    assert town.inspect(container)["HostConfig"]["NetworkMode"] == "web"
    (told,) = json.loads(town.ok("network", "inspect", "web"))
    assert told["Containers"][container] == {
        "Name": "one",
        "IPv4Address": "10.170.0.2/24",
        "IPv6Address": "",
        "MacAddress": "02:42:0a:aa:00:02",
    }


# --- a crash at any moment ------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(1, 40, 3))
def test_a_start_that_was_killed_leaves_nothing_on_the_network(town: Town, number: int) -> None:
    town.ok("network", "create", "web")
    options = ("--network", "web", "--network-alias", "db", "-p", "8080:80")
    wound = {"KERNELBOX_BREAK": f"runtime:{number}:SIGKILL"}
    town("run", "-d", "--rm", *options, *TRUE, env=wound)
    assert looking.soon(lambda: town.ok("ps", "-aq") == "")
    assert town.network("web")["Containers"] == {}
    assert [one for one in os.listdir(town.root / "networks/web") if one[0].isdigit()] == []
    table = town.network("web")["Table"]
    assert "dnat" not in town.scene.host.run(f"nft list chain ip {table} publish")
    links = town.scene.host.links
    assert looking.soon(lambda: not [one for one in links() if one.startswith("veth")])
