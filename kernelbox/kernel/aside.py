"""Being in another mount namespace for a while: what is mounted there nobody here sees."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager

from kernelbox.kernel import flags as k
from kernelbox.kernel import lookup, mounts, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACE = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def in_mounts_of(whose: int | str | None = None) -> Iterator[None]:
    """Be in another's mount namespace, or in a new one, until the block ends.

    Root and working directory change with the namespace, and are put back. A new one is private,
    and ends with all that was mounted in it when nobody is in it any more.

    Args:
        whose: A process's, by its pid; the one at a path; None for a new one.

    Raises:
        KernelError: EPERM without CAP_SYS_ADMIN; EINVAL if the caller has threads.
        OSError: ENOENT if there is no such process, or path.

    Source: mount_namespaces(7); setns(2).
    """
    with ExitStack() as stack:

        def opened(path: str, flags: int) -> int:
            fd = os.open(path, flags)
            stack.callback(os.close, fd)
            return fd

        home = opened("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        root, here = opened("/", _PLACE), opened(".", _PLACE)
        if whose is None:
            syscalls.unshare(k.CLONE_NEWNS)
        else:
            place = whose if isinstance(whose, str) else f"/proc/{whose}/ns/mnt"
            there = opened(place, os.O_RDONLY | os.O_CLOEXEC)
            syscalls.setns(there, k.CLONE_NEWNS)
        try:
            if whose is None:
                mounts.mount(None, "/", None, k.MS_REC | k.MS_PRIVATE)
            yield
        finally:
            syscalls.setns(home, k.CLONE_NEWNS)
            lookup.fchdir(root)
            lookup.chroot(".")
            lookup.fchdir(here)
