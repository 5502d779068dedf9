"""Detach keys: what a person types to leave a container's terminal while its program goes on.

Keys that could be the beginning are held back until the next one says what they were. Docker's are
Ctrl-P, Ctrl-Q.

Source: Docker, "docker container attach", "Override the detach sequence"; moby/term, EscapeError.
"""

from __future__ import annotations

from kernelbox.kernel.errors import UsageError

USUAL = "ctrl-p,ctrl-q"
_CONTROLS = "@abcdefghijklmnopqrstuvwxyz[\\]^_"  # by code, from 0


def parse(text: str) -> str:
    """Return the characters that `ctrl-p,ctrl-q` or `a,ctrl-@` means; the usual ones if empty.

    Raises:
        UsageError: One is no key.
    """
    keys = ""
    for word in (text or USUAL).split(","):
        control = word.removeprefix("ctrl-")
        if control != word and len(control) == 1 and control in _CONTROLS:
            keys += chr(_CONTROLS.index(control))
        elif len(word) == 1 and word.isascii():
            keys += word
        else:
            raise UsageError(
                f"{word!r:.80} is no key to detach with",
                "Write it like ctrl-p,ctrl-q: a-z @ [ ] ^ _",
            )
    return keys


class DetachKeys:
    """The end of what has been typed, as far as it may become the keys."""

    def __init__(self, keys: str) -> None:
        self._keys = keys.encode("ascii")
        self._held = b""

    def take(self, data: bytes) -> tuple[bytes, bool]:
        """Return what of some input is for the program, and whether the keys were complete.

        What is typed behind them is nobody's.
        """
        typed = self._held + data
        before, found, _ = typed.partition(self._keys)
        if found:
            return before, True
        most = min(len(typed), len(self._keys) - 1)
        held = next(n for n in range(most, -1, -1) if typed.endswith(self._keys[:n]))
        self._held = typed[len(typed) - held :]
        return typed[: len(typed) - held], False
