"""Network namespaces as neighbours: one of one's own, a cable between two, a street to the world.

    from kernelbox.lab.neighbours import apart, cable, links, street

Each is a few requests that chapter 11 makes by hand once, one a cell.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from kernelbox.lab.conversation import LabError

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.started import Container
    from kernelbox.observe.model import NetworkNamespace

OUTER = "203.0.113.1"  # of the router, as the world sees it: RFC 5737, for documentation
WORLD = ("203.0.113.2", "203.0.113.3")
INNER = "10.1.0.1"  # of the router, as home sees it
WALLED = 7  # rules of `walled` that drop
HOME = "10.1.0.2"


class Street(NamedTuple):
    """Three network namespaces in a row.

    Attributes:
        home: Its `eth0` has the private address 10.1.0.2, and a default route to the router.
        router: Its `lan` leads home, its `wan` to the world; it forwards nothing yet.
        world: Its `eth0` has the addresses 203.0.113.2 and 203.0.113.3, and it has no route to
            any private network.
    """

    home: Held
    router: Held
    world: Held


def apart(box: Lab) -> Held:
    """Return a held process in a network namespace of its own, whose loopback is up."""
    process = box.hold()
    process.unshare("network")
    process.set_up("lo")
    # A new namespace takes over what the host has set.
    process.write("/proc/sys/net/ipv4/ip_forward", "0")
    return process


def cable(
    one: Held, name: str, other: Held, peer: str, addresses: tuple[str, str] = ("", "")
) -> None:
    """Lay a cable from `one` to `other`, and set both ends up.

    Args:
        one: Where the end `name` is.
        name: Of this end.
        other: Where the end `peer` is; both may have the same name.
        peer: Of that end.
        addresses: Of both ends, each with the bits of its network, as `10.0.0.1/24`; or empty.

    Raises:
        LabError: EEXIST if a name is taken on its side.
    """
    carried = peer if peer != name else f"{peer}-far"[:15]
    one.add_veth(name, carried)
    one.move_link(carried, other)
    if carried != peer:
        other.rename_link(carried, peer)
    for process, end, address in ((one, name, addresses[0]), (other, peer, addresses[1])):
        if address:
            process.add_address(end, address)
        process.set_up(end)


def street(box: Lab) -> Street:
    """Return home, router and world, cabled in a row."""
    home, router, world = (apart(box) for _ in range(3))
    cable(router, "lan", home, "eth0", (f"{INNER}/24", f"{HOME}/24"))
    cable(router, "wan", world, "eth0", (f"{OUTER}/24", f"{WORLD[0]}/24"))
    world.add_address("eth0", f"{WORLD[1]}/24")
    home.add_route("default", via=INNER)
    return Street(home, router, world)


_TREES = ("ash", "beech", "birch", "elm", "fir", "hazel", "lime", "maple", "oak", "pine", "yew")
# One of these drops what home sends to a TCP port of the world, and is put among the others.
_CULPRITS = (
    'iifname "lan" tcp dport {port}',
    "ip daddr 203.0.113.2 tcp dport {port}",
    'oifname "wan" tcp dport {port} ct state new',
    "ip saddr 10.1.0.0/24 meta l4proto tcp th dport {port}",
)
_OTHERS = (
    'iifname "wan" tcp dport {port}',
    'iifname "lan" udp dport {port}',
    'oifname "wan" tcp dport {next}',
    'oifname "wan" tcp sport {port}',
    "ip daddr 203.0.113.3 tcp dport {port}",
)


def walled(box: Lab) -> tuple[Street, int]:
    """Return a street whose router forwards and masquerades, and a port that it does not let pass.

    Its table `wall` has rules that count what they meet and drop it, each with a tree's name as its
    comment: which rule is which is drawn anew each time.
    """
    made = street(box)
    port = random.randrange(8000, 9000)
    first, *others = random.sample(_OTHERS, len(_OTHERS))
    rules = [first, *random.sample([random.choice(_CULPRITS), *others[:-1]], 4), others[-1]]
    trees = random.sample(_TREES, len(rules) + 1)
    lines = [
        f'{rule.format(port=port, next=port + 1)} counter drop comment "{tree}"'
        for rule, tree in zip(rules, trees, strict=False)
    ]
    forward = "\n        ".join(lines)
    made.router.write("/proc/sys/net/ipv4/ip_forward", "1")
    made.router.nft(
        f"""table ip wall {{
    chain input {{
        type filter hook input priority 0
        tcp dport {port} counter drop comment "{trees[-1]}"
    }}
    chain forward {{
        type filter hook forward priority 0
        {forward}
    }}
    chain postrouting {{
        type nat hook postrouting priority 100
        oifname "wan" masquerade
    }}
}}
"""
    )
    return made, port


def room(box: Lab, process: Held | Container) -> NetworkNamespace:
    """Return the network namespace of a process as the kernel has it now, seen from outside.

    Raises:
        LabError: The process has ended.
    """
    inode = box.namespaces(process.pid)["net"]
    for one in box.snapshot("network").network.namespaces:
        if one.inode == inode:
            return one
    raise LabError("this network namespace is not seen", "Look again while its process is there")


def links(box: Lab, process: Held | Container) -> None:
    """Print the links of a process's network namespace: name, kind, state, addresses of IPv4."""
    for link in sorted(room(box, process).links, key=lambda one: (one.name != "lo", one.name)):
        given = [one for one in link.addresses if ":" not in one]
        master = f"  port of {link.master}" if link.master else ""
        line = f"{link.name:8} {link.kind:9} {link.state:11}{' '.join(given)}{master}"
        print(line.rstrip())
