"""Credential helpers: programs that keep passwords for Docker's config file, each in its own place.

`docker-credential-NAME` is called with one word, `get`, `store` or `erase`. What it is about comes
on its standard input, and what it knows on its standard output:

    get     <- the registry                                       -> {"Username": , "Secret": }
    store   <- {"ServerURL": , "Username": , "Secret": }
    erase   <- the registry

Leaves which helper is asked to credentials.py.

Source: docker/docker-credential-helpers, README, section Development; Docker documentation, "docker
login", section "Credential helper protocol".
"""

from __future__ import annotations

import json
import subprocess

from kernelbox.kernel.errors import KernelboxError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATIENCE = 120.0
"""Seconds. Some helpers ask a person for a passphrase first."""

_UNKNOWN = "credentials not found"


def get(name: str, server: str) -> tuple[str, str] | None:
    """Return the user and password that a helper keeps for a registry; None if it has none.

    Raises:
        UsageError: There is no such helper, or what it says is no login.
        KernelboxError: It fails.
    """
    answer = _ask(name, "get", server)
    if answer is None:
        return None
    try:
        said = json.loads(answer)
        user, secret = said["Username"], said["Secret"]
    except (ValueError, TypeError, KeyError, RecursionError):
        user = secret = None
    if not isinstance(user, str) or not isinstance(secret, str):
        raise UsageError(f"{_program(name)} says nothing that is a login", "Is it a helper?")
    return (user, secret) if user or secret else None  # how docker-credential-pass says no


def store(name: str, server: str, user: str, password: str) -> None:
    """Give a user and password to a helper to keep.

    Raises:
        KernelboxError: There is no such helper, or it fails.
    """
    entry = {"ServerURL": server, "Username": user, "Secret": password}
    _ask(name, "store", json.dumps(entry))


def erase(name: str, server: str) -> bool:
    """Let a helper forget a registry; return whether it knew it.

    Raises:
        KernelboxError: There is no such helper, or it fails.
    """
    # Helpers do not agree on whether erasing what is not there is an error.
    if get(name, server) is None:
        return False
    _ask(name, "erase", server)
    return True


def _ask(name: str, word: str, text: str) -> bytes | None:
    """Run a helper; return what it prints, or None if it knows no such registry."""
    program = _program(name)
    cure = "Install it, or take it out of Docker's config.json (credsStore, credHelpers)"
    try:
        done = subprocess.run(
            [program, word], input=text.encode(), capture_output=True, timeout=PATIENCE, check=False
        )
    except (FileNotFoundError, PermissionError):
        raise UsageError(f"there is no program {program} to ask for passwords", cure) from None
    except OSError as error:
        raise KernelboxError(f"{program} cannot be run: {error.strerror}", cure) from error
    except subprocess.TimeoutExpired:
        raise KernelboxError(f"{program} does not answer", "Try it by hand, or another") from None
    if done.returncode == 0:
        return done.stdout
    said = " ".join((done.stdout + b" " + done.stderr).decode(errors="replace").split())[:200]
    if word == "get" and _UNKNOWN in said:
        return None
    raise KernelboxError(f"{program} {word} failed: {said or done.returncode}", "Try it by hand")


def _program(name: Any) -> str:
    if not isinstance(name, str) or not name or "/" in name or "\0" in name:
        raise UsageError(f"{name!r:.80} names no credential helper", "Mend Docker's config.json")
    return f"docker-credential-{name}"
