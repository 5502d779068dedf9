"""IPv6 beside IPv4: addresses, the way out, names, published ports, and what stays out.

All of it in a scene whose host and world outside have IPv6 addresses, too.

    outside  2001:db8::2 --- 2001:db8::1  host  fd12::1 --- fd12::2  container
"""

from __future__ import annotations

import re
import socket

import pytest

from kernelbox.kernel import conntrack
from tests import looking
from tests.scene import Inside, refuses, talk
from tests.town import Town

FOREVER = ("busybox", "sleep", "infinity")
TRUE = ("busybox", "true")
SUBNETS = ("--ipv6", "--subnet", "10.170.0.0/24", "--subnet", "fd12::/64")


@pytest.fixture(scope="module")
def host(host: Town) -> Town:
    """The town of these tests, with IPv6 addresses."""
    scene = host.scene
    scene.host.run("ip address add 2001:db8::1/64 nodad dev up851100")
    scene.outside.run("ip address add 2001:db8::2/64 nodad dev eth0")
    scene.host.run("ip -6 route add default via 2001:db8::2")
    return host


@pytest.fixture
def web(town: Town) -> Town:
    """The town with a network of both kinds of addresses."""
    town.ok("network", "create", *SUBNETS, "web")
    return town


def addresses6(inside: Inside, link: str = "eth0") -> list[str]:
    """Return the IPv6 addresses of a link but for the one that it has given itself."""
    (found,) = (one for one in inside.ip(f"-6 address show dev {link} scope global") if one)
    return [f"{one['local']}/{one['prefixlen']}" for one in found["addr_info"] if one]


def ways_out(inside: Inside) -> list[tuple[str, str]]:
    return [(one["gateway"], one["dev"]) for one in inside.ip("-6 route show default")]


# --- making ---------------------------------------------------------------------------------------


def test_a_network_has_a_second_subnet_and_its_containers_the_same_number_in_both(
    web: Town,
) -> None:
    one = Inside(web.pid(web.start("--network", "web", "--name", "one", *FOREVER)))
    two = Inside(web.pid(web.start("--network", "web", *FOREVER)))
    assert (addresses6(one), addresses6(two)) == (["fd12::2/64"], ["fd12::3/64"])
    assert ways_out(one) == [("fd12::1", "eth0")]
    told = web.network("web")
    assert told["EnableIPv6"] is True
    assert told["IPAM"]["Config"][1] == {"Subnet": "fd12::/64", "Gateway": "fd12::1"}
    ends = {end["Name"]: end["IPv6Address"] for end in told["Containers"].values()}
    assert ends["one"] == "fd12::2/64"
    its = web.inspect("one")["NetworkSettings"]["Networks"]["web"]
    assert its["GlobalIPv6Address"] == "fd12::2"
    bridge = told["Options"]["com.docker.network.bridge.name"]
    assert addresses6(web.scene.host, bridge) == ["fd12::1/64"]
    hosts = web.inside("one", "cat /etc/hosts")
    assert re.search(r"^fd12::2\t", hosts, re.M) and re.search(r"^10\.170\.0\.2\t", hosts, re.M)


def test_a_subnet_left_open_is_a_unique_local_one_by_lot(town: Town) -> None:
    """RFC 4193, section 3.1: fd, 40 bits, 16 bits, and 64 bits for the hosts."""
    subnets = set()
    for name in ("a", "b"):
        town.ok("network", "create", "--ipv6", name)
        subnets.add(town.network(name)["IPAM"]["Config"][1]["Subnet"])
    assert len(subnets) == 2
    for subnet in subnets:
        assert re.fullmatch(r"fd[0-9a-f]{2}:[0-9a-f]{1,4}:[0-9a-f]{1,4}::/64", subnet)
    container = Inside(town.pid(town.start("--network", "a", *FOREVER)))
    (address,) = addresses6(container)
    assert address.endswith("::2/64")


def test_a_container_has_the_ipv6_address_that_it_wants(web: Town) -> None:
    run = ("run", "--rm", "--network", "web", "--ip6")
    container = web.start("--network", "web", "--ip6", "FD12:0::0077", *FOREVER)
    assert addresses6(Inside(web.pid(container))) == ["fd12::77/64"]
    for wanted, words in (
        ("fd12::77", f"in use by container {container}"),
        ("fd12::1", "in use by its gateway"),
        ("fd13::2", "is no address for a container"),
        ("10.170.0.7", "is no address for a container"),
        ("fd12::g", "is not an IP address"),
    ):
        assert words in web.refused(*run, wanted, *TRUE), wanted
    # Who comes next has the number 3 of IPv4; somebody wanted the same of IPv6 before.
    web.start("--network", "web", "--ip6", "fd12::4", *FOREVER)
    third = Inside(web.pid(web.start("--network", "web", *FOREVER)))
    (found,) = addresses6(third)
    assert found not in ("fd12::4/64", "fd12::77/64", "fd12::1/64")
    web.ok("rm", "-f", container)
    assert web.ok(*run, "fd12::77", *TRUE) == ""
    assert "on networks of your own only" in web.refused("run", "--ip6", "fd12::7", *TRUE)
    web.ok("network", "create", "old")
    line = web.refused("run", "--rm", "--network", "old", "--ip6", "fd12::7", *TRUE)
    assert "network old has no IPv6 addresses" in line


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--ipv6", "--subnet", "fd12::5/64", "n"), "is an address in a subnet. .*fd12::/64"),
        (("--ipv6", "--subnet", "fd12::", "n"), "no IPv6 subnet"),
        (("--ipv6", "--subnet", "fd12::/129", "n"), "no IPv6 subnet|no prefix"),
        (("--ipv6", "--subnet", "fd12::/-1", "n"), "no IPv6 subnet|no prefix"),
        (("--ipv6", "--subnet", "fd12::/127", "n"), "no prefix from /16 to /120"),
        (("--ipv6", "--subnet", "fe80::/64", "n"), "reserved"),
        (("--ipv6", "--subnet", "ff02::/64", "n"), "reserved"),
        (("--ipv6", "--subnet", "::/16", "n"), "reserved"),
        (("--ipv6", "--subnet", "2001:db8::/48", "n"), "overlaps 2001:db8::/64, and the host"),
        (("--ipv6", "--subnet", "fd12::/64", "--subnet", "fd13::/64", "n"), "are of one kind"),
        (("--ipv6", "--gateway", "fd12::9", "n"), "a gateway goes with a subnet"),
        (("--ipv6", "--subnet", "fd12::/64", "--gateway", "fd13::9", "n"), "no address in fd12"),
        (("--gateway", "fd12::9", "n"), "Ask for it: --ipv6"),
    ],
)
def test_a_wish_that_cannot_be_is_one_clear_line(
    town: Town, words: tuple[str, ...], complaint: str
) -> None:
    line = town.refused("network", "create", *words)
    assert re.search(complaint, line), line
    assert not list((town.root / "networks").glob("*/config.json"))


def test_a_subnet_of_another_network_is_refused(web: Town) -> None:
    line = web.refused("network", "create", "--ipv6", "--subnet", "fd12::/48", "n")
    assert "overlaps fd12::/64" in line


def test_where_ipv6_is_off_the_error_says_so_and_nothing_is_left(town: Town) -> None:
    links, tables = town.scene.host.links(), town.scene.tables()
    town.scene.host.setting("ipv6/conf/all/disable_ipv6", "1")
    try:
        line = town.refused("network", "create", "--ipv6", "n")
        assert "has IPv6 switched off" in line and "leave out --ipv6" in line
    finally:
        town.scene.host.setting("ipv6/conf/all/disable_ipv6", "0")
        town.scene.host.run("ip address replace 2001:db8::1/64 nodad dev up851100")
        town.scene.host.run("ip -6 route replace default via 2001:db8::2")
    assert (town.scene.host.links(), town.scene.tables()) == (links, tables)


# --- who reaches whom -----------------------------------------------------------------------------


def test_containers_reach_each_other_and_the_world_and_no_other_network(web: Town) -> None:
    web.ok("network", "create", "--ipv6", "--subnet", "fd13::/64", "other")
    one, two = (Inside(web.pid(web.start("--network", "web", *FOREVER))) for _ in range(2))
    far = Inside(web.pid(web.start("--network", "other", *FOREVER)))
    assert talk(two, ("::", 80), one, ("fd12::3", 80)) == "fd12::2"
    # What leaves the host carries the host's address.
    assert talk(web.scene.outside, ("::", 80), one, ("2001:db8::2", 80)) == "2001:db8::1"
    web.scene.outside.run("ip -6 route replace fd12::/64 via 2001:db8::1")
    with two.listener(("::", 80)):
        assert refuses(far, ("fd12::3", 80))
        assert refuses(web.scene.outside, ("fd12::3", 80))
        assert not refuses(web.scene.host, ("fd12::3", 80))


def test_nothing_gets_out_of_an_internal_network(town: Town) -> None:
    town.ok("network", "create", "--internal", *SUBNETS, "back")
    one, two = (Inside(town.pid(town.start("--network", "back", *FOREVER))) for _ in range(2))
    assert ways_out(one) == []
    assert talk(two, ("::", 80), one, ("fd12::3", 80)) == "fd12::2"
    one.run("ip -6 route add default via fd12::1 dev eth0")
    with town.scene.outside.listener(("::", 80)):
        assert refuses(one, ("2001:db8::2", 80))


def test_nobody_on_a_bridge_can_say_that_he_is_the_way_out(web: Town) -> None:
    """CVE-2020-13401."""
    container = Inside(web.pid(web.start("--network", "web", *FOREVER)))
    bridge = web.network("web")["Options"]["com.docker.network.bridge.name"]
    assert container.setting("ipv6/conf/eth0/accept_ra") == "0"
    assert web.scene.host.setting(f"ipv6/conf/{bridge}/accept_ra") == "0"


# --- the switch for forwarding --------------------------------------------------------------------


def test_forwarding_is_on_as_long_as_somebody_needs_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    town = Town(tmp_path_factory.mktemp("town") / "root")
    assert town.scene.host.setting("ipv6/conf/all/forwarding") == "0"
    town.start(*FOREVER)
    assert town.scene.host.setting("ipv6/conf/all/forwarding") == "0"  # nobody asked
    town.ok("network", "create", "--ipv6", "web")
    assert town.scene.host.setting("ipv6/conf/all/forwarding") == "1"
    table = town.network("web")["Table"]
    rules = town.scene.host.run(f"nft list table ip6 {table}")
    assert 'iifname != "kernelbox*" oifname != "kernelbox*" drop' in rules
    town.ok("reset")
    assert town.scene.host.setting("ipv6/conf/all/forwarding") == "0"
    town.close()


def test_a_host_whose_way_out_was_announced_is_left_alone(town: Town) -> None:
    host = town.scene.host
    if host.setting("ipv6/conf/all/forwarding") == "1":
        town.ok("reset")
    host.run("ip -6 route replace default via 2001:db8::2 proto ra")
    try:
        line = town.refused("network", "create", "--ipv6", "n")
        assert "would lose its own way out on up851100" in line and "accept_ra=2" in line
        assert host.setting("ipv6/conf/all/forwarding") == "0"
        host.setting("ipv6/conf/up851100/accept_ra", "2")
        town.ok("network", "create", "--ipv6", "n")
    finally:
        host.run("ip -6 route replace default via 2001:db8::2 proto static")
        host.setting("ipv6/conf/up851100/accept_ra", "0")


# --- names ----------------------------------------------------------------------------------------


def test_a_name_has_both_addresses_and_both_lead_back(web: Town) -> None:
    web.start("--network", "web", "--name", "db", *FOREVER)
    client = web.start("--network", "web", *FOREVER)
    said = web.inside(client, "nslookup db.")
    assert "10.170.0.2" in said and "fd12::2" in said
    assert "fd12::2" in web.inside(client, "nslookup -type=aaaa db.")
    assert "db.web" in web.inside(client, "nslookup fd12::2")
    assert web.inside(client, "ping -6 -c1 -W5 db").count("1 packets received") == 1


# --- joining and leaving --------------------------------------------------------------------------


def test_a_container_joins_and_leaves_with_both_addresses(web: Town) -> None:
    web.ok("network", "create", "--ipv6", "--subnet", "fd13::/64", "back")
    container = web.start("--network", "web", "--name", "c", *FOREVER)
    inside = Inside(web.pid(container))
    web.ok("network", "connect", "--ip6", "fd13::7", "back", "c")
    assert addresses6(inside, "eth1") == ["fd13::7/64"]
    assert ways_out(inside) == [("fd12::1", "eth0")]
    assert "fd13::7\t" in web.inside("c", "cat /etc/hosts")
    web.ok("network", "disconnect", "web", "c")
    assert ways_out(inside) == [("fd13::1", "eth1")]
    hosts = web.inside("c", "cat /etc/hosts")
    assert "fd13::7\t" in hosts and "fd12::2" not in hosts
    leases = {one.name for one in (web.root / "networks" / "web").iterdir() if one.is_symlink()}
    assert leases == set()
    # Both addresses are free again.
    other = Inside(web.pid(web.start("--network", "web", "--ip6", "fd12::2", *FOREVER)))
    assert addresses6(other) == ["fd12::2/64"]


# --- published ports ------------------------------------------------------------------------------


def test_published_ports_answer_from_everywhere_and_nothing_else_does(web: Town) -> None:
    ports = ("-p", "8080:80", "-p", "[2001:db8::1]:8082:82")
    container = Inside(web.pid(web.start("--network", "web", "--name", "a", *ports, *FOREVER)))
    host, outside = web.scene.host, web.scene.outside
    at = ("::", 80)
    assert talk(container, at, outside, ("2001:db8::1", 8080)) == "2001:db8::2"
    assert talk(container, at, host, ("2001:db8::1", 8080)) == "2001:db8::1"
    assert talk(container, ("", 80), host, ("127.0.0.1", 8080)) == "10.170.0.1"
    assert talk(container, at, container, ("2001:db8::1", 8080)) == "fd12::1"
    assert talk(container, ("", 80), outside, ("198.51.100.1", 8080)) == "198.51.100.2"
    assert talk(container, ("::", 82), outside, ("2001:db8::1", 8082)) == "2001:db8::2"
    outside.run("ip -6 route replace fd12::/64 via 2001:db8::1")
    with container.listener(("::", 80)), container.listener(("::", 83)):
        assert refuses(outside, ("fd12::2", 83))
        assert refuses(outside, ("fd12::2", 80))
        assert refuses(outside, ("198.51.100.1", 8082))
        with host.socket(family=socket.AF_INET6) as caller, pytest.raises(ConnectionRefusedError):
            caller.connect(("::1", 8080))  # and not after a long wait: then 127.0.0.1 is tried
    assert web.ok("port", "a").splitlines() == [
        "80/tcp -> 0.0.0.0:8080",
        "80/tcp -> [::]:8080",
        "82/tcp -> [2001:db8::1]:8082",
    ]
    web.ok("rm", "-f", "a")
    assert "8080" not in host.run("nft list ruleset")


def test_a_port_in_use_of_ipv6_alone_is_refused(web: Town) -> None:
    with web.scene.host.socket(family=socket.AF_INET6) as taken:
        taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        taken.bind(("::", 8080))
        taken.listen()
        line = web.refused("run", "--network", "web", "-p", "8080:80", *TRUE)
        assert "port [::]:8080/tcp is in use by" in line
        web.start("--network", "web", "-p", "0.0.0.0:8090:80", *FOREVER)
    web.start("--network", "web", "-p", "[::]:8080:80", *FOREVER)
    line = web.refused("run", "--network", "web", "-p", "[2001:db8::1]:8080:80", *TRUE)
    assert "port [2001:db8::1]:8080/tcp is in use by container" in line


def test_a_port_of_ipv6_needs_a_network_that_has_it(town: Town) -> None:
    line = town.refused("run", "--rm", "-p", "[::]:8080:80", *TRUE)
    assert "network bridge has no IPv6 addresses" in line and "network create --ipv6" in line
    line = town.refused("run", "--rm", "-p", "[::1]:8080:80", *TRUE)
    assert "what is sent to ::1 stays on the host. Publish on 127.0.0.1" in line
    assert "8080" not in town.scene.host.run("nft list ruleset")


def test_ports_are_published_again_after_a_flush(web: Town) -> None:
    container = Inside(web.pid(web.start("--network", "web", "-p", "8080:80", *FOREVER)))
    web.scene.host.run("nft flush ruleset")
    web.start("--network", "web", *FOREVER)
    to = ("2001:db8::1", 8080)
    assert talk(container, ("::", 80), web.scene.outside, to) == "2001:db8::2"


def test_udp_flows_to_a_port_are_forgotten_with_it(web: Town) -> None:
    container = web.start("--network", "web", "-p", "5353:53/udp", *FOREVER)
    inside = Inside(web.pid(container))
    with (
        inside.socket(socket.SOCK_DGRAM, socket.AF_INET6) as server,
        web.scene.outside.socket(socket.SOCK_DGRAM, socket.AF_INET6) as client,
    ):
        server.bind(("::", 53))
        client.connect(("2001:db8::1", 5353))
        client.send(b"hello")
        assert server.recv(16) == b"hello"
        with web.scene.host.entered():
            assert len(conntrack.udp_flows_to(5353, socket.AF_INET6)) == 1
        web.ok("rm", "-f", container)
        with web.scene.host.entered():
            assert conntrack.udp_flows_to(5353, socket.AF_INET6) == []


# --- what is left ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(1, 48, 5))
def test_a_start_that_was_killed_leaves_nothing_on_the_network(web: Town, number: int) -> None:
    wound = {"KERNELBOX_BREAK": f"runtime:{number}:SIGKILL"}
    web("run", "-d", "--rm", "--network", "web", "-p", "8080:80", *TRUE, env=wound)
    assert looking.soon(lambda: web.ok("ps", "-aq") == "")
    assert web.network("web")["Containers"] == {}
    assert not [one for one in (web.root / "networks/web").iterdir() if one.is_symlink()]
    assert "dnat to" not in web.scene.host.run("nft list ruleset")
    links = web.scene.host.links
    assert looking.soon(lambda: not [one for one in links() if one.startswith("veth")])


@pytest.mark.parametrize("number", range(1, 10))
def test_a_network_that_cannot_be_made_leaves_nothing(town: Town, number: int) -> None:
    before = (town.scene.host.links(), town.scene.tables())
    wound = {"KERNELBOX_BREAK": f"runtime:{number}:ENOMEM"}
    done = town("network", "create", *SUBNETS, "web", env=wound)
    assert done.returncode == 125 and "ENOMEM" in done.stderr
    assert (town.scene.host.links(), town.scene.tables()) == before
    assert not list((town.root / "networks").glob("*/config.json"))
