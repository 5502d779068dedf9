"""Files that know what has passed through them: how many bytes, and their digest.

A blob, a layer's tar and an archive are each hashed or counted while they are written, so that
nothing is read a second time. Leaves where a blob lies, and what points at it, to layout.py.
"""

from __future__ import annotations

import hashlib
import io

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

    Writable = IO[bytes] | io.RawIOBase | io.BufferedIOBase


class CountingWriter(io.RawIOBase):
    """Pass bytes on to a file, which may be a pipe, and know how many passed."""

    def __init__(self, out: Writable) -> None:
        self._out = out
        self.size = 0

    def writable(self) -> bool:
        """Return True: see io.IOBase."""
        return True

    def tell(self) -> int:
        """Return the number of bytes so far."""
        return self.size

    def write(self, data: Any) -> int:
        """Pass bytes on."""
        self._out.write(data)
        self.size += len(data)
        return len(data)


class HashingWriter(CountingWriter):
    """Know the digest of what passed, too."""

    def __init__(self, out: Writable) -> None:
        super().__init__(out)
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        """The digest of all bytes so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def write(self, data: Any) -> int:
        """Pass bytes on."""
        self._hash.update(data)
        return super().write(data)


class BlobWriter(HashingWriter):
    """The blob that is being written; `descriptor` is set once it is stored."""

    descriptor: dict[str, Any]
