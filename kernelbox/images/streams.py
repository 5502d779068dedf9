"""A layer's tar as it comes out of its blob: decompressed, counted, hashed, and only forward.

A thread decompresses and hashes while the caller makes files of what it has already: both release
the interpreter's lock, so unpacking takes as long as the slower of the two. What is inside a blob
is told by its first bytes, as a media type may lie. Leaves tar to layers.py.
"""

from __future__ import annotations

import hashlib
import io
import queue
import sys
import tarfile
import threading
import zlib
from functools import partial

from kernelbox.images import limits
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO, Any, Self

_BLOCK = 1 << 18
_WAITING = 16  # blocks that may be ready and not yet read

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_XZ_MEMORY = 1 << 27  # bytes; `xz -9` asks for 65 MiB
_UNREAD = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x04\x22\x4d\x18": "lz4"}


class Tape(io.RawIOBase):
    """The tar in a blob, as a file that can be read once and only forward.

    Attributes:
        last: What the last `read` returned: at the end of a whole tar, a block of zeros.

    Args:
        blob: File with a tar, plain or compressed with gzip or zstd.
        any_compression: Whether bzip2 and xz are read too, which no layer has.
    """

    def __init__(self, blob: str, *, any_compression: bool = False) -> None:
        self._any_compression = any_compression
        self._file = open(blob, "rb", buffering=0)  # noqa: SIM115 - until close()
        self._hash = hashlib.sha256()
        self._blocks: queue.Queue[bytes | Exception] = queue.Queue(_WAITING)
        self._abandoned = False
        self._block = memoryview(b"")
        self._position = 0
        self._ended = False
        self.last = b""
        self._thread = threading.Thread(target=self._produce, name="decompress", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def close(self) -> None:
        """Stop the thread, wherever it is."""
        if self.closed:
            return
        self._abandoned = True
        while self._thread.is_alive():
            try:
                self._blocks.get(timeout=0.05)
            except queue.Empty:
                continue
        self._file.close()
        super().close()

    def finish(self) -> str:
        """Read what is left behind the tar's end, and return the digest of all."""
        while self._fill():
            self._block = self._block[:0]
        return f"sha256:{self._hash.hexdigest()}"

    def readable(self) -> bool:
        """Return True: see io.IOBase."""
        return True

    def tell(self) -> int:
        """Return the number of bytes that were read."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, fewer at the end.

        Raises:
            tarfile.ReadError: More than any honest header has.
        """
        if not 0 <= size <= limits.MAX_HEADER:
            raise tarfile.ReadError("a header is larger than any real one")
        parts = []
        while size and self._fill():
            part = self._block[:size]
            self._block = self._block[len(part) :]
            size -= len(part)
            parts.append(part)
        self.last = b"".join(parts)
        self._position += len(self.last)
        return self.last

    def chunks(self, size: int) -> Iterator[memoryview]:
        """Yield the next `size` bytes as they come, without copying.

        Raises:
            tarfile.ReadError: There are not so many.
        """
        while size:
            if not self._fill():
                raise tarfile.ReadError("unexpected end of data")
            part = self._block[:size]
            self._block = self._block[len(part) :]
            size -= len(part)
            self._position += len(part)
            yield part

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go forward to an offset.

        Raises:
            tarfile.ReadError: It lies behind, as only a hostile header can say, or past the end.
        """
        if offset < self._position:
            raise tarfile.ReadError("an entry points backwards")
        padding = offset - self._position < tarfile.BLOCKSIZE
        if padding and not self._fill():
            # umoci ends a layer right behind the last byte of its last file.
            self._block = memoryview(bytes(1))
            self._position = offset
        for _ in self.chunks(offset - self._position):
            pass
        return self._position

    def _fill(self) -> bool:
        """See to it that there is something to read; False at the end."""
        while not self._block and not self._ended:
            block = self._blocks.get()
            if isinstance(block, Exception):
                raise block
            self._ended = not block
            self._block = memoryview(block)
        return bool(self._block)

    def _produce(self) -> None:
        try:
            for block in self._decompressed():
                self._hash.update(block)
                if not self._hand_over(block):
                    return
            self._hand_over(b"")
        except Exception as error:
            self._hand_over(error)

    def _hand_over(self, block: bytes | Exception) -> bool:
        while not self._abandoned:
            try:
                self._blocks.put(block, timeout=0.05)
                return True
            except queue.Full:
                continue
        return False

    def _decompressed(self) -> Iterator[bytes]:
        first = self._file.read(_BLOCK) or b""
        foreign: Any = None
        for magic, name in _UNREAD.items():
            if not first.startswith(magic):
                continue
            foreign = _foreign(name) if self._any_compression else None
            if foreign is None:
                raise UsageError(f"it is compressed with {name}, which kernelbox does not read")
        source = _Counted(self._file, first)
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
            most = max(limits.ALWAYS_BYTES, limits.MAX_RATIO * source.count)
            if total > min(most, limits.MAX_BYTES):
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
    options = {int(zstd.DecompressionParameter.window_log_max): limits.ZSTD_WINDOW_LOG}
    return lambda: zstd.ZstdDecompressor(options=options)
