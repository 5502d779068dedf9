"""A blob on its way into the store: what is there already is not asked for again.

A download has the blob's name in the store's `downloads` directory, and grows there. Killed, it is
the beginning of the next one. Whoever writes to it holds its lock, so that any number of pulls at
once fetch a blob once. It becomes a blob when all of an image is there, and only verified.

Source: OCI distribution-spec v1.1, "Pulling blobs" (Range); RFC 9110, section 14.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import time

import urllib3

from kernelbox.images import layout
from kernelbox.images.registry import transport
from kernelbox.images.registry.failures import Dropped, Refused, dropped
from kernelbox.kernel.explain import store_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from urllib3 import BaseHTTPResponse

    from kernelbox.images.layout import Descriptor
    from kernelbox.images.registry.client import Repository
    from kernelbox.images.store import Store

    Progress = Callable[[int], None]  # takes the bytes that are there

_CHUNK = 1 << 18
_ENOUGH = 1 << 16  # bytes that make a try worth while
_FULL = "Free some space and pull again: it goes on from here. Or remove it: kernelbox prune"
SLOWEST = 1024.0
"""Bytes a second. What comes more slowly for a while has stalled, however often a byte comes."""


def fetch(store: Store, repository: Repository, blob: Descriptor, progress: Progress) -> None:
    """See to it that a blob is in the store, or whole and verified among the downloads.

    Raises:
        Refused: The registry has another blob, or none.
        Dropped: It does not send it to the end, after several tries.
        KernelError: The file system refuses: ENOSPC, EACCES.
    """
    path = place(store, blob)
    try:
        os.makedirs(store.downloads, mode=0o700, exist_ok=True)
        while not os.path.exists(store.layout.blob_path(blob["digest"])):
            with open(path, "a+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if _is_at(file, path):
                    _complete(file, repository, blob, progress)
                    break
        progress(blob["size"])
    except OSError as error:
        refusal = store_error(f"write {path}", error)
        if refusal.errno in (errno.ENOSPC, errno.EDQUOT):
            refusal.hint = _FULL
        raise refusal from error


def place(store: Store, blob: Descriptor) -> str:
    """Return where the download of a blob is."""
    return f"{store.downloads}/{layout.hex_of(blob['digest'])}"


def _is_at(file: IO[bytes], path: str) -> bool:
    """Return whether an open file still has its name: another pull may have finished it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _complete(
    file: IO[bytes], repository: Repository, blob: Descriptor, progress: Progress
) -> None:
    pause = transport.FIRST_PAUSE
    tries = 0
    while True:
        resumed = os.fstat(file.fileno()).st_size
        try:
            digest = _go_on(file, repository, blob, progress)
        except Dropped:
            # A registry that sends something each time is not given up: only tries in a row that
            # brought too little count.
            grown = os.fstat(file.fileno()).st_size - resumed
            tries = 0 if grown >= _ENOUGH else tries + 1
            if tries == transport.TRIES:
                raise
            time.sleep(pause)
            pause = min(pause * 2, transport.LONGEST_PAUSE)
            continue
        if digest == blob["digest"]:
            return
        os.truncate(file.fileno(), 0)
        if not resumed:
            raise Refused(f"{repository.remote.registry} sent {digest} for {blob['digest']}")


def _go_on(file: IO[bytes], repository: Repository, blob: Descriptor, progress: Progress) -> str:
    """Fetch what is missing of a blob; return the digest of all that is there then."""
    hashed = hashlib.sha256()
    file.seek(0)
    while part := file.read(_CHUNK):
        hashed.update(part)
    have = os.fstat(file.fileno()).st_size
    progress(have)
    if have != blob["size"]:
        answer = repository.blob(blob["digest"], min(have, blob["size"]))
        if answer.status != 206 or not _starts_at(answer, have):
            os.truncate(file.fileno(), 0)
            have, hashed = 0, hashlib.sha256()
            if answer.status != 200:
                answer.close()
                answer = repository.blob(blob["digest"])
        _receive(
            answer, file, hashed, blob["size"] - have, lambda n: progress(have + n), repository
        )
    return f"sha256:{hashed.hexdigest()}"


def _receive(
    answer: BaseHTTPResponse,
    file: IO[bytes],
    hashed: hashlib._Hash,
    size: int,
    progress: Progress,
    repository: Repository,
) -> None:
    registry = repository.remote.registry
    count = 0
    since, then = time.monotonic(), 0
    try:
        while part := answer.read1(_CHUNK):
            count += len(part)
            if count > size:
                os.truncate(file.fileno(), 0)
                raise Refused(f"{registry} sends more than the {size} bytes that it announced")
            file.write(part)
            hashed.update(part)
            progress(count)
            if time.monotonic() - since > transport.STALL_SECONDS:
                if (count - then) / (time.monotonic() - since) < SLOWEST:
                    raise Refused(f"{registry} sends too slowly", "Try again later")
                since, then = time.monotonic(), count
    except urllib3.exceptions.HTTPError as error:
        raise dropped(registry, error) from error
    finally:
        answer.close()
    if count < size:
        raise Dropped(f"{registry} closed the connection in the middle", "Try again")


def _starts_at(answer: BaseHTTPResponse, start: int) -> bool:
    said = re.match(r"bytes (\d{1,18})-", answer.headers.get("Content-Range", ""), re.ASCII)
    return said is not None and int(said[1]) == start
