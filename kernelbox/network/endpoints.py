"""Who is on a network, and by which names: one file per network, which its name server reads.

    networks/web/endpoints    {"4f2a91c0...": {"address": "10.170.0.2", "names": ["db", ...], ...}}

It is replaced whole under the lock that gives out the addresses. A reader who keeps the file open
that it has read knows for certain whether it is still the one: no other file can have its inode.
"""

from __future__ import annotations

import json
import os

from kernelbox.network import definition
from kernelbox.network.addresses import DEFAULT, directory, locked, missing
from kernelbox.plumbing import storage
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FILE = "endpoints"


class Endpoint(NamedTuple):
    """A container's end of the cable to a network.

    Attributes:
        container: Its id.
        address: On the network.
        names: What it is called there: its name, its id, its aliases; in small letters.
        mac: The MAC address of its link.
        device: What its link is called inside: `eth0`.
        dns: Name servers that are asked for it instead of the host's.
        ports: What it publishes, as `[ip:]hostPort:containerPort/protocol`.
        address6: Its IPv6 address on the network; empty where that has none.
        process: Its first process, as `PID START_TIME`: the name server of a network without a
            bridge listens in there.
    """

    container: str
    address: str
    names: list[str]
    mac: str
    device: str = "eth0"
    dns: list[str] = []  # noqa: RUF012 - nobody changes it
    ports: list[str] = []  # noqa: RUF012 - likewise
    address6: str = ""
    process: str = ""


def parse(text: str) -> dict[str, Endpoint]:
    """Return the endpoints in a file's text, by container; none if it is damaged."""
    try:
        return {name: Endpoint(**fields) for name, fields in json.loads(text).items()}
    except (AttributeError, TypeError, ValueError):
        return {}


def of(network: str) -> dict[str, Endpoint]:
    """Return who is on a network, by container id."""
    try:
        return parse(storage.read(f"{directory(network)}/{FILE}"))
    except FileNotFoundError:
        return {}


def add(network: str, endpoint: Endpoint, record: Callable[[str, str], None]) -> None:
    """Write down who is on a network: from here on its names, and its id, mean it.

    Args:
        network: Which.
        endpoint: Of a container with a lease there.
        record: Writes down what is about to be made: kind and name.

    Raises:
        UsageError: There is no such network any more.
        OSError: ENOSPC, EROFS.
    """
    names = list(dict.fromkeys(name.lower() for name in (*endpoint.names, endpoint.container)))
    with locked("cursor", network):
        found = of(network)
        record("endpoint", f"{network}={endpoint.container}")
        found[endpoint.container] = endpoint._replace(names=names)
        _replace(network, found)


def of_container(container_id: str) -> dict[str, Endpoint]:
    """Return a container's endpoints by network, in the order of its links."""
    found = {}
    for network in (DEFAULT, *definition.every()):
        if container_id in (ends := of(network)):
            found[network] = ends[container_id]
    return dict(sorted(found.items(), key=lambda one: int(one[1].device.removeprefix("eth"))))


def release_endpoint(name: str) -> None:
    """Forget that a container is on a network; `name` is as recorded, `NETWORK=ID`."""
    network, _, container_id = name.partition("=")
    if not os.path.isdir(directory(network)):
        return
    with locked("cursor", network):
        found = of(network)
        if found.pop(container_id, None) is not None:
            _replace(network, found)


def _replace(network: str, found: dict[str, Endpoint]) -> None:
    path = f"{directory(network)}/{FILE}"
    text = json.dumps({name: endpoint._asdict() for name, endpoint in found.items()})
    try:
        storage.write(f"{path}.new", text)
    except FileNotFoundError:
        raise missing(network) from None
    os.chmod(f"{path}.new", 0o644)  # whatever the umask: the name server is nobody in particular
    os.replace(f"{path}.new", path)
