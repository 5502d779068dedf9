"""ADD of a URL: a file of the web, with what it must be, if the instruction says so.

It is fetched at each build, as nobody else can say whether it is still the same.

Source: Docker documentation, "Dockerfile reference", sections ADD and ADD --checksum.
"""

from __future__ import annotations

import email.utils
import hashlib
import os
import posixpath
import re
import stat
import tempfile
import urllib.parse
import urllib.request

from kernelbox.build.sources import Piece, Source
from kernelbox.images import bounds
from kernelbox.images.layers import Entry
from kernelbox.kernel.errors import UsageError

_CHUNK = 1 << 20
_CONNECT_SECONDS, _STALL_SECONDS = 10.0, 60.0


def is_url(source: str) -> bool:
    """Whether a source of ADD is a file of the web."""
    return re.match("https?://", source, re.IGNORECASE) is not None


def fetch(url: str, checksum: str, into: str, below: str, created: int) -> Source:
    """Fetch a file.

    Args:
        url: Of http or https.
        checksum: `sha256:` and 64 digits; "" for any.
        into: The target; where it is a directory, the URL has to name the file.
        below: A directory to keep it in.
        created: Its time, seconds since 1970, if the server tells none.

    Raises:
        UsageError: It cannot be fetched, is not what it should be, or has no name.
    """
    import urllib3  # heavy, and few builds fetch anything

    name = posixpath.basename(urllib.parse.unquote(urllib.parse.urlsplit(url).path))
    if into.endswith("/") and name in ("", ".", ".."):
        raise UsageError(f"{url[:80]} names no file", "Let the target end with a file's name")
    proxy = urllib.request.getproxies().get(urllib.parse.urlsplit(url).scheme.lower(), "")
    host = urllib.parse.urlsplit(url).hostname or ""
    direct = not proxy or urllib.request.proxy_bypass(host)
    timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=_STALL_SECONDS)
    try:
        with urllib3.PoolManager() if direct else urllib3.ProxyManager(proxy) as pool:
            answer = pool.request(
                "GET", url, preload_content=False, timeout=timeout, decode_content=False
            )
            if answer.status != 200:
                raise UsageError(f"{url[:80]}: the server says {answer.status}", "Look at its name")
            path, found = _keep(answer.stream(_CHUNK), url, below)
            told = answer.headers.get("Last-Modified", "")
    except urllib3.exceptions.HTTPError as error:
        cause = " ".join(str(error.__cause__ or error).split())[:120]
        raise UsageError(f"{url[:80]} cannot be fetched: {cause}", "Is the server there?") from None
    if checksum and checksum != f"sha256:{found}":
        raise UsageError(
            f"{url[:80]} is sha256:{found}, and not as --checksum says", "Look at what it is now"
        )
    mode = stat.S_IFREG | 0o600
    entry = Entry("", mode, content=path, mtime=_seconds(told, created))
    return Source(name or "file", False, [Piece((), entry, found)])


def _keep(chunks: object, url: str, below: str) -> tuple[str, str]:
    """Keep what comes in a file; return its path and its digest."""
    whole = hashlib.sha256()
    fd, path = tempfile.mkstemp(dir=below)
    size = 0
    with open(fd, "wb") as file:
        for chunk in chunks:  # type: ignore[attr-defined]
            size += len(chunk)
            if size > bounds.MAX_BYTES:
                raise UsageError(f"{url[:80]} is larger than {bounds.MAX_BYTES >> 30} GiB")
            whole.update(chunk)
            file.write(chunk)
    return path, whole.hexdigest()


def _seconds(told: str, created: int) -> int:
    """Return a time as HTTP tells it; of one that means nothing, and with a fixed one, that."""
    try:
        found = int(email.utils.parsedate_to_datetime(told).timestamp())
    except (TypeError, ValueError, OverflowError):
        return created
    return found if found >= 0 and "SOURCE_DATE_EPOCH" not in os.environ else created
