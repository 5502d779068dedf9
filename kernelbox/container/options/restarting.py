"""Whether a container that has ended shall live again by itself, and how soon: `--restart`.

Its own monitor does that. There is no daemon: nobody starts a container at the start of the host,
so `unless-stopped` is the same as `always`.

Source: Docker, "Start containers automatically"; moby, restartmanager/restartmanager.go.
"""

from __future__ import annotations

from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.numbers import natural
from kernelbox.plumbing.records import NamedTuple

_SHORTEST, _LONGEST = 0.1, 60.0  # seconds before the next life
_LONG_LIFE = 10.0  # seconds: after that, the next waits as shortly as the first


class Policy(NamedTuple):
    """When to live again.

    Attributes:
        name: `no`, `on-failure`, `always` or `unless-stopped`.
        most: How often, for `on-failure`; 0 for any number of times.
    """

    name: str = "no"
    most: int = 0

    def wants(self, code: int, restarts: int) -> bool:
        """Whether a container that has ended with `code`, after so many restarts, lives again."""
        if self.name == "on-failure":
            return code != 0 and (self.most == 0 or restarts < self.most)
        return self.name in ("always", "unless-stopped")


def policy(text: str) -> Policy:
    """Return what `--restart` means.

    Raises:
        UsageError: It is none of the four, or has a number that it cannot have.
    """
    name, colon, number = (text or "no").partition(":")
    most = natural(number) if colon else 0
    known = name in ("no", "on-failure", "always", "unless-stopped")
    if not known or most is None or (colon and name != "on-failure"):
        raise UsageError(
            f"--restart {text!r:.40} is unknown", "Use no, on-failure[:N], always or unless-stopped"
        )
    return Policy(name, most)


def delay(before: float, lived: float) -> float:
    """Return how many seconds the next life waits.

    Args:
        before: How many the last one has waited; 0 for the first.
        lived: How many seconds that lasted.
    """
    if before == 0 or lived >= _LONG_LIFE:
        return _SHORTEST
    return min(before * 2, _LONGEST)
