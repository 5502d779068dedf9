"""Network interfaces through ioctl: the few things that need no netlink.

A container without a network needs nothing but its loopback; one ioctl brings that up. And the
usual question before a container is connected, whether the bridge is as it should be, is answered
here in microseconds. Each question goes to the network namespace that the caller is in: unlike
/sys/class/net, which stays with the namespace in which sysfs was mounted.
"""

from __future__ import annotations

import fcntl
from _socket import AF_INET, AF_INET6, SOCK_DGRAM, if_nametoindex, inet_ntoa, inet_pton, socket

from kernelbox.kernel import flags as k
from kernelbox.kernel.door import Symbol, request
from kernelbox.plumbing.light import closing, struct

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_SIOCGIFADDR = 0x8915
_SIOCGIFNETMASK = 0x891B
_SIOCGIFMTU = 0x8921
_SIOCGSKNS = 0x894C


def _ask_interface(code: int, name: str) -> bytes | None:
    """Return the 24 bytes with which ioctl `code` answers about `name`; None if there are none."""
    with closing(socket(AF_INET, SOCK_DGRAM)) as sock:
        try:
            return fcntl.ioctl(sock, code, struct.pack("16s24x", name.encode()))[16:]
        except OSError:  # ENODEV: no such link; EADDRNOTAVAIL: it has no IPv4 address
            return None


def is_up(name: str) -> bool:
    """Whether the link exists and is up. Source: netdevice(7), SIOCGIFFLAGS."""
    answer = _ask_interface(_SIOCGIFFLAGS, name)
    return answer is not None and bool(struct.unpack_from("H", answer)[0] & k.IFF_UP)


def first_address(name: str) -> tuple[str, int] | None:
    """Return a link's first IPv4 address and prefix length; None without link or address.

    Source: netdevice(7), SIOCGIFADDR and SIOCGIFNETMASK.
    """
    address = _ask_interface(_SIOCGIFADDR, name)
    mask = _ask_interface(_SIOCGIFNETMASK, name)
    if address is None or mask is None:
        return None
    return inet_ntoa(address[4:8]), int.from_bytes(mask[4:8], "big").bit_count()


def has_address6(name: str, address: str, prefix: int) -> bool:
    """Whether a link has an IPv6 address with this prefix length.

    ioctl gives no list of them; procfs does, each as 32 digits.

    Source: kernel, `net/ipv6/addrconf.c`, if6_seq_show.
    """
    wanted = [inet_pton(AF_INET6, address).hex(), f"{prefix:02x}", name]
    try:
        with open("/proc/thread-self/net/if_inet6", encoding="ascii") as file:
            lines = [line.split() for line in file]
    except FileNotFoundError:  # a kernel without IPv6
        return False
    return any([line[0], line[2], line[5]] == wanted for line in lines)


def mtu(name: str) -> int:
    """Return a link's MTU in bytes; 0 if there is no such link. Source: netdevice(7)."""
    answer = _ask_interface(_SIOCGIFMTU, name)
    return 0 if answer is None else int(struct.unpack_from("i", answer)[0])


def exists(name: str) -> bool:
    """Whether the caller's network namespace has a link of this name. Source: if_nametoindex(3)."""
    try:
        return if_nametoindex(name) > 0
    except OSError:
        return False


def loopback_up() -> None:
    """Bring up `lo` in the caller's network namespace; the kernel then gives it 127.0.0.1.

    One ioctl and no netlink: the whole network of a container that has none.

    Raises:
        KernelError: EPERM without CAP_NET_ADMIN over the namespace.

    Source: netdevice(7), SIOCSIFFLAGS.
    """
    with closing(socket(AF_INET, SOCK_DGRAM)) as sock:
        ask = struct.pack("16sH22x", b"lo", k.IFF_UP | k.IFF_LOOPBACK)
        request(
            "ioctl",
            (
                sock.fileno(),
                Symbol("SIOCSIFFLAGS"),
                Symbol('{ifr_name="lo", ifr_flags=IFF_UP|IFF_LOOPBACK}'),
            ),
            lambda: fcntl.ioctl(sock, _SIOCSIFFLAGS, ask),
            "ip link set lo up",
        )


def namespace_of(sock: socket) -> int:
    """Return a descriptor of the network namespace that a socket is in, whoever has opened it.

    Raises:
        OSError: EPERM without CAP_NET_ADMIN over that namespace.

    Source: linux/sockios.h, SIOCGSKNS.
    """
    return fcntl.ioctl(sock, _SIOCGSKNS)
