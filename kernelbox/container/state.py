"""Containers on disk: the directory of each, its config and its state.

    containers/<id>/config.json    the Spec, written once
                    state.json     status, pid, exit code: replaced whole at each change
                    ledger         what the container owns
                    log            what it printed
                    lock           held, for as long as it lives, by the monitor that looks after
                                   it; PID START_TIME of that, and in the end the exit code
                    upper work     its overlay
    names/<name>                   a symbolic link to the id

All that the command line and the notebook share is here.
"""

from __future__ import annotations

import errno
import fcntl
import os

from kernelbox import cgroup
from kernelbox.container.spec import from_json
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.kernel.explain import disk_error
from kernelbox.plumbing import documents, paths, storage
from kernelbox.plumbing.light import contextmanager
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from kernelbox.cgroup import Cgroup
    from kernelbox.container.spec import Spec


class State(NamedTuple):
    """Where a container is in its life.

    Attributes:
        status: `creating`, `created`, `starting`, `running`, `restarting` or `exited`. The first
            and the third are of who is being born: it goes, or goes back to where it was, if that
            fails. What is `restarting` has ended, and its monitor waits to start it again.
        pid: Of its init, as the runtime namespace counts; 0 when there is none.
        start_time: Of its init, in clock ticks since boot: with the pid, unique.
        exit_code: 0 to 255, once it has exited.
        started: Seconds since the epoch; 0 if never.
        finished: Likewise.
        address: Its IPv4 address on the bridge, also the last one; empty without one.
        oom_killed: Whether the kernel killed one of its processes for want of memory.
        restarts: How often it has been started again by itself, since somebody started it.
        error: What did not go well: its last start, what was to be done for its last life such as
            its record, or that nobody is at its streams any more; empty if all did.
        recorded: Whether its system calls are recorded in this life.
        cut_off: Whether the host went down while it ran: what it wrote last may be lost.
    """

    status: str = "creating"
    pid: int = 0
    start_time: int = 0
    exit_code: int = 0
    started: float = 0.0
    finished: float = 0.0
    address: str = ""
    oom_killed: bool = False
    restarts: int = 0
    error: str = ""
    cut_off: bool = False
    recorded: bool = False

    @property
    def is_alive(self) -> bool:
        """Whether it runs, or will again without anybody's doing."""
        again = self.status == "restarting" or (self.status == "starting" and self.restarts > 0)
        return again or (self.status == "running" and not self.finished)

    def given_up(self, error: str, code: int) -> State:
        """Return the state of one whose start has failed: as it was before, but for the reason."""
        status = "exited" if self.started else "created"
        return self._replace(status=status, pid=0, error=error, exit_code=code)


AT_REST = ("created", "exited")
"""Where a container is that nobody looks after, and that nothing in the kernel is left of."""


class Damaged(KernelboxError):
    """A container's config or state cannot be read; the container can still be removed."""


def prepare() -> None:
    """Make kernelbox's own directories, readable by root alone.

    Raises:
        KernelboxError: There is no privilege or no room for them.
    """
    # Each for itself: a reset that was killed may have left any of them.
    places = (paths.containers(), paths.names(), paths.trash(), paths.host(), paths.merged())
    # These two may be as an older kernelbox has left them: open to all.
    older = [path for path in (paths.images(), paths.build_cache()) if os.path.isdir(path)]
    try:
        for path in (*places, *older):
            paths.private(path)
    except OSError as error:
        raise disk_error(error) from error


@contextmanager
def housekeeping() -> Iterator[None]:
    """Be alone in changing which containers exist, against every other kernelbox process."""
    # The directory itself is locked: that needs no room on a full disk.
    fd = os.open(paths.root(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def write(container_id: str, state: State) -> None:
    """Replace the container's state, on a full disk in the room that the old one has.

    Raises:
        OSError: ENOSPC, EROFS; the old state stays.
    """
    path = f"{paths.container(container_id)}/state.json"
    try:
        _replace(path, state._asdict())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not os.path.exists(path):
            raise
        with open(path, "r+", encoding="utf-8") as file:
            file.write(documents.dumps(state._asdict()))
            file.truncate()


def read(container_id: str) -> State:
    """Return the container's state; one that has none yet is `creating`.

    Raises:
        Damaged: It cannot be read.
    """
    path = f"{paths.container(container_id)}/state.json"
    try:
        return State(**_load(path))
    except TypeError as error:
        raise _damaged(path) from error


def config(container_id: str) -> dict[str, Any]:
    """Return the container's config as it was written; empty if a crash came before it.

    Raises:
        Damaged: It cannot be read.
    """
    return _load(f"{paths.container(container_id)}/config.json")


def spec(container_id: str) -> Spec:
    """Return what the container was made from.

    Raises:
        Damaged: It cannot be read, or a crash came before it was written.
    """
    return parse(container_id, config(container_id))


def group(container_id: str) -> Cgroup:
    """Return the container's control group: `--cgroup-parent` has put it into another one.

    Raises:
        Damaged: The config cannot be read.
    """
    try:
        path = config(container_id).get("linux", {}).get("cgroupsPath", "")
        return cgroup.of(str(path).removeprefix("/kernelbox/") or container_id)
    except (AttributeError, UsageError) as error:
        raise _damaged(f"{paths.container(container_id)}/config.json") from error


def parse(container_id: str, config: dict[str, Any]) -> Spec:
    """Return the spec in a container's config.

    Raises:
        Damaged: It lacks something, or has something of another kind.
    """
    try:
        return from_json(config)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(f"{paths.container(container_id)}/config.json") from error


def write_config(container_id: str, config: dict[str, Any]) -> None:
    """Write the container's config, whole: when its directory is made, and for other limits.

    Raises:
        OSError: ENOSPC, EROFS.
    """
    _replace(f"{paths.container(container_id)}/config.json", config)


def extra(container_id: str) -> dict[str, Any]:
    """Return what is kernelbox's own in the config: `spec.Extra`, as plain data; empty as `config`.

    Raises:
        Damaged: It cannot be read.
    """
    found: dict[str, Any] = config(container_id).get("kernelbox", {})
    return found


def every() -> list[str]:
    """Return the ids of all containers, in no order that means anything."""
    try:
        return os.listdir(paths.containers())
    except FileNotFoundError:
        return []


def _replace(path: str, content: dict[str, Any]) -> None:
    temporary = f"{path}.new"
    storage.write(temporary, documents.dumps(content), mode=0o644)
    os.replace(temporary, path)


def _load(path: str) -> dict[str, Any]:
    try:
        content = documents.loads(storage.read(path))
        if not isinstance(content, dict):
            raise ValueError("this is no JSON object")
        return content
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise _damaged(path) from error


def _damaged(path: str) -> Damaged:
    container_id = os.path.basename(os.path.dirname(path))
    return Damaged(
        f"container {container_id}: {path} is damaged",
        f"Remove it: kernelbox rm -f {container_id}",
    )
