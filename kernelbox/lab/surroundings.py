"""Where a notebook works: held processes in surroundings that spread nothing to the host.

    from kernelbox.lab.surroundings import secluded, world, workbench

They are made in the lab that is open, of requests that chapters 03 and 04 explain, and end with
their process.
"""

from __future__ import annotations

import inspect
import os
import stat
from typing import TYPE_CHECKING

from kernelbox.lab import notebook
from kernelbox.lab.reading import mountinfo

if TYPE_CHECKING:
    from kernelbox.lab.held import Held


def secluded() -> Held:
    """Hold a process with mounts of its own, from which nothing spreads to the host."""
    process = notebook.current().hold()
    process.unshare("mount")
    process.mount(None, "/", None, "rprivate")
    return process


def world(name: str) -> Held:
    """Hold a process in a mount namespace with two mounts: busybox's files on /, and /proc.

    Args:
        name: Of the process, and of its root's file system, as `mount` and the pictures show it.
    """
    made = secluded()  # first of all: the host shall not hear of the rest
    made.mount(name, "/mnt", "tmpfs", "size=16m")
    made.shell(f"cp -a {_layer()}/. /mnt")
    made.chdir("/mnt")
    made.pivot_root(".", ".")
    made.umount(".", lazy=True)
    made.mount("proc", "/proc", "proc")
    made.python(f"files.write('/proc/self/comm', {name!r})")
    return made


def _layer() -> str:
    """Return the directory with busybox's files: a container that needs them knows it."""
    lender = notebook.current().start("busybox", "sleep 1000", network="none")
    try:
        return str(lender.inspect()["GraphDriver"]["Data"]["LowerDir"])
    finally:
        lender.remove()


def all_mounts(process: Held) -> list[str]:
    """Return the whole mountinfo of a process's mount namespace, not only below its own root.

    A witness enters the namespace, and stands at the root of it then.

    Source: `mntns_install()` in the kernel's fs/namespace.c.
    """
    witness = notebook.current().hold()
    try:
        witness.setns(process, "mount")
        return mountinfo(witness.pid)
    finally:
        witness.end()


def workbench(script: str) -> Held:
    """Hold a process that works in a file system of its own, /mnt, which a shell script fills."""
    process = secluded()
    process.mount("bench", "/mnt", "tmpfs", "size=256m")
    process.chdir("/mnt")
    process.shell(f"umask 022; {script}")
    process.python("import stat, time")
    for function in (entry_kind, listing):
        process.python(inspect.getsource(function))  # it has Python, but not our functions
    return process


def entry_kind(path: str) -> str:
    """Return what OverlayFS takes an entry of a layer for.

    Source: `Documentation/filesystems/overlayfs.rst`, "whiteouts and opaque directories".
    """
    there = os.lstat(path)
    if stat.S_ISCHR(there.st_mode):
        return "whiteout" if there.st_rdev == 0 else "device"
    if not stat.S_ISDIR(there.st_mode):
        return f"{there.st_size} bytes"
    mark = "trusted.overlay.opaque"
    opaque = mark in os.listxattr(path) and os.getxattr(path, mark) == b"y"
    return "opaque directory" if opaque else "directory"


def listing(top: str) -> list[str]:
    """Return what is below a directory, a line each: what overlay takes it for, and its name."""
    walk = [(where, name) for where, dirs, files in os.walk(top) for name in dirs + files]
    paths = sorted(os.path.join(where, name) for where, name in walk)
    return [f"{entry_kind(path):18}{os.path.relpath(path, top)}" for path in paths]


def written(process: Held, directory: str = "upper") -> None:
    """Print what is in a directory of a workbench: what overlay takes it for, and its name."""
    print(*process.evaluate(f"listing({directory!r})") or ["(nothing)"], sep="\n")


def fingerprint(process: Held, directory: str) -> str:
    """Return a hash of a directory: names, owners, modes, times and contents."""
    command = f"tar --sort=name -C {directory} -cf - . | sha256sum"
    return str(process.evaluate(f"os.popen({command!r}).read()"))
