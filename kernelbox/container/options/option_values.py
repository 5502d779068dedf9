"""What a person writes, checked and taken apart: names, users, variables, signals.

The forms are Docker's. Each function is one option's; limits are read in `kernelbox.cgroup`.
No kernel access.
"""

from __future__ import annotations

import os

from kernelbox.cgroup import limit_values
from kernelbox.container.spec import User
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.numbers import natural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}"
_HOSTNAME = r"[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,62}[a-zA-Z0-9_])?"
_LONGEST_TIME = 9_223_372_036  # seconds: the kernel counts nanoseconds. Source: KTIME_SEC_MAX
_NUMBERS = {
    "time_offset": " of seconds",
    "stop_timeout": " of seconds",
    "health_retries": " for --health-retries",
    "oom_score_adj": " for --oom-score-adj",
}


def like(name: str, value: Any, default: Any) -> Any:
    """Return an option's value in the form that its default has, of what a person would type.

    A number is taken for its text, a single text for a list of one, and variables may be a mapping.

    Raises:
        UsageError: It is of another kind, or holds a NUL, which ends a text in the kernel, or what
            is no character.
    """
    if isinstance(default, bool):
        return bool(value)
    if isinstance(default, tuple):
        if isinstance(value, dict):
            value = [key if text is None else f"{key}={text}" for key, text in value.items()]
        if isinstance(value, (str, int, os.PathLike)):
            value = [value]
        if isinstance(value, (list, tuple)):
            return [_text(name, one) for one in value]
        raise UsageError(f"{value!r:.80} is no list of texts for {name}", "Write ['...', '...']")
    if name in _NUMBERS:
        try:
            if abs(int(value)) <= _LONGEST_TIME:
                return int(value)
        except (TypeError, ValueError):
            pass
        raise UsageError(f"{value!r:.80} is no number{_NUMBERS[name]}", "Write it like 60")
    return _text(name, value)


def _text(name: str, value: Any) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise UsageError(f"{value!r:.80} is no text for {name}", "Write it in quotes")
    text = str(value)
    if "\0" in text:
        raise UsageError(f"{text!r:.80} for {name} has a NUL in it", "No text in the kernel can")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        half = f"{text!r:.80} for {name} has half of a character in it"
        raise UsageError(half, "No text in UTF-8 can") from None
    return text


def _is(pattern: str, text: str) -> bool:
    import re  # a start without these options needs none of it

    return re.fullmatch(pattern, text, re.ASCII) is not None


def checked_name(text: str, of: str = "container") -> str:
    """Check what a person calls something. It becomes a file's name: nothing like `../x` may pass.

    Args:
        text: The name.
        of: What it is of, as an error says.

    Raises:
        UsageError: It has other characters than letters, digits, `_`, `.` and `-`.

    Source: Docker's RestrictedNameChars.
    """
    if not _is(_NAME, text):
        raise UsageError(
            f"{text!r} is not a {of} name",
            "Use letters, digits, '_', '.' and '-', beginning with a letter or a digit",
        )
    return text


def hostname(text: str) -> str:
    """Check a `--hostname`.

    Raises:
        UsageError: The kernel or a program would not take it for one.

    Source: hostname(7); sethostname(2), HOST_NAME_MAX is 64.
    """
    if not _is(_HOSTNAME, text):
        raise UsageError(
            f"{text!r:.80} is not a hostname", "Use at most 64 letters, digits, '-', '_' and '.'"
        )
    return text


def user(text: str) -> User:
    """Return whom `--user` means: numbers as such; names are looked up in the container.

    Source: Docker, "docker run --user"; OCI runtime-spec, config.md, "POSIX-platform User".
    """
    name, _, group = text.partition(":")
    return User(uid=natural(name) or 0, gid=natural(group) or 0, username=text)


def environment(pairs: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that `-e NAME=value` and `-e NAME` (taken from `given`) mean.

    Raises:
        UsageError: A name is empty.

    Source: Docker, "docker run --env".
    """
    variables = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name:
            raise UsageError(f"{pair!r} sets no variable", "Write it as NAME=value")
        if equals:
            variables[name] = value
        elif name in given:
            variables[name] = given[name]
    return variables


def labels(options: Iterable[str], of_image: object = None) -> dict[str, str]:
    """Return the image's labels, and those that `--label NAME[=VALUE]` adds.

    Raises:
        UsageError: One has no name.
    """
    found = {}
    if isinstance(of_image, dict):
        found = {str(name): str(value) for name, value in of_image.items()}
    for text in options:
        name, _, value = text.partition("=")
        if not name:
            raise UsageError(f"{text!r:.80} is no label", "Write it as NAME=VALUE")
        found[name] = value
    return found


def signal_number(text: str) -> int:
    """Return the number of a signal: `TERM`, `SIGTERM`, `15`, `RTMIN+3`.

    Raises:
        UsageError: There is no such signal.

    Source: signal(7), "Standard signals" and "Real-time signals".
    """
    import signal  # its enums take a while, and few starts name one

    name = text.upper().removeprefix("SIG")
    base, plus, offset = name.partition("+" if name.startswith("RTMIN") else "-")
    number = natural(name) or 0
    further = natural(offset or "0")
    if f"SIG{base}" in signal.Signals.__members__ and (not plus or offset) and further is not None:
        number = signal.Signals[f"SIG{base}"]
        number += further * (1 if plus == "+" else -1)
    if number not in signal.valid_signals():
        raise UsageError(f"no signal {text!r:.80}", "signal(7) lists them: TERM, KILL, HUP, ...")
    return int(number)


def stop_signal(asked: str, image: object) -> int:
    """Return the number of what `stop` sends first: what was asked for, the image's, or 15.

    Args:
        asked: As `--stop-signal` was given; empty for the image's.
        image: What its config says; one that means nothing counts as none.

    Raises:
        UsageError: There is no such signal as the one asked for.
    """
    if asked:
        return signal_number(asked)
    try:
        return signal_number(str(image)) if image else 15
    except UsageError:
        return 15


def oom_score_adj(number: int | None) -> int | None:
    """Return `--oom-score-adj`, if it is one.

    Raises:
        UsageError: Outside of -1000 to 1000.
    """
    return None if number is None else limit_values.oom_score_adj(number)


def cgroup_parent(text: str) -> str:
    """Return the group that a container's lies in, below `/kernelbox`: empty, or `/team/ada`.

    Raises:
        UsageError: It leads elsewhere.
    """
    parts = text.strip("/").split("/") if text else []
    for part in parts:
        if part in ("", ".", "..") or not _is(_NAME, part):
            raise UsageError(
                f"{text!r:.200} cannot be the parent of a control group",
                "Write it like team/ada: it lies in kernelbox's own group, and there is no ..",
            )
    return "".join(f"/{part}" for part in parts)
