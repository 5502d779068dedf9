"""What every view is: a picture made of a snapshot, live on the page and still on paper.

A view is given a `source` that it asks for snapshots, or is shown one. It never looks at the kernel
itself. From each snapshot it makes a *picture*: a JSON document of what is to be seen, in which
every thing has a key that lasts. The page is given the first picture whole, and then only
differences.

The still twin is for readers without a live page: GitHub, an export, a screen reader, nbval.
Whatever differs from run to run in it (a pid, an inode, an address) is marked as `varies`, so that
a comparison can leave it out; nothing in a picture moves because of it. Where everything differs (a
graph over time), the whole is marked as `kb-moving`.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar

import anywidget
import traitlets

from kernelbox.kernel.errors import KernelboxError
from kernelbox.observe.model import Snapshot
from kernelbox.widgets import silence
from kernelbox.widgets.palette import STATIC, Letters
from kernelbox.widgets.patch import difference
from kernelbox.widgets.sampler import Sampler
from kernelbox.widgets.still import embedded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kernelbox.widgets.patch import Document

INTERVAL = 0.2  # seconds: five updates a second
FASTEST = 0.05  # what a page can still follow
SILENCE = 25.0  # seconds without a word from any page (one comes every ten) to stop looking after

_NOTHING = "nothing to see yet"


def bundle(name: str) -> Path:
    """Return the file of a view's JavaScript, with everything it needs in it."""
    return STATIC / f"{name}.js"


class View(anywidget.AnyWidget):
    """A picture of snapshots.

    Args:
        source: What to look at: a snapshot, or a function that takes one. A function is called
            once at first, and as long as the view is open on a page every `interval` seconds.
        interval: Seconds between two looks.
        letters: From the id of a container to its letter, where it has one in other views, too.

    Attributes:
        state: What a page is given first: the picture, whole, and its number.
        patch: What a page is given then: what has changed in the picture, and its new number.
        selected: Key of what the reader has chosen; empty for nothing.
    """

    state = traitlets.Any().tag(sync=True, to_json=lambda _, view: view.now)
    patch = traitlets.Dict().tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)

    title: ClassVar[str] = ""
    script: ClassVar[str] = ""  # name of its JavaScript file
    parts: ClassVar[tuple[str, ...]] = ()  # of a snapshot, that it shows
    moving: ClassVar[bool] = False  # whether all of its still twin is different in every run
    rows: ClassVar[tuple[str, ...]] = ("rows",)  # keys of a picture's collections of things

    def __init__(
        self,
        source: Callable[[], Snapshot] | Snapshot | None = None,
        *,
        interval: float = INTERVAL,
        letters: Mapping[str, str] | None = None,
        **traits: Any,
    ) -> None:
        self._letters = Letters(letters)
        self._source = source if callable(source) else None
        self._lock = threading.RLock()
        self._number = 0
        self._seen: list[Any] | None = None  # the parts that the picture was drawn from
        self._pages: set[str] = set()
        self._watch = False
        self._heard_at = 0.0
        self._sampler = Sampler(self._sample, max(interval, FASTEST))
        self._picture: Document = {"title": self.title, "note": _NOTHING}
        self._picture = self._begin(source)
        super().__init__(**traits)  # this gives the page its first picture
        self.on_msg(self._hear)
        if self.comm is not None:
            self.comm.on_close(lambda _message: self.stop())

    # -- what a view draws, and how it stands on paper: each kind of view has its own ------------

    def picture(self, snapshot: Snapshot) -> Document:
        """Return what is to be seen of a snapshot: plain JSON, keyed, without None."""
        raise NotImplementedError

    def text(self) -> str:
        """Return the picture in a few lines that do not change from run to run."""
        raise NotImplementedError

    def svg(self) -> str:
        """Return the picture as a still image with a title and a description."""
        raise NotImplementedError

    def table(self) -> str:
        """Return the picture as an HTML table with a caption."""
        raise NotImplementedError

    # -- from snapshot to page ---------------------------------------------------------------------

    @property
    def now(self) -> Document:
        """The picture as it is now, and its number."""
        return {"number": self._number, "picture": self._picture}

    def draw(self, snapshot: Snapshot, before: Snapshot | None = None) -> Document:
        """Return the picture of a snapshot, with what has changed since `before` marked in it."""
        old = None if before is None else self._entitled(self.picture(before))
        new = self._entitled(self.picture(snapshot))
        if old is not None:
            self.compare(old, new)
        return new

    def compare(self, old: Document, new: Document) -> None:
        """Mark in `new` what was different in `old`."""
        for collection in self.rows:
            new[collection] = marked(old[collection], new[collection])

    def show(self, snapshot: Snapshot, before: Snapshot | None = None) -> None:
        """Draw this snapshot on every open page, with what has changed since `before` marked."""
        with self._lock:
            self._seen = None
            self._give(self.draw(snapshot, before))

    def refresh(self) -> None:
        """Ask the source once, and draw what it says."""
        with self._lock:
            self._give(self._look())

    def _begin(self, source: Callable[[], Snapshot] | Snapshot | None) -> Document:
        """Return the first picture."""
        return self.draw(source) if isinstance(source, Snapshot) else self._look()

    def _entitled(self, picture: Document) -> Document:
        return {"title": self.title, "note": "", **picture}

    def _look(self) -> Document:
        """Return a picture from the source; without one, the last picture and the reason."""
        if self._source is None:
            return self._picture
        try:
            snapshot = self._source()
            seen = [getattr(snapshot, part) for part in self.parts]
            # A source may give the very same objects again, to say that they have not changed.
            if self._seen is None or any(
                new is not old for new, old in zip(seen, self._seen, strict=True)
            ):
                picture, self._seen = self.draw(snapshot), seen
                return picture
            return self._picture
        except (KernelboxError, OSError) as error:
            # A container ends, its groups vanish: the view says so, and goes on looking.
            self._seen = None
            return {**self._picture, "note": f"cannot look any more: {error}"}

    def _give(self, picture: Document) -> None:
        change = difference(self._picture, picture)
        if change:
            # In this order: a page that opens in between is sent a patch that it has already.
            self._picture = picture
            self._number += 1
            self.patch = {"number": self._number, "change": change}

    # -- looking again and again, as long as somebody looks at us ------------------------------

    @property
    def watching(self) -> bool:
        """Whether the source is being asked again and again."""
        return self._sampler.running

    def start(self) -> None:
        """Ask the source until `stop`, and as long as some page is open."""
        if self._source is not None:
            self._watch = True
            self._heard_at = time.monotonic()
            self._sampler.start()

    def stop(self) -> None:
        """Stop asking the source; the picture stays as it is. Twice is fine."""
        self._watch = False
        self._sampler.stop()

    def close(self) -> None:
        """Stop, and take the view off every page. Twice is fine."""
        self.stop()
        super().close()

    def _sample(self) -> bool:
        # When a notebook is closed, its pages lose their connection first: they go without a word.
        if time.monotonic() - max(self._heard_at, silence.since()) > SILENCE:
            self._pages.clear()
            return False
        try:
            self.refresh()
        except Exception as error:
            self._give({**self._picture, "note": f"looks no more: {error!r}"})
            raise
        return True

    def _hear(self, _view: View, message: dict[str, Any], _buffers: Any) -> None:
        """Hear a page: it has opened or closed, is still there, or wants the picture whole."""
        self._heard_at = time.monotonic()
        match message.get("do"):
            case "opened":
                self._pages.add(str(message.get("page")))
                self._resume()
            case "closed":
                self._pages.discard(str(message.get("page")))
                if not self._pages:
                    self._sampler.stop()
            case "here":
                self._resume()
            case "whole":
                self.send_state("state")

    def _resume(self) -> None:
        if self._watch:
            self._sampler.start()

    # -- for the notebook ----------------------------------------------------------------------

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return every form of the picture; a live page takes the last."""
        if self.comm is not None and silence.live():
            # Now, not when the page has opened: until a cell is over, no page can be heard.
            silence.listen()
            self.start()
        svg = self.svg()
        still = {
            "text/plain": self.text(),
            "image/svg+xml": svg,
            "text/html": self.around(svg),
        }
        if self.comm is None or not silence.live():
            return still, {}
        # anywidget's own says besides, where VS Code or Colab find the page's end of it.
        view, about = super()._repr_mimebundle_() or ({}, {})
        return {**view, **still}, about

    def html(self) -> str:
        """Return the still image and the table, for a page that is not live."""
        return self.around(self.svg())

    def around(self, svg: str) -> str:
        """Return the same with an image that is drawn already: nothing else takes as long."""
        return self._enclosed(f"{figured(svg)}{self.table()}")

    def _enclosed(self, html: str) -> str:
        return f'<div class="kb-moving">{html}</div>' if self.moving else html

    def __repr__(self) -> str:
        return self.text()


def figured(svg: str) -> str:
    """Return a still image as HTML."""
    return f'<figure style="margin: 0">{embedded(svg)}</figure>'


def marked(before: Document, after: Document) -> Document:
    """Return the things in `after`, each with a mark if it is not as it was.

    What is gone is among them one last time, as it was.
    """
    result: Document = {}
    for key, thing in after.items():
        old = before.get(key)
        mark = "appeared" if old is None else "changed" if old != thing else ""
        result[key] = {**thing, "mark": mark} if mark else thing
    for key, thing in before.items():
        if key not in after:
            result[key] = {**thing, "mark": "gone"}
    return result
