"""Directories of builds: one for as long as it lasts, and caches that stay.

    builds/       what one build needs meanwhile: files of the context to be mounted, secrets
    build-cache/  `RUN --mount=type=cache`, one directory for each id, until `prune`

Whoever uses one holds a lock on it. What is left of a build that was killed has none.

Source: flock(2).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile

from kernelbox.plumbing import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def directory() -> Iterator[str]:
    """Yield a private directory that goes when the block ends; remove what killed builds left.

    Raises:
        OSError: ENOSPC, EROFS.
    """
    above = f"{paths.root()}/builds"
    os.makedirs(above, mode=0o700, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with _locked(above):
            _sweep(above)
            made = tempfile.mkdtemp(dir=above)
            stack.callback(shutil.rmtree, made, ignore_errors=True)
            stack.enter_context(_locked(made))
        yield made


@contextlib.contextmanager
def cache(name: str, sharing: str) -> Iterator[str]:
    """Yield the directory of a cache while the block runs; a new one is empty.

    Args:
        name: Which.
        sharing: `shared` by all who want it; `locked` by one at a time; `private`: another one, if
            this is in use.

    Raises:
        OSError: ENOSPC, EROFS.
    """
    base = f"{paths.private(paths.build_cache())}/{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    kind = fcntl.LOCK_SH if sharing == "shared" else fcntl.LOCK_EX
    number = 0
    while True:
        path = f"{base}-{number}"
        os.makedirs(path, mode=0o755, exist_ok=True)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(_locked(path, kind | (sharing == "private") * fcntl.LOCK_NB))
            except BlockingIOError:
                number += 1
                continue
            except FileNotFoundError:  # `prune` has just removed it
                continue
            yield path
            return


def forget_caches() -> None:
    """Remove the caches that no build uses."""
    _sweep(paths.build_cache())


@contextlib.contextmanager
def _locked(path: str, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold a lock on a directory while the block runs.

    Raises:
        OSError: ENOENT if it was removed while we waited; EAGAIN with LOCK_NB.
    """
    fd = os.open(path, _DIRECTORY)
    try:
        fcntl.flock(fd, kind)
        if not os.path.samestat(os.fstat(fd), os.stat(path)):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        yield
    finally:
        os.close(fd)


def _sweep(above: str) -> None:
    try:
        names = os.listdir(above)
    except FileNotFoundError:
        return
    for name in names:
        with (
            contextlib.suppress(OSError),
            _locked(f"{above}/{name}", fcntl.LOCK_EX | fcntl.LOCK_NB),
        ):
            shutil.rmtree(f"{above}/{name}", ignore_errors=True)
