"""`kernelbox network`: create, ls, inspect, connect, disconnect, rm, prune."""

from __future__ import annotations

import json

from kernelbox.cli.actions import chosen, confirmed
from kernelbox.cli.each import for_each
from kernelbox.cli.parser import parser_for
from kernelbox.cli.table import columns
from kernelbox.container import names, networks
from kernelbox.container.lifecycle import cleanup
from kernelbox.container.options import network_options
from kernelbox.kernel.errors import UsageError
from kernelbox.network import creation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def command_network(argv: list[str]) -> int:
    """Do one of the things that can be done with networks."""
    action = chosen("network", _ACTIONS, argv)
    if action is None:
        return 0
    cleanup.sweep()
    return action(argv[1:])


def _create(argv: list[str]) -> int:
    """Make a network: containers on it reach each other, and no other network's reach them."""
    parser = parser_for("network create", "Make a network.")
    parser.add_argument("--ipv6", action="store_true", help="IPv6 addresses beside the others")
    parser.add_argument(
        "--subnet",
        action="append",
        default=[],
        help="such as 10.170.0.0/24, or fd12:3456:789a::/64; a free one without it",
    )
    parser.add_argument(
        "--gateway",
        action="append",
        default=[],
        help="the bridge's own address, or a macvlan's way out; the first without it",
    )
    parser.add_argument("--internal", action="store_true", help="nothing gets in or out")
    parser.add_argument(
        "--driver",
        "-d",
        choices=["bridge", "macvlan"],
        default="bridge",
        help="bridge; or macvlan: containers are on the wire of a link of the host's, without NAT "
        "or published ports, and the host itself does not reach them by that link",
    )
    parser.add_argument(
        "--opt",
        "-o",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="mtu=N; icc=false: containers do not reach each other; of a macvlan parent=LINK "
        "(or LINK.VLAN; internal without), macvlan_mode=bridge, private, vepa or passthru",
    )
    parser.add_argument("name", metavar="NAME")
    given = parser.parse_args(argv)
    subnet, subnet6 = _by_family("--subnet", given.subnet)
    gateway, gateway6 = _by_family("--gateway", given.gateway)
    wish = creation.define(
        given.name,
        subnet,
        gateway,
        given.opt,
        use_ipv6=given.ipv6,
        subnet6=subnet6,
        gateway6=gateway6,
        internal=given.internal,
        driver=given.driver,
    )
    networks.create(wish)
    print(given.name)
    return 0


def _by_family(option: str, given: list[str]) -> tuple[str, str]:
    """Return what was given for IPv4 and for IPv6; empty where nothing was."""
    found = ["", ""]
    for text in given:
        if found[":" in text]:
            raise UsageError(
                f"{option} {found[':' in text]:.80} and {text:.80} are of one kind",
                "Give one of IPv4, and one of IPv6",
            )
        found[":" in text] = text
    return found[0], found[1]


def _ls(argv: list[str]) -> int:
    """List networks."""
    parser = parser_for("network ls", "List networks.")
    parser.add_argument("-q", "--quiet", action="store_true", help="names only")
    given = parser.parse_args(argv)
    found = networks.every()
    rows = [("NAME", "DRIVER", "SUBNET", "GATEWAY", "CONTAINERS")]
    for one in found:
        count = str(len(networks.containers(one)))
        driver = "macvlan" if one.parent else "bridge"
        rows.append((one.network, driver, str(one.subnet), one.gateway, count))
    rows += [("host", "host", "-", "-", "-"), ("none", "null", "-", "-", "-")]
    print("\n".join(row[0] for row in rows[1:]) if given.quiet else columns(rows))
    return 0


def _inspect(argv: list[str]) -> int:
    """Show all about networks, as JSON."""
    parser = parser_for("network inspect", "Show all about networks, as JSON.")
    parser.add_argument("networks", nargs="+", metavar="NETWORK")
    given = parser.parse_args(argv)
    print(json.dumps([networks.inspection(name) for name in given.networks], indent=4))
    return 0


def _connect(argv: list[str]) -> int:
    """Connect a running container to one more network."""
    parser = parser_for("network connect", "Connect a running container to one more network.")
    parser.add_argument("--alias", action="append", default=[], help="what it is called there, too")
    parser.add_argument("--ip", default="", help="the address that it wants there")
    parser.add_argument("--ip6", default="", help="the IPv6 address that it wants there")
    parser.add_argument("network", metavar="NETWORK")
    parser.add_argument("container", metavar="CONTAINER")
    given = parser.parse_args(argv)
    aliases = [network_options.alias(one) for one in given.alias]
    container = names.find(given.container)
    networks.attach(container, given.network, aliases, given.ip, given.ip6)
    return 0


def _disconnect(argv: list[str]) -> int:
    """Disconnect a running container from a network."""
    parser = parser_for("network disconnect", "Disconnect a running container from a network.")
    parser.add_argument("network", metavar="NETWORK")
    parser.add_argument("container", metavar="CONTAINER")
    given = parser.parse_args(argv)
    networks.detach(names.find(given.container), given.network)
    return 0


def _rm(argv: list[str]) -> int:
    """Remove networks that no container is on."""
    parser = parser_for("network rm", "Remove networks that no container is on.")
    parser.add_argument("networks", nargs="+", metavar="NETWORK")
    given = parser.parse_args(argv)

    def remove(name: str) -> str:
        networks.remove(name)
        return name

    return for_each(given.networks, remove)


def _prune(argv: list[str]) -> int:
    """Remove all networks that no container is on."""
    parser = parser_for("network prune", "Remove all networks that no container is on.")
    parser.add_argument("-f", "--force", action="store_true", help="do not ask")
    given = parser.parse_args(argv)
    what = "This removes all networks that no container is on"
    if not given.force and not confirmed(what):
        return 0
    for name in networks.prune():
        print(name)
    return 0


_ACTIONS: dict[str, Callable[[list[str]], int]] = {
    "create": _create,
    "ls": _ls,
    "inspect": _inspect,
    "connect": _connect,
    "disconnect": _disconnect,
    "rm": _rm,
    "prune": _prune,
}
