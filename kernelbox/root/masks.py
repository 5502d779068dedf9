"""Hide what /proc and /sys tell of the whole machine, and protect what sets it.

Which paths these are is in the container's spec (`maskedPaths`, `readonlyPaths`); what is usual is
here.
"""

from __future__ import annotations

import stat

from kernelbox.kernel import flags as k
from kernelbox.kernel import mounts
from kernelbox.root.targets import mode_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_SAFE = k.MS_NOSUID | k.MS_NODEV | k.MS_NOEXEC

# Source: moby, oci/defaults.go; OCI runtime-spec, "Masked Paths" and "Readonly Paths".
MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def mask(paths: Iterable[str]) -> None:
    """Hide each of these: a file is covered by /dev/null, a directory by an empty read-only one.

    Source: OCI runtime-spec, config-linux.md, "Masked Paths".
    """
    empty = ""
    for path in paths:
        mode = mode_of(path)
        if mode is None:
            continue
        if not stat.S_ISDIR(mode):
            mounts.mount("/dev/null", path, None, k.MS_BIND)
        elif empty:
            mounts.mount(empty, path, None, k.MS_BIND)  # read-only, too
        else:
            mounts.mount("tmpfs", path, "tmpfs", _SAFE | k.MS_RDONLY, "size=0k")
            empty = path


def protect(paths: Iterable[str]) -> None:
    """Make each of these read-only, as it is.

    Source: OCI runtime-spec, config-linux.md, "Readonly Paths".
    """
    for path in paths:
        if mode_of(path) is not None:
            mounts.mount(path, path, None, k.MS_BIND | k.MS_REC)
            flags = k.MS_REMOUNT | k.MS_BIND | k.MS_RDONLY | _SAFE
            mounts.mount(None, path, None, flags)
