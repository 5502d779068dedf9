"""The runtime side: create and start, from the outside of the container.

    create   ledger, cgroup, clone3, id maps, network; then the container side builds itself
    start    lets its init become the program

Whatever is made is written into the container's ledger before. Nothing is undone here: success,
failure and crash are all cleaned up the same way, from the ledger (`cleanup.py`). The caller is
the monitor, a process of its own with one thread.
"""

from __future__ import annotations

import os

from kernelbox import cgroup, namespaces, network, overlay
from kernelbox.container import ledger, state
from kernelbox.container.birth import host_mounts, init
from kernelbox.container.birth.birth import Birth, Newborn
from kernelbox.container.birth.confinement import filter_of
from kernelbox.container.conversation import messages
from kernelbox.container.conversation.messages import Ready, Start
from kernelbox.kernel import door, files, process, stepping_stone, syscalls
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.plumbing import paths
from kernelbox.plumbing.channel import Channel
from kernelbox.plumbing.light import closing
from kernelbox.users import id_maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.cgroup import Cgroup
    from kernelbox.container.spec import Spec
    from kernelbox.network import Bridge


def create(
    spec: Spec,
    stdio: tuple[int, int, int],
    address: str = "",
    watch: Callable[[int, int], object] | None = None,
) -> Newborn:
    """Make the container; its init builds the rest of it, until it is `ready` to be started.

    Args:
        spec: What it shall be; its directory exists and is locked by the caller.
        stdio: Descriptors for its 0, 1 and 2.
        address: On the bridge in its last life: it gets that again, if nobody else has it now.
        watch: Who listens to its system calls: see `Newborn.watch`.

    Raises:
        KernelboxError: One line; what was made is in the ledger.

    Source: OCI runtime-spec, runtime.md, "Lifecycle".
    """
    directory = paths.container(spec.id)
    own = ledger.Ledger(directory)
    shared = ledger.Ledger(paths.host())
    bridge, addresses = None, []
    if spec.kernelbox.is_plugged_in:
        mode = spec.kernelbox.network
        bridge = network.prepare(ledger.recording(mode), mode)
        addresses = _lease(bridge, spec, own, address)

    group, is_limited_to_devices = _make_cgroup(spec, own, shared)
    tree = _make_overlay_directories(spec, directory)
    if spec.linux.namespace("time"):
        _shift_time(spec.linux.timeOffsets)
    if spec.has_user_namespace:
        id_maps.own_pipes(stdio, spec.shift)
    stone = stepping_stone.lay()
    ours, theirs = Channel.pair()
    giving, taking = Channel.pair()
    with closing(group.inside.open()) as entrance:
        birth = Birth(
            spec=spec,
            control=theirs,
            delivery=taking,
            stdio=stdio,
            overlay=tree,
            entrance=entrance,
            cgroup_version=group.host.version,
            controllers=group.host.shown,
            network_fd=_network_to_join(spec),
            devices=host_mounts.open_devices() if spec.has_user_namespace else {},
            is_limited_to_devices=is_limited_to_devices,
            filter=filter_of(spec, watched=watch is not None),
            helper=host_mounts.open_helper() if spec.kernelbox.init else None,
            stone=stone,
            observed=door.sink is not None,
            stepped=door.gate is not None,
        )
        pid, pidfd = process.clone3(_new_namespaces(spec), entrance.clone_fd)
        if pid == 0:
            ours.close()
            giving.close()
            init.main(birth)
    theirs.close()
    taking.close()
    stone.close_taken()
    container = Newborn(pid, pidfd, ours, stone)
    container.watch = watch
    own.record("process", f"{spec.id} {pid} {container.start_time}")
    _close_inherited(birth)

    # From here on the container side builds: what it needs last is made meanwhile.
    with closing(giving):
        if spec.has_user_namespace:
            host_mounts.deliver(giving, [_prepare_user_namespace(pid, spec, tree)])
        host_mounts.deliver(giving, host_mounts.open_all(spec, addresses, pid))
    if bridge:
        _plug_in(container, bridge, spec, addresses, own)
    return container


def _lease(bridge: Bridge, spec: Spec, own: ledger.Ledger, last: str) -> list[str]:
    """Lease the container's address on its network, and its IPv6 address where there are any."""
    try:
        address = network.lease(bridge, spec.id, own.record, spec.kernelbox.ip or last)
    except UsageError:
        if spec.kernelbox.ip or not last:
            raise
        address = network.lease(bridge, spec.id, own.record)
    address6 = network.lease_ipv6(bridge, spec.id, address, own.record, spec.kernelbox.ip6)
    return [address, address6] if address6 else [address]


def _plug_in(
    container: Newborn, bridge: Bridge, spec: Spec, addresses: list[str], own: ledger.Ledger
) -> None:
    """Connect the container to the bridge, publish its ports, make its names known."""
    address, address6 = (*addresses, "")[:2]
    container.address = address
    try:
        mac = spec.kernelbox.mac
        mac = network.connect(
            bridge, container.pid, spec.id, address, own.record, mac=mac, address6=address6
        )
        wish = network.parse(*spec.kernelbox.shape)
        network.shape(network.link_name(spec.id), container.pid, "eth0", wish)
        ports = list(spec.kernelbox.ports)
        network.publish(bridge, spec.id, address, ports, own.record, address6)
        names = [str(state.extra(spec.id).get("name") or spec.id), *spec.kernelbox.aliases]
        servers = [one for one in spec.kernelbox.dns if bridge.reaches(one)]
        end = network.Endpoint(
            spec.id,
            address,
            names,
            mac,
            dns=servers,
            ports=ports,
            address6=address6,
            process=f"{container.pid} {container.start_time}" if bridge.parent else "",
        )
        network.add(bridge.network, end, own.record)
    except KernelboxError:
        # If its init has failed, its network went with it: then the cause is what init says.
        if process.wait_until_gone(container.pidfd, 0.1):
            container.until(Ready)
        raise


def start(container: Newborn) -> None:
    """Let the init of a created container become its program.

    Raises:
        CommandError: The program was not found, or cannot be executed.
    """
    messages.send(container.control, Start())
    container.until_executed()
    container.control.close()


def _new_namespaces(spec: Spec) -> int:
    """Return the kinds the container is born into.

    Its cgroup namespace it makes itself, once it is in its cgroup; a time namespace the caller has
    made for its children; one with a path is joined.
    """
    kinds = [one.type for one in spec.linux.namespaces if not one.path]
    return namespaces.flags([kind for kind in kinds if kind not in ("cgroup", "time")])


def _make_cgroup(spec: Spec, own: ledger.Ledger, shared: ledger.Ledger) -> tuple[Cgroup, bool]:
    """Make its control group; return it, and whether it keeps the container to its devices."""
    group = cgroup.of(spec.group)
    _record_parents(group, own, shared)
    own.record("cgroup", spec.group)
    group.create()
    if spec.linux.resources:
        from kernelbox.cgroup import applying  # only for who is limited

        applying.apply(group, spec.linux.resources)
    is_limited_to_devices = not spec.kernelbox.privileged and _limit_devices(group, spec)
    group.create_inside()
    return group, is_limited_to_devices


def _limit_devices(group: Cgroup, spec: Spec) -> bool:
    if not spec.linux.devices:
        return group.limit_devices()
    from kernelbox.container.options import host_devices  # for few containers only

    return group.limit_devices(host_devices.rules(spec.linux.devices))


def _record_parents(group: Cgroup, own: ledger.Ledger, shared: ledger.Ledger) -> None:
    """Write down which of the groups above are kernelbox's: made now, or for another container.

    `/kernelbox` stays until a reset. One of `--cgroup-parent` goes with the last container in it,
    unless somebody else has made it.
    """
    tops = cgroup.parents()
    known = {entry.name for entry in shared.entries()} if len(group.above) > len(tops) else set()
    for parent in group.above:
        is_missing = not os.path.isdir(parent)
        if is_missing and parent not in known:
            shared.record("cgroup-parent", parent)
        if parent not in tops and (is_missing or parent in known):
            own.record("cgroup-parent", parent)


def _make_overlay_directories(spec: Spec, directory: str) -> overlay.Overlay:
    upper, work = f"{directory}/upper", f"{directory}/work"
    for path in (upper, work):
        if os.path.isdir(path):  # of an earlier life
            continue
        files.mkdir(path)
        if spec.has_user_namespace:
            files.chown(path, spec.shift, spec.shift)
    return overlay.Overlay(spec.kernelbox.lowerdirs, upper, work, paths.merged())


def _close_inherited(birth: Birth) -> None:
    """Close what the container side has inherited by now."""
    for fd in (birth.network_fd, birth.helper, *birth.devices.values()):
        if fd is not None:
            os.close(fd)


def _shift_time(offsets: dict[str, dict[str, int]]) -> None:
    """Make a time namespace for the children of this process, its clocks ahead by `offsets`.

    Raises:
        KernelError: EINVAL before Linux 5.6; ERANGE if a clock would run below zero.

    Source: time_namespaces(7); OCI runtime-spec, config-linux.md, "Offset for Time Namespace".
    """
    syscalls.unshare(k.CLONE_NEWTIME)
    for clock, offset in offsets.items():
        text = f"{clock} {offset.get('secs', 0)} {offset.get('nanosecs', 0)}"
        files.write("/proc/self/timens_offsets", text)


def _network_to_join(spec: Spec) -> int | None:
    """Open the network namespace that is to be joined, of `--network container:NAME`."""
    found = spec.linux.namespace("network")
    if found is None or not found.path:
        return None
    return os.open(found.path, os.O_RDONLY | os.O_CLOEXEC)


def _prepare_user_namespace(pid: int, spec: Spec, tree: overlay.Overlay) -> host_mounts.HostMount:
    """Write the id maps of `pid`, and return its merged tree as seen through them."""
    id_maps.write_maps(pid, spec.linux.uidMappings, spec.linux.gidMappings)
    userns = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return host_mounts.HostMount(overlay.detached(tree, userns), "/", directory=True)
    finally:
        os.close(userns)
