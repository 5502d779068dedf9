"""Gifts: what of the host's a container sees, opened on the runtime side as detached mounts.

Only the runtime side still reaches the host's files; only the container side is where they are to
be seen. A detached mount is a descriptor, which a socket carries from the one to the other.
"""

from __future__ import annotations

import errno
import os
import stat

from kernelbox import network, rootfs, storage
from kernelbox.channel import MOST_DESCRIPTORS, Channel
from kernelbox.kernel import files, mounts
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelError, UsageError
from kernelbox.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.spec import Spec

_HELPER = "/usr/bin/tini-static"


class Gift(NamedTuple):
    """Something of the host's, opened as a detached mount by the runtime side."""

    fd: int
    target: str
    directory: bool


def deliver(delivery: Channel, gifts: list[Gift]) -> None:
    """Pass gifts to the container side: the descriptors are copied and, here, closed."""
    for first in range(0, len(gifts), MOST_DESCRIPTORS):
        some = gifts[first : first + MOST_DESCRIPTORS]
        delivery.send("gifts", fds=[gift.fd for gift in some], what=[gift[1:] for gift in some])
        for gift in some:
            os.close(gift.fd)


def deliveries(delivery: Channel) -> Iterator[Gift]:
    """Wait for gifts and yield each, until the runtime side has closed its end."""
    while (message := delivery.receive()) is not None:
        for fd, what in zip(message["fds"], message["what"], strict=True):
            yield Gift(fd, *what)


def open_files(spec: Spec, directory: str, address: str) -> list[Gift]:
    """Open every file and directory of the host that the container shall see.

    Args:
        spec: What the container shall be.
        directory: The container's own, where its hosts, hostname and resolv.conf are written to.
        address: On the bridge; empty without one.

    Raises:
        UsageError: The source of a volume does not exist.
    """
    gifts = []
    for name, text in (
        ("hostname", spec.hostname + "\n"),
        ("hosts", network.hosts_file(spec.hostname, address)),
        ("resolv.conf", _resolv_conf(spec)),
    ):
        path = f"{directory}/{name}"
        storage.write(path, text, mode=0o644)
        gifts.append(_open_bind(path, f"/etc/{name}", read_only=False))
    for volume in spec.volumes:
        gifts.append(_open_bind(volume.source, volume.target, volume.read_only))
    return gifts


def _resolv_conf(spec: Spec) -> str:
    """Return the container's resolv.conf: the host's own where it shares the host's network.

    A host may have none, or a link to what systemd-resolved writes while that is not running.
    """
    if spec.network != "host":
        return network.resolv_conf()
    try:
        return files.read("/etc/resolv.conf")
    except FileNotFoundError:
        return ""


def _open_bind(source: str, target: str, read_only: bool) -> Gift:
    try:
        fd = mounts.open_tree(source, k.AT_RECURSIVE)
    except KernelError as error:
        if error.errno == errno.ENOENT:
            raise UsageError(
                f"bind source {source} does not exist", f"Make it first: mkdir -p {source}"
            ) from error
        raise
    attributes = k.MOUNT_ATTR_NODEV | (k.MOUNT_ATTR_RDONLY if read_only else 0)
    mounts.mount_setattr(fd, attributes=attributes, propagation=k.MS_PRIVATE)
    return Gift(fd, target, stat.S_ISDIR(os.fstat(fd).st_mode))


def open_devices() -> dict[str, int]:
    """Open the host's device nodes, for a container that may not make any."""
    return {name: mounts.open_tree(f"/dev/{name}", 0) for name, _, _ in rootfs.DEVICES}


def open_helper() -> int:
    """Open the small init of `--init`.

    Raises:
        UsageError: This host has none.
    """
    if not os.path.exists(_HELPER):
        raise UsageError("--init needs tini, which this host lacks", "apt-get install tini")
    fd = mounts.open_tree(_HELPER, 0)
    mounts.mount_setattr(fd, attributes=k.MOUNT_ATTR_RDONLY, propagation=k.MS_PRIVATE)
    return fd
