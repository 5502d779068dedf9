"""Compressed files, read block by block: gzip and zstd, and for ADD bzip2 and xz.

What comes out is bounded: a few KiB from a stranger may decompress to more than any disk holds.
Leaves the thread that does it, and what is read of it, to streams.py.
"""

from __future__ import annotations

import io
import sys
import zlib
from functools import partial

from kernelbox.images import bounds
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO, Any

_BLOCK = 1 << 18

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_XZ_MEMORY = 1 << 27  # bytes; `xz -9` asks for 65 MiB
_UNREAD = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x04\x22\x4d\x18": "lz4"}


def decompressed(
    file: IO[bytes] | io.RawIOBase, *, any_compression: bool = False
) -> Iterator[bytes]:
    """Yield what is in a compressed file, block by block; of a plain one, the file itself.

    Args:
        file: What is in it is told by its first bytes, as a media type may lie.
        any_compression: Whether bzip2 and xz are read too, which no layer has.

    Raises:
        UsageError: It is cut short, is compressed in a way that is not read here, or becomes
            larger than any honest layer.

    Source: RFC 1952 (gzip); RFC 8878 (zstd).
    """
    first = file.read(_BLOCK) or b""
    foreign: Any = None
    for magic, name in _UNREAD.items():
        if not first.startswith(magic):
            continue
        foreign = _foreign(name) if any_compression else None
        if foreign is None:
            raise UsageError(f"it is compressed with {name}, which kernelbox does not read")
    source = _Counted(file, first)
    blocks: Iterable[bytes]
    if first.startswith(_GZIP):
        blocks = _frames(source, _Gzip, "gzip")
    elif first.startswith(_ZSTD):
        blocks = _frames(source, _zstd(), "zstd")
    elif foreign is not None:
        blocks = _frames(source, foreign, "compressed")
    else:
        blocks = source
    total = 0
    for block in blocks:
        total += len(block)
        most = max(bounds.ALWAYS_BYTES, bounds.MAX_RATIO * source.count)
        if total > min(most, bounds.MAX_BYTES):
            raise UsageError(f"it decompresses to more than {total >> 20} MiB, as no layer may")
        yield block


class _Counted:
    """The blocks of a file, and how many bytes there were so far."""

    def __init__(self, file: IO[bytes] | io.RawIOBase, first: bytes) -> None:
        self._file = file
        self._next = first
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        while block := self._next:
            self.count += len(block)
            yield block
            self._next = self._file.read(_BLOCK) or b""


class _Gzip:
    """One gzip member, with the manners of the other decompressors."""

    def __init__(self) -> None:
        self._inside = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._inside.eof

    @property
    def unused_data(self) -> bytes:
        return self._inside.unused_data

    @property
    def needs_input(self) -> bool:
        return not (self._full or self._inside.unconsumed_tail)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        block = self._inside.decompress(self._inside.unconsumed_tail + data, max_length)
        self._full = len(block) == max_length  # there may be more that needs no more input
        return block


def _frames(source: _Counted, kind: Any, name: str) -> Iterator[bytes]:
    """Yield what is inside, frame after frame: both formats may be concatenated."""
    decompressor = None
    for data in source:
        while data or (decompressor is not None and not decompressor.needs_input):
            if decompressor is None:
                if name == "gzip":
                    data = data.lstrip(b"\0")  # padding, which gzip(1) ignores too
                if not data:
                    break
                decompressor = kind()
            block = decompressor.decompress(data, _BLOCK)
            data = b""
            if block:
                yield block
            if decompressor.eof:
                data, decompressor = decompressor.unused_data, None
    if decompressor is not None:
        raise UsageError(f"its {name} data is cut short")


def _foreign(name: str) -> Any:
    """Return what makes a decompressor of a kind that no layer has; None if nothing does."""
    if name == "bzip2":
        import bz2

        return bz2.BZ2Decompressor
    if name == "xz":
        import lzma

        return partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, _XZ_MEMORY)
    return None


def _zstd() -> Any:
    """Return what makes a decompressor of one zstd frame."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    options = {int(zstd.DecompressionParameter.window_log_max): bounds.ZSTD_WINDOW_LOG}
    return lambda: zstd.ZstdDecompressor(options=options)
