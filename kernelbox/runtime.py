"""The runtime side: create, start, exec and kill, from the outside of the container.

    create   ledger, cgroup, clone3, id maps, network; then the container side builds itself
    start    lets its init become the program
    join     the other way in: a process more for a container that runs (`exec`)

Whatever is made is written into the container's ledger before. Nothing is undone here: success,
failure and crash are all cleaned up the same way, from the ledger (`cleanup.py`). The caller is
the monitor, a process of its own with one thread.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import closing

from kernelbox import (
    cgroup,
    init,
    ledger,
    namespaces,
    network,
    overlay,
    paths,
    rootfs,
    storage,
    users,
)
from kernelbox.channel import Channel
from kernelbox.kernel import files, mounts, process, record, syscalls
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelboxError, KernelError, UsageError
from kernelbox.kernel.record import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.cgroup import Cgroup
    from kernelbox.network import Bridge
    from kernelbox.spec import Limits, Process, Spec

HELPER_INIT = "/usr/bin/tini-static"


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
    _hand_over(stdio, spec)
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
            devices=_borrow_devices() if spec.userns != "host" else {},
            helper=_open_helper() if spec.init else None,
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
            init.deliver(giving, [_prepare_user_namespace(pid, tree)])
        init.deliver(giving, _open_volumes(spec, directory, address))
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


def join(pid: int, spec: Spec, what: Process, stdio: tuple[int, int, int]) -> Container:
    """Start a process more inside the running container whose init is `pid`.

    The caller itself moves into the container's namespaces (but for the cgroup namespace, which
    only the new process enters, from within the cgroup): it must be a process made for this.

    Raises:
        KernelboxError: The container is gone, or the program cannot be executed.

    Source: setns(2), with a pidfd; Docker, "docker exec".
    """
    pidfd = process.pidfd_open(pid)
    differing = [kind for kind in namespaces.KINDS if _differs(pid, kind.proc)]
    others = [kind.proc for kind in differing if kind.proc != "cgroup"]
    _hand_over(stdio, spec)
    ours, theirs = Channel.pair()
    with closing(cgroup.of(spec.id).open()) as entrance:
        # Nobody inside may look at this interpreter once it shares their PID namespace.
        syscalls.prctl(k.PR_SET_DUMPABLE, 0)
        syscalls.setns(pidfd, namespaces.flags(others), f"nsenter --all -t {pid}")
        child, child_pidfd = process.clone3(0, entrance.clone_fd)
        if child == 0:
            ours.close()
            _joined(pidfd, entrance, theirs, what, stdio)
    theirs.close()
    os.close(pidfd)
    container = Container(child, child_pidfd, ours)
    try:
        container.listen(until="started")
    except KernelboxError:
        process.wait_exit(child)  # the container's own init may never ask for a dead stranger
        raise
    container.control.close()
    return container


def _joined(
    pidfd: int,
    entrance: cgroup.Entrance,
    control: Channel,
    what: Process,
    stdio: tuple[int, int, int],
) -> None:
    """Be the process that `join` adds: the same end as a container's init, without its building."""
    with init.reporting(control, record.sink is not None, record.gate is not None):
        process.die_with_parent()
        entrance.enter()
        syscalls.setns(pidfd, k.CLONE_NEWCGROUP)
        terminal = init.open_terminal(control) if what.terminal else None
        init.run(what, control, terminal, stdio)


def _differs(pid: int, kind: str) -> bool:
    try:
        return namespaces.identity(pid, kind) != namespaces.identity("self", kind)
    except FileNotFoundError:
        return False


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


def _open_volumes(spec: Spec, directory: str, address: str) -> list[init.Gift]:
    """Open every file and directory of the host that the container shall see."""
    gifts = []
    for name, text in (
        ("hostname", spec.hostname + "\n"),
        ("hosts", network.hosts_file(spec.hostname, address)),
        ("resolv.conf", _resolv_conf(spec)),
    ):
        path = f"{directory}/{name}"
        storage.write(path, text, mode=0o644)
        gifts.append(_open_gift(path, f"/etc/{name}", read_only=False))
    for volume in spec.volumes:
        gifts.append(_open_gift(volume.source, volume.target, volume.read_only))
    return gifts


def _resolv_conf(spec: Spec) -> str:
    """Return the container's resolv.conf: the host's own where it shares the host's network.

    A host may have none, or a link to what systemd-resolved writes while that is not running.
    """
    if spec.network != "host":
        return network.resolv_conf()
    try:
        return files.read("/etc/resolv.conf")
    except FileNotFoundError:
        return ""


def _open_gift(source: str, target: str, read_only: bool) -> init.Gift:
    try:
        fd = mounts.open_tree(source, k.AT_RECURSIVE)
    except KernelError as error:
        if error.errno == errno.ENOENT:
            raise UsageError(
                f"bind source {source} does not exist", f"Make it first: mkdir -p {source}"
            ) from error
        raise
    attributes = k.MOUNT_ATTR_NODEV | (k.MOUNT_ATTR_RDONLY if read_only else 0)
    mounts.mount_setattr(fd, attributes=attributes, propagation=k.MS_PRIVATE)
    return init.Gift(fd, target, stat.S_ISDIR(os.fstat(fd).st_mode))


def _borrow_devices() -> dict[str, int]:
    """Open the host's device nodes, for a container that may not make any."""
    return {name: mounts.open_tree(f"/dev/{name}", 0) for name, _, _ in rootfs.DEVICES}


def _open_helper() -> int:
    if not os.path.exists(HELPER_INIT):
        raise UsageError("--init needs tini, which this host lacks", "apt-get install tini")
    fd = mounts.open_tree(HELPER_INIT, 0)
    mounts.mount_setattr(fd, attributes=k.MOUNT_ATTR_RDONLY, propagation=k.MS_PRIVATE)
    return fd


def _close_inherited(birth: init.Birth) -> None:
    """Close what the container side has inherited by now."""
    for fd in (birth.network_fd, birth.helper, *birth.devices.values()):
        if fd is not None:
            os.close(fd)


def _hand_over(stdio: tuple[int, int, int], spec: Spec) -> None:
    """Make the root of a user namespace the owner of the pipes made for its program.

    To it, root's are nobody's: it could neither open /dev/stdout anew nor give it to its user.
    """
    if spec.userns != "host":
        for fd in stdio:
            if stat.S_ISFIFO(os.fstat(fd).st_mode):
                os.fchown(fd, users.HOST_ID, users.HOST_ID)


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


def _prepare_user_namespace(pid: int, tree: overlay.Overlay) -> init.Gift:
    """Write the id maps of `pid`, and return its merged tree as seen through them."""
    users.write_maps(pid)
    userns = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return init.Gift(overlay.detached(tree, userns), "/", directory=True)
    finally:
        os.close(userns)
