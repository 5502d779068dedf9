"""The host's switches for forwarding packets, of IPv4 and of IPv6: who has turned one on, for whom.

The kernel forwards nothing while `net.ipv4.ip_forward`, or `net.ipv6.conf.all.forwarding`, is off.
Where it was off, kernelbox turns it on, and back when nobody needs it any more. Several roots may
rely on it: a note of the host's says that kernelbox has turned it on, and for whom; each of them
has it in its ledger, and the `reset` of the last one turns it off. One whose directory somebody has
deleted will never ask for that, so it does not count any more.

A host that forwards IPv6 is a router, and a router does not believe what others announce: one whose
own way out was announced to it would lose that. It is left alone, and told.

Source: kernel, `Documentation/networking/ip-sysctl.rst`.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from kernelbox.kernel import files
from kernelbox.kernel.errors import KernelboxError
from kernelbox.kernel.rtnetlink import RouteSocket
from kernelbox.network.addresses import directory, host_locked
from kernelbox.network.link_names import bridge_and_table
from kernelbox.network.notes import boot_id, note, noted
from kernelbox.plumbing import paths, storage
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_BY_ANNOUNCEMENT = 9  # RTPROT_RA


class Switch(NamedTuple):
    """One of the two.

    Attributes:
        key: As sysctl(8) calls it.
        note: What the notes about it are called: a root's, and the end of the host's.
    """

    key: str
    note: str

    @property
    def path(self) -> str:
        """Its file."""
        return "/proc/sys/" + self.key.replace(".", "/")

    def is_off(self) -> bool:
        """Whether the kernel forwards nothing."""
        return files.read(self.path).strip() == "0"

    @property
    def register(self) -> str:
        """The host's note: one for each network namespace."""
        return f"/run/kernelbox-{self.note}-{os.stat('/proc/self/ns/net').st_ino}"


IPV4 = Switch("net.ipv4.ip_forward", "forwards")
IPV6 = Switch("net.ipv6.conf.all.forwarding", "forwards6")


def is_ours(switch: Switch) -> bool:
    """Whether it was off before kernelbox, or is still."""
    return switch.is_off() or bool(_registered(switch))


def turn_on(switch: Switch, record: Callable[[str, str], None]) -> None:
    """Turn on one that is ours, or rely on its being on. The host's lock is held.

    Raises:
        KernelError: EPERM, EROFS.
        KernelboxError: The host would lose its own way out.
    """
    is_off, registered = switch.is_off(), _registered(switch)
    if is_off and switch is IPV6:
        _demand_no_announced_way()
    if is_off or noted(switch.note) != boot_id():
        record("sysctl", f"{switch.key}=0")
        note(switch.note, boot_id())
    if _own_line() not in registered:
        _register(switch, _others(registered) | {_own_line()})
    if is_off:
        files.write(switch.path, "1")


def _demand_no_announced_way() -> None:
    with RouteSocket() as host:
        ways = [one for one in host.routes(family=socket.AF_INET6) if not one.prefix]
        names = {one.ifindex: one.name for one in host.links()}
    for one in ways:
        name = names.get(one.ifindex, "")
        if one.protocol == _BY_ANNOUNCEMENT and not _listens_always(name):
            raise KernelboxError(
                f"this host does not forward IPv6, and would lose its own way out on {name} if it "
                "did: a router announces that, and routers do not listen to routers",
                f"Let it listen all the same: sysctl net.ipv6.conf.{name}.accept_ra=2",
            )


def _listens_always(link: str) -> bool:
    path = f"/proc/sys/net/ipv6/conf/{link}/accept_ra"
    return os.path.exists(path) and files.read(path).strip() == "2"


def restore(name: str) -> None:
    """Set a switch back to what it was; `name` is as recorded, `net.ipv4.ip_forward=0`.

    After a reboot there is nothing to set back: the setting is the host's own again. As long as
    another root relies on it, it stays; the last one sets it back.
    """
    key, _, value = name.partition("=")
    switch = IPV6 if key == IPV6.key else IPV4
    with host_locked():
        before = _registered(switch)
        left = _others(before)
        if before and not left and files.read(switch.path).strip() != value:
            files.write(switch.path, value)
        _register(switch, left)
    with suppress(FileNotFoundError):
        os.unlink(f"{directory()}/{switch.note}")


def _own_line() -> str:
    """Return how this root stands in the register: by its table, and its directory."""
    directory = os.path.realpath(paths.root())
    return f"{bridge_and_table()[1]} {directory if directory.isprintable() else ''}".strip()


def _registered(switch: Switch) -> set[str]:
    """Return the lines of the roots that rely on its having been turned on, or did once."""
    try:
        boot, *lines = storage.read(switch.register).splitlines()
    except (FileNotFoundError, ValueError):
        return set()
    return set(lines) if boot == boot_id().strip() else set()


def _others(lines: set[str]) -> set[str]:
    """Return those of the other roots that are still there."""
    directories = {line: line.partition(" ")[2] for line in lines - {_own_line()}}
    return {one for one, path in directories.items() if not path or os.path.isdir(path)}


def _register(switch: Switch, lines: set[str]) -> None:
    path = switch.register
    if lines:
        storage.write(f"{path}.new", "\n".join([boot_id().strip(), *sorted(lines)]), mode=0o644)
        os.replace(f"{path}.new", path)
    else:
        with suppress(FileNotFoundError):
            os.unlink(path)
