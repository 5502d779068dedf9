"""How far the layers of an image are: a bar for each at a terminal, lines elsewhere."""

from __future__ import annotations

import os
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    Watch = Callable[[str, int, int], None]


def short(digest: str) -> str:
    """Return the first digits of a digest, as Docker shows it."""
    return digest.removeprefix("sha256:")[:12]


@contextmanager
def bars(verb: str, out: TextIO, *, quiet: bool = False) -> Iterator[Watch]:
    """Yield what is to be told how far each layer is.

    Args:
        verb: What is done to a layer when it is complete: `Pull`, `Push`.
        out: Where it is shown.
        quiet: Whether nothing is shown.
    """
    if quiet:
        yield lambda digest, done, size: None
    elif not out.isatty() or os.environ.get("TERM") == "dumb":
        with _lines(verb, out) as watch:
            yield watch
    else:
        with _drawn(verb, out) as watch:
            yield watch


@contextmanager
def _lines(verb: str, out: TextIO) -> Iterator[Watch]:
    told: set[str] = set()

    def watch(digest: str, done: int, size: int) -> None:
        if done >= size and digest not in told:
            told.add(digest)
            print(f"{short(digest)}: {verb} complete", file=out, flush=True)

    yield watch


@contextmanager
def _drawn(verb: str, out: TextIO) -> Iterator[Watch]:
    # rich takes a tenth of a second to load: only who looks at a bar waits for it.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(file=out)) as progress:
        tasks: dict[str, int] = {}

        def watch(digest: str, done: int, size: int) -> None:
            if digest not in tasks:
                tasks[digest] = progress.add_task(f"{short(digest)}: {verb}ing", total=size)
            words = f"{short(digest)}: {verb} complete" if done >= size else None
            task = progress.tasks[tasks[digest]].id
            progress.update(task, completed=done, description=words)

        yield watch
