"""`--cidfile`: the id of a new container, in a file that nobody else has."""

from __future__ import annotations

import os
from contextlib import contextmanager

from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def promised(path: str) -> Iterator[Callable[[str], None]]:
    """Make the file, and yield what writes an id into it; it goes if nobody has when all is over.

    Args:
        path: Of the file.

    Raises:
        UsageError: It is there, or cannot be made.

    Source: Docker, "docker run --cidfile".
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise UsageError(f"cannot make --cidfile {path}: {reason}", "Name another") from None
    try:
        yield lambda container_id: _tell(fd, container_id)
    finally:
        if os.fstat(fd).st_size == 0:
            os.unlink(path)
        os.close(fd)


def _tell(fd: int, container_id: str) -> None:
    os.pwrite(fd, container_id.encode(), 0)
