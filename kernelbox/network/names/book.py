"""Who may be called what by whom: a container knows the names on the networks that it is on.

Who asks is told by the address that a question comes from, or by the socket where that is inside a
container. Only a container of the network can send from one of its addresses, and what it could
learn by taking a neighbour's is who else is there.
"""

from __future__ import annotations

import os

from kernelbox.network.endpoints import FILE, Endpoint, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

_MOST = 16 << 20  # bytes: what is longer is nothing that kernelbox wrote


class Book:
    """The endpoints of all networks of a root, read again when they have changed.

    Args:
        directory: An open descriptor of the directory that holds one directory per network. What is
            in it can be read by everybody, while those above it are private.
        network: Whose questions come here.
    """

    def __init__(self, directory: int, network: str) -> None:
        self._directory = directory
        self._network = network
        self._turn = 0
        self._read: dict[str, tuple[int, dict[str, Endpoint]]] = {}

    def exists(self) -> bool:
        """Whether there still is such a network."""
        try:
            os.stat(f"{self._network}/config.json", dir_fd=self._directory)
        except OSError:
            return False
        return True

    def known_to(self, address: str, container: str = "") -> Known:
        """Return what whoever asks may know.

        Args:
            address: Where the question comes from.
            container: Or, inside which container it was asked.
        """
        here = self._endpoints(self._network)
        ends = (one for one in here.values() if one.address == address)
        end = here.get(container) if container else next(ends, None)
        asking = end.container if end else None
        networks = {self._network: here}
        if asking is not None:
            others = {name: self._endpoints(name) for name in os.listdir(self._directory)}
            # On the default bridge nobody has a name.
            networks |= {
                name: found
                for name, found in others.items()
                if asking in found and name != "bridge"
            }
        self._turn += 1
        return Known(networks, self._turn, end.dns if end else [])

    def _endpoints(self, network: str) -> dict[str, Endpoint]:
        """Return who is on a network. The file that was read stays open: see `endpoints`."""
        path = f"{network}/{FILE}"
        fd, found = self._read.get(network, (-1, {}))
        try:
            now = os.stat(path, dir_fd=self._directory)
            if fd >= 0 and os.path.samestat(now, os.fstat(fd)):
                return found
            fresh = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._directory)
        except OSError:  # nobody was ever there, or the network is gone
            self._close(network)
            return {}
        self._close(network)
        found = parse(os.pread(fresh, _MOST, 0).decode(errors="replace"))
        self._read[network] = fresh, found
        return found

    def _close(self, network: str) -> None:
        fd, _ = self._read.pop(network, (-1, {}))
        if fd >= 0:
            os.close(fd)


class Known:
    """The names that somebody knows: those on some networks.

    Args:
        networks: By name, who is on each.
        turn: Of several addresses, which is named first.
        servers: Name servers that are asked the rest; none for the host's.
    """

    def __init__(
        self,
        networks: dict[str, dict[str, Endpoint]],
        turn: int = 0,
        servers: list[str] | tuple[str, ...] = (),
    ) -> None:
        self._networks = networks
        self._turn = turn
        self.servers = list(servers)

    def ends(self, name: str) -> list[Endpoint]:
        """Return everybody of that name, or of `name.network`.

        Two who share a name are named first in turn.
        """
        name = name.lower()
        found = [
            one
            for network, ends in self._networks.items()
            for one in ends.values()
            if name in one.names
            or (name.endswith(f".{network.lower()}") and _first(name, network) in one.names)
        ]
        first = self._turn % len(found) if found else 0
        return found[first:] + found[:first]

    def name(self, address: str) -> str:
        """Return what the container with an address is called, as `name.network`; or nothing."""
        for network, ends in self._networks.items():
            for one in ends.values():
                if address and address in (one.address, one.address6):
                    return f"{one.names[0]}.{network}"
        return ""


def _first(name: str, network: str) -> str:
    return name[: -len(network) - 1]
