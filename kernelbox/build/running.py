"""RUN: a container like any other, whose changes are read when its program has ended."""

from __future__ import annotations

import contextlib
import os
import signal

# Loaded before the fork, so that the monitor of each step has it already.
from kernelbox import launch, monitor  # noqa: F401
from kernelbox.kernel.errors import KernelboxError
from kernelbox.kernel.record import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from kernelbox.channel import Channel
    from kernelbox.spec import Spec

    Show = Callable[[Event], None]

Streams = tuple[int, int, int]


@contextlib.contextmanager
def ended(container: Spec, streams: Streams, show: Show | None = None) -> Iterator[int]:
    """Run a container to its end; yield its exit code, and remove it when the block ends.

    While the block runs, what the container has changed is in its upperdir. Ctrl-C kills the
    program; should this process be killed, the monitor removes the container.

    Args:
        container: It is to be removed when it ends.
        streams: Descriptors of what its program reads and writes.
        show: Told of each request to the kernel; None if nobody wants to know.

    Raises:
        KernelboxError: It could not be started.
        KeyboardInterrupt: Ctrl-C; the container is gone.
    """
    front, pid = launch.launch()
    try:
        launch.order_run(
            front, container, launch.Wish(streams, observed=bool(show), bound=True, read_later=True)
        )
        try:
            code = _until(front, "ended", show)["code"]
        except KeyboardInterrupt:
            # Again and again would not be faster: what is left to do is the monitor's.
            with _uninterrupted():
                front.send("signal", number=signal.SIGKILL)
                _until(front, "ended", show)
                front.send("go")
                _until(front, "exited", show)
            raise
        try:
            yield code
        finally:
            with _uninterrupted():
                front.send("go")
                _until(front, "exited", show)
    finally:
        front.close()
        with _uninterrupted():
            os.waitpid(pid, 0)


def _until(front: Channel, wanted: str, show: Show | None) -> dict[str, Any]:
    while (message := front.receive()) is not None:
        if message["kind"] == "event" and show:
            show(Event(*message["event"]))
        if message["kind"] == wanted:
            return message
        if message["kind"] == "error":
            raise KernelboxError(message["message"], message["hint"], message["code"])
    raise KernelboxError("the step's monitor was killed, and the container with it", code=137)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
