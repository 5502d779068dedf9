"""Stepper: a birth that goes on step by step, at a click. A Timeline whose end is the present.

At its end, Step lets the real container make one more request; before it, Back and Step only look
at what has been. The container belongs to the caller: the Stepper is given a function that lets it
go on, and calls it from a thread of its own, since a page's buttons must not wait for the kernel.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import traitlets

from kernelbox.kernel.errors import KernelboxError
from kernelbox.widgets.recordings import Recording
from kernelbox.widgets.timeline import Timeline, described

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kernelbox.kernel.door import Event
    from kernelbox.observe.model import Snapshot
    from kernelbox.widgets.base import View
    from kernelbox.widgets.patch import Document


class Step(NamedTuple):
    """What one step has brought.

    Attributes:
        event: The request that was made.
        snapshot: The world after it.
        pending: The request that comes next; None if it was the last.
    """

    event: Event
    snapshot: Snapshot
    pending: Event | None


class Stepper(Timeline):
    """A birth that goes on: Step at its end makes the real container go on by one request.

    Args:
        first: The world before the first request.
        on_step: Makes one more request, and returns what came of it; None when there is no more.
            It is called from one thread at a time, never the page's.
        pending: The request that comes first.
        panels: As for a Timeline.
        title: What is being born.
        pause: Seconds between two requests when it runs.

    Attributes:
        doing: `ready`, `busy` (in a request), `running` or `over`.
    """

    moving: ClassVar[bool] = True  # the two sides do not wait for each other
    doing = traitlets.Unicode("ready").tag(sync=True)

    def __init__(
        self,
        first: Snapshot,
        on_step: Callable[[], Step | None],
        *,
        pending: Event | None = None,
        panels: Sequence[View] = (),
        title: str = Timeline.title,
        pause: float = 0.15,
    ) -> None:
        self._on_step = on_step
        self._pending = pending
        self._pause = pause
        self._halt = threading.Event()
        self._at_work = threading.Lock()
        self._worker: threading.Thread | None = None
        super().__init__(Recording((), (first,), title), panels)

    def step(self, requests: int = 1) -> None:
        """Go on by so many requests; at the end, let the container make them.

        Raises:
            KernelboxError: The container cannot go on.
        """
        for _ in range(requests):
            if self.moment < len(self.recording.events):
                self.moment += 1
            elif not self._advance():
                return

    def run(self) -> None:
        """Go on until there is no more request, or until `pause`.

        Raises:
            KernelboxError: The container cannot go on.
        """
        self._halt.clear()
        main = threading.main_thread()
        while not self._halt.is_set() and main.is_alive() and self._advance("running"):
            self._halt.wait(self._pause)
        if self.doing == "running":
            self.doing = "ready"

    def pause(self) -> None:
        """Stop a run after the request it is in. Twice is fine."""
        self._halt.set()

    def close(self) -> None:
        """Stop, and take the view off every page; the container is left to its owner."""
        self.pause()
        worker = self._worker
        if worker is not None and worker is not threading.current_thread():
            worker.join()
        super().close()

    def _begin(self, _source: object) -> Document:
        return self._pended({**super()._begin(None), "live": True})

    def _pended(self, picture: Document) -> Document:
        rest = {key: value for key, value in picture.items() if key != "pending"}
        return rest if self._pending is None else {**rest, "pending": described(self._pending)}

    def _advance(self, doing: str = "busy") -> bool:
        """Let the container make one request; return whether there was one to make."""
        with self._at_work:
            if self.doing == "over":
                return False
            self.doing = doing
            try:
                step = self._on_step()
            except KernelboxError as error:
                self._end(f"the birth has ended: {error}")
                raise
            if step is None:
                self._end("")
                return False
            self._take(step)
            if step.pending is None:
                self._end("")
            elif doing == "busy":
                self.doing = "ready"
            return True

    def _take(self, step: Step) -> None:
        old = self.recording
        events, snapshots = (*old.events, step.event), (*old.snapshots, step.snapshot)
        with self._lock:
            self.recording = Recording(events, snapshots, old.title)
            self._pending = step.pending
            self._give(self._pended(self._extended(self._picture, len(events))))
        self.moment = len(events)

    def _end(self, note: str) -> None:
        with self._lock:
            self._pending = None
            self._give({**self._pended(self._picture), "note": note})
        self.doing = "over"

    def _hear(self, view: View, message: dict[str, Any], buffers: Any) -> None:
        """Hear the page's buttons. A request may take long, so it is made in another thread."""
        super()._hear(view, message, buffers)
        match message.get("do"):
            case "step":
                self._work(self.step)
            case "run":
                self._work(self.run)
            case "pause":
                self.pause()

    def _work(self, act: Callable[[], None]) -> None:
        def quietly() -> None:
            with suppress(KernelboxError):  # the page has been told, by its note
                act()

        if self._worker is None or not self._worker.is_alive():
            self._worker = threading.Thread(target=quietly, name="kernelbox stepper", daemon=False)
            self._worker.start()
