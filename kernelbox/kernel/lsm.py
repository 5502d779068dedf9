"""What a security module holds a process by: its word on it, and AppArmor's profile put in force.

Source: kernel, Documentation/admin-guide/LSM/apparmor.rst; proc_pid_attr(5).
"""

from __future__ import annotations

import errno

from kernelbox.kernel import files
from kernelbox.kernel.errors import KernelError
from kernelbox.plumbing import storage

_MISSING = "Load it first: apparmor_parser -r FILE. Which there are: aa-status"


def has_apparmor() -> bool:
    """Whether the kernel confines by AppArmor. Source: runc, libcontainer/apparmor."""
    try:
        return storage.read("/sys/module/apparmor/parameters/enabled").startswith("Y")
    except OSError:
        return False


def become_confined(profile: str) -> None:
    """Let the caller be held by a profile of AppArmor's from its next execve(2) on.

    Raises:
        KernelError: ENOENT if no such profile is loaded; EACCES, EPERM if that of the caller
            forbids it; EXDEV if /proc is something else.
    """
    try:
        files.write_proc("self/attr/apparmor/exec", f"exec {profile}")
    except KernelError as refusal:
        if refusal.errno == errno.ENOENT:
            refusal.hint = _MISSING
        raise


def label(pid: int) -> str:
    """Return what the kernel calls the confinement of a process: `mine (enforce)`; empty for none.

    With several modules it is AppArmor's word. Without a profile AppArmor says `unconfined`.
    """
    for name in ("apparmor/current", "current"):
        try:
            return storage.read(f"/proc/{pid}/attr/{name}").strip("\0\n ")
        except OSError:  # ENOENT, or EINVAL: no module that gives labels
            continue
    return ""
