"""Three files of a container that kernelbox writes: its hostname, hosts and resolv.conf.

They are bind mounts of files in the container's directory, so what is written here while it runs is
seen inside at once, as long as it is the same file that is written to.
"""

from __future__ import annotations

import os

from kernelbox import network
from kernelbox.kernel import files
from kernelbox.plumbing import paths, storage
from kernelbox.plumbing.light import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.container.spec import Spec


def write(spec: Spec, addresses: list[str], networks: list[str]) -> None:
    """Write the three.

    Args:
        spec: Whose they are.
        addresses: The container's, the first network's first.
        networks: Which it is on, in order; empty without a bridge.
    """
    directory = paths.container(spec.id)
    for name, text in (
        ("hostname", spec.hostname + "\n"),
        ("hosts", _hosts(spec, addresses, networks)),
        ("resolv.conf", _resolv_conf(spec, networks)),
    ):
        _write(f"{directory}/{name}", text)


def _write(path: str, text: str) -> None:
    """Write a file, unless it says the same already.

    It is written over, and its end cut off: to cut off all of it has the disk waited for.

    Source: ext4(5), "auto_da_alloc".
    """
    before = ""
    with suppress(FileNotFoundError):
        if (before := storage.read(path)) == text:
            return
    storage.write(path, text, 0, mode=0o644)
    if len(before.encode()) > len(text.encode()):
        os.truncate(path, len(text.encode()))


def _hosts(spec: Spec, addresses: list[str], networks: list[str]) -> str:
    """Return the container's hosts: its own name at each of its addresses, then what was wished."""
    lines = [network.hosts_file(spec.hostname, addresses[0] if addresses else "")]
    lines += [f"{one}\t{spec.hostname}\n" for one in addresses[1:]]
    for wish in spec.kernelbox.hosts:
        name, _, address = wish.partition(":")
        if address == "host-gateway":
            address = network.gateway(networks[0]) if networks else "127.0.0.1"
        lines.append(f"{address}\t{name}\n")
    return "".join(lines)


def _resolv_conf(spec: Spec, networks: list[str]) -> str:
    """Return the container's resolv.conf: the host's own where it shares the host's network.

    On a network that somebody made, the name server is that network's, and whoever is wished is
    asked by that one. A host may have no file, or a link to what systemd-resolved writes while that
    is not running.
    """
    own = spec.kernelbox
    named = next((one for one in networks if network.exists(one)), None)
    if named is not None:
        return network.resolv_conf_with([network.name_server(named)], own.dns_search)
    if own.dns or own.dns_search:
        return network.resolv_conf_with(own.dns, own.dns_search)
    if own.network != "host":
        return network.resolv_conf()
    try:
        return files.read("/etc/resolv.conf")
    except FileNotFoundError:
        return ""
