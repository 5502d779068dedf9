"""The container's /etc/hosts and /etc/resolv.conf: its own name, and whom to ask for others."""

from __future__ import annotations

import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

RESOLV_CONF = "/etc/resolv.conf"
# systemd-resolved listens on the host's loopback; the servers it asks itself are here.
SYSTEMD_RESOLV_CONF = "/run/systemd/resolve/resolv.conf"

_HOSTS = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def hosts_file(hostname: str, address: str = "") -> str:
    """Return the text of /etc/hosts.

    Args:
        hostname: The container's.
        address: On the bridge; empty without one: then its name means its loopback.

    Source: hosts(5); Docker, "docker run", "Managing /etc/hosts".
    """
    return f"{_HOSTS}{address or '127.0.1.1'}\t{hostname}\n"


def resolv_conf(source: str = RESOLV_CONF, upstream: str = SYSTEMD_RESOLV_CONF) -> str:
    """Return the host's resolv.conf as it can serve a container, as Docker does.

    A name server on the host's loopback is out of reach there, and one with an IPv6 address too:
    the bridge speaks IPv4. Search domains and options are kept.

    Args:
        source: The host's file.
        upstream: Where systemd-resolved keeps the real name servers.

    Source: resolv.conf(5); systemd-resolved.service(8), "/etc/resolv.conf"; Docker, "DNS services".
    """
    kept = _usable(source)
    if not _servers(kept):
        kept = _usable(upstream) or kept
    if not _servers(kept):
        kept.append("# No name server of the host can be reached from the container's network.\n")
    return "".join(kept)


def resolv_conf_with(
    servers: Sequence[str], search: Sequence[str] = (), source: str = RESOLV_CONF
) -> str:
    """Return the host's resolv.conf with name servers or search domains of a person's choice.

    Args:
        servers: Addresses of name servers; empty for the host's.
        search: Domains; empty for the host's, `.` for none.
        source: The host's file.
    """
    kept = resolv_conf(source).splitlines(keepends=True)
    if servers:
        kept = [line for line in kept if line.split()[0] not in ("nameserver", "#")]
        kept = [*(f"nameserver {one}\n" for one in servers), *kept]
    if search:
        kept = [line for line in kept if line.split()[0] not in ("search", "domain")]
        kept += [f"search {' '.join(search)}\n"] if "." not in search else []
    return "".join(kept)


def nameservers() -> list[str]:
    """Return the IPv4 addresses of the name servers that a container on the bridge uses."""
    return _servers(resolv_conf().splitlines(keepends=True))


def _usable(path: str) -> list[str]:
    """Return the lines of a resolv.conf without comments and unreachable name servers."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
    except OSError:  # a host without one asks nobody
        return []
    kept = []
    for line in lines:
        words = line.split()
        if not words or words[0][0] in "#;":
            continue
        if words[0] == "nameserver" and (len(words) < 2 or not _is_reachable(words[1])):
            continue
        kept.append(line if line.endswith("\n") else line + "\n")
    return kept


def _is_reachable(server: str) -> bool:
    try:
        first_byte = socket.inet_pton(socket.AF_INET, server)[0]
    except OSError:
        return False
    return first_byte not in (0, 127)


def _servers(lines: list[str]) -> list[str]:
    return [line.split()[1] for line in lines if line.split()[0] == "nameserver"]
