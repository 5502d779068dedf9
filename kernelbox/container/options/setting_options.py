"""Options that are names with values: limits of processes, settings, files of variables."""

from __future__ import annotations

import re

from kernelbox import sysctls
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.numbers import natural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from kernelbox.container.option_types import Rlimit

_INFINITY = 2**64 - 1  # RLIM_INFINITY
_LONGEST_FILE = 1 << 20


def rlimits(options: Iterable[str]) -> list[Rlimit]:
    """Return what `--ulimit NAME=SOFT[:HARD]` asks for; of several of one name the last counts.

    Raises:
        UsageError: There is no such resource; or SOFT is above HARD.

    Source: getrlimit(2); docker/go-units, ParseUlimit.
    """
    found: dict[str, Rlimit] = {}
    for text in options:
        name, _, values = text.partition("=")
        kind = f"RLIMIT_{name.upper()}"
        if kind not in k.RLIMITS:
            names = ", ".join(one.removeprefix("RLIMIT_").lower() for one in k.RLIMITS)
            raise UsageError(f"no resource {name!r:.40} for --ulimit", f"There are: {names}")
        soft, colon, hard = values.partition(":")
        both = [_limit(one, text) for one in (soft, hard if colon else soft)]
        if both[0] > both[1]:
            raise UsageError(f"the soft limit in {text!r:.80} is above the hard one", "Swap them")
        found[kind] = {"type": kind, "soft": both[0], "hard": both[1]}
    return list(found.values())


def _limit(text: str, whole: str) -> int:
    number = _INFINITY if text in ("-1", "unlimited") else natural(text, _INFINITY)
    if number is None:
        raise UsageError(f"{whole!r:.80} is no limit", "Write it like nofile=1024:2048; -1 is none")
    return number


def sysctl(options: Iterable[str], kinds: Collection[str]) -> dict[str, str]:
    """Return the settings that `--sysctl NAME=VALUE` asks for, by name with dots.

    Args:
        options: As they were written.
        kinds: Of the namespaces that the container has for itself, as procfs calls them.

    Raises:
        UsageError: One is a setting of the whole machine, or of a namespace that is not its own.

    Source: Docker, "docker run --sysctl"; OCI runtime-spec, config-linux.md, "Sysctl".
    """
    found = {}
    for text in options:
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"\w[\w-]*([./]\w[\w-]*)+", name, re.ASCII):
            raise UsageError(f"{text!r:.80} is no setting", "Write it like net.core.somaxconn=1024")
        name = name.replace("/", ".")
        owner = sysctls.owner(f"{sysctls.ROOT}/{name.replace('.', '/')}")
        if owner is None or owner not in kinds:
            whose = f"is a setting of the {owner} namespace, and it shares the host's"
            if not owner:
                whose = "is a setting of the whole machine"
            raise UsageError(f"{name} {whose}", "Leave it out, or set it on the host: sysctl -w")
        found[name] = value
    return found


def variables_in(path: str) -> list[str]:
    """Return the lines of an `--env-file`, each as `-e` takes it: `NAME=value` or `NAME`.

    Raises:
        UsageError: It cannot be read, is no text, or a line of it sets no variable.

    Source: Docker, "docker run --env-file"; docker/cli, opts/file.go.
    """
    try:
        with open(path, "rb") as file:  # it may be a pipe of the shell's, or without an end
            text = file.read(_LONGEST_FILE + 1).decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"--env-file {path} is no text", "Write it in UTF-8") from None
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise UsageError(f"cannot read --env-file {path}: {reason}", "Name another") from None
    if len(text) > _LONGEST_FILE:
        raise UsageError(f"--env-file {path} has more than 1 MiB", "A program takes less")
    found = []
    # Not every end of a line that Unicode knows is one here: a value may have them.
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = line.removesuffix("\r").lstrip(" \t")
        if not line or line.startswith("#"):
            continue
        name = line.partition("=")[0]
        if not name or re.search(r"\s", name) or "\0" in line:
            raise UsageError(f"line {number} of {path} sets no variable", "Write it as NAME=value")
        found.append(line)
    return found
