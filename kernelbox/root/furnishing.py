"""What a bare tree lacks: /proc, /sys, /dev, and the container's view of its own cgroup.

The mounts are data in the container's spec, made one by one by `mount`. What OCI's runtime-spec
expects besides, device nodes and a few links, is here.

What comes from the host (volumes, device nodes of a container in a user namespace) was opened by
the runtime side before, as detached mounts that travel as descriptors: see targets.py.
"""

from __future__ import annotations

import os

from kernelbox.kernel import files, mount_words, mounts
from kernelbox.kernel import flags as k
from kernelbox.root import targets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_SAFE = k.MS_NOSUID | k.MS_NODEV | k.MS_NOEXEC

# name, major, minor: the devices that every container gets.
# Source: OCI runtime-spec, config-linux.md, "Default Devices"; admin-guide/devices.txt.
DEVICES = (
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
)

_LINKS = (
    ("pts/ptmx", "ptmx"),
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
)


def mount(target: str, kind: str, source: str, options: Iterable[str]) -> None:
    """Mount a file system of the kernel's own; its mount point is made if it is missing.

    A procfs shows the PID namespace of whoever mounts it, a sysfs the network namespace.

    Args:
        target: Where, by a path that nothing of the image's leads astray: directly below /, or in
            what has been mounted here before.
        kind: Its type, as /proc/filesystems lists it.
        source: Any word.
        options: As mount(8) writes them, one an item.

    Raises:
        UsageError: The image has something else than a directory there.
        KernelError: ENODEV if the kernel has no such type; EPERM.

    Source: proc(5); pid_namespaces(7), "/proc and PID namespaces"; sysfs(5).
    """
    targets.make_directory(target)
    flags, data = mount_words.parse(options)
    mounts.mount(source, target, kind, flags, data)


def mount_cgroup(
    base: str, version: int, controllers: list[str], *, writable: bool = False
) -> None:
    """Mount the container's own view of its control group, read-only as a rule.

    Args:
        base: Where; usually /sys/fs/cgroup.
        version: 1 or 2.
        controllers: On version 1, the hierarchies to show, such as `cpu` or `cpu,cpuacct`.
        writable: Whether it may change it.

    Source: cgroup_namespaces(7); cgroups(7), "Mounting v1 controllers".
    """
    flags = _SAFE if writable else _SAFE | k.MS_RDONLY
    if version == 2:
        mounts.mount("cgroup", base, "cgroup2", flags)
        return
    mounts.mount("tmpfs", base, "tmpfs", _SAFE, "mode=755,size=64k")
    for controller in controllers:
        files.mkdir(f"{base}/{controller}")
        mounts.mount("cgroup", f"{base}/{controller}", "cgroup", flags, controller)
    mounts.mount(None, base, None, k.MS_REMOUNT | k.MS_BIND | k.MS_RDONLY | _SAFE)


def make_devices(borrowed: dict[str, int]) -> None:
    """Make the devices that every program expects, and the links beside them.

    Args:
        borrowed: In a user namespace, where nobody may make a device node: detached mounts of
            the host's, by name. Otherwise empty, and the nodes are made here.

    Source: OCI runtime-spec, config-linux.md, "Default Devices"; runtime-linux.md, "Dev symbolic
    links".
    """
    for name, major, minor in DEVICES:
        if name in borrowed:
            targets.attach(borrowed[name], f"/dev/{name}", directory=False)
        else:
            files.mknod(f"/dev/{name}", 0o666, major, minor)
    for target, link in _LINKS:
        files.symlink(target, f"/dev/{link}")


def attach_console(terminal: int) -> None:
    """Show the container's own terminal, open as the descriptor `terminal`, as /dev/console too.

    Source: OCI runtime-spec, config-linux.md, "Default Devices".
    """
    files.make_file(k.AT_FDCWD, "/dev/console")
    mounts.mount(os.ttyname(terminal), "/dev/console", None, k.MS_BIND)


def seal_dev() -> None:
    """Make /dev read-only, where no control group says which devices may be used.

    Then a device node that the container makes has nowhere to work: every other mount it can write
    to is `nodev`. Reading and writing the devices themselves does not write to the file system they
    are named in. What it costs: no socket such as /dev/log, and no link, can be made there.
    """
    flags = k.MS_REMOUNT | k.MS_BIND | k.MS_RDONLY | k.MS_NOSUID | k.MS_NOEXEC
    mounts.mount(None, "/dev", None, flags)
