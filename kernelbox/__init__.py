"""kernelbox: take a container apart and put it back together, one kernel request at a time.

The folder is the table of contents of the course. From the ground up; what stands on a line knows
only lines above it:

    plumbing/      records, small files, paths, messages: what all rooms use
    kernel/        the one door: each request is recorded, explained, paused, forbidden
    namespaces.py  the kinds of namespaces, and who is in which             chapters 00 to 03
    sysctls.py     which settings a namespace has for itself                chapter 04
    root/          the tree becomes /, and what a root needs                chapters 03 and 04
    images/        images as layers that are known by their digests         chapter 05
    overlay.py     a writable layer over layers that never change           chapter 06
    users/         ids inside and outside, accounts, capabilities           chapter 07
    cgroup/        control groups: limits, counters, freeze, kill           chapters 08 to 10
    network/       a bridge, cables, addresses, NAT, published ports        chapters 11 and 12
    seccomp/       which system calls a process may make: profile, filter  chapter 15
    loads/         small programs that use up one thing, at a stated rate   chapters 08 to 10, 14
    smallest.py    a container from the door alone, on one page: read it first
    container/     the whole of one: spec, birth, monitor, life cycle       chapters 01, 02 and 13
    transfer/      files into and out of a container; an image of one
    build/         an image of a Containerfile
    observe/       snapshots of the kernel, read only
    oci/           an OCI runtime, which Podman and Docker run on          chapter 13
    agent/         what a notebook talks to: one small process with privilege
    widgets/       views of snapshots and traces
    lab/           what a notebook imports; exercises and courses; the doctor
    cli/           the command line
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

__version__ = "0.1.0"


def __getattr__(name: str) -> ModuleType:
    # `import kernelbox` costs nothing; `kernelbox.lab` is imported when it is asked for.
    if name in ("lab",):
        from kernelbox.plumbing.light import import_module

        return import_module(f"kernelbox.{name}")
    raise AttributeError(f"module 'kernelbox' has no attribute {name!r}")
