"""The container side: what the first process of a container does before it becomes the program.

`build` is a straight list, read from top to bottom; every line is one thing a container has and a
process has not. The process is a fork of the runtime's, already in its new namespaces; what it
shall build is the spec in `birth`. The end of the list is in program.py, which `exec` has, too.
"""

from __future__ import annotations

import os

from kernelbox import overlay
from kernelbox.container.birth import host_mounts, program
from kernelbox.container.birth.birth import reporting
from kernelbox.container.conversation import messages
from kernelbox.container.conversation.messages import Ready
from kernelbox.kernel import files, lookup, netdevice, process, session, syscalls
from kernelbox.kernel import flags as k
from kernelbox.root import furnishing, masks, pivot, targets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from kernelbox.container.birth.birth import Birth
    from kernelbox.container.spec import Mount

# The kernel grants these to a user namespace only as long as another of their kind is in sight.
# Source: mount_too_revealing() in the kernel.
_BEFORE_THE_OLD_ROOT_GOES = ("proc", "sysfs")


def main(birth: Birth) -> NoReturn:
    """Build the container, wait for start, become the program."""
    control = birth.control
    with reporting(control, birth.observed, birth.stepped):
        process.die_with_parent()
        terminal = build(birth)
        messages.send(control, Ready())
        # If the runtime side is dead, it has no word for start, and what was built ends here.
        if messages.receive(control) is not None:
            helper = program.INIT_PATH if birth.helper is not None else ""
            what, stdio = birth.spec.process, birth.stdio
            program.run(what, control, terminal, stdio, birth.stone, birth.filter, helper)
    raise AssertionError("reporting does not return")


def build(birth: Birth) -> int | None:
    """Make a container out of this process; return the descriptor of its terminal, if it has one.

    Args:
        birth: What the runtime side prepared.
    """
    spec = birth.spec

    # Who it is, before the rest: mounts made in a user namespace belong to its root.
    if spec.has_user_namespace:
        root = next(host_mounts.deliveries(birth.delivery))  # comes when its ids have been mapped
    syscalls.prctl(k.PR_SET_DUMPABLE, 0)
    if spec.has_user_namespace:
        syscalls.setresgid(0)
        syscalls.setresuid(0)

    # What it may use, and a cgroup namespace whose root is just that.
    birth.entrance.enter()
    syscalls.unshare(k.CLONE_NEWCGROUP)

    # Its network and its name. A cable to the bridge is plugged in by the runtime side.
    if birth.network_fd is not None:
        syscalls.setns(birth.network_fd, k.CLONE_NEWNET, "nsenter --net=...")
    elif spec.kernelbox.network == "none":
        netdevice.loopback_up()
    syscalls.sethostname(spec.hostname)

    # Its root. What is made in it from here on has the modes that stand here.
    session.umask(0)
    pivot.make_private()
    if spec.has_user_namespace:
        pivot.attach_root(root.fd)
    else:
        overlay.mount(birth.overlay)
        lookup.chdir(birth.overlay.merged)
    pivot.pivot()
    for mount in spec.mounts:
        if mount.type in _BEFORE_THE_OLD_ROOT_GOES:
            _mount(mount, birth)
    pivot.leave_old_root()

    # What it sees of its cgroup, of devices, and of the host's files.
    for mount in spec.mounts:
        if not (mount.is_brought or mount.type in _BEFORE_THE_OLD_ROOT_GOES):
            _mount(mount, birth)
    furnishing.make_devices(birth.devices)
    for node in spec.linux.devices:
        targets.make_way(os.path.dirname(node.path))
        files.mknod(node.path, node.fileMode, node.major, node.minor, node.type)
    terminal = program.open_terminal(birth.control) if spec.process.terminal else None
    if terminal is not None:
        furnishing.attach_console(terminal)
    if birth.helper is not None:
        targets.attach(birth.helper, program.INIT_PATH, directory=False)
    if not (birth.is_limited_to_devices or spec.kernelbox.privileged):
        furnishing.seal_dev()
    for one in host_mounts.deliveries(birth.delivery):
        targets.attach(one.fd, one.target, directory=one.directory, may_decline=one.own)

    # What it must not see or change.
    for name, value in spec.linux.sysctl.items():
        files.write(f"/proc/sys/{name.replace('.', '/')}", value)
    masks.mask(spec.linux.maskedPaths)
    masks.protect(spec.linux.readonlyPaths)
    if spec.root.readonly:
        targets.make_way(spec.process.cwd)  # later it could not be made
        pivot.make_read_only()
    return terminal


def _mount(one: Mount, birth: Birth) -> None:
    if one.type == "cgroup":
        writable = "ro" not in one.options
        furnishing.mount_cgroup(
            one.destination, birth.cgroup_version, birth.controllers, writable=writable
        )
    else:
        furnishing.mount(one.destination, one.type, one.source, one.options)
