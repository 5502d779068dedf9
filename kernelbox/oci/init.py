"""The container side: what the first process of a bundle's container does, from birth to its gate.

`build` is a straight list, like that of `kernelbox.container.birth.init`, which makes a container
of an image. What differs: the root is a directory that somebody else has made ready; every mount is
made below it before it becomes /, since hooks may look at it from outside then; and the process
outlives whoever made it, waiting at its gate for `start`.

Source: OCI runtime-spec, runtime.md, "Lifecycle"; runtime-linux.md.
"""

from __future__ import annotations

import os

from kernelbox.container.birth.birth import reporting
from kernelbox.container.conversation import messages
from kernelbox.container.conversation.messages import Ready, Terminal
from kernelbox.kernel import (
    execution,
    files,
    lookup,
    mounts,
    netdevice,
    process,
    session,
    stepping_stone,
    syscalls,
)
from kernelbox.kernel import flags as k
from kernelbox.oci import (
    attaching,
    console,
    devices,
    gate,
    hiding,
    hooks,
    in_place,
    mount_options,
    refusals,
    standing,
)
from kernelbox.plumbing.records import NamedTuple
from kernelbox.root import pivot, targets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from typing import Any, NoReturn

    from kernelbox.cgroup import Cgroup, Entrance
    from kernelbox.container.birth.confinement import Filter
    from kernelbox.kernel.stepping_stone import Stone
    from kernelbox.oci.attaching import Wanted
    from kernelbox.oci.config import Config
    from kernelbox.oci.hooks import Within
    from kernelbox.plumbing.channel import Channel


class Birth(NamedTuple):
    """What the runtime side hands over when it forks.

    Attributes:
        config: What the container shall be.
        control: The conversation with the runtime side.
        listener: Where `start` comes to.
        group: Its control group.
        entrance: The way into that.
        root: Its root, as a detached mount; None if the first process is to open that itself.
        mounts: What is mounted there, in order; likewise.
        bundle: Directory that the sources of mounts are relative to.
        mount_namespace: Another's to join, as a descriptor; None without.
        rootfs: The path of its root.
        filter: Of its system calls; None without one.
        stone: What its first process becomes before it is the program.
        state: What its hooks are told; its pid is filled in there.
        preserved: Descriptors that the program keeps, beside its streams.
        keyring: Whether it gets a session keyring of its own.
        pivot: Whether its root is pivoted to; else it is a chroot.
        rootless: Whether what the kernel refuses is no reason to fail.
        shown: Whether its user may look into it while it waits: else nobody without power over it.
        observed: Whether the other side wants to hear of every request.
    """

    config: Config
    control: Channel
    listener: socket
    group: Cgroup
    entrance: Entrance
    root: int | None
    mounts: list[Wanted]
    bundle: str
    mount_namespace: int | None
    rootfs: str
    filter: Filter | None
    stone: Stone
    state: dict[str, Any]
    preserved: tuple[int, ...]
    keyring: bool
    pivot: bool
    rootless: bool
    shown: bool
    observed: bool


def main(birth: Birth) -> NoReturn:
    """Build the container, wait at the gate, become the program."""
    control, config, stone = birth.control, birth.config, birth.stone
    with reporting(control, birth.observed, stepped=False):
        process.die_with_parent()
        build(birth)
        messages.send(control, Ready())
        _await_go(control)
        syscalls.prctl(k.PR_SET_PDEATHSIG, 0)  # from here on it has no need of its maker
        messages.send(control, Ready())
        control.close()
        process.end_by_signals()  # else the first of a PID namespace hears none that it can miss
        if birth.shown:  # so that `exec` finds its namespaces
            syscalls.prctl(k.PR_SET_DUMPABLE, 1)
        starter = gate.wait(birth.listener, stone)
        with reporting(starter, observed=False, stepped=False):
            assert config.process is not None  # `start` has looked
            if "startContainer" in config.hooks:
                hooks.run(config.hooks, "startContainer", birth.state, _within(birth, starter))
            standing.become(
                config.process, starter, stone, birth.filter,
                preserved=birth.preserved, keyring=birth.keyring,
            )  # fmt: skip
    raise AssertionError("reporting does not return")


def _within(birth: Birth, starter: Channel) -> Within:
    """Return how hooks of the image's are run: as the program will be, which comes after them."""
    what, confined, stone = birth.config.process, birth.filter, birth.stone
    assert what is not None
    alone = confined and confined._replace(watched=False, handed_on=False)
    usual = standing.environment_of(what)

    def become(path: str, words: list[str], own: dict[str, str], refusals: int) -> None:
        os.dup2(refusals, stone.refusals, inheritable=False)
        process.close_all_but([stone.fd, stone.refusals])
        standing.take_on(what, starter, alone, keyring=birth.keyring)
        process.default_signals()
        os.chdir("/")
        stepping_stone.take(stone, path, words, own or usual)

    return become


def build(birth: Birth) -> None:
    """Make a container out of this process.

    Args:
        birth: What the runtime side prepared.
    """
    config, what, state = birth.config, birth.config.process, birth.state

    # Who it is. The namespaces of others that it shares it was born into, but for one.
    if birth.root is not None:  # else who maps its ids has to look into it first
        syscalls.prctl(k.PR_SET_DUMPABLE, 0)
    state["pid"] = int(os.readlink("/proc/self"))  # as the runtime counts: it is its /proc
    if config.is_new("user"):
        _await_go(birth.control)  # until its ids are mapped
    if birth.root is None:
        syscalls.prctl(k.PR_SET_DUMPABLE, 0)
        birth = _opened(birth)  # as who made it: the root of its ids may not come to the bundle
    if config.is_new("user"):
        syscalls.setresgid(0)
        syscalls.setresuid(0)
    if birth.mount_namespace is not None:
        syscalls.setns(birth.mount_namespace, k.CLONE_NEWNS, "nsenter --mount=...")

    # What it may use, and a cgroup namespace whose root is just that.
    birth.entrance.enter()
    standing.forget_affinity()
    if config.is_new("cgroup"):
        syscalls.unshare(k.CLONE_NEWCGROUP)

    # Its network and its names.
    if config.is_new("network"):
        netdevice.loopback_up()
    if config.hostname:
        syscalls.sethostname(config.hostname)
    if config.domainname:
        syscalls.setdomainname(config.domainname)
    if what is not None:
        standing.limit(what, config.personality, rootless=birth.rootless)
    if config.memoryPolicy is not None:
        execution.set_memory_policy(*config.memoryPolicy)

    # Its root, with all that is mounted there. What is made has the modes that stand here.
    session.umask(0)
    if config.is_new("mount"):
        pivot.make_private()
    views = pivot.views() if config.is_new("mount") and not birth.pivot else []
    _attach_root(birth)
    root = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    namespaced = config.namespace("cgroup") is not None
    for wanted in birth.mounts:
        attaching.attach(wanted, root, birth.group, namespaced=namespaced)
    if not _has_dev_of_its_own(config):
        devices.make(config.devices, root, borrowed=config.has_user_namespace)
    terminal = None
    if what is not None and what.terminal:
        master, terminal = console.make(root, what.size)
        console.show(terminal, root)
        messages.send(birth.control, Terminal([master]))
        os.close(master)

    # What it must not see or change.
    attaching.finish_dev(birth.mounts, root)
    for name, value in config.sysctl.items():
        files.write_proc(f"sys/{refusals.path_of_setting(name)}", value)
    hiding.protect(config.readonlyPaths, root)
    hiding.mask(config.maskedPaths, root)
    if what is not None:
        os.close(targets.open_target(what.cwd, True, root))  # later it could not be made

    # From outside it is complete: others may look at it now.
    messages.send(birth.control, Ready())
    _await_go(birth.control)
    hooks.run(config.hooks, "createContainer", state, directory=".")

    # The tree becomes /.
    os.close(root)
    if birth.pivot:
        pivot.pivot()
        pivot.leave_old_root()
    else:
        pivot.cover(views)
        lookup.chroot(".")
    _finish_root(config)
    standing.take_streams(terminal)
    kept = [birth.control.fileno(), birth.listener.fileno(), birth.stone.fd, birth.stone.refusals]
    process.close_all_but([*birth.preserved, *kept])
    if what is not None:
        standing.find(what)  # so that a program which is missing is missed by `create`


def _opened(birth: Birth) -> Birth:
    """Return a birth with its root and mounts opened, in the mount namespace that is ours."""
    root = attaching.open_root(birth.rootfs, birth.config.rootfsPropagation)
    return birth._replace(root=root, mounts=attaching.prepare(birth.config, birth.bundle))


def _attach_root(birth: Birth) -> None:
    """Attach the root where it lies: hooks look for what is mounted there, and may add to it."""
    assert birth.root is not None  # it is open by now
    own = birth.config.is_new("mount")
    if own and not birth.pivot:
        pivot.attach_root(birth.root)  # a chroot is left more easily than what is mounted on /
        return
    attach = pivot.attach_at if own else in_place.attach
    try:
        attach(birth.root, birth.rootfs)
    except PermissionError:  # the root of a user namespace may not come there
        if not own:
            raise
        pivot.attach_root(birth.root)


def _await_go(control: Channel) -> None:
    if messages.receive(control) is None:
        os._exit(1)  # the runtime side is dead


def _has_dev_of_its_own(config: Config) -> bool:
    """Whether somebody else has furnished /dev: then it is not ours to change."""
    kinds = ("bind", "rbind")
    return any(
        one.destination == "/dev" and (one.type in kinds or set(one.options) & set(kinds))
        for one in config.mounts
    )


def _finish_root(config: Config) -> None:
    """Make / read-only, and let it pass on what it shall."""
    if config.readonly:
        here = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        mounts.mount_setattr(here, attributes=k.MOUNT_ATTR_RDONLY, recursive=False)
        os.close(here)
    if config.rootfsPropagation:
        word = config.rootfsPropagation
        kind = mount_options.PROPAGATION[word.removeprefix("r")]
        mounts.mount(None, "/", None, kind | (k.MS_REC if word.startswith("r") else 0))
    lookup.chdir("/")
