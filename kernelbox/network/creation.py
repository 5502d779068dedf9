"""Making and removing networks of people's own: what may be one, and which is in use."""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager

from kernelbox.kernel import netdevice, nft
from kernelbox.kernel.errors import UsageError
from kernelbox.kernel.stacking import MODES
from kernelbox.network import bridge, definition, ipv6, subnets
from kernelbox.network.addresses import DEFAULT, Subnet, directory, host_locked, leases, locked
from kernelbox.network.definition import Definition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TAKEN_WORDS = (DEFAULT, "none", "host", "container", "default")  # --network means more than names
_SIZES = (68, 65535)  # an MTU: the least that IPv4 may be sent in, the longest packet there is
_PREFIXES = (8, 29)


def define(
    name: str,
    subnet: str = "",
    gateway: str = "",
    options: list[str] | tuple[str, ...] = (),
    *,
    use_ipv6: bool = False,
    subnet6: str = "",
    gateway6: str = "",
    internal: bool = False,
    driver: str = "bridge",
) -> Definition:
    """Return what a person's wish for a network means; a subnet left open is chosen later.

    Args:
        name: What it is to be called.
        subnet: As `10.170.0.0/24`; empty to have one chosen.
        gateway: The bridge's own address; empty for the first of the subnet.
        use_ipv6: Whether it has IPv6 addresses, too.
        subnet6: These, as `fd12:3456:789a::/64`; empty to have them chosen.
        gateway6: The bridge's own one of these; empty for the first.
        options: `NAME=VALUE`: `mtu`, `icc`, or Docker's longer names for them; of a macvlan `mtu`,
            `parent`, `macvlan_mode`.
        internal: Whether nothing gets in or out.
        driver: `bridge` or `macvlan`.

    Raises:
        UsageError: A part of it cannot be.

    Source: Docker, "docker network create", "Bridge driver options", "Macvlan network driver".
    """
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}", name, re.ASCII) or name in TAKEN_WORDS:
        raise UsageError(
            f"{name!r:.80} cannot be the name of a network",
            f"Use letters, digits, '_', '.' and '-', and none of {', '.join(TAKEN_WORDS)}",
        )
    if subnet:
        _check_subnet(subnet)
    if subnet6:
        ipv6.check(subnet6)
        subnet6 = str(Subnet.parse(subnet6))
    if (subnet6 or gateway6) and not use_ipv6:
        raise UsageError(f"{subnet6 or gateway6:.80} is IPv6", "Ask for it: --ipv6")
    wish = Definition(
        name,
        subnet,
        _gateway(subnet, gateway),
        created=time.time(),
        ipv6=use_ipv6,
        subnet6=subnet6,
        gateway6=_gateway(subnet6, gateway6),
        internal=internal,
        driver=driver,
        mode="bridge" if driver == "macvlan" else "",
    )
    for option in options:
        wish = _with_option(wish, option)
    # What stands on a link that leads nowhere is among itself.
    return wish._replace(internal=internal or (driver == "macvlan" and not wish.parent))


def _check_subnet(text: str) -> None:
    hint = "Write it like 10.170.0.0/24"
    try:
        found = Subnet.parse(text)
    except (OSError, ValueError):
        raise UsageError(f"{text!r:.80} is no IPv4 subnet", hint) from None
    least, most = _PREFIXES
    if not least <= found.prefix <= most:
        raise UsageError(f"the subnet {text} has no prefix from /{least} to /{most}", hint)
    if str(found) != text:
        raise UsageError(f"{text} is an address in a subnet", f"Write the subnet: {found}")
    first = found.first >> 24
    if first in (0, 127) or first >= 224:
        raise UsageError(f"no link can have the subnet {text}: it is reserved", hint)


def _gateway(subnet: str, gateway: str) -> str:
    """Return the bridge's own address in a subnet; empty while there is no subnet."""
    if not gateway:
        return Subnet.parse(subnet).gateway if subnet else ""
    if not subnet:
        raise UsageError(
            "a gateway goes with a subnet", f"Name both: --subnet, --gateway {gateway}"
        )
    try:
        fits = Subnet.parse(subnet).has(gateway)
    except OSError:
        fits = False
    if not fits:
        raise UsageError(
            f"the gateway {gateway!r:.80} is no address in {subnet}",
            f"Leave it out for the first, {Subnet.parse(subnet).gateway}",
        )
    return gateway


def _with_option(wish: Definition, option: str) -> Definition:
    name, _, value = option.partition("=")
    if name in ("mtu", "com.docker.network.driver.mtu"):
        least, most = _SIZES
        if not value.isdecimal() or len(value) > 5 or not least <= int(value) <= most:
            raise UsageError(f"{value!r:.80} is no MTU", f"Use {least} to {most} bytes: mtu=1400")
        return wish._replace(mtu=int(value))
    if wish.driver == "macvlan":
        if name == "parent" and value:
            return wish._replace(parent=value)
        if name == "macvlan_mode":
            if value not in MODES:
                raise UsageError(
                    f"a macvlan has no mode {value!r:.80}", f"Use one of {', '.join(MODES)}"
                )
            return wish._replace(mode=value)
        raise UsageError(
            f"a network of driver macvlan has no option {option!r:.80}",
            "Use parent=LINK, macvlan_mode=MODE or mtu=N",
        )
    if name in ("icc", "com.docker.network.bridge.enable_icc"):
        if value not in ("true", "false"):
            raise UsageError(f"icc is true or false, and not {value!r:.80}", "Write icc=false")
        return wish._replace(icc=value == "true")
    raise UsageError(f"a network has no option {option!r:.80}", "Use mtu=N or icc=false")


def create(wish: Definition, record: Callable[[str, str], None]) -> Definition:
    """Make a network: its definition, then its bridge and rules.

    Args:
        wish: From `define`.
        record: Writes into the network's ledger what is about to be made: kind and name.

    Raises:
        UsageError: The name is taken; the subnet overlaps one that is in use.
        KernelboxError: No subnet is free. Otherwise as `bridge.prepare`; the definition is then
            there, and `removing` takes it back.

    Source: Docker, "docker network create".
    """
    with locked("lock"), host_locked():
        if wish.driver == "bridge":
            nft.demand()  # before anything is made
        if definition.exists(wish.name):
            raise UsageError(
                f"there is a network {wish.name!r} already",
                f"Choose another name, or remove it: kernelbox network rm {wish.name}",
            )
        _demand_shareable(wish)
        subnet = _subnet(wish)
        gateway = wish.gateway or subnet.gateway
        made = wish._replace(subnet=str(subnet), gateway=gateway)
        if wish.ipv6:
            ipv6.demand()
            subnet6 = ipv6.choose(wish.subnet6)
            gateway6 = wish.gateway6 or subnet6.gateway
            made = made._replace(subnet6=str(subnet6), gateway6=gateway6)
        if netdevice.exists(made.bridge.name):
            raise UsageError(
                f"the bridge of network {wish.name!r}, {made.bridge.name}, is there already",
                f"Choose another name, or remove it: ip link del {made.bridge.name}",
            )
        definition.write(made)
        bridge.mend(made.bridge, record)
    return made


def _demand_shareable(wish: Definition) -> None:
    """Refuse a parent that somebody wants for himself alone."""
    others = [definition.read(name) for name in definition.every()] if wish.parent else []
    for other in others:
        if wish.parent == other.parent and "passthru" in (wish.mode, other.mode):
            raise UsageError(
                f"the parent {wish.parent} is that of network {other.name}, and in mode passthru "
                "it is one container's alone",
                f"Name another, or remove that network: kernelbox network rm {other.name}",
            )


def _subnet(wish: Definition) -> Subnet:
    in_use = subnets.taken_by_networks()
    if not (wish.driver == "macvlan" and wish.subnet):
        # On a macvlan it may be the parent's own: the host's routes are for the host.
        in_use += subnets.taken()
    if wish.subnet:
        return subnets.demand_free(Subnet.parse(wish.subnet), in_use)
    free = subnets.first_free(subnets.candidates_of_people(), in_use)
    if free is None:
        raise UsageError(
            "no subnet is free for the network: the host's routes overlap all that it could have",
            "Name one that is free with --subnet, or remove networks: kernelbox network prune",
        )
    return free


@contextmanager
def removing(name: str, say: Callable[[str], str] = str) -> Iterator[None]:
    """Be alone with a network that is to be removed: nobody can join it meanwhile, and nobody has.

    Args:
        name: Which.
        say: Makes of a container's id what a person knows it by.

    Raises:
        UsageError: There is no such network, or a container is on it.
    """
    with locked("lock", name), locked("cursor", name):
        users = sorted(set(leases(name).values()))
        if users:
            raise UsageError(
                f"network {name} is in use by {', '.join(map(say, users))}",
                f"Remove what uses it first: kernelbox rm -f {say(users[0])}",
            )
        yield


def forget(name: str, trash: str) -> None:
    """Let there be no such network any more: its directory becomes `trash`."""
    os.rename(directory(name), trash)
