"""The manifests and blobs of one repository, as a registry's API names them.

Source: OCI distribution-spec v1.1, "Pull" and "Push".
"""

from __future__ import annotations

import contextlib
import urllib.parse

from kernelbox.images import bounds, layout, manifests
from kernelbox.images.registry import credentials
from kernelbox.images.registry.failures import Dropped, Refused
from kernelbox.images.registry.transport import Transport
from kernelbox.plumbing.numbers import natural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from urllib3 import BaseHTTPResponse

    from kernelbox.images.layout import Descriptor
    from kernelbox.images.reference import Remote
    from kernelbox.images.registry.transport import Readable

_ACCEPTED = ", ".join([*manifests.MANIFESTS, *manifests.INDEXES])


class Repository:
    """A repository at a registry.

    Args:
        remote: Which.
        push: Whether something is to be written to it.
        plain_http: Whether to do without TLS.
    """

    def __init__(self, remote: Remote, *, push: bool = False, plain_http: bool = False) -> None:
        self.remote = remote
        self.transport = Transport(
            remote.registry, credentials.read(remote.registry), plain_http=plain_http
        )
        self._base = f"/v2/{remote.repository}"
        self._scope = f"repository:{remote.repository}:{'pull,push' if push else 'pull'}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    def manifest(self, tag: str) -> tuple[Descriptor, bytes, dict[str, Any]]:
        """Return a manifest or index: its descriptor, its bytes, and the document.

        Args:
            tag: A tag, or a digest that the bytes must have.

        Raises:
            Refused: There is none, or it has another digest.
            Dropped: The registry does not answer.
        """
        what = f"{self.remote.repository}:{tag}"
        path = f"manifests/{tag}"
        try:
            kind, text, document = self._document(path, what)
        except Dropped:  # in its middle; what does not begin was tried often enough
            kind, text, document = self._document(path, what)
        digest = layout.digest_of(text)
        if tag.startswith("sha256:") and digest != tag:
            raise Refused(f"{self.remote.registry} sent {digest} in place of {tag}")
        said = document.get("mediaType") or kind
        if said not in (*manifests.MANIFESTS, *manifests.INDEXES):
            raise Refused(f"{what} is of the unknown kind {said!r:.80}")
        return layout.descriptor(said, digest, len(text)), text, document

    def blob(self, digest: str, start: int = 0) -> BaseHTTPResponse:
        """Ask for a blob from byte `start` on. The status says whether that is what comes: 206.

        Raises:
            Refused: There is none.
            Dropped: The registry does not answer.
        """
        headers = {"Range": f"bytes={start}-"} if start else {}
        path = f"{self._base}/blobs/{digest}"
        return self.transport.request(
            "GET", path, scope=self._scope, headers=headers, expected=(200, 206, 416),
            what=f"blob {digest}",
        )  # fmt: skip

    def has_blob(self, digest: str) -> bool:
        """Return whether the repository has a blob already.

        Raises:
            KernelboxError: The registry refuses to say, or does not answer.
        """
        answer = self.transport.request(
            "HEAD",
            f"{self._base}/blobs/{digest}",
            scope=self._scope,
            expected=(200, 404),
            what=f"blob {digest}",
        )
        answer.release_conn()
        return answer.status == 200

    def upload(self, blob: Descriptor, content: Callable[[], Readable]) -> None:
        """Send a blob, at once and as a whole.

        Raises:
            KernelboxError: The registry refuses it, or does not answer.

        Source: OCI distribution-spec v1.1, "POST then PUT".
        """
        path, what = f"{self._base}/blobs/uploads/", f"a push to {self.remote.repository}"
        answer = self.transport.request(
            "POST",
            path,
            scope=self._scope,
            headers={"Content-Length": "0"},
            expected=(202,),
            what=what,
        )
        place = self.transport.place(answer.headers.get("Location"), path)
        answer.drain_conn()
        joint = "&" if "?" in place else "?"
        self.transport.request(
            "PUT",
            f"{place}{joint}{urllib.parse.urlencode({'digest': blob['digest']})}",
            scope=self._scope,
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Length": str(blob["size"]),
            },
            body=content,
            expected=(201,),
            what=what,
        ).drain_conn()

    def upload_manifest(self, tag: str, manifest: Descriptor, text: bytes) -> None:
        """Send a manifest and give it a tag; its blobs must be there.

        Raises:
            KernelboxError: The registry refuses it, or does not answer.
        """
        self.transport.request(
            "PUT",
            f"{self._base}/manifests/{tag}",
            scope=self._scope,
            headers={"Content-Type": manifest["mediaType"]},
            body=lambda: text,
            expected=(201,),
            what=f"a push to {self.remote.repository}",
        ).drain_conn()

    def _document(self, path: str, what: str) -> tuple[str, bytes, dict[str, Any]]:
        answer = self.transport.request(
            "GET",
            f"{self._base}/{path}",
            scope=self._scope,
            headers={"Accept": _ACCEPTED},
            what=what,
        )
        length = answer.headers.get("Content-Length", "0")
        if length.isdecimal() and natural(length, bounds.MAX_JSON) is None:
            answer.close()
            raise Refused(f"{self.remote.registry} sends {length:.80} bytes of JSON for {what}")
        return answer.headers.get("Content-Type", "").partition(";")[0], *self.transport.json(
            answer
        )


def check_login(registry: str, user: str, password: str, *, plain_http: bool = False) -> None:
    """Ask a registry whether it takes a user and password.

    Raises:
        KernelboxError: It does not, or it does not answer.
    """
    with contextlib.closing(
        Transport(registry, (user, password), plain_http=plain_http)
    ) as transport:
        transport.request("GET", "/v2/", what="a login").drain_conn()
