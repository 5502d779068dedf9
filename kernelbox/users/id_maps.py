"""Id maps: the table by which a user namespace translates its ids into those of its parent.

    containerID  hostID      size
    0            2000000000  65536        root inside is a nobody outside

The kernel takes each of the two tables once. Source: user_namespaces(7).
"""

from __future__ import annotations

import os
import stat

from kernelbox.kernel import files, process, session
from kernelbox.kernel import flags as k
from kernelbox.plumbing.light import contextmanager
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# A range that systemd's list of reserved ids leaves to nobody ("UIDS-GIDS.md").
HOST_ID = 2_000_000_000
SIZE = 65_536


class Mapping(NamedTuple):
    """One line of a uid_map or gid_map, in the OCI spec's words."""

    containerID: int
    hostID: int
    size: int


if TYPE_CHECKING:
    Maps = Sequence[Mapping]

DEFAULT_MAPPING = Mapping(0, HOST_ID, SIZE)


def write_maps(pid: int, uids: Maps = (DEFAULT_MAPPING,), gids: Maps = (DEFAULT_MAPPING,)) -> None:
    """Give the user namespace of `pid` its id maps; each can be written once only.

    Args:
        pid: A process in it.
        uids: The lines of its uid_map.
        gids: Those of its gid_map.

    Raises:
        KernelError: EPERM without CAP_SETUID over the parent namespace, or on a second write;
            EINVAL for ranges that overlap.

    Source: user_namespaces(7), "User and group ID mappings: uid_map and gid_map".
    """
    for file, maps in (("uid_map", uids), ("gid_map", gids)):
        lines = [f"{one.containerID} {one.hostID} {one.size}" for one in maps]
        files.write(f"/proc/{pid}/{file}", "\n".join(lines))


def own_pipes(stdio: tuple[int, int, int], root: int) -> None:
    """Make the root of a user namespace, `root` outside, the owner of its program's pipes.

    To it, root's are nobody's: it could neither open /dev/stdout anew nor give it to its user.
    """
    for fd in stdio:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            session.fchown(fd, root, root)


@contextmanager
def namespace(uids: Maps = (DEFAULT_MAPPING,), gids: Maps = (DEFAULT_MAPPING,)) -> Iterator[int]:
    """Yield a descriptor of a new user namespace with these maps; nobody is in it for long.

    Raises:
        KernelError: EPERM without CAP_SYS_ADMIN; ENOSPC when a namespace limit is reached.
    """
    wait, go = os.pipe()
    pid, pidfd = process.clone3(k.CLONE_NEWUSER)
    if pid == 0:
        os.close(go)
        os.read(wait, 1)  # until the other end is closed, however that comes
        os._exit(0)
    try:
        write_maps(pid, uids, gids)
        fd = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        for end in (wait, go, pidfd):
            os.close(end)
        os.waitpid(pid, 0)
    try:
        yield fd
    finally:
        os.close(fd)
