"""Settings below /proc/sys: which of them a namespace has for itself, and which the machine has.

Chapter 04 protects them from a container's root; a process that has unshared the right kind may
write its own. Writing one is a request of the door (`kernelbox.kernel.files.write`); this room
knows whose it is.

Source: proc_sys_kernel(5); sysctl(8); namespaces(7); OCI runtime-spec, config-linux.md, "Sysctl".
"""

from __future__ import annotations

import os

ROOT = "/proc/sys"

# By the beginning of the path below ROOT: the procfs name of the kind of namespace.
_OWNERS = {
    "net/": "net",
    "kernel/hostname": "uts",
    "kernel/domainname": "uts",
    "kernel/sem": "ipc",
    "kernel/shm": "ipc",
    "kernel/msg": "ipc",
    "fs/mqueue/": "ipc",
    "user/": "user",
    "kernel/ns_last_pid": "pid",
}


def owner(path: str) -> str | None:
    """Return which kind of namespace has a setting of its own.

    Args:
        path: Of a file, such as `/proc/sys/net/ipv4/ip_forward`; links are followed. The procfs
            may be mounted elsewhere, as `/old/proc` is after pivot_root.

    Returns:
        The procfs name of the kind, such as `net`; empty for a setting of the whole machine; None
        if its path says nothing of a setting.
    """
    _, setting, name = os.path.realpath(path).partition(f"{ROOT}/")
    if not setting:
        return None
    return next((kind for start, kind in _OWNERS.items() if name.startswith(start)), "")
