"""Check of the cgroups: version 2, 1 or both, which controllers are where, what will be used."""

from __future__ import annotations

from kernelbox.lab.doctor.findings import Finding
from kernelbox.lab.doctor.host import Host, Mount

# A controller's name in v2, and in v1. Freezing is part of v2 itself, without a controller.
_NEEDED = {"cpu": "cpu", "memory": "memory", "pids": "pids", "io": "blkio", "freezer": "freezer"}
_OF_ONE_OPTION = ("cpuset",)  # of --cpuset-cpus: told where it is missing
_VERSION_2 = "For v2: boot with cgroup_no_v1=all; the lab VM (labs-vm/) has it."


def cgroup(host: Host) -> Finding:
    """Which hierarchies are mounted, and do they have what limits need?

    Source: cgroups(7); `Documentation/admin-guide/cgroup-v2.rst`.
    """
    v1, v2 = _hierarchies(host)
    if not v1 and not v2:
        return Finding(
            "cgroup",
            "fail",
            "No cgroup hierarchy is mounted: containers cannot be limited or counted.",
            "sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup",
        )
    controllers = host.read(f"{v2.point}/cgroup.controllers").split() if v2 else []
    if v2 and (not v1 or {"cpu", "memory", "pids"} <= set(controllers)):
        return _version_2(host, v2, controllers)
    return _version_1(v1, v2, controllers)


def _hierarchies(host: Host) -> tuple[dict[str, Mount], Mount | None]:
    """Return the v1 mount of each controller, and the v2 mount; the first of each counts."""
    v1: dict[str, Mount] = {}
    v2 = None
    for mount in host.mounts():
        if mount.kind == "cgroup2":
            v2 = v2 or mount
        elif mount.kind == "cgroup":
            known = (*_NEEDED.values(), *_OF_ONE_OPTION)
            v1 = {o: mount for o in mount.super_options if o in known} | v1
    return v1, v2


def _version_2(host: Host, mount: Mount, controllers: list[str]) -> Finding:
    wanted = (*_NEEDED, *_OF_ONE_OPTION)
    missing = [name for name in wanted if name not in (*controllers, "freezer")]
    seen = f"cgroup v2 at {mount.point} with {', '.join(controllers) or 'no controller'}"
    if "ro" in mount.options:
        return _read_only(seen)
    if missing:
        cure = "Use a kernel that has them enabled; see /proc/cgroups."
        if "memory" in missing:
            cure = "Boot with cgroup_enable=memory (Raspberry Pi: /boot/firmware/cmdline.txt)."
        return _missing(seen, missing, cure)
    # Only the true root may hold processes and pass controllers down; it has no cgroup.type.
    below = host.exists(f"{mount.point}/cgroup.type")
    passed = set(host.read(f"{mount.point}/cgroup.subtree_control").split())
    held = host.read(f"{mount.point}/cgroup.procs")
    if below and held and not set(controllers) <= passed:
        return Finding(
            "cgroup",
            "warn",
            f"{seen}. It is the group of a container and holds processes, so the kernel will "
            "not let it pass controllers down (EBUSY).",
            f"Move them out of the way: cd {mount.point} && mkdir init && "
            "xargs -n1 <cgroup.procs >init/cgroup.procs",
        )
    if "nsdelegate" not in mount.super_options:
        return Finding(
            "cgroup",
            "warn",
            f"{seen}, mounted without nsdelegate: a container can lift its own limits.",
            f"Mount it as systemd does: mount -o remount,nsdelegate {mount.point}",
        )
    return Finding("cgroup", "ok", f"{seen}; the labs use it.")


def _version_1(v1: dict[str, Mount], v2: Mount | None, controllers: list[str]) -> Finding:
    missing = [name for name in (*_NEEDED.values(), *_OF_ONE_OPTION) if name not in v1]
    present = [name for name in _NEEDED.values() if name in v1]
    seen = f"{', '.join(present) or 'No controller'} in cgroup v1"
    if v2:
        holds = ", ".join(controllers) or "no controller"
        seen = f"Hybrid: {seen}; the v2 hierarchy at {v2.point} has {holds}"
    if any("ro" in mount.options for mount in v1.values()):
        return _read_only(seen)
    if missing:
        return _missing(seen, missing, _VERSION_2)
    return Finding(
        "cgroup",
        "note",
        f"{seen}. The labs use v1, translated; what only v2 has is skipped with a reason.",
        _VERSION_2,
    )


def _read_only(seen: str) -> Finding:
    return Finding(
        "cgroup",
        "fail",
        f"{seen}, mounted read-only: no group can be made.",
        "Start the container around us with --privileged.",
    )


def _missing(seen: str, missing: list[str], cure: str) -> Finding:
    return Finding(
        "cgroup", "warn", f"{seen}; there is no {', '.join(missing)}, so such limits fail.", cure
    )
