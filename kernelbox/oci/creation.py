"""The runtime side of `create`: what is made outside, and what is done while init builds.

    directory and lock, gate, control group, clone3, id maps    and init begins to build
    prestart and createRuntime hooks                            once its mounts are there
    terminal, pid file                                          once it waits at its gate

Whatever fails, all of it is undone before the error is told.

Source: OCI runtime-spec, runtime.md, "Create" and "Lifecycle".
"""

from __future__ import annotations

import errno
import os
import time

from kernelbox.container.birth.birth import Newborn
from kernelbox.container.birth.confinement import compiled
from kernelbox.container.conversation import messages
from kernelbox.container.conversation.messages import Go, Ready
from kernelbox.kernel import door, execution, process, stepping_stone
from kernelbox.kernel.errors import KernelboxError, KernelError, UsageError
from kernelbox.oci import (
    agents,
    attaching,
    console,
    document,
    foreground,
    gate,
    groups,
    hooks,
    in_place,
    init,
    joining,
    programs,
    reading,
    refusals,
    resources,
    unprivileged,
)
from kernelbox.oci import state as states
from kernelbox.oci.state import Box, State
from kernelbox.plumbing import documents
from kernelbox.plumbing.channel import Channel
from kernelbox.plumbing.light import closing, signal, suppress
from kernelbox.plumbing.records import NamedTuple
from kernelbox.users import id_maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from kernelbox.cgroup import Cgroup
    from kernelbox.oci.config import Config
    from kernelbox.oci.document import Part

# runc's words.
_NOT_ALL_OF_IT = (
    "Creating a rootless container with no cgroup and no private pid namespace. Such configuration "
    "is strongly discouraged: not all of its processes can be found and killed"
)


class Asked(NamedTuple):
    """What `create` and `run` are asked for.

    Attributes:
        root: Where the states of containers are.
        id: Of the new one.
        bundle: Its directory.
        config: The file in it that describes the container.
        console_socket: Where its terminal is sent to; empty without.
        pid_file: Where its pid is written to; empty without.
        pidfd_socket: Where a pidfd of it is sent to; empty without.
        preserved: Descriptors that its program keeps, beside its streams.
        listening: How many of these are sockets that it is to listen at.
        keyring: Whether it gets a session keyring of its own.
        foreground: Whether the caller shows its terminal itself.
        pivot: Whether its root is pivoted to; else it is a chroot.
        rootless: Whether refusals of the kernel's are borne: see `unprivileged.is_rootless`.
    """

    root: str
    id: str
    bundle: str
    config: str = "config.json"
    console_socket: str = ""
    pid_file: str = ""
    pidfd_socket: str = ""
    preserved: tuple[int, ...] = ()
    listening: int = 0
    keyring: bool = True
    foreground: bool = False
    pivot: bool = True
    rootless: str = "auto"


class Created(NamedTuple):
    """A container that waits for `start`.

    Attributes:
        box: Its directory.
        document: Its config.json.
        born: Its first process.
        warnings: What was asked for and is not to be had.
    """

    box: Box
    document: Part
    born: Newborn
    warnings: list[str]


def create(asked: Asked) -> Created:
    """Make a container, up to its gate.

    Raises:
        UsageError: Its bundle, its id or an option is wrong.
        KernelboxError: It could not be made; nothing is left of it.
    """
    states.check_new(asked.root, asked.id)
    bundle = os.path.realpath(asked.bundle)
    found = document.load(os.path.join(bundle, asked.config), "config.json")
    refusals.check(found)
    config = reading.config(found)
    if asked.listening and config.process is not None:
        told = f"LISTEN_FDS={asked.listening}", "LISTEN_PID=1"
        what = config.process
        config = config._replace(process=what._replace(env=(*what.env, *told)))
    refusals.check_namespaces(config)
    refusals.check_settings(config)
    unprivileged.check(config, config.process)
    _check_terminal(config, asked)
    for limit in config.process.rlimits if config.process is not None else ():
        execution.check_limit(limit.type, limit.hard)
    rootless = unprivileged.is_rootless(asked.rootless)
    group = _group_of(config, asked.id, rootless=rootless)
    groups.check_free(group)  # before it is written down as what is to be taken away
    state = State(
        config.ociVersion, asked.id, bundle, config.annotations,
        os.path.realpath(os.path.join(bundle, config.root)), time.time(), group.name,
        groups.made_for(group, states.directories_above(asked.root)),
        freezer=group.state_file,
    )  # fmt: skip
    with states.new(asked.root, state, documents.dumps(found.plain)) as box:
        try:
            born = _make(box, config, asked, rootless=rootless)
        except BaseException:
            _undo(box, config)
            raise
    warnings = [] if config.has_user_namespace else programs.ungranted(found.part("process"))
    if not box.state.group and not config.is_new("pid"):
        warnings.append(_NOT_ALL_OF_IT)
    return Created(box, found, born, warnings)


def _group_of(config: Config, container_id: str, *, rootless: bool) -> Cgroup:
    """Return the control group that the container is to have; or what stands in for one."""
    try:
        return groups.of(groups.path_of(config.cgroupsPath, container_id))
    except UsageError:
        raise
    except KernelboxError:  # the host, or what our maker shows of it, has none
        if config.cgroupsPath or not rootless:
            raise
        from kernelbox.oci.groupless import Groupless  # for who is not root

        return Groupless()


def _check_terminal(config: Config, asked: Asked) -> None:
    """Refuse a terminal that nobody shows, and a socket that nobody needs."""
    terminal = config.process is not None and config.process.terminal
    if terminal and not (asked.console_socket or asked.foreground):
        raise UsageError(
            "a container with a terminal that is not shown needs a --console-socket",
            "Give one, or set process.terminal to false",
        )
    if asked.console_socket and not terminal:
        raise UsageError(
            "there is a --console-socket, and the container has no terminal",
            "Leave it out, or set process.terminal to true",
        )


def _make(box: Box, config: Config, asked: Asked, *, rootless: bool) -> Newborn:
    root = _open_root(box, config)
    mounts = attaching.prepare(config, box.state.bundle) if root is not None else []
    joined = joining.open_others(config)
    if root is not None and not config.is_new("mount"):
        box.write(box.state._replace(mount=in_place.mount_id(root)))
    _make_group(box, config, rootless=rootless)
    group = box.group
    stone = stepping_stone.lay()
    listener = gate.build(box.fd)
    ours, theirs = Channel.pair()
    with closing(group.open()) as entrance:
        birth = init.Birth(
            config=config,
            control=theirs,
            listener=listener,
            group=group,
            entrance=entrance,
            root=root,
            mounts=mounts,
            bundle=box.state.bundle,
            mount_namespace=joined.get("mount"),
            rootfs=box.state.rootfs,
            filter=compiled(config.seccomp, agent=agents.has_one(config.seccomp)),
            stone=stone,
            state=box.as_told("created"),
            preserved=asked.preserved,
            keyring=asked.keyring,
            pivot=asked.pivot and config.is_new("mount"),
            rootless=rootless,
            shown=unprivileged.is_ordinary() and not {"user", "pid"} & joined.keys(),
            observed=door.sink is not None,
        )

        def be() -> NoReturn:
            ours.close()
            init.main(birth)

        pid, pidfd = joining.bear(config, joined, entrance.clone_fd, be)
    theirs.close()
    listener.close()
    stone.close_taken()
    for fd in (root, *joined.values(), *(one.source for one in mounts)):
        if fd is not None:
            os.close(fd)
    born = Newborn(pid, pidfd, ours, stone)
    box.write(box.state._replace(pid=pid, start_time=born.start_time))
    _accompany(born, box, config, asked)
    return born


def _open_root(box: Box, config: Config) -> int | None:
    """Open the root; None if that is left to the first process, in a mount namespace of its own."""
    try:
        return attaching.open_root(box.state.rootfs, config.rootfsPropagation)
    except KernelError as refusal:
        if refusal.errno != errno.EPERM or not config.is_new("mount"):
            raise
        return None


def _make_group(box: Box, config: Config, *, rootless: bool) -> None:
    """Make the control group, with its limits; or do without, where that is borne.

    Source: runc, fs/fs.go, Apply(): a path that is asked for is no wish.
    """
    group = box.group
    try:
        if box.state.group:
            groups.make(group)
    except KernelError as refusal:
        borne = rootless and unprivileged.is_mere_refusal(refusal)
        if config.cgroupsPath or not borne:
            raise
        groups.remove(group, box.state.above)
        box.write(box.state._replace(group="", above=[], freezer=""))
        group = box.group
    resources.apply(group, config.resources, config.ociVersion)
    try:
        group.limit_devices(resources.device_rules(config.resources))
    except KernelError as refusal:
        if not (rootless and unprivileged.is_mere_refusal(refusal)):
            raise


def _accompany(born: Newborn, box: Box, config: Config, asked: Asked) -> None:
    """Do what is to be done outside while init builds, until it waits at its gate."""
    control = born.control
    if config.is_new("user"):
        _map_ids(born.pid, config)
        messages.send(control, Go())
    born.until(Ready)
    if config.netDevices:
        from kernelbox.oci import handing  # hardly a container has any, and it speaks netlink

        handing.hand_over(config, born.pid)
    for kind in ("prestart", "createRuntime"):
        hooks.run(config.hooks, kind, box.as_told("created"))
    messages.send(control, Go())
    born.until(Ready)
    if born.terminal is not None and asked.console_socket:
        console.send(asked.console_socket, born.terminal, "/dev/pts/ptmx")
        os.close(born.terminal)
    elif born.terminal is not None:
        foreground.make_plain(born.terminal)
    if asked.pidfd_socket:
        console.send(asked.pidfd_socket, born.pidfd, "pidfd")
    if asked.pid_file:
        states.replace(asked.pid_file, str(born.pid))
    messages.send(control, Go())
    born.until(Ready)
    control.close()


def _map_ids(pid: int, config: Config) -> None:
    if unprivileged.is_ordinary():
        from kernelbox.users import own_ids  # not for root

        own_ids.write_maps(pid, config.uidMappings, config.gidMappings)
    else:
        id_maps.write_maps(pid, config.uidMappings, config.gidMappings)


def _undo(box: Box, config: Config) -> None:
    """Take away what was made of a container that could not be."""
    pid = box.state.pid
    if pid:
        with suppress(OSError, KernelError):
            pidfd = process.pidfd_of(pid)
            process.pidfd_send_signal(pidfd, signal.SIGKILL)
            box.group.thaw_all()
            process.wait_exit(pid)
    with suppress(KernelboxError, KernelError):
        groups.remove(box.group, box.state.above)
    in_place.take_away(box.state.rootfs, box.state.mount, config)
    told = box.as_told("stopped")
    box.remove()
    if pid:
        hooks.run_all(config.hooks, "poststop", told)
