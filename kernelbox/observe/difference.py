"""What is different between two snapshots: each thing is found again and compared.

A process is known by its pid, a mount by its namespace and number, a link by its namespace and
index, an overlay's entry by its path, anything else by its name or text. What is new as a whole,
such as a mount namespace with all its mounts, is one change. Counters and the time change all the
time, and do not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernelbox.observe.model import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kernelbox.observe.model import (
        Entry,
        LayerStack,
        Link,
        Mount,
        NetworkNamespace,
        Process,
        Snapshot,
        Usage,
    )


def diff(before: Snapshot, after: Snapshot) -> tuple[Change, ...]:
    """Return what has appeared, gone or changed from one snapshot to the next.

    Both must have been made of the same parts and containers: what one does not show at all is
    `gone` or `appeared`.
    """
    return tuple(
        change
        for compare in (_processes, _mounts, _layers, _networks, _rules, _groups)
        for change in compare(before, after)
    )


def _compare(
    where: str,
    before: Mapping[Any, Any],
    after: Mapping[Any, Any],
    name: Callable[[Any], str],
    tell: Callable[[Any], dict[str, str]],
    whole: Callable[[Any], str] | None = None,
) -> Iterator[Change]:
    """Compare things of a kind by their keys.

    Args:
        where: The kind.
        before: What there was.
        after: What there is.
        name: Names a thing for people.
        tell: Its properties as texts; only those that differ are told.
        whole: Describes it when it appears or goes; None to tell all properties that are not empty.
    """

    def describe(thing: Any) -> str:
        return whole(thing) if whole else _line(tell(thing))

    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if old is None:
            yield Change(where, "appeared", name(new), "", describe(new))
        elif new is None:
            yield Change(where, "gone", name(old), describe(old), "")
        elif old != new:
            was, now = tell(old), tell(new)
            different = [word for word in now if was[word] != now[word]]
            if different:
                yield Change(
                    where,
                    "changed",
                    name(new),
                    _line({word: was[word] for word in different}, every=True),
                    _line({word: now[word] for word in different}, every=True),
                )


def _line(properties: dict[str, str], *, every: bool = False) -> str:
    """Write properties as `uid 0, cgroup /`."""
    return ", ".join(
        f"{word} {text or '-'}".strip() for word, text in properties.items() if text or every
    )


# --- processes and mounts -------------------------------------------------------------------------


def _processes(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    was = {one.pid: one for one in before.processes}
    now = {one.pid: one for one in after.processes}
    kinds = dict.fromkeys(kind for one in (*was.values(), *now.values()) for kind in one.namespaces)

    def tell(one: Process) -> dict[str, str]:
        return {
            "name": one.name,
            "command": " ".join(one.command),
            "parent": str(one.ppid),
            "side": one.side,
            "container": one.container,
            "uid": str(one.uid),
            "cgroup": one.cgroup,
            "capabilities": f"{one.capabilities:016x}",
            **{f"{kind} namespace": str(one.namespaces.get(kind, "")) for kind in kinds},
        }

    def whole(one: Process) -> str:
        return f"{' '.join(one.command) or one.name}, parent {one.ppid}"

    return _compare("process", was, now, lambda one: f"{one.pid} {one.name}", tell, whole)


def _mounts(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    was, now = _mount_namespaces(before), _mount_namespaces(after)

    def whole(one: tuple[str, dict[int, Mount]]) -> str:
        return f"{len(one[1])} mounts"

    def title(one: tuple[str, dict[int, Mount]]) -> str:
        return f"all mounts of {one[0]}"

    yield from _compare("mount", was, now, title, lambda _: {}, whole)
    for inode in was.keys() & now.keys():
        yield from _one_mount_namespace(now[inode][0], was[inode][1], now[inode][1])


def _mount_namespaces(snapshot: Snapshot) -> dict[int, tuple[str, dict[int, Mount]]]:
    """Return for each mount namespace by whom it was seen, and the mounts in it.

    The process by which a namespace was looked into may be another one next time: the inode stays.
    """
    seen = {one.pid: one for one in snapshot.processes}
    found = {}
    for pid, mounts in snapshot.mounts.items():
        process = seen.get(pid)
        inode = process.namespaces.get("mnt", pid) if process else pid
        who = f"{pid} {process.name}" if process else str(pid)
        found[inode] = (who, {one.id: one for one in mounts})
    return found


def _one_mount_namespace(
    who: str, was: dict[int, Mount], now: dict[int, Mount]
) -> Iterator[Change]:
    def tell(one: Mount) -> dict[str, str]:
        return {
            "point": one.point,
            "type": one.kind,
            "source": one.source,
            "root": one.root,
            "options": one.options,
            "propagation": one.propagation,
            "on mount": str(one.parent),
            "hidden": "yes" if one.hidden else "no",
        }

    def whole(one: Mount) -> str:
        return f"{one.kind} {one.options}"

    return _compare("mount", was, now, lambda one: f"{one.point} of {who}", tell, whole)


# --- layers ---------------------------------------------------------------------------------------


def _layers(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    was = {one.container: one for one in before.layers}
    now = {one.container: one for one in after.layers}

    def whole(one: LayerStack) -> str:
        return f"{len(one.layers)} layers, {len(one.upper)} entries in the upperdir"

    def title(one: LayerStack) -> str:
        return f"overlay of {one.container}"

    yield from _compare("layer", was, now, title, lambda _: {}, whole)
    for container in was.keys() & now.keys():
        yield from _upper(container, was[container], now[container])


def _upper(container: str, was: LayerStack, now: LayerStack) -> Iterator[Change]:
    def tell(one: Entry) -> dict[str, str]:
        return {"": f"{one.what} {one.kind}", "size": str(one.size)}

    return _compare(
        "layer",
        {one.path: one for one in was.upper},
        {one.path: one for one in now.upper},
        lambda one: f"{one.path} of {container}",
        tell,
    )


# --- the network ----------------------------------------------------------------------------------


def _networks(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    was = {one.inode: one for one in before.network.namespaces}
    now = {one.inode: one for one in after.network.namespaces}

    def whole(one: NetworkNamespace) -> str:
        return f"links {', '.join(link.name for link in one.links)}"

    yield from _compare(
        "namespace", was, now, lambda one: one.label, lambda one: {"label": one.label}, whole
    )
    for inode in was.keys() & now.keys():
        yield from _one_network_namespace(was[inode], now[inode])


def _one_network_namespace(was: NetworkNamespace, now: NetworkNamespace) -> Iterator[Change]:
    def tell(one: Link) -> dict[str, str]:
        return {
            "name": one.name,
            "type": one.kind,
            "mac": one.mac,
            "state": one.state,
            "mtu": str(one.mtu),
            "addresses": " ".join(one.addresses),
            "peer": f"{one.peer[1]} in {one.peer[0]}" if one.peer else "",
            "bridge": one.master,
        }

    yield from _compare(
        "link",
        {one.index: one for one in was.links},
        {one.index: one for one in now.links},
        lambda one: f"{one.name} of {now.label}",
        tell,
    )
    yield from _texts("route", was.routes, now.routes, f" of {now.label}")


def _rules(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    was, now = before.network, after.network
    yield from _texts("nat", was.nat, now.nat)
    yield from _texts("port", was.ports, now.ports)
    for pair in was.reach.keys() & now.reach.keys():
        if was.reach[pair] != now.reach[pair]:
            yield Change(
                "reach", "changed", pair, _answer(was.reach[pair]), _answer(now.reach[pair])
            )


def _texts(
    where: str, was: tuple[str, ...], now: tuple[str, ...], whose: str = ""
) -> Iterator[Change]:
    yield from (Change(where, "gone", one + whose, one, "") for one in was if one not in now)
    yield from (Change(where, "appeared", one + whose, "", one) for one in now if one not in was)


def _answer(reached: tuple[bool, str]) -> str:
    return f"{'yes' if reached[0] else 'no'}: {reached[1]}"


# --- control groups -------------------------------------------------------------------------------


def _groups(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    def tell(one: Usage) -> dict[str, str]:
        limits = {
            "memory limit": one.memory_limit,
            "cpu limit": one.cpu_limit,
            "pids limit": one.pids_limit,
        }
        texts = {word: "none" if limit is None else str(limit) for word, limit in limits.items()}
        return {**texts, "OOM kills": str(one.oom_kills or 0)}

    return _compare(
        "cgroup",
        {one.container: one for one in before.usage},
        {one.container: one for one in after.usage},
        lambda one: f"group of {one.container}",
        tell,
    )
