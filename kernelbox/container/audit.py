"""The defences that hold a running container, as the kernel reports them, and what each stops.

Nothing here is taken from what the container was asked to be: somebody may have changed it since,
and a defence that is only written down is none. Looking changes nothing.

Source: proc_pid_status(5); namespaces(7); capabilities(7); cgroups(7); proc_pid_mountinfo(5).
"""

from __future__ import annotations

import os

from kernelbox import cgroup, namespaces
from kernelbox.cgroup import applying, limits
from kernelbox.container import state
from kernelbox.kernel import files, lsm, process
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.plumbing.records import NamedTuple
from kernelbox.root import masks
from kernelbox.users import capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.container.spec import Spec

_STOPS = {  # what a namespace of its own is good for, by OCI's word
    "pid": "to see, trace or signal a process of the host's",
    "mount": "to see what the host has mounted, or to mount over it",
    "network": "to use the host's links, rules and local ports",
    "uts": "to rename the host",
    "ipc": "to join the host's shared memory",
    "cgroup": "to see where its group lies among the others",
    "user": "to be the host's root where a hole is found",
}


class Defence(NamedTuple):
    """One of them.

    Attributes:
        name: What it is called.
        holds: Whether it is there.
        found: What the kernel says of it.
        stops: What would be possible without.
    """

    name: str
    holds: bool
    found: str
    stops: str


def look(container_id: str) -> list[Defence]:
    """Return the defences of a running container, those that it lacks included.

    Raises:
        UsageError: It is not running.
        KernelboxError: It has ended meanwhile.
    """
    its = state.read(container_id)
    if its.status != "running":
        raise UsageError(f"container {container_id} is not running", "See which are: kernelbox ps")
    spec = state.spec(container_id)
    try:
        return [
            *_namespaces(its.pid),
            *_privilege(its.pid),
            *_mounts(its.pid),
            _devices(spec),
            *_limits(spec),
        ]
    except (FileNotFoundError, ProcessLookupError) as gone:
        raise KernelboxError(f"container {container_id} has ended meanwhile") from gone


def _namespaces(pid: int) -> Iterator[Defence]:
    ours, theirs = namespaces.of("self"), namespaces.of(pid)
    for kind in namespaces.KINDS:
        if kind.proc in theirs and kind.oci in _STOPS:  # other clocks are no defence
            own = theirs[kind.proc] != ours[kind.proc]
            words = "its own" if own else "the host's"
            if kind.oci == "user" and own:
                words += f": its root is {_outside(pid)} outside"
            yield Defence(f"{kind.oci} namespace", own, words, _STOPS[kind.oci])


def _outside(pid: int) -> str:
    for line in files.read(f"/proc/{pid}/uid_map").splitlines():
        inside, outside, _ = line.split()
        if inside == "0":
            return outside
    return "nobody"


def _privilege(pid: int) -> Iterator[Defence]:
    said = process.status(pid)
    bits = int(said["CapBnd"], 16)
    has = capabilities.names(bits)
    extra = [name for name in has if name not in capabilities.DEFAULT]
    count = f"{len(has)} of {len(capabilities.NAMES)}"
    words = count + (f", with {', '.join(extra)}" if extra else "")
    yield Defence(
        "capabilities", not extra, words, "its root to do what the host's can: mount, load a module"
    )
    holds = said.get("NoNewPrivs") == "1"
    yield Defence(
        "no new privileges", holds, _yes(holds), "a set-user-ID program to make root of a user"
    )
    filters = int(said.get("Seccomp_filters", said.get("Seccomp") == "2"))
    yield Defence(
        "system call filter",
        said.get("Seccomp") == "2",
        f"{filters} in force" if filters else "none",
        "to try the kernel's rarely used calls: keyctl, userfaultfd, io_uring, new user namespaces",
    )
    label = lsm.label(pid)
    yield Defence(
        "LSM profile",
        label not in ("", "unconfined"),
        label or "none",
        "to write what only looks harmless: a second opinion on every file",
    )


def _mounts(pid: int) -> Iterator[Defence]:
    mounts = {}
    for line in files.read(f"/proc/{pid}/mountinfo").splitlines():
        fields = line.split(" ")
        mounts[fields[4]] = fields[5].split(",")  # the topmost of a place comes last
    root = mounts.get("/", [])
    yield Defence(
        "read-only root", "ro" in root, _yes("ro" in root), "to leave a changed program behind"
    )
    masked = [one for one in masks.MASKED if os.path.lexists(f"/proc/{pid}/root{one}")]
    covered = [one for one in masked if one in mounts]
    yield Defence(
        "masked paths",
        covered == masked,
        f"{len(covered)} of {len(masked)} that are there",
        "to read the kernel's memory (kcore), keys, and what is the whole machine's",
    )
    guarded = [one for one in masks.READ_ONLY if os.path.lexists(f"/proc/{pid}/root{one}")]
    safe = [one for one in guarded if "ro" in mounts.get(one, ())]
    yield Defence(
        "read-only /proc/sys",
        safe == guarded,
        f"{len(safe)} of {len(guarded)} places",
        "to set the host: core_pattern, sysrq-trigger, irq",
    )


def _devices(spec: Spec) -> Defence:
    beyond = cgroup.of(spec.group).devices_beyond()
    if beyond is None:
        holds, words = False, "any that it has a node of"
    else:
        # Where the kernel tells no numbers, what the container was given is all there is to know.
        given = {f"{one.type} {one.major}:{one.minor}": one.path for one in spec.linux.devices}
        more = list(dict.fromkeys(given.get(one.rpartition(" ")[0], one) for one in beyond))
        more += [path for path in given.values() if path not in more]
        holds = not more
        words = "those of every container" + (f", with {', '.join(more)}" if more else "")
    return Defence(
        "device list",
        holds,
        words,
        "to read a disk of the host's through a node of its own",
    )


def _limits(spec: Spec) -> Iterator[Defence]:
    said = limits.inspection(applying.present(cgroup.of(spec.group), spec.linux.resources))
    for name, key, stops in (
        ("memory limit", "Memory", "to have the host's memory all to itself"),
        ("process limit", "PidsLimit", "a fork bomb to fill the host's process table"),
        ("CPU limit", "NanoCpus", "to slow down everybody else"),
    ):
        value = said.get(key) or 0
        words = {"Memory": f"{value / 2**20:g} MiB", "NanoCpus": f"{value / 1e9:g} CPUs"}
        said_of_it = words.get(key, f"{value}")
        yield Defence(name, value > 0, said_of_it if value > 0 else "none", stops)


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"
