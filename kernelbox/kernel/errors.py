"""What can go wrong, as a tree of exceptions.

    KernelboxError            one line for people: what went wrong, and how to mend it
      |- KernelError          the kernel refused a request: which one, with which errno
      |- UsageError           the person asked for something that cannot be done
      `- CommandError         the container's program could not be started (exit 126 or 127)

They say what was asked for, and that may be hostile: however long it was, they stay short, and a
terminal is told nothing by them.

`code` is the exit status of the command line, with Docker's meanings: 125 kernelbox itself
failed, 126 the program cannot be executed, 127 it was not found.
"""

from __future__ import annotations

import errno as errno_names
import os

_LONGEST_WORD, _LONGEST_MESSAGE, _LONGEST_HINT = 180, 400, 198  # characters


class KernelboxError(Exception):
    """A failure that a person can understand: one line, and a hint that names the cure.

    Attributes:
        message: What went wrong.
        hint: What to do about it; empty if nobody knows.
        code: The exit status.
    """

    trusted = False  # whether it comes from here alone, and is shown as it is

    def __init__(self, message: str, hint: str = "", code: int = 125) -> None:
        if not self.trusted:
            message, hint = (
                " ".join(shortened(word, _LONGEST_WORD) for word in printable(text).split(" "))
                for text in (message, hint)
            )
            message, hint = shortened(message, _LONGEST_MESSAGE), shortened(hint, _LONGEST_HINT)
        self.message = message
        self.hint = hint
        super().__init__(message)
        self.code = code

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class UsageError(KernelboxError):
    """Bad input: an unknown image, a name in use, an impossible limit."""


class CommandError(KernelboxError):
    """The container was made, but its program could not be executed (126) or found (127)."""


class KernelError(KernelboxError):
    """The kernel refused a request.

    Attributes:
        request: The request as it was made, for example `mount("proc", "/proc", "proc", 0, "")`.
        errno: The error number.
    """

    def __init__(self, request: str, errno: int, hint: str = "") -> None:
        super().__init__(f"{request}: {errno_name(errno)} ({os.strerror(errno)})", hint)
        self.request = request
        self.errno = errno


def printable(text: str) -> str:
    """Return a text with escapes in place of what tells a terminal something, or is no character.

    A name that would erase the screen is seen as it is, and none begins a line of its own.
    """
    if text.isprintable():
        return text
    # Not the codec unicode_escape: in a container's root it cannot be found any more.
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many characters: from a longer one the middle is left out."""
    if len(text) <= most:
        return text
    head = most // 2
    return f"{text[:head]}…{text[head + 1 - most :]}"


def errno_name(number: int) -> str:
    """Return the symbolic name of an errno: 17 is `EEXIST`.

    Source: errno(3).
    """
    return errno_names.errorcode.get(number, f"errno {number}")
