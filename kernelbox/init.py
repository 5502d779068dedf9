"""The container side: what the first process of a container does before it becomes the program.

`build` is a straight list, read from top to bottom; every line is one thing a container has and a
process has not. The process is a fork of the runtime's, already in its new namespaces, and speaks
with the runtime side over `birth.control`: ready, start, and then silence, because the socket
closes on exec. If anything fails, one message says what, and the process ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
import termios
from contextlib import contextmanager

from kernelbox import capabilities, gifts, overlay, rootfs, users
from kernelbox.channel import Channel
from kernelbox.kernel import flags as k
from kernelbox.kernel import netdevice, process, record, syscalls
from kernelbox.kernel.errors import CommandError, KernelboxError, errno_name
from kernelbox.spec import DEFAULT_PATH, Process, Spec
from kernelbox.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    from kernelbox.cgroup import Entrance

INIT_PATH = "/dev/init"
# How far the kernel follows `#!` lines, and how much of one it reads.
_DEEPEST_SCRIPT = 6
_LONGEST_SCRIPT_LINE = 256


class Birth(NamedTuple):
    """What the runtime side hands to the container side.

    Attributes:
        spec: What the container shall be.
        control: The conversation with the runtime side.
        delivery: Where `Gift`s come from that the runtime side opens meanwhile: the root of a
            container in a user namespace, then the volumes in the order of mounting, then the end.
        stdio: Descriptors for 0, 1 and 2; with a terminal they are not used.
        overlay: The directories of its root.
        entrance: The way into its cgroup.
        cgroup_version: 1 or 2.
        controllers: The v1 hierarchies it shall see.
        network_fd: A network namespace to join; None when born into its own, or sharing the host's.
        devices: Device nodes to borrow, by name; empty when it can make its own.
        helper: The small init of `--init`; None without.
        observed: Whether the other side wants to hear of every request.
        stepped: Whether each request waits for its go.
    """

    spec: Spec
    control: Channel
    delivery: Channel
    stdio: tuple[int, int, int]
    overlay: overlay.Overlay
    entrance: Entrance
    cgroup_version: int
    controllers: list[str]
    network_fd: int | None
    devices: dict[str, int]
    helper: int | None
    observed: bool
    stepped: bool


def main(birth: Birth) -> NoReturn:
    """Build the container, wait for start, become the program."""
    control = birth.control
    with reporting(control, birth.observed, birth.stepped):
        process.die_with_parent()
        terminal = build(birth)
        control.send("ready")
        # If the runtime side is dead, it has no word for start, and what was built ends here.
        if control.receive() is not None:
            run(birth.spec.process, control, terminal, birth.stdio, init=birth.spec.init)
    raise AssertionError("reporting does not return")


@contextmanager
def reporting(control: Channel, observed: bool, stepped: bool) -> Iterator[None]:
    """Be the container side: report requests and failure to the runtime side, and never return.

    Args:
        control: The conversation with the runtime side.
        observed: Whether it wants to hear of every request.
        stepped: Whether each request waits for its go.
    """

    def show(event: record.Event) -> None:
        control.send("event", event=event)

    def wait(event: record.Event) -> None:
        control.send("pause", event=event)
        if control.receive() is None:
            os._exit(1)

    # From now on nothing may be imported: the files found would be the image's.
    sys.path.clear()
    sys.meta_path.clear()
    record.become("container")
    record.sink = show if observed else None
    record.gate = wait if stepped else None
    try:
        yield
    except KernelboxError as error:
        control.send("error", message=error.message, hint=error.hint, code=error.code)
    except BaseException as error:
        # A bug: say which and where, since this process has no other voice.
        text = f"the container's init failed: {type(error).__name__}: {error} ({_where(error)})"
        control.send("error", message=text, hint="", code=125)
    finally:
        os._exit(1)


def _where(error: BaseException) -> str:
    """Return the innermost place of an exception, as `file:line`."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None:
        return "nowhere"
    return f"{os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}"


def build(birth: Birth) -> int | None:
    """Make a container out of this process; return the descriptor of its terminal, if it has one.

    Args:
        birth: What the runtime side prepared.
    """
    spec = birth.spec

    # Who it is, before the rest: mounts made in a user namespace belong to its root.
    if spec.userns != "host":
        root = next(gifts.deliveries(birth.delivery))  # comes when its ids have been mapped
    syscalls.prctl(k.PR_SET_DUMPABLE, 0)
    if spec.userns != "host":
        syscalls.setresgid(0)
        syscalls.setresuid(0)

    # What it may use, and a cgroup namespace whose root is just that.
    birth.entrance.enter()
    syscalls.unshare(k.CLONE_NEWCGROUP)

    # Its network and its name. A cable to the bridge is plugged in by the runtime side.
    if birth.network_fd is not None:
        syscalls.setns(birth.network_fd, k.CLONE_NEWNET, "nsenter --net=...")
    elif spec.network == "none":
        netdevice.loopback_up()
    syscalls.sethostname(spec.hostname)

    # Its root.
    rootfs.make_private()
    if spec.userns == "host":
        overlay.mount(birth.overlay)
        syscalls.chdir(birth.overlay.merged)
    else:
        rootfs.attach_root(root.fd)
    rootfs.pivot()
    rootfs.mount_proc()
    rootfs.mount_sys()
    rootfs.leave_old_root()

    # What it sees of devices, of its cgroup, and of the host's files.
    rootfs.mount_cgroup(birth.cgroup_version, birth.controllers)
    rootfs.mount_dev(birth.devices)
    terminal = open_terminal(birth.control) if spec.process.terminal else None
    if terminal is not None:
        rootfs.attach_console(os.ttyname(terminal))
    if birth.helper is not None:
        rootfs.attach(birth.helper, INIT_PATH, directory=False)
    rootfs.seal_dev()
    for gift in gifts.deliveries(birth.delivery):
        rootfs.attach(gift.fd, gift.target, directory=gift.directory)

    # What it must not see or change.
    rootfs.mask()
    if spec.read_only:
        rootfs.make_read_only()
    return terminal


def run(
    what: Process,
    control: Channel,
    terminal: int | None,
    stdio: tuple[int, int, int],
    *,
    init: bool = False,
) -> NoReturn:
    """Give up what the program must not have, and become it. Also the end of `exec`.

    Raises:
        CommandError: It was not found (127), or cannot be executed (126).
        KernelboxError: Anything before that failed.
    """
    _take_stdio(terminal, stdio)
    process.close_all_but([control.fileno()])  # no /proc/self/fd may lead to the host
    identity = users.look_up(what.user)
    users.check_mapped(identity)
    environment = {"HOME": identity.home, **what.env}
    _give_stdio(identity.uid)

    syscalls.setgroups(identity.groups)
    syscalls.setresgid(identity.gid)
    rootfs.change_directory(what.cwd)
    keep = capabilities.mask(list(what.capabilities))
    capabilities.bound(keep)
    syscalls.setresuid(identity.uid)
    # The kernel has emptied another user's sets but for the inheritable one, which is the caller's.
    capabilities.hold(keep if identity.uid == 0 else 0)
    process.die_with_parent()  # setresuid(2) has cleared it

    os.umask(0o022)
    args = [INIT_PATH, "--", *what.args] if init else what.args
    # The program itself is looked up even under an init, so that a wrong one is named as such.
    path = find_program(what.args[0], environment.get("PATH", DEFAULT_PATH))
    become(INIT_PATH if init else path, args, environment, control)


def become(path: str, args: list[str], environment: dict[str, str], control: Channel) -> NoReturn:
    """Replace this process by the program; the runtime side hears of it by the socket closing.

    Raises:
        CommandError: The kernel refused, or we do.
    """
    _refuse_ourselves(args[0], path)
    event = process.announce_exec(path, args)
    control.send("exec", event=event)
    process.default_signals()
    try:
        process.execve(path, args, environment)
    except OSError as error:
        control.send("exec-failed", result=errno_name(error.errno or 0))
        raise _cannot_execute(args[0], path, error.errno or 0) from error
    raise AssertionError("execve returned")


def _refuse_ourselves(name: str, path: str) -> None:
    """Do not become this interpreter again: it is the host's, and would be the program's to write.

    /proc/self/exe leads to it, by a link of the image's or out of a `#!` line.

    Raises:
        CommandError: Always 126.

    Source: CVE-2019-5736; execve(2), "Interpreter scripts".
    """
    ourselves = os.stat("/proc/self/exe")
    for _ in range(_DEEPEST_SCRIPT):
        try:
            if os.path.samestat(os.stat(path), ourselves):
                hint = "An image should not do this: do not trust it"
                raise CommandError(f"{name!r}: leads to kernelbox's own interpreter", hint, 126)
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            line = os.read(fd, _LONGEST_SCRIPT_LINE)
            os.close(fd)
        except OSError:  # execve will say what is wrong with it
            return
        words = line.partition(b"\n")[0].removeprefix(b"#!").split(maxsplit=1)
        if not line.startswith(b"#!") or not words:
            return
        path = os.fsdecode(words[0])


def find_program(name: str, search_path: str) -> str:
    """Return the path of the program called `name`, as a shell would find it.

    Raises:
        CommandError: 127 if there is none; 126 if there is, but it may not be executed.

    Source: exec(3), execvp.
    """
    if "/" in name:
        return name
    refused = ""
    for directory in search_path.split(":"):
        path = f"{directory or '.'}/{name}"
        if os.path.isfile(path):
            if os.access(path, os.X_OK):
                return path
            refused = path
    if refused:
        raise _cannot_execute(name, refused, errno.EACCES)
    raise CommandError(
        f"{name!r}: executable file not found in $PATH",
        f"The image has no such program in {search_path}",
        127,
    )


def _cannot_execute(name: str, path: str, number: int) -> CommandError:
    if number == errno.ENOENT:
        hint = "The image has no such file, or not the interpreter or loader that it asks for"
        return CommandError(f"{name!r}: no such file or directory", hint, 127)
    if os.path.isdir(path):
        return CommandError(f"{name!r}: is a directory", "Name a program in it", 126)
    hints = {
        errno.EACCES: "Its mode has no x for this user: chmod +x",
        errno.ENOEXEC: "It is no program for this machine, or a script without a #! line",
    }
    hint = hints.get(number, "")
    return CommandError(f"{name!r}: {os.strerror(number).lower()}", hint, 126)


def open_terminal(control: Channel) -> int:
    """Open a terminal in the container's own devpts; send its other end to the runtime side."""
    master, slave = os.openpty()
    control.send("terminal", fds=[master])
    os.close(master)
    return slave


def _give_stdio(uid: int) -> None:
    """Make the program's user the owner of its streams, so that it can open /dev/stdout anew.

    They are pipes and terminals made for it; /dev/null is not.

    Source: runc, fixStdioPermissions.
    """
    null = os.makedev(1, 3)
    for fd in (0, 1, 2):
        if os.fstat(fd).st_rdev != null:
            os.fchown(fd, uid, -1)


def _take_stdio(terminal: int | None, stdio: tuple[int, int, int]) -> None:
    """Make the terminal, or the given descriptors, 0, 1 and 2 of a session of its own."""
    os.setsid()
    if terminal is not None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        stdio = (terminal, terminal, terminal)
    # First away from 0 to 2, so that no descriptor is overwritten before it is copied.
    copies = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in stdio]
    for wanted, fd in enumerate(copies):
        os.dup2(fd, wanted)
