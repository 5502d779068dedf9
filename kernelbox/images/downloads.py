"""The files of a store's `downloads` directory: parts of blobs that pulls have fetched so far.

Whoever writes to one has locked it. Leaves fetching to registry/fetch.py.
"""

from __future__ import annotations

import fcntl
import os

from kernelbox.images.lock import files
from kernelbox.kernel.explain import store_error


def remove_unfinished(directory: str) -> None:
    """Remove what no pull is writing to.

    Raises:
        KernelError: The file system refused: EACCES, EROFS.
    """
    try:
        for path in files(directory):
            with open(path, "rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                os.unlink(path)
    except FileNotFoundError:
        return  # a pull has just made a blob of it
    except OSError as error:
        raise store_error("remove unfinished downloads", error) from error
