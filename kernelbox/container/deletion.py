"""Deleting a tree that a container has filled: no link is followed out of it, no mount entered."""

from __future__ import annotations

import errno
import os

from kernelbox.kernel import process
from kernelbox.kernel.errors import KernelboxError
from kernelbox.plumbing.light import suppress

_DEEPEST = 64


def delete_tree(path: str) -> None:
    """Delete a directory and what is in it, but nothing that is mounted there.

    Raises:
        KernelboxError: Something in it cannot be deleted.
    """
    try:
        _delete(path, None, os.lstat(path).st_dev, _DEEPEST)
    except FileNotFoundError:
        return
    except OSError:
        # Too deep for us, or it resists: rm copes with any depth, and knows what to say.
        command = ["rm", "-rf", "--one-file-system", "--", path]
        if process.wait_exit(os.posix_spawnp("rm", command, os.environ)) != 0:
            raise KernelboxError(
                f"cannot delete {path}", "See what resists: lsattr, mount"
            ) from None


def _delete(name: str, parent: int | None, device: int, levels: int) -> None:
    """Delete directory `name` of the open directory `parent`, never following a link out of it."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, dir_fd=parent)
    try:
        if levels == 0 or os.fstat(fd).st_dev != device:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), name)
        for entry in list(os.scandir(fd)):
            with suppress(FileNotFoundError):  # another command sweeps at the same moment
                if entry.is_dir(follow_symlinks=False):
                    _delete(entry.name, fd, device, levels - 1)
                else:
                    os.unlink(entry.name, dir_fd=fd)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=parent)
