"""Files with holes in a tar: a map of where the data is, and the data alone.

A file of a gibibyte that has two blocks takes two blocks on disk, and should take no more in a
layer. GNU tar's PAX format 1.0 says so in a way that every implementation reads that peers of
kernelbox use: the map is text in front of the data. Reading is tarfile's; this is the writing.

Source: GNU tar manual, "PAX Format, Version 1.0" of "Storing Sparse Files".
"""

from __future__ import annotations

import errno
import io
import os
import posixpath

TYPE_CHECKING = False
if TYPE_CHECKING:
    import tarfile
    from typing import BinaryIO

WORTH = 1 << 20
"""Bytes of holes that make a file sparse. Fewer depend on the file system, and digests must not."""

_BLOCK = 512


def add(tar: tarfile.TarFile, member: tarfile.TarInfo, file: BinaryIO) -> None:
    """Write a regular file's entry: as it is, or sparse if it has holes.

    Args:
        tar: In PAX format.
        member: All but the size.
        file: The file; what grows meanwhile is cut off.

    Raises:
        OSError: It cannot be read, or has become shorter.
    """
    size = os.fstat(file.fileno()).st_size
    parts = _data(file.fileno(), size)
    if size - sum(length for _, length in parts) < WORTH:
        member.size = size
        file.seek(0)
        tar.addfile(member, file)
        return
    if not parts or sum(parts[-1]) < size:
        parts.append((size, 0))  # how tar says that the file ends with a hole
    text = "\n".join([str(len(parts)), *(f"{at}\n{length}" for at, length in parts), ""]).encode()
    text += bytes(-len(text) % _BLOCK)
    directory, name = posixpath.split(member.name)
    member.pax_headers = {
        **member.pax_headers,
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": member.name,
        "GNU.sparse.realsize": str(size),
    }
    member.name = posixpath.join(directory, "GNUSparseFile.0", name)
    member.size = len(text) + sum(length for _, length in parts)
    tar.addfile(member, io.BufferedReader(_Parts(text, file, parts), 1 << 18))


def _data(fd: int, size: int) -> list[tuple[int, int]]:
    """Return where a file has data: offsets and lengths. Source: lseek(2), "Seeking file data"."""
    parts: list[tuple[int, int]] = []
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole from here on
                return parts
            raise
        at = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        if start < at:
            parts.append((start, at - start))
    return parts


class _Parts(io.RawIOBase):
    """The map, and then the data of a file without its holes."""

    def __init__(self, text: bytes, file: BinaryIO, parts: list[tuple[int, int]]) -> None:
        self._text = text
        self._fd = file.fileno()
        self._parts = [part for part in parts if part[1]][::-1]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        if self._text:
            data, self._text = self._text[: len(view)], self._text[len(view) :]
        elif self._parts:
            at, length = self._parts.pop()
            data = os.pread(self._fd, min(length, len(view)), at)
            if data and len(data) < length:
                self._parts.append((at + len(data), length - len(data)))
        else:
            return 0
        view[: len(data)] = data
        return len(data)
