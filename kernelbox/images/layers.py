"""A layer is a tar: packed here from a list of entries, and unpacked into a directory for overlay.

Packing is deterministic: entries sorted, one time for all, owners as numbers, so that the same
tree has the same digest anywhere. Unpacking reads the headers with `tarfile`, but extracts nothing
with it: entries.py makes each entry. The directory gets its name when it is complete, so a crash
never leaves half a layer under it. Leaves blobs to layout.py, decompression to streams.py.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import io
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import BinaryIO, NamedTuple

from kernelbox.images import bounds
from kernelbox.images.entries import LayerDirectory
from kernelbox.images.layout import PARTIAL
from kernelbox.images.nodes import XATTR
from kernelbox.images.streams import Tape
from kernelbox.images.writers import HashingWriter
from kernelbox.kernel.errors import UsageError
from kernelbox.kernel.explain import store_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kernelbox.images.writers import Writable

# What the kernel says of an impossible device, attribute or name; gzip's own errors have none.
_FAULTS_OF_THE_TAR = (None, errno.EINVAL, errno.E2BIG, errno.ERANGE, errno.ENAMETOOLONG)


class Entry(NamedTuple):
    """One file, directory, symlink or device of a layer to be packed.

    Attributes:
        name: Path below the layer's root, without a leading slash; "." is the root itself.
        mode: File type and permissions, as in stat(2): `stat.S_IFDIR | 0o755`.
        uid: Owner.
        gid: Group.
        content: A regular file's bytes, the path to read them from, or what opens it.
        target: Where a symlink points.
        hardlink: The name of an earlier entry that this is another name of, or "".
        device: A device's number, as `os.makedev` makes it.
        xattrs: Extended attributes.
        mtime: When it changed, seconds since 1970; None for the time that all entries get.
    """

    name: str
    mode: int
    uid: int = 0
    gid: int = 0
    content: bytes | str | Callable[[], BinaryIO] = b""
    target: str = ""
    hardlink: str = ""
    device: int = 0
    xattrs: Mapping[str, bytes] = MappingProxyType({})
    mtime: float | None = None


def tree(directory: str) -> Iterator[Entry]:
    """Yield an entry for the directory and everything in it that a tar can hold.

    Args:
        directory: A directory that nobody writes to meanwhile. Sockets are left out.

    Raises:
        OSError: It cannot be read.
    """
    yield _entry(".", directory)
    first_name: dict[tuple[int, int], str] = {}
    for parent, directories, files in os.walk(directory, onerror=_raise):
        directories.sort()
        for base in sorted(directories + files):
            path = f"{parent}/{base}"
            name = os.path.relpath(path, directory)
            status = os.lstat(path)
            if stat.S_ISSOCK(status.st_mode):
                continue
            inode = (status.st_dev, status.st_ino)
            earlier = first_name.setdefault(inode, name) if status.st_nlink > 1 else name
            is_link = earlier != name and not stat.S_ISDIR(status.st_mode)
            yield _entry(name, path, earlier if is_link else "")


def pack(entries: Iterable[Entry], out: Writable, *, compress: bool = False, mtime: int = 0) -> str:
    """Write a layer's tar and return its DiffID, the digest before compression.

    Args:
        entries: In any order.
        out: Receives the tar.
        compress: Whether to gzip it.
        mtime: The time of each entry that has none of its own, seconds since 1970.

    Raises:
        OSError: A file cannot be read, or `out` cannot be written.

    Source: OCI image-spec v1.1, layer.md, section Creating; config.md, section Layer DiffID.
    """
    # No name and no time in the gzip header: they would change the layer's digest.
    zipped = gzip.GzipFile("", "wb", 6, out, mtime=0) if compress else None
    tape = HashingWriter(zipped or out)
    with (
        zipped or contextlib.nullcontext(),
        tarfile.open(fileobj=tape, mode="w:", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar,
    ):
        # Hard links come last, when what they link to is there for certain.
        for entry in sorted(entries, key=lambda entry: (bool(entry.hardlink), entry.name)):
            member = header(entry, mtime)
            if not member.isreg():
                tar.addfile(member)
            elif isinstance(entry.content, bytes):
                tar.addfile(member, io.BytesIO(entry.content))
            else:
                with _opened(entry.content) as file:
                    member.size = os.fstat(file.fileno()).st_size
                    tar.addfile(member, file)
    return tape.digest


def unpack(
    blob: str,
    directory: str,
    *,
    diff_id: str = "",
    parents: Sequence[str] = (),
    any_compression: bool = False,
) -> None:
    """Unpack one layer into a directory that can be one of overlay's lowerdirs.

    Args:
        blob: File with the tar, plain or compressed with gzip or zstd.
        directory: Where to; it appears when the layer is complete.
        diff_id: What the tar's digest must be; any if empty.
        parents: The unpacked layers below this one, topmost first.
        any_compression: Whether it may be compressed with bzip2 or xz as well.

    Raises:
        UsageError: The tar is truncated, corrupt, hostile, of another digest or compressed in a
            way that is not known here. Nothing is left behind.
        KernelError: The file system refused: ENOSPC, EPERM, EROFS.

    Source: OCI image-spec v1.1, layer.md, section Applying Changesets.
    """
    partial = ""
    try:
        partial = tempfile.mkdtemp(prefix=PARTIAL, dir=os.path.dirname(directory))
        with Tape(blob, any_compression=any_compression) as tape:
            _extract(tape, partial, diff_id, parents)
        if not os.path.isdir(directory):
            os.rename(partial, directory)
    except OSError as error:
        if error.errno in _FAULTS_OF_THE_TAR:
            raise _bad_layer(blob, error) from error
        raise store_error(f"unpack a layer into {directory}", error) from error
    except Exception as error:
        # On hostile headers tarfile raises nearly anything, and zlib has an error of its own.
        raise _bad_layer(blob, error) from error
    finally:
        if os.path.isdir(partial):
            shutil.rmtree(partial)


def _extract(tape: Tape, directory: str, diff_id: str, parents: Sequence[str]) -> None:
    layer = LayerDirectory(directory, parents)
    try:
        with tarfile.open(fileobj=tape, mode="r:", encoding="utf-8") as members:
            count = 0
            while member := members.next():
                count += 1
                if count > bounds.MAX_ENTRIES:
                    raise UsageError(f"it has more than {bounds.MAX_ENTRIES} entries")
                layer.create(member, tape)
                # tarfile would keep each one until the end.
                members.members.clear()  # type: ignore[attr-defined]
        tape.check_end()
        if not tape.last and not diff_id:  # only that can tell then that nothing is missing
            raise UsageError("it has no end")
    finally:
        layer.close()
    digest = tape.finish()
    if diff_id not in ("", digest):
        raise UsageError(f"its DiffID should be {diff_id} but is {digest}")


def _bad_layer(blob: str, error: Exception) -> UsageError:
    cause = " ".join(str(error).split()) or type(error).__name__
    return UsageError(f"layer {os.path.basename(blob)} is truncated, corrupt or hostile: {cause}")


def _opened(content: str | Callable[[], BinaryIO]) -> BinaryIO:
    return open(content, "rb") if isinstance(content, str) else content()


def _entry(name: str, path: str, hardlink: str = "") -> Entry:
    status = os.lstat(path)
    is_link = stat.S_ISLNK(status.st_mode)
    return Entry(
        name,
        status.st_mode,
        status.st_uid,
        status.st_gid,
        content=path if stat.S_ISREG(status.st_mode) else b"",
        target=os.readlink(path) if is_link else "",
        hardlink=hardlink,
        device=status.st_rdev,
        xattrs={} if is_link else {key: os.getxattr(path, key) for key in os.listxattr(path)},
    )


def header(entry: Entry, mtime: int = 0) -> tarfile.TarInfo:
    """Return the header of an entry; it has a file's size only where the content is bytes.

    Args:
        entry: What it describes.
        mtime: Its time, seconds since 1970, if it has none of its own.
    """
    member = tarfile.TarInfo(entry.name)
    member.mode = stat.S_IMODE(entry.mode)
    member.mtime = mtime if entry.mtime is None else entry.mtime
    member.uid, member.gid = entry.uid, entry.gid
    if entry.hardlink:
        member.type, member.linkname = tarfile.LNKTYPE, entry.hardlink
        return member
    member.type = _TYPES[stat.S_IFMT(entry.mode)]
    member.linkname = entry.target
    member.size = len(entry.content) if isinstance(entry.content, bytes) else 0
    if member.isdev():
        member.devmajor, member.devminor = os.major(entry.device), os.minor(entry.device)
    member.pax_headers = {
        XATTR + key: value.decode("utf-8", "surrogateescape")
        for key, value in sorted(entry.xattrs.items())
    }
    return member


_TYPES = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}


def _raise(error: OSError) -> None:
    raise error
