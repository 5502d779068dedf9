"""HTTP to one registry: where it sends us, and what to do when it does not answer.

Nothing that a registry says is followed blindly. Credentials go to the registry itself and to the
token service that it names, over TLS, and never along a redirect to another host. Plain http is for
registries on this machine, or where a person asked for it. Every wait has an end, and what may be
tried again is tried again, a few times. Leaves answering a request for a login to tokens.py.

Source: RFC 9110, sections 10.2.3 (Retry-After) and 15.4 (redirection).
"""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.parse
import urllib.request

import urllib3

from kernelbox.images import bounds
from kernelbox.images.reference import DOCKER_HUB
from kernelbox.images.registry import tokens
from kernelbox.images.registry.failures import (
    Dropped,
    Refused,
    Unreachable,
    Untrusted,
    dropped,
    log_in,
)
from kernelbox.kernel.errors import KernelboxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol

    from urllib3 import BaseHTTPResponse

    class Readable(Protocol):
        """What can be sent: it is read to its end."""

        def read(self, size: int = -1, /) -> bytes:
            """Return the next bytes."""


CONNECT_SECONDS, STALL_SECONDS = 10.0, 30.0
TRIES = 5
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 20.0  # seconds between two tries; doubled each time
_MOST_REDIRECTS = 5
_HUB_HOST = "registry-1.docker.io"
_HERE = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?", re.ASCII)
_MAY_PASS = (408, 429, 500, 502, 503, 504)


class Transport:
    """Requests to one registry.

    Args:
        registry: Host and port, or `docker.io`.
        login: User and password, if there are any.
        plain_http: Whether to speak http without TLS though the registry is elsewhere.
    """

    def __init__(
        self, registry: str, login: tuple[str, str] | None = None, *, plain_http: bool = False
    ) -> None:
        self.registry = registry
        self._host = _HUB_HOST if registry == DOCKER_HUB else registry
        self._login = login
        self._plain = plain_http
        self._scheme = "http" if plain_http else ""
        self._answered = False
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()
        self._pool = _pool(self._host, plain_http)

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def request(
        self,
        method: str,
        url: str,
        *,
        scope: str = "",
        headers: Mapping[str, str] | None = None,
        body: Callable[[], Readable | bytes] | None = None,
        expected: tuple[int, ...] = (200,),
        what: str = "",
    ) -> BaseHTTPResponse:
        """Make a request, again if need be and within reason, and return the answer unread.

        Args:
            method: GET, HEAD, POST, PUT.
            url: A path at the registry, or the whole of a place that it has named.
            scope: What a token must allow: `repository:library/busybox:pull`.
            headers: To be sent.
            body: Opens what is to be sent, each time anew.
            expected: Statuses that the caller understands.
            what: What is asked for, in an error's words.

        Raises:
            Refused: The registry says no; `status` says which no.
            Dropped: It does not answer.
        """
        pause = FIRST_PAUSE
        for attempt in range(1, TRIES + 1):
            wait = pause
            try:
                answer = self._authorised(method, url, scope, headers or {}, body)
            except Dropped as error:
                if attempt == TRIES or (isinstance(error, Unreachable) and not self._answered):
                    raise
            else:
                self._answered = True
                if answer.status in expected:
                    return answer
                if answer.status not in _MAY_PASS or attempt == TRIES:
                    raise self.refusal(answer, what or url)
                wait = _retry_after(answer, pause)
                answer.release_conn()
            time.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)
        raise AssertionError("the last try returns or raises")

    def json(self, answer: BaseHTTPResponse) -> tuple[bytes, dict[str, Any]]:
        """Return the body of an answer, a JSON object, as bytes and as that.

        Raises:
            Refused: It is no such object, or too large.
            Dropped: It does not come to its end.
        """
        text = b""
        deadline = time.monotonic() + 2 * STALL_SECONDS
        try:
            while part := answer.read1(1 << 16):
                text += part
                if len(text) > bounds.MAX_JSON:
                    answer.close()
                    raise Refused(f"{self.registry} sent more JSON than any image has")
                if time.monotonic() > deadline:
                    answer.close()
                    raise Dropped(f"{self.registry} sends too slowly", "Try again later")
        except urllib3.exceptions.HTTPError as error:
            answer.close()
            raise self._dropped(error) from error
        answer.release_conn()
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise Refused(f"{self.registry} sent no JSON object", "Is it a registry?")
        return text, document

    def place(self, location: str | None, base: str) -> str:
        """Return in full the Location that an answer named, relative to where the answer came from.

        Raises:
            Refused: There is none, or it leads from https to http.
        """
        url = urllib.parse.urljoin(self._whole(base), location or "")
        parts = urllib.parse.urlsplit(url)
        if not location or parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused(f"{self.registry} redirects to nowhere")
        if parts.scheme == "http" and self._scheme != "http":
            raise Refused(f"{self.registry} redirects to {parts.netloc} without encryption")
        return url

    def _authorised(
        self,
        method: str,
        url: str,
        scope: str,
        headers: Mapping[str, str],
        body: Callable[[], Readable | bytes] | None,
    ) -> BaseHTTPResponse:
        """Make a request, and once more with a token if the registry wants one."""
        answer = self._follow(method, url, self._tokens.get(scope, ""), headers, body)
        if answer.status == 401 and self._is_ours(self._whole(url)):
            challenge = answer.headers.get("WWW-Authenticate", "")
            answer.drain_conn()
            with self._lock:
                self._tokens[scope] = tokens.authorisation(self, challenge, scope, self._login)
            answer = self._follow(method, url, self._tokens[scope], headers, body)
        return answer

    def _follow(
        self,
        method: str,
        url: str,
        authorisation: str,
        headers: Mapping[str, str],
        body: Callable[[], Readable | bytes] | None,
    ) -> BaseHTTPResponse:
        """Make one request and follow where it leads; our credentials stay with the registry."""
        url = self._whole(url)
        for _ in range(_MOST_REDIRECTS + 1):
            sent = dict(headers)
            if authorisation and self._is_ours(url):
                sent["Authorization"] = authorisation
            answer = self.once(method, url, sent, body() if body else None)
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            if method not in ("GET", "HEAD"):
                answer.close()
                raise Refused(f"{self.registry} redirects what is sent to it")
            answer.drain_conn()
            url = self.place(answer.headers.get("Location"), url)
        raise Refused(f"{self.registry} redirects in a circle")

    def once(
        self, method: str, url: str, headers: Mapping[str, str], body: Any
    ) -> BaseHTTPResponse:
        """Make one request, to any host, and return the answer, whatever it is.

        Raises:
            Dropped: There is none.
        """
        try:
            return self._pool.request(
                method,
                url,
                headers={"User-Agent": "kernelbox", "Accept-Encoding": "identity", **headers},
                body=body,
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=STALL_SECONDS),
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._dropped(error) from error

    def _whole(self, url: str) -> str:
        if not url.startswith("/"):
            return url
        if not self._scheme:
            self._scheme = self._find_scheme()
        return f"{self._scheme}://{self._host}{url}"

    def _find_scheme(self) -> str:
        """Return how to speak with the registry: with TLS; without it only on this machine."""
        if not _HERE.fullmatch(self._host):
            return "https"
        try:
            self.once("GET", f"https://{self._host}/v2/", {}, None).drain_conn()
        except Dropped as error:
            no_tls = isinstance(error.__cause__, urllib3.exceptions.SSLError)
            if not no_tls or isinstance(error, Untrusted):
                raise
            return "http"
        return "https"

    def _is_ours(self, url: str) -> bool:
        return url.startswith(f"{self._scheme}://{self._host}/")

    def refusal(self, answer: BaseHTTPResponse, what: str) -> KernelboxError:
        """Return the error for an unexpected answer, and close the answer."""
        said = ""
        try:
            errors = self.json(answer)[1].get("errors")
            said = str(errors[0].get("message", "")) if isinstance(errors, list) else ""
        except (KernelboxError, AttributeError, IndexError):
            pass  # many a proxy answers in HTML
        finally:
            answer.close()
        cause = " ".join(said.split())[:200]
        shown = f" ({cause})" if cause else ""
        if answer.status == 401:
            return log_in(self.registry, f"wants a login for {what}")
        if answer.status == 403:
            return Refused(f"{self.registry} denies {what}{shown}", "Is it yours?", status=403)
        if answer.status == 404:
            hint = f"Look at the name, or log in: kernelbox login {self.registry}"
            return Refused(f"{self.registry} has no {what}{shown}", hint, status=404)
        text = f"{self.registry} answers {answer.status} to {what}{shown}"
        hint = "Try again later" if answer.status in _MAY_PASS else ""
        return Refused(text, hint, status=answer.status)

    def _dropped(self, error: Exception) -> Dropped:
        return dropped(self.registry, error)


def _retry_after(answer: BaseHTTPResponse, usual: float) -> float:
    said = answer.headers.get("Retry-After", "")
    return min(float(said), LONGEST_PAUSE) if said.isascii() and said.isdecimal() else usual


def _pool(host: str, plain: bool) -> urllib3.PoolManager:
    """Return a pool of connections, through the proxy that the environment names."""
    proxy = urllib.request.getproxies().get("http" if plain else "https")
    if proxy and not _HERE.fullmatch(host) and not urllib.request.proxy_bypass(host):
        return urllib3.ProxyManager(proxy, maxsize=8)
    return urllib3.PoolManager(maxsize=8)
