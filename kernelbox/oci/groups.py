"""The control group of a container: where its bundle says it is to be, made and taken away.

It may be any place of the hierarchies, since an engine keeps its containers' groups where it looks
for them itself. So it is taken only if nobody is in it, and only what was made is taken away.

Source: OCI runtime-spec, config-linux.md, "Cgroups Path".
"""

from __future__ import annotations

import errno
import os

from kernelbox import cgroup
from kernelbox.cgroup import tree
from kernelbox.cgroup.entrance import Entrance
from kernelbox.kernel import files, process
from kernelbox.kernel.errors import KernelError, UsageError
from kernelbox.plumbing import paths
from kernelbox.plumbing.light import signal, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from kernelbox.cgroup import Cgroup

_OURS = "kernelbox"


def path_of(wanted: str, container_id: str) -> str:
    """Return the path of a container's group below each mount point, without a leading slash.

    Args:
        wanted: `cgroupsPath`; a relative one is below /kernelbox, and so is the default.
        container_id: For the default.

    Raises:
        UsageError: It leads elsewhere, or is the root.
    """
    if ":" in wanted and "/" not in wanted:
        raise UsageError(
            f"the cgroupsPath {wanted!r:.100} is for systemd, which is not asked here",
            "Let the engine use cgroupfs: podman --cgroup-manager cgroupfs",
        )
    parts = [one for one in wanted.split("/") if one not in ("", ".")]
    if ".." in parts or (wanted and not parts):
        raise UsageError(f"{wanted!r:.100} cannot be a container's control group", "Name one")
    if not wanted.startswith("/"):
        parts = [_OURS, *(parts or [f"oci-{paths.suffix()}-{container_id}"])]
    return "/".join(parts)


def of(path: str) -> Cgroup:
    """Return the group of this path; makes nothing.

    Raises:
        UsageError: It is no name of one.
        KernelboxError: The host has no control groups.
    """
    return cgroup.of(path, cgroup.find()._replace(base=""))


def made_for(group: Cgroup, known: Container[str]) -> list[str]:
    """Return the directories above a group that are there for containers, the highest first.

    Whoever is the last in one takes it away: a pod's, or the engine's.

    Args:
        group: The group, not made yet.
        known: Those that were made for other containers.
    """
    return [one for one in group.above if one in known or not os.path.isdir(one)]


def check_free(group: Cgroup) -> None:
    """Refuse a group that somebody is in, or in which nothing moves.

    Raises:
        UsageError: It is another's, or frozen: whoever is born there would never do a thing.
    """
    if group.processes():
        raise UsageError(
            f"the container's cgroup is not empty: there are processes in /{group.name}",
            "Another container's? Give each a cgroupsPath of its own",
        )
    if group.frozen():
        raise UsageError(
            f"container's cgroup unexpectedly frozen: /{group.name}", "Thaw it, or name another"
        )


def make(group: Cgroup) -> None:
    """Make a group; what there is of it already is taken.

    Raises:
        KernelError: EACCES, EROFS.
    """
    group.create(taken=True)
    _inherit_cpus(group)


def _inherit_cpus(group: Cgroup) -> None:
    """Give the group the CPUs and memory nodes of the one above: v1 lets nobody in without.

    An engine may have made what it lies in, and left that empty.

    Source: cgroup-v1/cpusets.rst.
    """
    mount = group.host.mounts.get("cpuset")
    if group.host.version == 2 or mount is None:
        return
    directory = mount
    for part in group.name.split("/"):
        above, directory = directory, f"{directory}/{part}"
        for file in ("cpuset.cpus", "cpuset.mems"):
            if not tree.read(f"{directory}/{file}").strip():
                files.write(f"{directory}/{file}", tree.read(f"{above}/{file}").strip())


def way_into(group: Cgroup, asked: list[str], pid: int) -> Entrance:
    """Open the way into a container's group for a process more, or into groups below it.

    Args:
        group: The container's.
        asked: Which ones: `PATH`, or in v1 also `CONTROLLER[,CONTROLLER]:PATH`. Empty for itself.
        pid: Of the container's first process: in v2 who lives in there may have moved it below,
            since a group that passes controllers down takes nobody in.

    Raises:
        UsageError: A path leads elsewhere; this host has no such controller.
        KernelError: ENOENT if there is no such group.

    Source: runc-exec(8), `--cgroup`; cgroup-v2.rst, "No Internal Process Constraint".
    """
    if not asked:
        passes_down = group.directories and group.host.version == 2
        if not (passes_down and group.get("cgroup.subtree_control")):
            return group.open()
        own = files.read(f"/proc/{pid}/cgroup").rpartition("0::/")[2].strip()
        return Entrance(directory=f"{group.host.mounts['cgroup']}/{own}")
    places = {mount: "" for mount in group.host.mounts.values()}
    for one in asked:
        controllers, colon, path = one.rpartition(":")
        if ".." in path.split("/"):
            raise UsageError(f"--cgroup {one!r:.100}: a group of the container's", "Without `..`")
        if not colon:
            places = dict.fromkeys(places, path)
        for controller in controllers.split(",") if colon else ():
            if controller not in group.host.mounts or group.host.version == 2:
                raise UsageError(
                    f"--cgroup {one!r:.100}: no hierarchy of cgroup v1 has this controller",
                    "See /proc/self/cgroup",
                )
            places[group.host.mounts[controller]] = path
    v2 = group.host.mounts.get("cgroup" if group.host.version == 2 else "cgroup2")
    ways = {mount: f"{mount}/{group.name}/{path}".rstrip("/") for mount, path in places.items()}
    directory = ways.pop(v2) if v2 else None
    return Entrance(directory=directory, tasks=[f"{way}/tasks" for way in ways.values()])


def remove(group: Cgroup, above: list[str]) -> None:
    """Kill whoever is left in a group, and remove it; and those above that were made for it.

    Args:
        group: It; a missing one is fine.
        above: From `made_for`; one that others use by now stays.

    Raises:
        KernelboxError: Processes outlive SIGKILL.
    """
    if group.processes():
        group.kill()
    group.remove()
    for directory in reversed(above):
        with suppress(KernelError):
            files.rmdir(directory)


def signal_all(group: Cgroup, number: int) -> None:
    """Send a signal to each process of a group; for SIGKILL also to those that stand still.

    Raises:
        KernelError: EPERM.
    """
    if number == signal.SIGKILL:
        group.kill()
        return
    for pid in group.processes():
        with suppress(ProcessLookupError):
            pidfd = process.pidfd_of(pid)
            try:
                process.pidfd_send_signal(pidfd, number)
            except KernelError as refusal:
                if refusal.errno != errno.ESRCH:
                    raise
            finally:
                os.close(pidfd)
