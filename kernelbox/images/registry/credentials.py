"""Who we are at a registry: `login` and `logout`, in the form of Docker's own config file.

    {"auths": {"registry.example:5000": {"auth": base64("user:password")}},
     "credsStore": "pass", "credHelpers": {"other.example": "secretservice"}}

The file is `$DOCKER_CONFIG/config.json`, or `~/.docker/config.json`: what `docker login` or
`podman login` wrote there is used, and what else is in it stays. A password in it is encoded, not
encrypted; only its owner may read the file. Where it names a helper, for one registry or for all,
the password is kept there, and the file says only that there is one: see helpers.py.

Source: Docker documentation, "docker login", sections "Credential stores" and "Credential helpers".
"""

from __future__ import annotations

import base64
import binascii
import json
import os

from kernelbox.images import bounds
from kernelbox.images.reference import DOCKER_HUB
from kernelbox.images.registry import helpers
from kernelbox.images.registry.tokens import IDENTITY
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.plumbing import whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HUB_KEY = "https://index.docker.io/v1/"


def path() -> str:
    """Return where the config file is, or would be."""
    directory = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    return f"{directory}/config.json"


def read(registry: str) -> tuple[str, str] | None:
    """Return user and password for a registry; None if nobody logged in there.

    Where its helper has none, the file may have one from before there was a helper.

    Raises:
        UsageError: The file is damaged, or there is no such helper as it names.
        KernelboxError: The file cannot be read, or the helper fails.
    """
    document = _load()
    if helper := _helper(document, registry):
        kept = helpers.get(helper, _keys(registry)[0])
        if kept is not None:
            return kept
    auths = document.get("auths")
    for key in _keys(registry):
        entry = auths.get(key) if isinstance(auths, dict) else None
        if isinstance(entry, dict) and isinstance(entry.get("identitytoken"), str):
            return IDENTITY, entry["identitytoken"]
        encoded = entry.get("auth") if isinstance(entry, dict) else None
        if not encoded:
            continue
        try:
            user, colon, password = base64.b64decode(str(encoded)).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if not colon:
            raise UsageError(f"{path()} is damaged", f"Log in again: kernelbox login {registry}")
        return user, password
    return None


def write(registry: str, user: str, password: str) -> None:
    """Remember user and password for a registry: with its helper, or in the file.

    Raises:
        KernelboxError: The file cannot be read or written, or the helper fails.
    """
    document = _load()
    auths = document.setdefault("auths", {})
    if not isinstance(auths, dict):
        raise UsageError(f"{path()} is damaged", "Move it away")
    key = _keys(registry)[0]
    if helper := _helper(document, registry):
        helpers.store(helper, key, user, password)
        auths[key] = {}
    else:
        auths[key] = {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}
    _store(document)


def forget(registry: str) -> bool:
    """Forget user and password for a registry; return whether there were any.

    Raises:
        KernelboxError: The file cannot be read or written, or the helper fails.
    """
    document = _load()
    helper = _helper(document, registry)
    kept = helpers.erase(helper, _keys(registry)[0]) if helper else False
    auths = document.get("auths")
    if not isinstance(auths, dict):
        return kept
    found = [auths.pop(key) for key in _keys(registry) if key in auths]
    if found:
        _store(document)
    return kept or any(found)


def _helper(document: dict[str, Any], registry: str) -> Any:
    """Return the name of the helper for a registry: its own, or the one for all; "" if none."""
    own = document.get("credHelpers")
    for key in _keys(registry):
        if isinstance(own, dict) and key in own:
            return own[key]
    return document.get("credsStore") or ""


def _keys(registry: str) -> list[str]:
    """Return what a registry may be called in the file, our own way first."""
    if registry == DOCKER_HUB:
        return [_HUB_KEY, DOCKER_HUB, "index.docker.io", "registry-1.docker.io"]
    return [registry, f"https://{registry}", f"http://{registry}"]


def _load() -> dict[str, Any]:
    try:
        with open(path(), "rb") as file:
            document = json.loads(file.read(bounds.MAX_JSON))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise KernelboxError(f"cannot read {path()}: {os.strerror(error.errno or 0)}") from error
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise UsageError(f"{path()} is damaged: it is no JSON object", "Mend it, or move it away")
    return document


def _store(document: dict[str, Any]) -> None:
    try:
        os.makedirs(os.path.dirname(os.path.realpath(path())), mode=0o700, exist_ok=True)
        whole.replace(path(), json.dumps(document, indent="\t").encode(), 0o600)
    except OSError as error:
        raise KernelboxError(f"cannot write {path()}: {os.strerror(error.errno or 0)}") from error
