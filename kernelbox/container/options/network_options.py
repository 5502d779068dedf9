"""Which network a container is on, and what it is called there: what a person writes, checked."""

from __future__ import annotations

from kernelbox import network
from kernelbox.container import names, spec, state
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.container.option_types import RunOptions
    from kernelbox.container.spec import Mount

_LABEL = r"[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?"


def mode(given: RunOptions) -> str:
    """Return the network mode; for another container's network, `container:` and its id.

    Raises:
        UsageError: There is no such network, or what is wished of it is not to be had there.
    """
    name = _owner(given["network"])
    if name:
        found = f"container:{names.find(name)}"
        namespace_path(found)  # whether it has one
    else:
        found = given["network"]
        if found not in ("bridge", "none", "host") and not network.exists(found):
            raise network.missing(found, "bridge, none, host or container:NAME, or ")
    _check(given, found)
    return found


def namespace_path(found: str) -> str:
    """Return the network namespace that a mode says to join; empty where it says none.

    Raises:
        UsageError: The container whose network it is does not run.
    """
    _, _, owner = found.partition(":")
    if not owner:
        return ""
    its = state.read(owner)
    if its.status != "running":
        called = state.extra(owner).get("name") or owner
        raise UsageError(
            f"container {called} is not running, so it has no network to share",
            "Start it, or use --network none; see: kernelbox ps -a",
        )
    return f"/proc/{its.pid}/ns/net"


def shared_files(text: str) -> list[Mount]:
    """Return what the owner of a shared network has mounted as its hosts and resolv.conf.

    They say what has which address there, so they go with the network; empty for any other.

    Args:
        text: As of `--network`.

    Raises:
        UsageError: There is no such container.

    Source: moby, `daemon/container_operations.go`, initializeNetworkingPaths.
    """
    name = _owner(text)
    mounts = state.spec(names.find(name)).mounts if name else ()
    return [one for one in mounts if one.destination in ("/etc/hosts", "/etc/resolv.conf")]


def _owner(text: str) -> str:
    """Return which container's network is to be shared; empty for a network of any other kind."""
    word, _, name = text.partition(":")
    return name if word == "container" else ""


def _check(given: RunOptions, found: str) -> None:
    if found.startswith("container:") and (
        given["dns"] or given["dns_search"] or given["add_host"]
    ):
        raise UsageError(
            "who shares a container's network shares its hosts and name servers",
            "Leave out --dns, --dns-search and --add-host, or give them to that container",
        )
    if (given["publish"] or given["publish_all"]) and not spec.is_bridged(found):
        raise UsageError("ports can be published on a bridge only", "Leave out --network, or -p")
    if (given["publish"] or given["publish_all"]) and network.is_macvlan(found):
        raise UsageError(
            f"nothing is published on network {found}, a macvlan: its containers are on the wire "
            "themselves",
            "Leave out -p; each port answers at the container's own address",
        )
    if given["publish"] and network.is_internal(found):
        raise UsageError(
            f"nothing can be published on network {found}, which is internal", "Leave out -p"
        )
    if given["mac_address"] and not spec.is_bridged(found):
        raise UsageError("only a link to a bridge has a MAC address to choose", "Leave it out")
    if (given["ip"] or given["ip6"] or given["network_alias"]) and not network.exists(found):
        raise UsageError(
            "a container has an address or aliases of its choice on networks of your own only",
            "Make one: kernelbox network create NAME; then use --network NAME",
        )


def alias(text: str) -> str:
    """Check a `--network-alias`, or another name that a name server is to be asked for.

    Raises:
        UsageError: It is no name of a host.

    Source: RFC 1123, section 2.1, but for `_`, which container names have, too.
    """
    import re  # few starts have such a name

    if len(text) > 253 or not re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", text, re.ASCII):
        raise UsageError(
            f"{text!r:.80} cannot be an alias", "Use letters, digits, '-', '_' and '.': db.internal"
        )
    return text


def search(text: str) -> str:
    """Check a `--dns-search`; `.` stands for none at all. Raises as `alias`."""
    return text if text == "." else alias(text)


def server(text: str) -> str:
    """Check a `--dns`.

    Raises:
        UsageError: It is no IPv4 address: the bridge speaks IPv4 only.
    """
    if not _is_address(text):
        raise UsageError(f"the name server {text!r:.80} is no IPv4 address", "Write it: 192.0.2.53")
    return text


def host(text: str) -> str:
    """Check an `--add-host`: `NAME:ADDRESS`, where `host-gateway` is the bridge's.

    Raises:
        UsageError: It is not of this form.

    Source: Docker, "docker run", "--add-host".
    """
    name, _, address = text.partition(":" if ":" in text else "=")
    is_there = address == "host-gateway" or _is_address(address) or _is_address(address, 6)
    if not is_there:
        raise UsageError(
            f"{text!r:.80} adds no host",
            "Write NAME:ADDRESS, or NAME:host-gateway for the bridge's",
        )
    return f"{alias(name)}:{address}"


def mac(text: str) -> str:
    """Check a `--mac-address`.

    Raises:
        UsageError: It is none, or one of a group's.

    Source: IEEE 802, "individual/group bit".
    """
    if not text:
        return ""
    import re  # as above

    hint = "Write six bytes, the first an even one: 02:42:0a:00:00:07"
    if (
        not re.fullmatch(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", text)
        or not int(text[:2], 16) % 2 == 0
    ):
        raise UsageError(f"{text!r:.80} is no MAC address of a link", hint)
    if text.replace(":", "").strip("0") == "":
        raise UsageError(f"{text!r:.80} is no MAC address of a link", hint)
    return text.lower()


def shape(given: RunOptions, found: str) -> list[str]:
    """Check what the link is to be like; return it as it was written, or nothing without a wish.

    Raises:
        UsageError: It is not of the form, or there is no link to a bridge.
    """
    wish = [given["network_rate"], given["network_delay"], given["network_loss"]]
    if not any(wish):
        return []
    if not spec.is_bridged(found):
        raise UsageError(
            "only a link to a bridge has a rate, delay or loss to choose", "Leave it out"
        )
    if network.is_macvlan(found):
        raise UsageError(
            f"network {found} is a macvlan: there is no cable to be slow, nor to lose packets",
            "Leave it out, or use a network with a bridge",
        )
    network.parse(*wish)
    return wish


def _is_address(text: str, version: int = 4) -> bool:
    import socket  # as above

    try:
        socket.inet_pton(socket.AF_INET if version == 4 else socket.AF_INET6, text)
    except (OSError, ValueError):
        return False
    return True
