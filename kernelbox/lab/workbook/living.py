"""A page's map follows the record of progress: drawn anew there whenever that is written.

Nothing asks again and again: the kernel tells when the file was replaced. The page shows the last
picture when its kernel is gone.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kernelbox.kernel import watch
from kernelbox.lab.exercises import progress

if TYPE_CHECKING:
    from collections.abc import Callable

    Draw = Callable[[], dict[str, str]]

_page: Any = None  # where the map was shown last: IPython's handle of it


def show(draw: Draw) -> None:
    """Show something on the page, and again in its place whenever progress is recorded.

    Args:
        draw: Returns it as it is now, in all its forms, by their media types.
    """
    global _page
    from IPython.display import DisplayHandle

    if _page is None:
        file = progress.path()
        with suppress(OSError):  # then it is shown as it is now
            file.parent.mkdir(parents=True, exist_ok=True)
            fd = watch.replacements(str(file.parent))  # first, or a change could be missed
            threading.Thread(target=_follow, args=(fd, file.name, draw), daemon=True).start()
    _page = DisplayHandle()  # type: ignore[no-untyped-call]
    _page.display(draw(), raw=True)


def _follow(fd: int, name: str, draw: Draw) -> None:
    while True:
        if name in watch.replaced(fd) and _page is not None:
            _page.update(draw(), raw=True)
