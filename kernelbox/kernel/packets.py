"""Sockets for a conversation, and sockets that hear every frame of a link.

A socket belongs to the network namespace in which it was opened, for as long as it is open, and
not to the process that has it: it can be handed to a process elsewhere.

Source: network_namespaces(7); packet(7); raw(7).
"""

from __future__ import annotations

import socket

from kernelbox.kernel.door import Symbol, request

_KINDS = {
    "tcp": (socket.SOCK_STREAM, "SOCK_STREAM", 0, "0"),
    "udp": (socket.SOCK_DGRAM, "SOCK_DGRAM", 0, "0"),
    "icmp": (socket.SOCK_RAW, "SOCK_RAW", socket.IPPROTO_ICMP, "IPPROTO_ICMP"),
}
_EVERY_PROTOCOL = 0x0003  # linux/if_ether.h, ETH_P_ALL
_TIMESTAMPS = 35  # asm-generic/socket.h, SO_TIMESTAMPNS
_ROOM = 1 << 20  # bytes of frames that nobody has read yet; the kernel may grant less


def open_socket(kind: str) -> socket.socket:
    """Open an IPv4 socket: `tcp`, `udp`, or `icmp`, which also hears and sends pings.

    Raises:
        KernelError: EPERM for `icmp` without CAP_NET_RAW over the network namespace.
        KeyError: There is no such kind.

    Source: socket(2); raw(7).
    """
    number, name, protocol, protocol_name = _KINDS[kind]
    opened: list[socket.socket] = []
    request(
        "socket",
        (Symbol("AF_INET"), Symbol(name), Symbol(protocol_name)),
        lambda: opened.append(socket.socket(socket.AF_INET, number, protocol)),
        "",
    )
    return opened[0]


def open_capture(link: str) -> socket.socket:
    """Open a socket that hears every frame that a link sends or receives, with its time.

    Raises:
        KernelError: EPERM without CAP_NET_RAW over the network namespace; ENODEV if there is no
            such link.

    Source: packet(7); socket(7), SO_TIMESTAMP.
    """
    opened: list[socket.socket] = []

    def act() -> None:
        # Of no protocol until it is bound: or it would hear every link for a moment.
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
            ear.setsockopt(socket.SOL_SOCKET, _TIMESTAMPS, 1)
            ear.bind((link, _EVERY_PROTOCOL))
        except BaseException:
            ear.close()
            raise
        opened.append(ear)

    shown = (Symbol("AF_PACKET"), Symbol("SOCK_RAW"), Symbol(f'{{ifname="{link}"}}'))
    request("socket", shown, act, f"tcpdump -n -i {link}")
    return opened[0]
