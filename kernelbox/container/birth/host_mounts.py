"""Host mounts: what of the host's a container sees, opened on the runtime side, detached.

Only the runtime side still reaches the host's files; only the container side is where they are to
be seen. A detached mount is a descriptor, which a socket carries from the one to the other.
"""

from __future__ import annotations

import errno
import os
import stat

from kernelbox.container.birth import own_files
from kernelbox.container.volumes import volumes
from kernelbox.kernel import flags as k
from kernelbox.kernel import mounts
from kernelbox.kernel.errors import KernelError, UsageError
from kernelbox.plumbing import paths
from kernelbox.plumbing.channel import MOST_DESCRIPTORS, Channel
from kernelbox.plumbing.records import NamedTuple
from kernelbox.root import furnishing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.container.spec import Mount, Spec

_HELPER = "/usr/bin/tini-static"
_ATTRIBUTES = {
    "ro": k.MOUNT_ATTR_RDONLY,
    "nosuid": k.MOUNT_ATTR_NOSUID,
    "noexec": k.MOUNT_ATTR_NOEXEC,
}


class HostMount(NamedTuple):
    """Something of the host's as a detached mount, and where in the container it is to be.

    Attributes:
        fd: The mount.
        target: Where in the container.
        directory: Whether it is one.
        own: Whether it is a file of kernelbox's, which an image may decline.
    """

    fd: int
    target: str
    directory: bool
    own: bool = False


def deliver(delivery: Channel, opened: list[HostMount]) -> None:
    """Pass mounts to the container side: the descriptors are copied and, here, closed."""
    for first in range(0, len(opened), MOST_DESCRIPTORS):
        some = opened[first : first + MOST_DESCRIPTORS]
        delivery.send("mounts", fds=[one.fd for one in some], what=[one[1:] for one in some])
        for one in some:
            os.close(one.fd)


def deliveries(delivery: Channel) -> Iterator[HostMount]:
    """Wait for mounts and yield each, until the runtime side has closed its end."""
    while (message := delivery.receive()) is not None:
        for fd, what in zip(message["fds"], message["what"], strict=True):
            yield HostMount(fd, *what)


def open_all(spec: Spec, addresses: list[str], pid: int) -> list[HostMount]:
    """Open every file and directory of the host that the container shall see, and its volumes.

    Args:
        spec: What the container shall be.
        addresses: On the bridge; none without one.
        pid: Of its first process.

    Raises:
        UsageError: The source of a volume does not exist.
    """
    own_files.write(spec, addresses, [spec.kernelbox.network] if addresses else [])
    userns = None
    if spec.has_user_namespace:
        userns = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        made = volumes.make(spec, userns)
        own = f"{os.path.dirname(paths.container(spec.id))}/"  # or of whose network it shares
        for one in spec.brought:
            if _is_named(one):
                from kernelbox.container.volumes import volume_store  # few have volumes with a name

                volume_store.prepare(spec, one)
        opened = [(one, open_bind(one, made, userns)) for one in spec.brought]
    finally:
        if userns is not None:
            os.close(userns)
    return [mount._replace(own=one.source.startswith(own)) for one, mount in opened]


def open_bind(mount: Mount, made: dict[str, int], userns: int | None = None) -> HostMount:
    """Open one of them.

    Args:
        mount: Which.
        made: The container's volumes without a name, by their places.
        userns: Its user namespace, or one with the same maps; None if it has the host's.

    Raises:
        UsageError: It does not exist.
    """
    if mount.type == volumes.KIND:
        fd = made[mount.destination]
        return HostMount(fd, mount.destination, stat.S_ISDIR(os.fstat(fd).st_mode))
    if mount.type == "tmpfs":
        return HostMount(_memory(mount), mount.destination, directory=True)
    try:
        fd = mounts.open_tree(mount.source, k.AT_RECURSIVE)
    except KernelError as error:
        if error.errno == errno.ENOENT:
            raise UsageError(
                f"bind source {mount.source} does not exist",
                f"Make it first: mkdir -p {mount.source}",
            ) from error
        raise
    attributes = k.MOUNT_ATTR_NODEV | (k.MOUNT_ATTR_RDONLY if mount.read_only else 0)
    mounts.mount_setattr(fd, attributes=attributes, propagation=k.MS_PRIVATE)
    if userns is not None and _is_named(mount):
        mounts.mount_setattr(fd, attributes=k.MOUNT_ATTR_IDMAP, userns_fd=userns)
    return HostMount(fd, mount.destination, stat.S_ISDIR(os.fstat(fd).st_mode))


def _is_named(mount: Mount) -> bool:
    """Whether it is a volume that has a name."""
    return mount.source.startswith(f"{paths.volumes()}/")


def _memory(mount: Mount) -> int:
    """Make a file system in memory, with the options of a mount."""
    context = mounts.fsopen("tmpfs")
    attributes = k.MOUNT_ATTR_NODEV
    try:
        for option in mount.options:
            if option in _ATTRIBUTES:
                attributes |= _ATTRIBUTES[option]
                continue
            name, _, value = option.partition("=")
            mounts.fsconfig(context, k.FSCONFIG_SET_STRING, name, value)
        mounts.fsconfig(context, k.FSCONFIG_CMD_CREATE)
        return mounts.fsmount(context, attributes)
    finally:
        os.close(context)


def open_devices() -> dict[str, int]:
    """Open the host's device nodes, for a container that may not make any."""
    return {name: mounts.open_tree(f"/dev/{name}", 0) for name, _, _ in furnishing.DEVICES}


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
