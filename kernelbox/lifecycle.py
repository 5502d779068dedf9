"""What can be done to a container from elsewhere: stop, kill, wait, remove, inspect.

Its monitor notices the end, cleans up and writes the exit code; here we only send signals, and
wait until that has happened.
"""

from __future__ import annotations

import os
import signal
import time

from kernelbox import cgroup, cleanup, namespaces, paths, spec, state
from kernelbox.kernel import process
from kernelbox.kernel.errors import KernelboxError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.spec import Spec
    from kernelbox.state import State

_STEP = 0.005  # seconds between two looks at a monitor that is about to finish
_CLEANUP = 15.0  # seconds that a monitor may take to clean up


def hold(container_id: str) -> int:
    """Return a pidfd of the container's init.

    Raises:
        UsageError: The container is not running.
    """
    its = state.read(container_id)
    if its.status == "running":
        try:
            pidfd = process.hold(its.pid)
        except ProcessLookupError:
            pidfd = -1
        # The pid may have become another process's between the look and the open.
        if pidfd >= 0 and process.start_time(its.pid) == its.start_time:
            return pidfd
        if pidfd >= 0:
            os.close(pidfd)
    raise UsageError(f"container {container_id} is not running", "See: kernelbox ps -a")


def kill(container_id: str, number: int) -> None:
    """Send signal `number` to the container's init.

    Raises:
        UsageError: It is not running.
        KernelError: EPERM.

    Source: Docker, "docker kill"; pid_namespaces(7) on signals to PID 1.
    """
    pidfd = hold(container_id)
    try:
        process.pidfd_send_signal(pidfd, number)
        if number == signal.SIGKILL and process.wait_until_gone(pidfd, _CLEANUP):
            _wait_until_at_rest(container_id)
    finally:
        os.close(pidfd)


def stop(container_id: str, seconds: float) -> None:
    """Send the image's stop signal, wait up to `seconds`, then send SIGKILL.

    One that has exited already is left as it is.

    Source: Docker, "docker stop".
    """
    its = state.read(container_id)
    if its.status != "running":
        return
    try:
        pidfd = hold(container_id)
    except UsageError:
        _wait_until_at_rest(container_id)
        return
    try:
        process.pidfd_send_signal(pidfd, spec.from_json(state.config(container_id)).stop_signal)
        if not process.wait_until_gone(pidfd, seconds):
            process.pidfd_send_signal(pidfd, signal.SIGKILL)
    finally:
        os.close(pidfd)
    _wait_until_at_rest(container_id)


def wait(container_id: str) -> int:
    """Wait until the container has ended and been cleaned up; return its exit code.

    Raises:
        UsageError: There is no such container any more.
        KernelboxError: Its monitor does not finish.
    """
    try:
        # Held open, it can still be read when the container is removed as it ends (`--rm`).
        with open(f"{paths.container(container_id)}/lock", encoding="ascii") as lock:
            last = _wait_until_at_rest(container_id)
            return last.exit_code if last.status == "exited" else state.noted_exit(lock.read())
    except FileNotFoundError:
        raise UsageError(
            f"container {container_id} has just been removed", "Wait earlier, or leave out --rm"
        ) from None


def _wait_until_at_rest(container_id: str) -> State:
    try:
        pidfd = hold(container_id)
        process.wait_until_gone(pidfd, float("inf"))
        os.close(pidfd)
    except UsageError:
        pass  # it has ended already
    deadline = time.monotonic() + _CLEANUP
    last = state.read(container_id)
    while last.status != "exited":
        if not os.path.isdir(paths.container(container_id)):
            return last  # it was to be removed, and is
        if time.monotonic() > deadline:
            raise KernelboxError(
                f"the monitor of container {container_id} does not finish",
                "Clean up: kernelbox reset",
            )
        time.sleep(_STEP)
        cleanup.sweep()
        last = state.read(container_id)
    return last


def remove(container_id: str, *, force: bool = False) -> None:
    """Remove a container and all that is stored of it.

    Args:
        container_id: Which.
        force: Kill it first if it runs.

    Raises:
        UsageError: It runs, and `force` is not given.
    """
    if state.looked_after(container_id) and _may_run(container_id):
        if not force:
            raise UsageError(f"container {container_id} is running", "Stop it first, or use rm -f")
        try:
            kill(container_id, signal.SIGKILL)
        except state.Damaged:
            cleanup.end_monitor(container_id)
    with state.housekeeping():
        if os.path.isdir(paths.container(container_id)):
            cleanup.remove(container_id)


def _may_run(container_id: str) -> bool:
    try:
        return state.read(container_id).status != "exited"
    except state.Damaged:
        return True


def inspection(container: Spec, its: State) -> dict[str, Any]:
    """Return all that is known about a container, in Docker's words where it has one.

    Source: Docker Engine API, "Inspect a container".
    """
    running = its.status == "running"
    return {
        "Id": container.id,
        "Name": container.name,
        "Created": _timestamp(container.created),
        "Path": container.process.args[0],
        "Args": container.process.args[1:],
        "State": {
            "Status": its.status,
            "Running": running,
            "OOMKilled": its.oom_killed,
            "Pid": its.pid if running else 0,
            "ExitCode": its.exit_code,
            "StartedAt": _timestamp(its.started),
            "FinishedAt": _timestamp(its.finished),
        },
        "Image": container.image_id,
        "Config": {
            "Image": container.image,
            "Hostname": container.hostname,
            "User": container.process.user,
            "Env": [f"{name}={value}" for name, value in container.process.env.items()],
            "WorkingDir": container.process.cwd,
            "Tty": container.process.terminal,
            "OpenStdin": container.process.interactive,
        },
        "HostConfig": {
            "Binds": [
                f"{volume.source}:{volume.target}:{'ro' if volume.read_only else 'rw'}"
                for volume in container.volumes
            ],
            "NetworkMode": container.network,
            "PortBindings": list(container.ports),
            "Memory": container.limits.memory or 0,
            "NanoCpus": int((container.limits.cpus or 0) * 1e9),
            "CpuShares": container.limits.cpu_shares or 0,
            "PidsLimit": container.limits.pids or 0,
            "ReadonlyRootfs": container.read_only,
            "UsernsMode": container.userns,
            "AutoRemove": container.remove,
            "Init": container.init,
            "Capabilities": list(container.process.capabilities),
        },
        "NetworkSettings": {"IPAddress": its.address if running else ""},
        "GraphDriver": {
            "Name": "overlay",
            "Data": {
                "LowerDir": ":".join(container.lowerdirs),
                "UpperDir": f"{paths.container(container.id)}/upper",
                "WorkDir": f"{paths.container(container.id)}/work",
            },
        },
        "LogPath": f"{paths.container(container.id)}/log",
        "Cgroup": cgroup.of(container.id).directories if running else [],
        "Namespaces": namespaces.of(its.pid) if running else {},
    }


def _timestamp(seconds: float) -> str:
    if not seconds:
        return ""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
