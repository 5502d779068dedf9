"""One writer at a time, and nothing half-made left by one that died.

Everything in the store is made under a name that begins with `.partial-` and renamed when it is
complete; removing goes the other way. Whoever takes the lock is the only writer, so anything that
still has such a name is left over from a crash.
"""

from __future__ import annotations

import os

from kernelbox.images.layout import PARTIAL
from kernelbox.kernel.explain import store_error
from kernelbox.plumbing import paths
from kernelbox.plumbing.light import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class WriteLock:
    """The lock of a store.

    Args:
        directories: Where things are made and removed; the lock file is in the first.
    """

    def __init__(self, directories: Sequence[str]) -> None:
        self._directories = directories
        self._is_taken = False

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Take the lock for as long as the block runs: no other process writes meanwhile.

        Blocks may be nested; each is told whether it is the outermost one.

        Raises:
            KernelError: The lock file cannot be written: EACCES, EROFS.

        Source: flock(2).
        """
        if self._is_taken:
            yield False
            return
        import fcntl  # only a writer needs it

        directory = self._directories[0]
        try:
            paths.private(directory)
            fd = os.open(f"{directory}/.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise store_error(f"lock the image store {directory}", error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            self._is_taken = True
            self._sweep()
            yield True
        finally:
            self._is_taken = False
            os.close(fd)

    def delete(self, gone: Iterable[str]) -> None:
        """Remove files and trees. Their names go first: a crash leaves no half tree under one."""
        try:
            for path in gone:
                directory, base = os.path.split(path)
                os.rename(path, f"{directory}/{PARTIAL}{base}")
        except OSError as error:
            raise store_error("remove from the image store", error) from error
        self._sweep()

    def _sweep(self) -> None:
        try:
            for directory in self._directories:
                for path in files(directory):
                    if os.path.basename(path).startswith(PARTIAL):
                        _remove(path)
        except OSError as error:
            raise store_error("clean the image store", error) from error


def files(directory: str) -> set[str]:
    """Return the paths of what is in a directory; none if there is no such directory."""
    try:
        return {f"{directory}/{name}" for name in os.listdir(directory)}
    except FileNotFoundError:
        return set()


def _remove(path: str) -> None:
    if not os.path.isdir(path) or os.path.islink(path):
        os.unlink(path)
        return
    import shutil  # heavy, and only a removed image or a crash leaves a tree

    shutil.rmtree(path)
