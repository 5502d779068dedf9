"""The runtime side: create and start, from the outside of the container.

    create   ledger, cgroup, clone3, id maps, network; then the container side builds itself
    start    lets its init become the program

Whatever is made is written into the container's ledger before. Nothing is undone here: success,
failure and crash are all cleaned up the same way, from the ledger (`cleanup.py`). The caller is
the monitor, a process of its own with one thread.
"""

from __future__ import annotations

import os
import time
from contextlib import closing

from kernelbox import cgroup, gifts, init, ledger, network, overlay, paths, users
from kernelbox.channel import Channel
from kernelbox.kernel import files, process, record, syscalls
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelboxError
from kernelbox.kernel.record import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.cgroup import Cgroup
    from kernelbox.network import Bridge
    from kernelbox.spec import Limits, Spec


class Container:
    """The runtime side's hold on a container whose init is alive.

    Attributes:
        pid: Of its init, in the runtime's PID namespace.
        pidfd: The same, safe against reuse.
        start_time: Of its init, in clock ticks since boot.
        control: The conversation with its init.
        terminal: The runtime's end of its terminal; None without `-t`.
        address: On the bridge; empty without one.
    """

    def __init__(self, pid: int, pidfd: int, control: Channel) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.start_time = process.start_time(pid)
        self.control = control
        self.terminal: int | None = None
        self.address = ""
        self._exec: tuple[Event, int] | None = None

    def listen(self, until: str) -> None:
        """Pass on what the container side reports, until it says `until` or becomes the program.

        Raises:
            KernelboxError: It failed (its own words), or died without a word.
        """
        while True:
            message = self.control.receive()
            if message is None:
                self._ended(until)
                return
            if message["kind"] == until:
                return
            self._hear(message)

    def _hear(self, message: dict[str, Any]) -> None:
        kind = message["kind"]
        if kind == "event" and record.sink is not None:
            record.sink(Event(*message["event"]))
        elif kind == "pause":
            if record.gate is not None:
                record.gate(Event(*message["event"]))
            self.control.send("go")
        elif kind == "exec":
            self._exec = (Event(*message["event"]), time.perf_counter_ns())
        elif kind == "terminal":
            self.terminal = message["fds"][0]
        elif kind == "exec-failed":
            self._report_exec(message["result"])
        elif kind == "error":
            raise KernelboxError(message["message"], message["hint"], message["code"])

    def _ended(self, until: str) -> None:
        if self._exec is None:
            raise KernelboxError(
                f"the container's first process died before it was {until}",
                "Out of memory? Look at `dmesg`",
            )
        self._report_exec("0")

    def _report_exec(self, result: str) -> None:
        """Complete the record of `execve`: the socket closed, so it worked, and just now."""
        if self._exec is not None and record.sink is not None:
            event, since = self._exec
            elapsed = (time.perf_counter_ns() - since) // 1000
            record.sink(event._replace(result=result, microseconds=elapsed))


def create(spec: Spec, stdio: tuple[int, int, int]) -> Container:
    """Make the container; its init builds the rest of it, until it is `ready` to be started.

    Args:
        spec: What it shall be; its directory exists and is locked by the caller.
        stdio: Descriptors for its 0, 1 and 2.

    Raises:
        KernelboxError: One line; what was made is in the ledger.

    Source: OCI runtime-spec, runtime.md, "Lifecycle".
    """
    directory = paths.container(spec.id)
    own = ledger.Ledger(directory)
    shared = ledger.Ledger(paths.host())
    bridge = network.prepare(shared.record) if spec.network == "bridge" else None
    address = network.lease(bridge, spec.id, own.record) if bridge else ""

    group = _make_cgroup(spec.id, spec.limits, own, shared)
    tree = _make_overlay_directories(spec, directory)
    if spec.time_offset is not None:
        _shift_time(spec.time_offset)
    if spec.userns != "host":
        users.own_pipes(stdio)
    ours, theirs = Channel.pair()
    giving, taking = Channel.pair()
    with closing(group.open()) as entrance:
        birth = init.Birth(
            spec=spec,
            control=theirs,
            delivery=taking,
            stdio=stdio,
            overlay=tree,
            entrance=entrance,
            cgroup_version=group.host.version,
            controllers=[os.path.basename(os.path.dirname(one)) for one in cgroup.parents()],
            network_fd=_network_to_join(spec),
            devices=gifts.open_devices() if spec.userns != "host" else {},
            helper=gifts.open_helper() if spec.init else None,
            observed=record.sink is not None,
            stepped=record.gate is not None,
        )
        pid, pidfd = process.clone3(_new_namespaces(spec), entrance.clone_fd)
        if pid == 0:
            ours.close()
            giving.close()
            init.main(birth)
    theirs.close()
    taking.close()
    container = Container(pid, pidfd, ours)
    own.record("process", f"{pid} {container.start_time}")
    _close_inherited(birth)

    # From here on the container side builds: what it needs last is made meanwhile.
    with closing(giving):
        if spec.userns != "host":
            gifts.deliver(giving, [_prepare_user_namespace(pid, tree)])
        gifts.deliver(giving, gifts.open_files(spec, directory, address))
    if bridge:
        _plug_in(container, bridge, spec, address, own)
    return container


def _plug_in(
    container: Container, bridge: Bridge, spec: Spec, address: str, own: ledger.Ledger
) -> None:
    """Connect the container to the bridge, and publish its ports."""
    container.address = address
    try:
        network.connect(bridge, container.pid, spec.id, address, own.record)
        network.publish(bridge, spec.id, address, list(spec.ports), own.record)
    except KernelboxError:
        # If its init has failed, its network went with it: then the cause is what init says.
        if process.wait_until_gone(container.pidfd, 0.1):
            container.listen(until="ready")
        raise


def start(container: Container) -> None:
    """Let the init of a created container become its program.

    Raises:
        CommandError: The program was not found, or cannot be executed.
    """
    container.control.send("start")
    container.listen(until="started")
    container.control.close()


def _new_namespaces(spec: Spec) -> int:
    """Return the kinds the container is born into.

    Its cgroup namespace it makes itself, once it is in its cgroup; a time namespace the caller has
    made for its children.
    """
    kinds = k.CLONE_NEWPID | k.CLONE_NEWNS | k.CLONE_NEWUTS | k.CLONE_NEWIPC
    if spec.network in ("bridge", "none"):
        kinds |= k.CLONE_NEWNET
    if spec.userns != "host":
        kinds |= k.CLONE_NEWUSER
    return kinds


def _make_cgroup(
    container_id: str, limits: Limits, own: ledger.Ledger, shared: ledger.Ledger
) -> Cgroup:
    group = cgroup.of(container_id)
    for parent in cgroup.parents():
        if not os.path.isdir(parent):
            shared.record("cgroup-parent", parent)
    own.record("cgroup", container_id)
    group.create()
    if limits.memory is not None:
        group.limit_memory(limits.memory)
    if limits.cpus is not None:
        group.limit_cpu(*cgroup.cpu_quota(limits.cpus))
    if limits.cpu_shares is not None:
        group.weigh_cpu(limits.cpu_shares)
    if limits.pids is not None:
        group.limit_pids(limits.pids)
    return group


def _make_overlay_directories(spec: Spec, directory: str) -> overlay.Overlay:
    upper, work = f"{directory}/upper", f"{directory}/work"
    for path in (upper, work):
        os.mkdir(path, 0o755)
        if spec.userns != "host":
            os.chown(path, users.HOST_ID, users.HOST_ID)
    return overlay.Overlay(spec.lowerdirs, upper, work, paths.merged())


def _close_inherited(birth: init.Birth) -> None:
    """Close what the container side has inherited by now."""
    for fd in (birth.network_fd, birth.helper, *birth.devices.values()):
        if fd is not None:
            os.close(fd)


def _shift_time(seconds: int) -> None:
    """Make a time namespace for the children of this process, its boot clock ahead by `seconds`.

    Raises:
        KernelError: EINVAL before Linux 5.6; ERANGE if the clock would run below zero.

    Source: time_namespaces(7).
    """
    syscalls.unshare(k.CLONE_NEWTIME)
    files.write("/proc/self/timens_offsets", f"boottime {seconds} 0")


def _network_to_join(spec: Spec) -> int | None:
    """Open the network namespace of the container named in `--network container:NAME`."""
    if not spec.network.startswith("container:"):
        return None
    pid = spec.network.partition(":")[2]
    return os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _prepare_user_namespace(pid: int, tree: overlay.Overlay) -> gifts.Gift:
    """Write the id maps of `pid`, and return its merged tree as seen through them."""
    users.write_maps(pid)
    userns = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return gifts.Gift(overlay.detached(tree, userns), "/", directory=True)
    finally:
        os.close(userns)
