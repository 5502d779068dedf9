"""A tar into a container: `cp - CONTAINER:PATH`.

The tar is a stranger's, and so may the container be: the directory of an entry is found by openat2
below the container's root, the last component is made anew and never written through, and a file
has its name when it is complete. Devices stay outside, where a volume might let them work. Leaves
finding the place to endpoints.py, and single files to images/nodes.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tarfile

from kernelbox.images import bounds, entries, filecap, nodes
from kernelbox.images.nodes import opened
from kernelbox.images.streams import Tape
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.plumbing.whole import Draft
from kernelbox.transfer.endpoints import DIRECTORY, check_no_volume, remove
from kernelbox.users import id_maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.transfer.endpoints import Place

_CURE = "Pack it anew: tar -c DIR | kernelbox cp - CONTAINER:PATH"


def unpack(tar: str, target: Place, *, archive: bool = False) -> list[str]:
    """Extract a tar into a directory of a container. What was made before a fault stays.

    Args:
        tar: The file or pipe; plain, or compressed with gzip, zstd, bzip2 or xz.
        target: The directory; it must be there.
        archive: Whether the owners in the tar are kept; otherwise all belongs to root.

    Returns:
        What was left out: devices.

    Raises:
        UsageError: It is no tar, or a damaged or hostile one; there is no such directory.
        KernelboxError: An entry cannot be made: ENOSPC, EROFS.

    Source: Docker documentation, "docker container cp", section Description.
    """
    try:
        os.close(target.open(target.path, DIRECTORY))
    except OSError as error:
        if error.errno in nodes.NOWHERE:
            raise UsageError(
                f"there is no directory {target.path} to extract into", "Make it first"
            ) from error
        raise
    try:
        with Tape(tar, any_compression=True) as tape:
            return _Unpacker(target, archive).run(tape)
    except KernelboxError as error:
        raise UsageError(error.message, error.hint or _CURE) from error
    except OSError as error:
        cause = os.strerror(error.errno) if error.errno else str(error)
        raise KernelboxError(f"cannot extract into {target.path}: {cause}") from error
    except Exception as error:
        # On hostile headers tarfile raises nearly anything, and zlib has an error of its own.
        cause = " ".join(str(error).split())
        raise UsageError(f"this is no tar, or a damaged one: {cause}", _CURE) from error


class _Unpacker:
    """One tar that is extracted."""

    def __init__(self, target: Place, archive: bool) -> None:
        self._target, self._archive = target, archive
        self._times: dict[entries.Path, tuple[int, int]] = {}

    def run(self, tape: Tape) -> list[str]:
        left_out = []
        with tarfile.open(fileobj=tape, mode="r:", encoding="utf-8") as members:
            count = 0
            while member := members.next():
                count += 1
                if count > bounds.MAX_ENTRIES:
                    raise UsageError(f"the tar has more than {bounds.MAX_ENTRIES} entries")
                path = entries.split(member.name)
                if member.ischr() or member.isblk():
                    left_out.append(member.name)
                elif path:
                    self._create(path, member, tape)
                members.members.clear()  # type: ignore[attr-defined]
        if tape.last != bytes(tarfile.BLOCKSIZE):
            raise UsageError("the tar has no end")
        tape.finish()  # its writer is not cut off, and compressed data has an end of its own
        for path, times in self._times.items():
            with contextlib.suppress(OSError), opened(self._open(path)) as fd:
                os.utime(fd, times)
        return left_out

    def _create(self, path: entries.Path, member: tarfile.TarInfo, tape: Tape) -> None:
        member.uid, member.gid = self._owner(member)
        self._give_capability(member)
        with opened(self._parent(path)) as parent:
            there = nodes.lstat(parent, path[-1])
            if there is not None and stat.S_ISDIR(there.st_mode) != member.isdir():
                here, other = ("a directory", "a file")[:: 1 if member.isdir() else -1]
                name = ascii(b"/".join(path).decode(errors="replace"))
                raise UsageError(
                    f"{name} is {here} in the tar, and {other} in the container", "Remove one"
                )
            if member.isdir():
                nodes.make_directory(parent, path[-1], member)
                self._times[path] = nodes.times(member)
                return
            if member.islnk():
                self._link(parent, path, entries.split(member.linkname), there)
                return
            if there is not None:
                check_no_volume(parent, path[-1])
            if member.isreg():
                with Draft(parent) as draft:
                    nodes.fill(draft.fd, member, tape)
                    draft.publish(path[-1])
                return
            if there is not None:
                remove(parent, path[-1])
            nodes.make_node(parent, path[-1], member)

    def _link(
        self, parent: int, path: entries.Path, to: entries.Path, there: os.stat_result | None
    ) -> None:
        try:
            with opened(self._open(to[:-1])) as source:
                if there is not None:
                    same = os.stat(to[-1], dir_fd=source, follow_symlinks=False)
                    if os.path.samestat(same, there):
                        return
                    remove(parent, path[-1])
                fds = {"src_dir_fd": source, "dst_dir_fd": parent}
                os.link(to[-1], path[-1], **fds, follow_symlinks=False)
        except (OSError, IndexError) as error:
            if isinstance(error, OSError) and error.errno not in (*nodes.NOWHERE, errno.EPERM):
                raise
            raise UsageError("a hard link in the tar points at no file") from error

    def _parent(self, path: entries.Path) -> int:
        """Open the directory of an entry; make those that the tar only implies."""
        above = path[:-1]
        try:
            return self._open(above)
        except FileNotFoundError:
            if not above:
                raise
            with opened(self._parent(above)) as further:
                try:
                    os.mkdir(above[-1], 0o755, dir_fd=further)
                except FileExistsError:
                    raise UsageError("an entry leads through a symlink to nothing") from None
                root = self._target.shift
                os.chown(above[-1], root, root, dir_fd=further, follow_symlinks=False)
            return self._open(above)

    def _open(self, path: entries.Path) -> int:
        whole = "/".join([self._target.path, *map(os.fsdecode, path)])
        return self._target.open(whole, DIRECTORY)

    def _give_capability(self, member: tarfile.TarInfo) -> None:
        """Let a file capability count for the container's root, if that is not the host's."""
        key = nodes.XATTR + filecap.XATTR
        if self._target.shift and (value := member.pax_headers.get(key)):
            plain = value.encode("utf-8", "surrogateescape")
            ours = filecap.for_root(plain, self._target.shift)
            told = {key: ours.decode("utf-8", "surrogateescape")}
            member.pax_headers = {**member.pax_headers, **told}

    def _owner(self, member: tarfile.TarInfo) -> tuple[int, int]:
        shift = self._target.shift
        ids = (member.uid, member.gid) if self._archive else (0, 0)
        if shift and max(ids) >= id_maps.SIZE:
            raise UsageError(
                f"{member.name!a:.80} belongs to {max(ids)}, and the container has no such id",
                "Leave out --archive",
            )
        return ids[0] + shift, ids[1] + shift
