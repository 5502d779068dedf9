"""What can go wrong with a registry, in words for people: it says no, or it says nothing."""

from __future__ import annotations

import ssl

import urllib3

from kernelbox.kernel.errors import KernelboxError


class Refused(KernelboxError):
    """The registry answered, and the answer is no.

    Attributes:
        status: The HTTP status; 0 if the answer was wrong in another way.
    """

    def __init__(self, message: str, hint: str = "", status: int = 0) -> None:
        super().__init__(message, hint)
        self.status = status


class Dropped(KernelboxError):
    """The registry did not answer, or not to the end."""


class Unreachable(Dropped):
    """Nobody is there to answer. A registry that answered before is tried again; another is not."""


class Untrusted(Unreachable):
    """Somebody answers, but cannot prove to be the registry."""


def dropped(registry: str, error: Exception) -> Dropped:
    """Return the one line that explains a broken connection."""
    e = urllib3.exceptions
    if isinstance(error, e.SSLError) and isinstance(error.args[0], ssl.SSLCertVerificationError):
        return Untrusted(
            f"{registry} has a certificate that nobody here trusts",
            "Name the one that signed it: SSL_CERT_FILE=...",
        )
    if isinstance(error, e.SSLError):
        return Unreachable(
            f"{registry} does not speak TLS as it should",
            "If it has none at all: pull, push and login have --plain-http",
        )
    if isinstance(error, e.NameResolutionError):
        return Unreachable(f"there is no host {registry}", "Look at the name and at the network")
    if isinstance(error, e.ConnectTimeoutError | e.NewConnectionError):
        return Unreachable(f"{registry} cannot be reached", "Is it running? Look at the network")
    if isinstance(error, e.TimeoutError):
        return Dropped(f"{registry} has stopped answering", "Try again later")
    if isinstance(error, e.LocationParseError | e.InvalidHeader):
        return Dropped(f"{registry} sent an address that is none")
    return Dropped(f"{registry} closed the connection in the middle", "Try again")


def log_in(registry: str, what: str) -> Refused:
    """Return the error for a registry that wants to know more of us."""
    return Refused(f"{registry} {what}", f"Log in: kernelbox login {registry}", status=401)
