"""Capabilities: root's power in 41 pieces, and which pieces a container's root keeps.

A thread has five sets: bounding, effective, inheritable, permitted, ambient. A container is given
the same few in bounding, effective and permitted, and nothing in the other two.
"""

from __future__ import annotations

from kernelbox.kernel import files, syscalls
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.light import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# In the order of their numbers. Source: capabilities(7); linux/capability.h.
NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
    "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
    "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
    "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
    "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
    "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)  # fmt: skip

# What Docker leaves to a container. Source: moby, oci/caps/defaults.go.
DEFAULT = (
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP",
    "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
)  # fmt: skip


def choose(add: list[str], drop: list[str]) -> list[str]:
    """Return the capabilities of a container after `--cap-add` and `--cap-drop`.

    Args:
        add: Names, with or without `CAP_`, in any case; `ALL` means every one.
        drop: Likewise. What is named in both is added, as in Docker.

    Raises:
        UsageError: A name is unknown, or one that is added is not the caller's to give.

    Source: Docker, "Runtime privilege and Linux capabilities".
    """
    added, dropped = _normal(add), _normal(drop)
    kept = set(NAMES if "ALL" in added else DEFAULT)
    kept -= set(NAMES) if "ALL" in dropped else set(dropped)
    kept |= set(added) - {"ALL"}
    ours = _permitted()
    for name in added:
        if name != "ALL" and name not in ours:
            raise UsageError(
                f"cannot give capability {name}: kernelbox itself does not have it",
                "An outer container or a virtual machine withholds it: grep Cap /proc/self/status",
            )
    return [name for name in NAMES if name in kept & ours]


@cache
def _permitted() -> set[str]:
    """Return what this process may pass on: even root does not have everything everywhere."""
    status = files.read("/proc/self/status")
    return set(names(int(status.partition("CapPrm:\t")[2].split()[0], 16)))


def _normal(names: list[str]) -> list[str]:
    normal = [name.upper().removeprefix("CAP_") for name in names]
    for given, name in zip(names, normal, strict=True):
        if name != "ALL" and name not in NAMES:
            raise UsageError(
                f"no capability {given!r}", "capabilities(7) lists them; ALL means every one"
            )
    return normal


def mask(names: Iterable[str]) -> int:
    """Return the set of `names`, with or without `CAP_`: bit N for capability number N."""
    return sum(1 << NAMES.index(name.removeprefix("CAP_")) for name in names)


def names(bits: int) -> list[str]:
    """Return the names in a set such as /proc/PID/status prints it, in order of number."""
    return [name for number, name in enumerate(NAMES) if bits >> number & 1]


def bound(keep: int) -> None:
    """Drop every capability outside `keep` from the bounding set, for this process and its heirs.

    Raises:
        KernelError: EPERM without CAP_SETPCAP.

    A newer kernel may know more than NAMES does, and those go as well.

    Source: capabilities(7), "Capability bounding set"; prctl(2), PR_CAPBSET_DROP.
    """
    for number in range(syscalls.capabilities_known(len(NAMES))):
        if not keep >> number & 1:
            name = f"CAP_{NAMES[number]}" if number < len(NAMES) else str(number)
            syscalls.prctl(k.PR_CAPBSET_DROP, number, argument_name=name)


def keep_only(kept: int) -> None:
    """Have exactly `kept` as effective and permitted, nothing as inheritable or ambient.

    Raises:
        KernelError: EPERM if the process does not have one of them.

    Source: capset(2); capabilities(7).
    """
    syscalls.capset(kept, kept, 0)
