"""A held process's network: links, addresses, routes and rules, one request a message.

They are those of the network namespace that the process is in, and go with it: the guard refuses
them in the host's, and refuses to carry a link there. What is opened here, a socket, is handed to
whoever asked, and stays in this namespace.
"""

from __future__ import annotations

import os

from kernelbox.kernel import nft, packets
from kernelbox.kernel.cabling import CablingSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _add_veth(_fds: list[int], name: str, peer: str) -> None:
    with CablingSocket() as kernel:
        kernel.add_pair(name, peer)


def _add_bridge(_fds: list[int], name: str) -> None:
    with CablingSocket() as kernel:
        kernel.add_bridge(name)


def _move_link(_fds: list[int], name: str, pid: int) -> None:
    there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with CablingSocket() as kernel:
            kernel.move(name, there, str(pid))
    finally:
        os.close(there)


def _rename_link(_fds: list[int], name: str, new: str) -> None:
    with CablingSocket() as kernel:
        kernel.rename(name, new)


def _delete_link(_fds: list[int], name: str) -> None:
    with CablingSocket() as kernel:
        kernel.delete_link(name)


def _set_up(_fds: list[int], name: str) -> None:
    with CablingSocket() as kernel:
        kernel.set_up(name)


def _set_down(_fds: list[int], name: str) -> None:
    with CablingSocket() as kernel:
        kernel.set_down(name)


def _set_master(_fds: list[int], name: str, bridge: str) -> None:
    with CablingSocket() as kernel:
        kernel.set_master(name, bridge)


def _set_mtu(_fds: list[int], name: str, size: int) -> None:
    with CablingSocket() as kernel:
        kernel.set_mtu(name, size)


def _add_address(_fds: list[int], name: str, address: str, prefix: int) -> None:
    with CablingSocket() as kernel:
        kernel.add_address(name, address, prefix)


def _add_route(_fds: list[int], destination: str, prefix: int, gateway: str) -> None:
    with CablingSocket() as kernel:
        kernel.add_route(destination, prefix, gateway)


def _nft(_fds: list[int], rules: str) -> None:
    nft.apply(rules)


def _rules(_fds: list[int], table: str) -> str:
    return nft.list_table(table) or ""


def _socket(_fds: list[int], kind: str) -> list[int]:
    return [packets.open_socket(kind).detach()]


def _capture(_fds: list[int], link: str) -> list[int]:
    return [packets.open_capture(link).detach()]


NETWORK_REQUESTS: dict[str, Callable[..., Any]] = {
    "add_veth": _add_veth,
    "add_bridge": _add_bridge,
    "move_link": _move_link,
    "rename_link": _rename_link,
    "delete_link": _delete_link,
    "set_up": _set_up,
    "set_down": _set_down,
    "set_master": _set_master,
    "set_mtu": _set_mtu,
    "add_address": _add_address,
    "add_route": _add_route,
    "nft": _nft,
    "rules": _rules,
}

# These return descriptors, for whoever asked.
OPENING: dict[str, Callable[..., list[int]]] = {"socket": _socket, "capture": _capture}
