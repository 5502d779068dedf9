"""A file in the page cache, as a container finds it: read there, looked for there, dropped.

    film = reader(box, container)
    dropped(film, "/film")                  # nothing of it is in memory
    seconds = read(film, "/film")
    share = cached(film, "/film")           # 1.0: all of it is

Only the named file leaves the cache. The whole machine's (/proc/sys/vm/drop_caches) is everybody's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab.conversation import LabError

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.started import Container

# What a reader is asked to evaluate.
_TOOLS = """
import time

def read(path):
    began = time.perf_counter()
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
    return time.perf_counter() - began
"""


def reader(box: Lab, container: Container) -> Held:
    """Hold a process that sees the files that a container sees; its own code is the host's."""
    process = box.hold()
    process.python(_TOOLS)
    process.setns(container.pid, "mount")
    return process


def read(reader: Held, path: str) -> float:
    """Read a file from its begin to its end; return how long that took, seconds.

    Raises:
        LabError: There is no such file.
    """
    return float(reader.evaluate(f"read({path!r})"))


def cached(reader: Held, path: str) -> float:
    """Return which share of a file is in the page cache, 0 to 1; the file is not read for that.

    Raises:
        LabError: There is no such file, or it is empty.

    Source: mincore(2).
    """
    size = reader.evaluate(f"os.stat({path!r}).st_size")
    if not size:
        raise LabError(f"{path} is empty: there is nothing of it to be in memory")
    return min(float(reader.evaluate(f"pages.cached({path!r})") / size), 1.0)


def dropped(reader: Held, path: str) -> bool:
    """Have the kernel forget a file's pages; say whether it did: whoever maps them keeps them.

    Raises:
        LabError: There is no such file, or it is empty.

    Source: posix_fadvise(2), POSIX_FADV_DONTNEED.
    """
    reader.evaluate(f"pages.drop({path!r})")
    return cached(reader, path) == 0
