"""Which container has which address: one lease per address, on disk.

A lease is a symbolic link from the address to the container's id, below the network's directory:

    networks/bridge/172.29.0.2 -> 4f2a91c0...
    networks/web/10.170.0.2    -> 4f2a91c0...

Making a link is atomic and fails if the name is taken, so of two processes that want an address
one gets it, and no lease is ever without its owner. `ls -l` shows them all. Addresses are given
in turn: one that was released is not used again before the others were, because the network's
ARP caches and a student's notes remember it for a while.
"""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import contextmanager

from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.plumbing import paths
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEFAULT = "bridge"  # the network that is there without being made


class Subnet(NamedTuple):
    """An IP network: its first address as a number, and lengths in bits.

    Attributes:
        first: As a number.
        prefix: What its addresses begin with alike.
        bits: Of an address: 32, or 128 for IPv6.
    """

    first: int
    prefix: int
    bits: int = 32

    @classmethod
    def parse(cls, text: str) -> Subnet:
        """Return the network written as `172.29.0.0/16`, `fd00::/64`; host bits are cut off."""
        address, _, prefix = text.partition("/")
        bits = width(address)
        size = 1 << (bits - int(prefix))
        return cls(number(address) // size * size, int(prefix), bits)

    @property
    def size(self) -> int:
        """How many addresses it spans, its first and its last (broadcast) included."""
        return 1 << (self.bits - self.prefix)

    @property
    def gateway(self) -> str:
        """The bridge's own address: the first after the network's."""
        return self.address(1)

    def address(self, place: int) -> str:
        """Return the address that is so many after the network's."""
        return written(self.first + place, self.bits)

    def overlaps(self, other: Subnet) -> bool:
        """Whether some address is in both."""
        return (
            self.bits == other.bits
            and self.first < other.first + other.size
            and other.first < self.first + self.size
        )

    def has(self, address: str) -> bool:
        """Whether an address is in it, and neither its first nor its last (broadcast)."""
        return self.bits == width(address) and 0 < number(address) - self.first < self.size - 1

    def __str__(self) -> str:
        return f"{self.address(0)}/{self.prefix}"


# Not the module ipaddress: it costs 4 ms to import, and this is all that is needed of it.
def width(address: str) -> int:
    """Return how many bits an address has, by the colons that only IPv6 has: 32 or 128."""
    return 128 if ":" in address else 32


def number(address: str) -> int:
    """Return an address, `172.29.0.2` or `fd00::2`, as a number. Raises OSError if it is none."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return int.from_bytes(socket.inet_pton(family, address), "big")


def written(value: int, bits: int = 32) -> str:
    """Return a number as an address, as it is usually written."""
    family = socket.AF_INET if bits == 32 else socket.AF_INET6
    return socket.inet_ntop(family, value.to_bytes(bits // 8, "big"))


def directory(network: str = DEFAULT) -> str:
    """Return the directory of a network; the default one's is made if it is missing."""
    path = f"{paths.networks()}/{network}"
    if network == DEFAULT:
        os.makedirs(path, mode=0o755, exist_ok=True)
    return path


@contextmanager
def locked(name: str, network: str = DEFAULT) -> Iterator[int]:
    """Hold the lock file `name` of a network; yields its descriptor. A crash lets go of it.

    Raises:
        UsageError: There is no such network, perhaps since a moment ago.

    Source: flock(2).
    """
    path = f"{directory(network)}/{name}"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except FileNotFoundError:
        raise missing(network) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)


def missing(network: str, others: str = "") -> UsageError:
    """Return the refusal of a network that does not exist.

    Args:
        network: Its name.
        others: What else it could have been, where that was asked.
    """
    return UsageError(
        f"no network {network!r:.80}",
        f"Use {others}one of `kernelbox network ls`; to make one: kernelbox network create",
    )


@contextmanager
def host_locked() -> Iterator[None]:
    """Be alone among all roots of this host in choosing a subnet, and in switching forwarding.

    The directory is locked itself: that leaves no file behind. Source: flock(2).
    """
    fd = os.open(os.path.dirname(paths.DEFAULT_ROOT), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def reserve(
    subnet: Subnet,
    container_id: str,
    record: Callable[[str, str], None],
    *,
    network: str = DEFAULT,
    gateway: str = "",
    wanted: str = "",
) -> str:
    """Give a container the next free address of `subnet`, or the one it wants.

    Never the network's own address, the gateway or the broadcast address.

    Args:
        subnet: Where to choose from.
        container_id: The owner.
        record: Writes down what is about to be made: kind and name.
        network: Whose leases they are.
        gateway: The bridge's address; without one, the first.
        wanted: An address to have, and no other.

    Raises:
        UsageError: The wanted address is no address of the network's, or not free.
        KernelboxError: Every address is taken.
    """
    gateway = gateway or subnet.gateway
    with locked("cursor", network) as cursor:
        if wanted:
            demand(subnet, gateway, network, wanted)
            return take(network, wanted, container_id, record)
        start = _last_given(cursor, subnet) - subnet.first
        for step in range(subnet.size - 2):
            address = subnet.address(1 + (start + step) % (subnet.size - 2))
            if address == gateway or is_leased(network, address):
                continue
            take(network, address, container_id, record)
            os.pwrite(cursor, address.ljust(15).encode(), 0)
            return address
    raise KernelboxError(
        f"every address of {subnet} is taken", "Remove containers: kernelbox ps -a, kernelbox rm"
    )


def demand(subnet: Subnet, gateway: str, network: str, wanted: str) -> None:
    """Refuse an address that the network cannot give. Its lock is held.

    Raises:
        UsageError: It is none, not one of this network's, or not free.
    """
    option, like = ("--ip", "10.0.0.7") if subnet.bits == 32 else ("--ip6", "fd00::7")
    try:
        fits = subnet.has(wanted)
    except OSError:
        raise UsageError(f"{wanted!r:.80} is not an IP address", f"Write it like {like}") from None
    if not fits:
        raise UsageError(
            f"{wanted} is no address for a container of {network!r}, {subnet}",
            "See it: kernelbox network inspect " + network,
        )
    owner = leases(network).get(wanted)
    if wanted == gateway or owner:
        whose = f"container {owner[:12]}" if owner else "its gateway"
        raise UsageError(
            f"the address {wanted} of network {network!r} is in use by {whose}",
            f"Choose another, or leave out {option}",
        )


def is_leased(network: str, address: str) -> bool:
    """Whether an address is somebody's."""
    return os.path.lexists(f"{directory(network)}/{address}")


def take(network: str, address: str, container_id: str, record: Callable[[str, str], None]) -> str:
    """Lease an address to a container, and return it. The network's lock is held.

    Raises:
        UsageError: There is no such network any more.
        FileExistsError: The address is somebody's.
    """
    path = f"{directory(network)}/{address}"
    record("lease", f"{path}={container_id}")
    try:
        os.symlink(container_id, path)
    except FileNotFoundError:  # the network was removed while we waited for its lock
        raise missing(network) from None
    return address


def _last_given(cursor: int, subnet: Subnet) -> int:
    """Return the address given last; the one before the first, if that is unknown."""
    try:
        last = number(os.pread(cursor, 15, 0).decode().strip())
    except (OSError, ValueError):
        last = 0
    inside = subnet.first < last < subnet.first + subnet.size - 1
    return last if inside else subnet.first


def leases(network: str = DEFAULT) -> dict[str, str]:
    """Return who has what: a dict from address to container id."""
    found = {}
    for name in os.listdir(directory(network)):
        try:
            found[name] = os.readlink(f"{directory(network)}/{name}")
        except OSError:  # the lock and the notes beside the leases; or released meanwhile
            continue
    return found


def release_lease(name: str) -> None:
    """Give an address back. `name` is as recorded: the path, `=`, the container's id.

    Only its owner's lease is removed: the address may long be somebody else's.
    """
    path, _, container_id = name.rpartition("=")
    try:
        if os.readlink(path) == container_id:
            os.unlink(path)
    except FileNotFoundError:
        return
