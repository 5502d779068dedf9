"""Namespaces: the kinds there are, under all their names, and who is in which.

Chapters 00 to 03 make them by hand.

A namespace has no name of its own: it is known by the inode behind `/proc/PID/ns/KIND`. Two
processes share one exactly when the inodes are equal. Making and joining is done by the system
calls themselves (`unshare`, `setns`, `clone3`); this room holds the vocabulary.
"""

from __future__ import annotations

import os

from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple


class Kind(NamedTuple):
    """One kind of namespace.

    Attributes:
        oci: Its name in the OCI runtime spec (`mount`).
        proc: Its name in /proc/PID/ns (`mnt`).
        flag: Its CLONE_NEW* bit.
    """

    oci: str
    proc: str
    flag: int


# Source: namespaces(7); OCI runtime-spec, config-linux.md, "Namespaces".
KINDS = (
    Kind("pid", "pid", k.CLONE_NEWPID),
    Kind("mount", "mnt", k.CLONE_NEWNS),
    Kind("network", "net", k.CLONE_NEWNET),
    Kind("uts", "uts", k.CLONE_NEWUTS),
    Kind("ipc", "ipc", k.CLONE_NEWIPC),
    Kind("cgroup", "cgroup", k.CLONE_NEWCGROUP),
    Kind("user", "user", k.CLONE_NEWUSER),
    Kind("time", "time", k.CLONE_NEWTIME),
)


def kind(name: str) -> Kind:
    """Return the kind called `name`, in the OCI spec's spelling or in procfs's.

    Raises:
        UsageError: There is no such kind.
    """
    for one in KINDS:
        if name in (one.oci, one.proc):
            return one
    known = ", ".join(one.oci for one in KINDS)
    raise UsageError(f"no namespace kind {name!r}", f"The kinds are {known}")


def flags(names: tuple[str, ...] | list[str]) -> int:
    """Return the CLONE_NEW* bits of the kinds called `names`."""
    bits = 0
    for name in names:
        bits |= kind(name).flag
    return bits


def identity(pid: int | str, name: str) -> int:
    """Return the inode that identifies the namespace of kind `name` that `pid` is in.

    Args:
        pid: A process, or "self".
        name: A kind, in either spelling.

    Raises:
        OSError: ENOENT if the process is gone; EACCES without the right to look at it.

    Source: namespaces(7), "The /proc/pid/ns/ directory".
    """
    return os.stat(f"/proc/{pid}/ns/{kind(name).proc}").st_ino


def of(pid: int | str) -> dict[str, int]:
    """Return every namespace of `pid`: a dict from the procfs name of the kind to its inode."""
    return {one.proc: identity(pid, one.proc) for one in KINDS if _exists(one.proc)}


def _exists(proc_name: str) -> bool:
    # /proc/self/ns lacks a kind that this kernel was built without.
    return os.path.lexists(f"/proc/self/ns/{proc_name}")
