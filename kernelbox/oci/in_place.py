"""A root in a mount namespace that others are in, too: attached where it lies, and taken away.

A container without a mount namespace of its own has its mounts where everybody sees them. All of
them are below one, its root on top of itself, and the id of that is written down before there is
anything: whoever deletes the container takes away just that, however far its birth had come.

Source: OCI runtime-spec, config-linux.md, "Namespaces"; proc_pid_fdinfo(5), mnt_id.
"""

from __future__ import annotations

import os

from kernelbox.kernel import flags as k
from kernelbox.kernel import lookup, mounts
from kernelbox.kernel.errors import KernelError
from kernelbox.plumbing import storage
from kernelbox.root import pivot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.oci.config import Config

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def mount_id(fd: int) -> int:
    """Return the number by which the kernel knows the mount that a descriptor is on."""
    found = storage.read(f"/proc/self/fdinfo/{fd}").partition("\nmnt_id:\t")[2]
    return int(found.split("\n")[0])


def attach(fd: int, path: str) -> None:
    """Attach a container's root, a detached mount, where it lies; and stand in it.

    What is mounted below it then is nobody else's: where it lies may be shared.
    """
    pivot.attach_at(fd, path)
    here = os.open(".", _DIRECTORY)
    mounts.mount_setattr(here, attributes=0, propagation=k.MS_PRIVATE)
    os.close(here)


def take_away(path: str, number: int, config: Config) -> None:
    """Unmount a container's root, with all that is mounted below it; if it is there.

    Args:
        path: Where it was attached.
        number: From `mount_id`; 0 for a root that only the container sees.
        config: The container.
    """
    if not number:
        return
    from contextlib import ExitStack

    from kernelbox.kernel import aside  # for a few containers, and no other

    mount = config.namespace("mount")
    with ExitStack() as stack:
        try:
            if mount is not None:
                stack.enter_context(aside.in_mounts_of(mount.path))
            there = os.open(path, _DIRECTORY | os.O_NOFOLLOW)
        except (OSError, KernelError):
            return  # with the namespace, or the bundle, its mounts are gone
        stack.callback(os.close, there)
        if mount_id(there) != number:
            return
        back = os.open(".", _DIRECTORY)
        stack.callback(os.close, back)
        lookup.fchdir(there)
        mounts.umount2(".", k.MNT_DETACH)
        lookup.fchdir(back)
