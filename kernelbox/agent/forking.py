"""A fork that is where it is to be before anybody hears of it.

With cgroup v1 a process is born outside its groups, and walks in. Whoever moved it meanwhile would
see it walk back.
"""

from __future__ import annotations

import os
import select

from kernelbox.kernel import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    Arrived = Callable[[], None]

_PATIENCE = 2.0  # seconds: who is born into a frozen group says nothing


def fork(clone_fd: int | None, be: Callable[[Arrived], NoReturn]) -> tuple[int, int, bool]:
    """Fork a process, and wait until it says that it has arrived.

    Args:
        clone_fd: Of a cgroup v2 directory to be born in; None to stay in this process's.
        be: What the child does: it calls what it is given once it has arrived, and never returns.

    Returns:
        Its pid, its pidfd, and whether it has not ended without a word.

    Raises:
        KernelError: EAGAIN where there is no room for a process; see `process.clone3`.
    """
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as word:
        with open(writer, "wb", buffering=0) as mouth:

            def arrived() -> None:
                mouth.write(b".")

            pid, pidfd = process.clone3(0, clone_fd)
            if pid == 0:
                try:
                    be(arrived)
                finally:
                    os._exit(1)
        poller = select.poll()
        poller.register(word, select.POLLIN)
        return pid, pidfd, not poller.poll(_PATIENCE * 1000) or word.read(1) == b"."
