"""The line between the lab and the host, for a process under remote control.

What a student asks such a process to do is meant for namespaces of its own. By mistake it may reach
the host: because the process is still in the host's namespace, or because its copy of the host's
mounts still tells the host's of every change. Both are refused here, with the cure.
"""

from __future__ import annotations

import os

from kernelbox import namespaces, storage
from kernelbox.kernel.errors import UsageError

# As the agent has seen them: namespaces made by the process itself are its own to change.
_host: dict[str, int] = {}
_peers: set[str] = set()  # the peer groups of the host's mounts, as `shared:N`
_shared: set[str] = set()  # the kinds that were the host's when there last was a /proc to tell


def remember_host() -> None:
    """Note what is the host's; called by the agent before it forks anything."""
    _host.update(namespaces.of("self"))
    _shared.update(_host)
    for _, peers in _mounts().values():
        _peers.update(peers)


def has_left(kinds: list[str]) -> None:
    """Note that this process is in new namespaces of these kinds."""
    _shared.difference_update(namespaces.kind(kind).proc for kind in kinds)


def has_joined(kinds: list[str]) -> None:
    """Note that this process is in another's namespaces of these kinds: the host's, perhaps."""
    _shared.update(namespaces.kind(kind).proc for kind in kinds)


def refuse_on_the_host(kind: str, request: str) -> None:
    """Refuse what would change the machine itself, for want of an `unshare` before.

    Raises:
        UsageError: The process is in the agent's own namespace of this kind.
    """
    if _is_on_the_host(kind):
        raise UsageError(
            f"{request} would change the host itself: this process still shares its {kind} "
            "namespace",
            f"unshare it first: unshare({namespaces.kind(kind).oci!r})",
        )


def refuse_leak(request: str, target: str) -> None:
    """Refuse to mount or unmount where the host's mount namespace would follow.

    Raises:
        UsageError: The mount that `target` lies on is in a peer group with one of the host's.

    Source: mount_namespaces(7), "Shared subtrees": a new namespace is a copy, peers and all.
    """
    try:
        fd = os.open(target, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # the kernel will say so
        return
    try:
        mounts, number = _mounts(), _mount_of(fd)
    except OSError:  # without a /proc nothing is known, and the old root has been left behind
        return
    finally:
        os.close(fd)
    parent, peers = mounts.get(number, ("", set()))
    if request == "umount":  # it is the mount beneath that tells the others
        _, peers = mounts.get(parent, ("", set()))
    if peers & _peers:
        raise UsageError(
            f"{request} would change the host itself: what is mounted at {target} here is still "
            "a peer of what the host has there",
            "Make all mounts private first: mount(None, '/', None, 'rprivate')",
        )


def _is_on_the_host(kind: str) -> bool:
    try:
        return namespaces.identity("self", kind) == _host[kind]
    except OSError:  # it has changed its root, and mounts the new /proc just now, for example
        return kind in _shared


def _mount_of(fd: int) -> str:
    """Return the number of the mount that a file is on. Source: proc_pid_fdinfo(5), mnt_id."""
    return storage.read(f"/proc/self/fdinfo/{fd}").partition("mnt_id:")[2].split()[0]


def _mounts() -> dict[str, tuple[str, set[str]]]:
    """Return the parent and the peer group of each mount in sight, by its number.

    Source: proc_pid_mountinfo(5).
    """
    found = {}
    for line in storage.read("/proc/self/mountinfo").splitlines():
        number, parent, *_rest = fields = line.partition(" - ")[0].split(" ")
        found[number] = parent, {word for word in fields[6:] if word.startswith("shared:")}
    return found
