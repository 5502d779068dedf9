"""What this runtime can do, and a config.json to begin with: `features` and `spec`.

What is told here is what the other rooms have in their tables.

Source: OCI runtime-spec, features.md, features-linux.md; config.md, "Configuration Schema Example".
"""

from __future__ import annotations

import os

from kernelbox import namespaces
from kernelbox.images.image import DEFAULT_PATH
from kernelbox.oci import mount_options, reading
from kernelbox.oci.config import HOOKS
from kernelbox.root import masks
from kernelbox.seccomp import machines, profile
from kernelbox.users import capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OCI_VERSION = "1.3.0"


def features() -> dict[str, Any]:
    """Return what this runtime can do, as the spec's features structure."""
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": OCI_VERSION,
        "hooks": list(HOOKS),
        "mountOptions": mount_options.KNOWN,
        "linux": {
            "namespaces": [one.oci for one in namespaces.KINDS],
            "capabilities": [f"CAP_{name}" for name in capabilities.NAMES],
            "cgroup": {
                "v1": True,
                "v2": True,
                "systemd": False,
                "systemdUser": False,
                "rdma": True,
            },
            "seccomp": {
                "enabled": True,
                "actions": list(profile.ACTIONS),
                "operators": list(profile.OPERATORS),
                "archs": [machines.this().oci],
                "knownFlags": list(profile.FLAGS),
                "supportedFlags": list(profile.FLAGS),
            },
            "apparmor": {"enabled": True},
            "selinux": {"enabled": False},
            "intelRdt": {"enabled": False},
            "memoryPolicy": {
                "modes": list(reading.MEMORY_MODES),
                "flags": list(reading.MEMORY_FLAGS),
            },
            "mountExtensions": {"idmap": {"enabled": True}},
            "netDevices": {"enabled": True},
        },
        "potentiallyUnsafeConfigAnnotations": [],
    }


def beginning() -> dict[str, Any]:
    """Return a config.json that runs a shell in a terminal, for a person to change."""
    kept = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
    return {
        "ociVersion": OCI_VERSION,
        "process": {
            "terminal": True,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": [f"PATH={DEFAULT_PATH}", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {one: kept for one in ("bounding", "effective", "permitted")},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "kernelbox",
        "mounts": [
            _mount("/proc", "proc", "proc"),
            _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
            _mount(
                "/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance",
                "ptmxmode=0666", "mode=0620", "gid=5",
            ),
            _mount(
                "/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"
            ),
            _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
            _mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
            _mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "ro"),
        ],
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [
                {"type": one} for one in ("pid", "network", "ipc", "uts", "mount", "cgroup")
            ],
            "maskedPaths": list(masks.MASKED),
            "readonlyPaths": list(masks.READ_ONLY),
        },
    }  # fmt: skip


def rootless(found: dict[str, Any]) -> dict[str, Any]:
    """Return a config.json to begin with for an ordinary user: the caller, with its one id.

    Args:
        found: From `beginning`; it is changed.

    Source: runc, specconv.ToRootless().
    """
    linux = found["linux"]
    del linux["resources"]
    # A sysfs may be mounted by who owns the network, and with no way out one's own is of no use.
    linux["namespaces"] = [one for one in linux["namespaces"] if one["type"] != "network"]
    linux["namespaces"].append({"type": "user"})
    for key, number in (("uidMappings", os.geteuid()), ("gidMappings", os.getegid())):
        linux[key] = [{"containerID": 0, "hostID": number, "size": 1}]
    found["mounts"] = [
        _mount("/sys", "none", "/sys", "rbind", "nosuid", "noexec", "nodev", "ro")
        if one["type"] == "sysfs"
        else _without_groups(one)
        for one in found["mounts"]
    ]
    return found


def _without_groups(mount: dict[str, Any]) -> dict[str, Any]:
    kept = [one for one in mount.get("options", []) if not one.startswith("gid=")]
    return {**mount, "options": kept} if kept else mount


def _mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    mount: dict[str, Any] = {"destination": destination, "type": kind, "source": source}
    return {**mount, "options": list(options)} if options else mount
