"""A published port: which of the host's leads to which of a container's."""

from __future__ import annotations

import re
import socket

from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple

HINT = (
    "Write [ip:]hostPort:containerPort[/tcp|udp], such as 8080:80, 127.0.0.1:8080:80 or "
    "[::]:8080:80"
)
_ANY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}


class Port(NamedTuple):
    """A published port: `host_ip` is the host's address it holds for, 0.0.0.0 or :: for them all.

    It is a port of IPv4 or of IPv6, as this address is.
    """

    host_ip: str
    host_port: int
    container_port: int
    protocol: str

    def __str__(self) -> str:
        return f"{self._address}:{self.host_port}:{self.container_port}/{self.protocol}"

    @property
    def host_side(self) -> str:
        """How to call the host's end of it: `0.0.0.0:8080/tcp`, `[::]:8080/tcp`."""
        return f"{self._address}:{self.host_port}/{self.protocol}"

    @property
    def _address(self) -> str:
        return f"[{self.host_ip}]" if self.is_ipv6 else self.host_ip

    @property
    def is_ipv6(self) -> bool:
        """Whether it is a port of IPv6."""
        return self.family == socket.AF_INET6

    @property
    def family(self) -> socket.AddressFamily:
        """AF_INET or AF_INET6."""
        return socket.AF_INET6 if ":" in self.host_ip else socket.AF_INET

    @property
    def is_on_all(self) -> bool:
        """Whether it holds for all addresses of the host, of its family."""
        return self.host_ip == _ANY[self.family]

    def collides(self, other: Port) -> bool:
        """Whether both claim the same port of some address of the host."""
        mine, theirs = ((one.family, one.host_port, one.protocol) for one in (self, other))
        return mine == theirs and (
            self.host_ip == other.host_ip or self.is_on_all or other.is_on_all
        )


def address(text: str) -> str:
    """Return the address of a `-p` option as it is usually written; empty is all of IPv4.

    Raises:
        UsageError: It is no address; or it is ::1, which the kernel routes on `lo` and nowhere
            else, so that no answer of a container's would find the way back.

    Source: kernel, `net/ipv6/route.c`, rt6_need_strict.
    """
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    family = socket.AF_INET6 if inner != text else socket.AF_INET
    if not text:
        return _ANY[family]
    try:
        found = socket.inet_ntop(family, socket.inet_pton(family, inner))
    except (OSError, ValueError):
        kind = "IPv6" if inner != text else "IPv4"
        raise UsageError(f"{inner!r:.80} is not an {kind} address", HINT) from None
    if found == "::1":
        raise UsageError(
            "what is sent to ::1 stays on the host",
            "Publish on 127.0.0.1 for the host alone, or on [::] for all its other IPv6 addresses",
        )
    return found


def numbers(text: str) -> list[int]:
    """Return the ports of `80` or of `8000-8002`.

    Raises:
        UsageError: One is not from 1 to 65535, or the last comes before the first.
    """
    first, hyphen, last = text.partition("-")
    for port in (first, last) if hyphen else (first,):
        if not re.fullmatch("[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
            raise UsageError(f"{port!r:.80} is not a port from 1 to 65535", HINT)
    if hyphen and int(last) < int(first):
        raise UsageError(f"the range {text} ends before it begins", HINT)
    return list(range(int(first), int(last if hyphen else first) + 1))
