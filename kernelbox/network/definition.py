"""The networks that people make: what they wished, on disk, as long as the network is to be.

    networks/web/config.json    the definition, written once
                 lock           held while the network is made, mended or removed
                 ledger         what it owns
                 10.170.0.2     leases, see addresses.py

The kernel forgets a bridge at a reboot, and a definition says how to make it again.
"""

from __future__ import annotations

import json
import os

from kernelbox.kernel.errors import KernelboxError
from kernelbox.network.addresses import DEFAULT, Subnet, directory, missing
from kernelbox.network.link_names import Bridge, bridge_and_table
from kernelbox.plumbing import paths, storage, whole
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Definition(NamedTuple):
    """A network as it was wished.

    Attributes:
        name: What people call it.
        subnet: Its addresses, as `10.170.0.0/24`.
        gateway: The bridge's own address.
        internal: Whether nothing gets in or out.
        icc: Whether its containers reach each other.
        mtu: In bytes; 0 for that of the way out.
        created: Seconds since the epoch.
        ipv6: Whether it has IPv6 addresses, too.
        subnet6: These, as `fd12:3456:789a::/64`.
        gateway6: The bridge's own one of these.
        driver: `bridge`, or `macvlan`: its containers stand on a link of the host's, and whoever
            has the gateway's address there is somebody else.
        parent: That link; empty for one that leads nowhere, made for it.
        mode: What they may say to each other: see `kernel.stacking`.
    """

    name: str
    subnet: str
    gateway: str
    internal: bool = False
    icc: bool = True
    mtu: int = 0
    created: float = 0.0
    ipv6: bool = False
    subnet6: str = ""
    gateway6: str = ""
    driver: str = "bridge"
    parent: str = ""
    mode: str = ""

    @property
    def bridge(self) -> Bridge:
        """The bridge that it asks for."""
        name, table = bridge_and_table(self.name)
        return Bridge(
            name,
            table,
            Subnet.parse(self.subnet),
            self.name,
            self.gateway,
            self.internal,
            self.icc,
            self.mtu,
            Subnet.parse(self.subnet6) if self.subnet6 else None,
            self.gateway6,
            (self.parent or name) if self.driver == "macvlan" else "",
            self.mode,
        )


def exists(name: str) -> bool:
    """Whether somebody has made a network of this name. A name that is none is no path either."""
    return "/" not in name and os.path.isfile(_path(name))


def every() -> list[str]:
    """Return the names of the networks that people made, in alphabetical order."""
    try:
        return sorted(filter(exists, os.listdir(paths.networks())))
    except FileNotFoundError:
        return []


def read(name: str) -> Definition:
    """Return the definition of a network.

    Raises:
        UsageError: There is no such network.
        KernelboxError: The definition is damaged.
    """
    if not exists(name):
        raise missing(name)
    try:
        found: Any = json.loads(storage.read(_path(name)))
        definition = Definition(**found)
        definition.bridge  # noqa: B018 - of which every subnet is read
        return definition
    except (OSError, TypeError, ValueError) as error:
        raise KernelboxError(
            f"the definition of network {name} is damaged: {_path(name)}",
            f"Remove it, and make it again: kernelbox network rm {name}",
        ) from error


def is_internal(name: str) -> bool:
    """Whether nothing gets in or out of a network; raises as `read`."""
    return exists(name) and read(name).internal


def has_ipv6(name: str) -> bool:
    """Whether a network has IPv6 addresses, too; raises as `read`."""
    return exists(name) and read(name).ipv6


def is_macvlan(name: str) -> bool:
    """Whether a network's containers stand on a link of the host's; raises as `read`."""
    return exists(name) and read(name).driver == "macvlan"


def write(definition: Definition) -> None:
    """Write a network's definition: from here on there is such a network.

    Raises:
        OSError: ENOSPC, EROFS.
    """
    path = directory(definition.name)
    os.makedirs(path, exist_ok=True)
    for one in (paths.networks(), path):  # whatever the umask: the name server is nobody special
        os.chmod(one, 0o755)
    whole.replace(_path(definition.name), json.dumps(definition._asdict()).encode())


def tables() -> list[str]:
    """Return the nft tables of all networks of this root, whether they are there or not."""
    return [bridge_and_table(name)[1] for name in (DEFAULT, *every())]


def _path(name: str) -> str:
    return f"{directory(name)}/config.json"
