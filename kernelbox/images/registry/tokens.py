"""The answer to a registry that asks who we are: a password, or a token from the service it names.

    WWW-Authenticate: Basic                              the password itself, each time
    WWW-Authenticate: Bearer realm="https://...",...     a token for some minutes and one repository

The token service is asked with the password, with a token that stands for one (an identity token,
whose user is `<token>`), or as nobody.

Source: distribution/distribution, "Token Authentication Specification" and "Oauth2 Token
Authentication"; docker/docker-credential-helpers, README (the user `<token>`).
"""

from __future__ import annotations

import base64
import re
import urllib.parse

from kernelbox.images.registry.failures import Refused, log_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from urllib3 import BaseHTTPResponse

    class Asker(Protocol):
        """What is needed of a transport to ask for a token: see transport.py."""

        registry: str

        def place(self, location: str, base: str) -> str:
            """Return the whole of a place that the registry has named."""

        def once(
            self, method: str, url: str, headers: dict[str, str], body: bytes | None
        ) -> BaseHTTPResponse:
            """Ask without a second try."""

        def json(self, answer: BaseHTTPResponse) -> tuple[bytes, Any]:
            """Return the document in an answer."""

        def refusal(self, answer: BaseHTTPResponse, what: str) -> Exception:
            """Return the error that an answer is."""


IDENTITY = "<token>"
"""The user whose password is an identity token."""


def authorisation(
    transport: Asker, challenge: str, scope: str, login: tuple[str, str] | None
) -> str:
    """Return the Authorization header that answers a challenge.

    Args:
        transport: To the registry that asks.
        challenge: Its WWW-Authenticate.
        scope: What a token must allow: `repository:library/busybox:pull`.
        login: User and password, if there are any.

    Raises:
        Refused: It takes none of what we have.
        Dropped: The token service does not answer.
    """
    kind, _, rest = challenge.partition(" ")
    if kind.lower() == "basic":
        if not login or login[0] == IDENTITY:
            raise log_in(transport.registry, "wants a password")
        return _basic(login)
    said = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    if kind.lower() != "bearer" or "realm" not in said:
        raise Refused(f"{transport.registry} wants a login of an unknown kind")
    asked = {"service": said.get("service", ""), "scope": scope or said.get("scope", "")}
    wanted = {key: value for key, value in asked.items() if value}
    answer = _ask(transport, transport.place(said["realm"], "/"), wanted, login)
    if answer.status in (400, 401, 403):
        answer.close()
        raise log_in(transport.registry, "refuses the login" if login else "wants a login")
    if answer.status != 200:
        raise transport.refusal(answer, "a token")
    document = transport.json(answer)[1]
    token = document.get("token") or document.get("access_token")
    if not isinstance(token, str):
        raise Refused(f"{transport.registry} gives no token")
    return f"Bearer {token}"


def _ask(
    transport: Asker, realm: str, wanted: dict[str, str], login: tuple[str, str] | None
) -> BaseHTTPResponse:
    if login and login[0] == IDENTITY:
        form = {"grant_type": "refresh_token", "client_id": "kernelbox", "refresh_token": login[1]}
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        text = urllib.parse.urlencode({**wanted, **form}).encode()
        return transport.once("POST", realm, kind, text)
    joint = "&" if "?" in realm else "?"
    headers = {"Authorization": _basic(login)} if login else {}
    return transport.once("GET", f"{realm}{joint}{urllib.parse.urlencode(wanted)}", headers, None)


def _basic(login: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(login).encode()).decode()
