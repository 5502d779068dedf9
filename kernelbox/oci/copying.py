"""What an image has at a place, copied into the file system that is going to cover it.

Both are held by descriptors, and no link is followed: an image's is copied as what it is.

Source: runc, the mount option tmpcopyup.
"""

from __future__ import annotations

import os
import stat

from kernelbox.kernel import files

_CHUNK = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def copy(source: int, target: int) -> None:
    """Copy a directory's own mode and all that is in it.

    Args:
        source: The directory, as a descriptor.
        target: An empty one, likewise.

    Raises:
        OSError: ENOSPC where the target is too small; EACCES.
    """
    there = os.open(".", _DIRECTORY, dir_fd=source)
    here = os.open(".", _DIRECTORY, dir_fd=target)
    try:
        _like(here, os.fstat(there))
        _copy_all(there, here)
    finally:
        os.close(there)
        os.close(here)


def _copy_all(source: int, target: int) -> None:
    for name in os.listdir(source):
        found = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            os.mkdir(name, 0o700, dir_fd=target)
            there = os.open(name, _DIRECTORY, dir_fd=source)
            here = os.open(name, _DIRECTORY, dir_fd=target)
            try:
                _like(here, found)
                _copy_all(there, here)
            finally:
                os.close(there)
                os.close(here)
        elif stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            os.chown(name, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)
        elif stat.S_ISREG(found.st_mode):
            _copy_file(name, source, target)
        else:
            files.mknodat(target, name, found.st_mode, found.st_rdev)
            files.chownat(target, name, found.st_uid, found.st_gid)


def _copy_file(name: str, source: int, target: int) -> None:
    there = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
    here = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, dir_fd=target)
    try:
        while chunk := os.read(there, _CHUNK):
            while chunk:
                chunk = chunk[os.write(here, chunk) :]
        _like(here, os.fstat(there))
    finally:
        os.close(there)
        os.close(here)


def _like(fd: int, found: os.stat_result) -> None:
    os.fchown(fd, found.st_uid, found.st_gid)
    os.fchmod(fd, stat.S_IMODE(found.st_mode))
