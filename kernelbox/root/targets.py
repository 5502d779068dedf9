"""Mount points below a root that may be full of traps: an image's, and so a stranger's.

Whatever is a symbolic link there is followed by the kernel below the root, and what is found is
kept as a descriptor: nothing can be exchanged between the look and the mount.
"""

from __future__ import annotations

import errno
import os
import stat

from kernelbox.kernel import files, lookup, mounts
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelError, UsageError

_INSIDE = k.RESOLVE_IN_ROOT | k.RESOLVE_NO_MAGICLINKS
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_MOST_LINKS = 40  # MAXSYMLINKS of the kernel


def attach(
    fd: int, path: str, *, directory: bool, root: int | None = None, may_decline: bool = False
) -> None:
    """Attach the detached mount `fd` at `path`, making the mount point if it is missing.

    The path is looked up by the kernel below the container's root, and never through one of the
    magic links of /proc, which may lead out of it.

    Args:
        fd: The mount; it is closed.
        path: Where, in the container.
        directory: Whether it is one.
        root: The container's root as a descriptor; None for our own.
        may_decline: Whether the mount is let be where a link of the image's leads to a device: a
            resolv.conf that is /dev/null is wanted empty. Otherwise that is an error.

    Raises:
        UsageError: The path leads through a magic link, through something that is no directory,
            or to where nothing may be mounted.
        KernelError: ENOTDIR if one is a directory and the other is not.
    """
    target = open_target(path, directory, root)
    try:
        is_device = stat.S_ISCHR(os.fstat(target).st_mode)
        if is_device and not os.path.normpath(path).startswith("/dev/"):
            # Covering it would change what every program writes there.
            if may_decline:
                return
            raise _no_plain(path, directory)
        _check_coverable(target, path, directory, root)
        mounts.move_mount(fd, target, f"mount --bind ... {path}")
    finally:
        os.close(target)
        os.close(fd)


def part(root: int, path: str, owner: int | None) -> int:
    """Return a detached mount of a part of a mounted tree.

    Args:
        root: The tree as a descriptor.
        path: Of it, below the tree's root.
        owner: Of the directory that it is, made if it is missing: the container's root, as the
            host counts. None if it may be a file, and has to be there.

    Raises:
        UsageError: It is not there, is no directory, or cannot be made.
    """
    if owner is None:
        try:
            target = _open(root, _names(path), directory=False)
        except KernelError as error:
            raise UsageError(f"there is no {path} to be mounted", "Look at its name") from error
    else:
        target = open_target(path, True, root)
    try:
        place = f"/proc/self/fd/{target}"
        if owner and os.fstat(target).st_uid == 0:  # the host's root, so it is new
            files.chown(place, owner, owner)
        return mounts.open_tree(place, 0)
    finally:
        os.close(target)


def _check_coverable(target: int, path: str, directory: bool, root: int | None) -> None:
    """Keep volumes away from / and /proc: a forged /proc would lie to us and to the program.

    An image may make any path a link to there. Source: CVE-2019-16884.
    """
    found = os.fstat(target)
    top = os.stat("/") if root is None else os.fstat(root)
    if os.path.samestat(found, top) or found.st_dev == os.stat("/proc").st_dev:
        raise UsageError(
            f"{path} in the container leads to its root or into /proc", "Mount it elsewhere"
        )
    if stat.S_ISDIR(found.st_mode) != directory:
        raise _no_plain(path, directory)


def _no_plain(path: str, directory: bool) -> UsageError:
    kind = "directory" if directory else "file"
    return UsageError(
        f"{path} in the container does not lead to a plain {kind}", "Choose another path"
    )


def make_way(path: str) -> None:
    """See to it that a directory is there. Errors are those of `change_directory`."""
    os.close(open_target(path, directory=True))


def change_directory(path: str, *, make: bool = True) -> None:
    """Enter the program's working directory.

    Args:
        path: Of it.
        make: Whether it is made if it is missing, as Docker does for a container's first program.

    Raises:
        UsageError: It lies outside the container, is no directory, or is missing (126).
    """
    try:
        target = open_target(path, True) if make else _open_there(path)
    except KernelError as error:
        if make or error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV):
            raise
        what = f"there is no directory {path[:100]} in the container"
        failure = UsageError(f"{what}: no such file or directory", "Make it")
        failure.code = 126
        raise failure from error
    try:
        lookup.fchdir(target)
    finally:
        os.close(target)


def make_directory(path: str) -> None:
    """See to it that `path` is a directory and not a trap; all above it is known to be none.

    Raises:
        UsageError: It is something else, such as a symbolic link.
    """
    mode = mode_of(path)
    if mode is None:
        files.mkdir(path)
    elif not stat.S_ISDIR(mode):
        raise UsageError(
            f"the image's {path} is not a directory", "An image may not redirect it: use another"
        )


def mode_of(path: str) -> int | None:
    """Return the mode of `path` itself, be it a link; None if there is nothing."""
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def open_target(path: str, directory: bool, below: int | None = None) -> int:
    """Open `path` below the container's root, making what is missing, one step at a time.

    Args:
        path: Where, in the container; its links are followed below the root, magic ones never.
        directory: Whether it is one.
        below: The container's root as a descriptor; None for our own.

    Raises:
        UsageError: It cannot be made, or leads through what is no directory.
        KernelError: EACCES.
    """
    root = os.open("/", _DIRECTORY) if below is None else os.dup(below)
    try:
        try:
            return _open(root, _names(path), directory)  # mostly all is there
        except KernelError as error:
            if error.errno != errno.ENOENT:
                raise
        return _open(root, _make(root, path, directory), directory)
    except KernelError as error:
        made = error.request.startswith(("mkdirat(", "openat("))
        if made and error.errno in (errno.EEXIST, errno.ENOENT, errno.EROFS):
            raise UsageError(
                f"{path} in the container cannot be made: {os.strerror(error.errno).lower()}",
                "Choose another path, or one that exists",
            ) from error
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EXDEV):
            raise _no_plain(path, directory) from error
        raise
    finally:
        os.close(root)


def _open_there(path: str) -> int:
    root = os.open("/", _DIRECTORY)
    try:
        return _open(root, _names(path), directory=True)
    finally:
        os.close(root)


def _make(root: int, path: str, directory: bool) -> list[str]:
    """Make what is missing of a path; return its names without a link among them.

    Where a link leads to nothing, that is made, as it would be found: below the root. The kernel
    makes nothing through a link, so the links are followed here.

    Raises:
        KernelError: A step cannot be made, or is no directory.
        UsageError: The links lead round in a circle.

    Source: path_resolution(7); symlink(7).
    """
    todo, done, links = _names(path), list[str](), 0
    while todo:
        name = todo.pop(0)
        if name == "..":
            done = done[:-1]
            continue
        parent = _open(root, done, directory=True)
        try:
            try:
                there = os.stat(name, dir_fd=parent, follow_symlinks=False)
            except FileNotFoundError:
                make = files.mkdirat if directory or todo else files.make_file
                make(parent, name)
            else:
                if stat.S_ISLNK(there.st_mode):
                    link, links = os.readlink(name, dir_fd=parent), links + 1
                    if links > _MOST_LINKS:
                        raise _no_plain(path, directory)
                    todo = _names(link) + todo
                    done = [] if link.startswith("/") else done
                    continue
        finally:
            os.close(parent)
        done.append(name)
    return done


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def _open(root: int, names: list[str], directory: bool) -> int:
    flags = os.O_PATH | (os.O_DIRECTORY if directory else 0)
    return lookup.openat2(root, "/".join(names) or ".", flags, _INSIDE)
