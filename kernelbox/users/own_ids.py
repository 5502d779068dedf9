"""Id maps of an ordinary user: its own id, and those that root has lent it.

    /etc/subuid     ann:100000:65536
    newuidmap PID   0 1000 1   1 100000 65536       ann is root inside, and has 65536 ids more

One line, with its own id, a user may write itself, once it has given up setgroups(2) for the
namespace: else it could leave a group that keeps it from a file. All else is asked of newuidmap(1)
and newgidmap(1), which are root's and look up what is lent.

Source: user_namespaces(7), "Defining user and group ID mappings"; newuidmap(1); subuid(5).
"""

from __future__ import annotations

import os

from kernelbox.kernel import files
from kernelbox.kernel.errors import UsageError
from kernelbox.users import id_maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.users.id_maps import Maps


def write_maps(pid: int, uids: Maps, gids: Maps) -> None:
    """Give the user namespace of `pid`, a child of the caller's, its id maps.

    Args:
        pid: A process in it, which may be looked into (PR_SET_DUMPABLE).
        uids: The lines of its uid_map.
        gids: Those of its gid_map.

    Raises:
        UsageError: An id is neither the caller's nor lent to it; newuidmap(1) is missing.
        KernelError: EPERM, EINVAL.
    """
    if is_own(uids, os.geteuid()) and is_own(gids, os.getegid()):
        files.write(f"/proc/{pid}/setgroups", "deny")
        id_maps.write_maps(pid, uids, gids)
        return
    _ask("newuidmap", pid, uids)
    _ask("newgidmap", pid, gids)


def is_own(maps: Maps, number: int) -> bool:
    """Whether a map has one id outside, which is this, and no other."""
    return [(one.hostID, one.size) for one in maps] == [(number, 1)]


def _ask(program: str, pid: int, maps: Maps) -> None:
    import subprocess  # hardly anybody asks

    numbers = [str(number) for one in maps for number in one]
    try:
        done = subprocess.run(
            [program, str(pid), *numbers],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise UsageError(
            f"a map of more ids than your own takes {program}(1): {(error.strerror or '').lower()}",
            "apt-get install uidmap; or map nothing but your own id, with size 1",
        ) from error
    if done.returncode:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())
        raise UsageError(
            f"{program} refuses the map: {said}",
            f"/etc/sub{program[3:6]} has to lend you these ids: see subuid(5)",
        )
