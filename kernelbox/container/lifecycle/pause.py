"""A container that stands still: for a person (`pause`), or for a moment (`commit`).

That it does is written nowhere but in the kernel, where whoever looks finds it, and the end of its
control group is the end of it. Whoever freezes it for a moment writes that down before:

    containers/<id>/paused    the ledger of that: whose container, and PID START_TIME of the freezer

A freezer that is killed thaws nothing. So the next command does (`cleanup.sweep`), and whoever ends
a container thaws it first. The container's directory is locked meanwhile, so that a person's pause
neither begins nor ends within a commit: it waits. It waits for a program on its way in, too: one
that stands still half-way has the streams of whoever waits for it, and never says that it is there.
"""

from __future__ import annotations

import errno
import fcntl
import os

from kernelbox.container import events, state
from kernelbox.container.ledger import Ledger
from kernelbox.kernel import process
from kernelbox.kernel.errors import KernelboxError, KernelError, UsageError
from kernelbox.plumbing import paths
from kernelbox.plumbing.light import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def pause(container_id: str) -> None:
    """Let every process of a running container stand still, until `unpause`.

    Raises:
        UsageError: It does not run, or is paused already.
        KernelboxError: One of its processes does not stand still; then it runs on.

    Source: Docker, "docker pause"; cgroup-v2.rst, cgroup.freeze.
    """
    with _alone(container_id):
        group = state.group(container_id)
        if group.held():
            raise UsageError(f"container {container_id} is paused already", _CURE)
        with _running(container_id):
            group.freeze()
        events.record("pause", container_id)


def unpause(container_id: str) -> None:
    """Let a paused container run again.

    Raises:
        UsageError: It does not run, or is not paused.
    """
    with _alone(container_id):
        group = state.group(container_id)
        with _running(container_id):
            if not group.held():
                raise UsageError(f"container {container_id} is not paused", "See: kernelbox ps")
            group.thaw()
        events.record("unpause", container_id)


_CURE = "Let it run: kernelbox unpause"


@contextmanager
def _running(container_id: str) -> Iterator[None]:
    """See to it that a container runs; when it ends meanwhile, say that, and not what is missing.

    Raises:
        UsageError: It does not.
    """
    ended = UsageError(f"container {container_id} is not running", "See: kernelbox ps -a")
    if state.read(container_id).status != "running":
        raise ended
    try:
        yield
    except KernelError as refusal:
        if refusal.errno in (errno.ENOENT, errno.ENODEV) and not state.group(container_id).exists():
            raise ended from refusal
        raise


def is_paused(container_id: str) -> bool:
    """Whether a container stands still for longer than a moment.

    Raises:
        Damaged: What is stored of it cannot be read.
    """
    return state.group(container_id).held() and not _ledger(container_id).entries()


@contextmanager
def letting_in(container_id: str) -> Iterator[None]:
    """See to it that a container moves while a program is on its way in; several may be.

    Raises:
        UsageError: It is paused: a program would not begin.

    Source: Docker, "docker exec".
    """
    with _locked(container_id, fcntl.LOCK_SH):
        if is_paused(container_id):
            raise UsageError(
                f"container {container_id} is paused: no program can be started in it", _CURE
            )
        yield


@contextmanager
def paused(container_id: str) -> Iterator[None]:
    """Freeze a container's processes, if it runs and the kernel can do that; thaw them in the end.

    One that a person has paused stays so.

    Raises:
        OSError: ENOSPC, EROFS.
    """
    with _alone(container_id):
        group = state.group(container_id)
        if group.held():
            yield
            return
        try:
            if state.read(container_id).status == "running":
                us = os.getpid()
                _ledger(container_id).record("freezer", f"{us} {process.start_time(us)}")
                with suppress(KernelboxError):
                    group.freeze()
            yield
        finally:
            with suppress(KernelboxError):  # it has ended meanwhile
                group.thaw()
            _ledger(container_id).clear()


def thaw_abandoned(container_id: str) -> None:
    """Thaw a container whose freezer has been killed.

    Raises:
        KernelError: EPERM.
    """
    ledger = _ledger(container_id)
    freezers = [entry.name.split() for entry in ledger.entries()]
    if freezers and not any(process.start_time(int(pid)) == int(at) for pid, at in freezers):
        state.group(container_id).thaw()
        ledger.clear()


@contextmanager
def _alone(container_id: str) -> Iterator[None]:
    """Be alone in letting a container stand still, or run; nobody is on the way in."""
    with _locked(container_id, fcntl.LOCK_EX):
        yield


@contextmanager
def _locked(container_id: str, how: int) -> Iterator[None]:
    """Hold a lock on a container's directory, which needs no room on a disk. Source: flock(2)."""
    try:
        fd = os.open(paths.container(container_id), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise UsageError(
            f"container {container_id} has just been removed", "See: kernelbox ps -a"
        ) from None
    try:
        fcntl.flock(fd, how)
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)  # whoever was forked meanwhile may have it open still
        os.close(fd)


def _ledger(container_id: str) -> Ledger:
    return Ledger(paths.container(container_id), "paused")
