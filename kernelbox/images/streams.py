"""A layer's tar as it comes out of its blob: decompressed, counted, hashed, and only forward.

A thread decompresses and hashes while the caller makes files of what it has already: both release
the interpreter's lock, so unpacking takes as long as the slower of the two. Leaves the compressed
formats to decompression.py, and the tar to layers.py.
"""

from __future__ import annotations

import hashlib
import io
import queue
import select
import tarfile
import threading

from kernelbox.images import bounds
from kernelbox.images.decompression import decompressed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

_WAITING = 16  # blocks that may be ready and not yet read
_A_MOMENT = 50  # milliseconds


class _Patient(io.RawIOBase):
    """A file that its reader can turn away from: who writes into a pipe may be silent for ever.

    Args:
        file: Of any kind.
        abandoned: Whether nobody wants more of it; then it ends.
    """

    def __init__(self, file: io.RawIOBase, abandoned: Callable[[], bool]) -> None:
        self._file = file
        self._abandoned = abandoned
        self._poller = select.poll()
        self._poller.register(file.fileno(), select.POLLIN)

    def read(self, size: int = -1) -> bytes | None:
        """Return what comes next, at most so many bytes; none at the end."""
        while not self._abandoned():
            if self._poller.poll(_A_MOMENT):
                return self._file.read(size)
        return b""


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

    def check_end(self) -> None:
        """See to it that whoever stopped reading headers has come to an end, and to no broken one.

        `tarfile` takes the one for the other. The true end is a block of zeros; some writers leave
        it out.

        Raises:
            tarfile.ReadError: What was read last is neither.
        """
        if self.last and self.last != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError(f"the header that ends at byte {self._position} is damaged")

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
        if not 0 <= size <= bounds.MAX_HEADER:
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
            file = _Patient(self._file, lambda: self._abandoned)
            for block in decompressed(file, any_compression=self._any_compression):
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
