"""A container that stands still for a moment, and whoever has frozen it: written down before.

    containers/<id>/paused    the ledger of that: whose container, and PID START_TIME of the freezer

A freezer that is killed thaws nothing. So the next command does (`cleanup.sweep`), and whoever ends
a container thaws it first.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress

from kernelbox.container import state
from kernelbox.container.ledger import Ledger
from kernelbox.kernel import process
from kernelbox.kernel.errors import KernelboxError
from kernelbox.plumbing import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def paused(container_id: str) -> Iterator[None]:
    """Freeze a container's processes, if it runs and the kernel can do that; thaw them in the end.

    Raises:
        OSError: ENOSPC, EROFS.
    """
    group = state.group(container_id)
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


def _ledger(container_id: str) -> Ledger:
    return Ledger(paths.container(container_id), "paused")
