"""The machine next door: a held process in a network namespace of its own, cabled to the host.

The kernel removes the cable with the namespace, and so with the process; the host's ledger names
its end here, for `kernelbox reset` meanwhile.
"""

from __future__ import annotations

import os

from kernelbox import namespaces
from kernelbox.agent import whose
from kernelbox.container import state
from kernelbox.container.ledger import Ledger
from kernelbox.kernel import netdevice, netlink
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.kernel.rtnetlink import RouteSocket
from kernelbox.network import link_names, subnets
from kernelbox.network.addresses import Subnet, host_locked, written
from kernelbox.plumbing import paths

_PREFIX = 30  # two addresses: the host's, and the one next door
_CABLES = 64
_MTU = 1500  # bytes


def move_in(pid: int) -> dict[str, str]:
    """Lay a cable from the host to a held process's network namespace; its default route is here.

    Args:
        pid: Of the process; it has left the host's network.

    Returns:
        `address` of the machine next door, and `host`: that of this one at its end of the cable.

    Raises:
        UsageError: It is no process of the lab's, or still on the host's network.
        KernelboxError: No subnet is free for the cable.
        KernelError: EEXIST if it has an eth0 already.

    Source: veth(4); ip-link(8); ip-route(8).
    """
    if not whose.is_the_labs(pid, {os.getpid()}):
        raise UsageError(f"process {pid} is none of this lab's", "box.next_door() makes one")
    if namespaces.identity(pid, "net") == namespaces.identity("self", "net"):
        raise UsageError(f"process {pid} is on the host's network", "unshare('net') first")
    fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with state.housekeeping(), host_locked():
            return _cabled(fd, pid)
    finally:
        os.close(fd)


def _cabled(netns_fd: int, pid: int) -> dict[str, str]:
    subnet = _subnet()
    ours, theirs = subnet.gateway, written(subnet.first + 2)
    names = (f"door{paths.suffix()}{place}" for place in range(_CABLES))
    link = next((one for one in names if not netdevice.exists(one)), "")
    if not link:
        raise KernelboxError(f"there are {_CABLES} machines next door", "End some of them")
    Ledger(paths.host()).record("link", link)
    mac = link_names.mac_address(theirs)
    with RouteSocket() as host:
        host.add_veth(link, "eth0", netns_fd=netns_fd, peer_mac=mac, mtu=_MTU, netns=str(pid))
        host.add_address(link, ours, _PREFIX)
        host.set_up(link)
    with netlink.inside(netns_fd, f"nsenter -t {pid} -n"):
        netdevice.loopback_up()
        with RouteSocket() as there:
            there.add_address("eth0", theirs, _PREFIX)
            there.set_up("eth0")
            there.add_default_route(ours, "eth0")
    with RouteSocket() as host:
        host.wait_until_running(link)
    return {"address": theirs, "host": ours}


def _subnet() -> Subnet:
    wide = list(subnets.candidates_of_people())[-_CABLES:]
    narrow = (Subnet(one.first, _PREFIX) for one in wide)
    free = subnets.first_free(narrow, subnets.taken() + subnets.taken_by_networks())
    if free is None:
        raise KernelboxError("no subnet is free for a cable", "Remove networks: network prune")
    return free
