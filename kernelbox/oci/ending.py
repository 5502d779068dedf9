"""`kill` and `delete`: signals for a container, and what is left of it taken away.

Source: OCI runtime-spec, runtime.md, "Kill" and "Delete".
"""

from __future__ import annotations

import errno
import os

from kernelbox.kernel import process
from kernelbox.kernel.errors import KernelboxError, KernelError, UsageError
from kernelbox.oci import groups, hooks
from kernelbox.oci import state as states
from kernelbox.oci.document import load
from kernelbox.plumbing.light import signal, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.oci.hooks import Hooks
    from kernelbox.oci.state import Box

_PATIENCE = 10.0  # seconds that a killed process may take to be gone


def signal_number(word: str) -> int:
    """Return the number of a signal that is given by its name, with or without SIG, or number.

    Raises:
        UsageError: There is none such.
    """
    name = word.upper().removeprefix("SIG")
    if name.isdecimal() and len(name) < 3 and int(name) <= signal.SIGRTMAX:  # 0 asks, and no more
        return int(name)
    base, plus, more = name.partition("+")
    if base == "RTMIN" and plus and more.isdecimal() and len(more) < 3:
        number = signal.SIGRTMIN + int(more)
        if number <= signal.SIGRTMAX:
            return number
    found = getattr(signal, f"SIG{name}", None)
    if isinstance(found, int) and name.isalnum() and not name.startswith("_"):
        return int(found)
    raise UsageError(f"unknown signal {word!r:.40}", "Such as KILL, TERM or 9")


def kill(box: Box, number: int, *, everybody: bool = False) -> None:
    """Send a signal to a container's first process, or to all in it.

    Args:
        box: Which.
        number: Of the signal.
        everybody: Whether all in its control group hear it; then it may be stopped.

    Raises:
        UsageError: It is stopped: there is nobody to hear it. But where it has no PID namespace of
            its own, others may have outlived its first process, and hear SIGKILL.
    """
    if everybody:
        groups.signal_all(box.group, number)
        return
    status = box.status()
    if status == "stopped" and number == signal.SIGKILL and _has_orphans(box):
        box.group.kill()
        return
    if status in ("stopped", "creating"):
        raise UsageError("container not running", f"It is {status}: see state")
    _send(box, number)
    if number == signal.SIGKILL:
        # What stands still hears nothing in cgroup v1; and one that is killed has no use for it.
        with suppress(KernelError):
            box.group.thaw()
            box.group.thaw_all()
        if not _has_pid_namespace(box):
            box.group.kill()  # nobody else ends the others with it


def _send(box: Box, number: int) -> None:
    if number == signal.SIGKILL and not box.state.group:
        box.group.kill()  # once the first is gone, those that it has made could not be found
        return
    with suppress(ProcessLookupError):
        pidfd = process.pidfd_of(box.state.pid)
        try:
            if process.start_time(box.state.pid) == box.state.start_time:
                process.pidfd_send_signal(pidfd, number)
        except KernelError as refusal:
            if refusal.errno != errno.ESRCH:
                raise
        finally:
            os.close(pidfd)


def _has_orphans(box: Box) -> bool:
    return not _has_pid_namespace(box) and bool(box.group.processes())


def _has_pid_namespace(box: Box) -> bool:
    try:
        return "pid" in box.own_namespaces()
    except UsageError:  # whoever waited for its end has deleted it meanwhile
        return True


def delete(root: str, container_id: str, *, force: bool = False) -> list[str]:
    """Take away what is left of a container; return what its poststop hooks failed in.

    Args:
        root: Where containers are.
        container_id: Which.
        force: Whether one that runs is killed first, and one that is gone is as good.

    Raises:
        UsageError: There is none; it is not stopped.
        KernelboxError: Something resisted, and is still there.
    """
    states.check_id(container_id)
    try:
        box = states.find(root, container_id)
    except UsageError:
        if not force:
            raise
        _clear(f"{root}/{container_id}", container_id)
        return []
    status = box.status()
    if status == "creating":
        raise UsageError(f"container {container_id} is being created", "Wait for its end")
    if status != "stopped" and not force:
        raise UsageError(
            f"cannot delete container {container_id} that is not stopped: {status}",
            "Kill it first, or add --force",
        )
    if status != "stopped":
        _end(box)
    # Whoever makes it notices that it has ended, and clears up; another may be deleting it, too.
    if not box.lock(_PATIENCE):
        raise KernelboxError(
            f"container {container_id} is being created or deleted by somebody else",
            "Its first process has ended. Hooks may take long: look for them with ps",
        )
    if box.is_removed():
        return []
    groups.remove(box.group, box.state.above)
    poststop: Hooks = {}
    with suppress(UsageError):  # whose config.json is damaged has no hooks to run
        poststop = hooks.read(box.document())
        if box.state.mount:
            from kernelbox.oci import in_place  # for a few containers, and no other

            in_place.take_away(box.state.rootfs, box.state.mount, box.config())
    told = box.as_told("stopped")
    box.remove()
    # There is no such container from here on: a hook may make another of its id.
    return hooks.run_all(poststop, "poststop", told)


def _clear(directory: str, container_id: str) -> None:
    """Take away a container of which nothing is known any more, as after a power cut.

    Raises:
        KernelboxError: Somebody is in what should be its group. It may be another's by now.
    """
    if not states.is_there(directory):
        return
    wanted = ""
    with suppress(UsageError):
        wanted = load(f"{directory}/config.json").part("linux").text("cgroupsPath")
    group = groups.of(groups.path_of(wanted, container_id))
    if pids := group.processes():
        raise KernelboxError(
            f"what is known of container {container_id} is damaged, and in its control group "
            f"/{group.name} there are processes",
            f"If they are its own, kill them first: {' '.join(map(str, pids[:9]))}",
        )
    with suppress(KernelError):
        group.remove()
    states.delete(directory)


def _end(box: Box) -> None:
    """Kill a container's first process, also where it is frozen, and wait for its end.

    Raises:
        KernelboxError: It does not end.
    """
    try:
        pidfd = process.pidfd_of(box.state.pid)
    except ProcessLookupError:
        return
    try:
        _send(box, signal.SIGKILL)
        with suppress(KernelError):
            box.group.thaw()
            box.group.thaw_all()
        if not process.wait_until_gone(pidfd, _PATIENCE):
            raise KernelboxError(
                f"the first process of container {box.id} does not end",
                "It may hang in the kernel: see /proc/PID/wchan",
            )
    finally:
        os.close(pidfd)
