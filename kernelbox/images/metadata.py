"""Instructions that touch no file: what an image says of how it is run, `CMD`, `ENV` and the like.

A build carries them out, and `commit --change` and `import --change` take them as text.

Source: Docker documentation, "Dockerfile reference" and "docker container commit", option --change;
OCI image-spec v1.1, config.md, section Properties (config); moby/docker-image-spec v1.2 for
Healthcheck and Shell.
"""

from __future__ import annotations

import posixpath
import re

from kernelbox.images.containerfile import instructions, words
from kernelbox.images.containerfile.instructions import Instruction
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.numbers import MOST, natural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Config = dict[str, Any]

SHELL = ["/bin/sh", "-c"]
METADATA = (
    "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "SHELL", "STOPSIGNAL", "USER",
    "VOLUME", "WORKDIR",
)  # fmt: skip

# An address and a port of the host, as for `run -p`, may stand before it and mean nothing here.
# Source: BuildKit, dockerfile2llb/convert_expose.go, `splitParts`.
_PORT = re.compile(
    r"(?:(?:(?:\d{1,3}(?:\.\d{1,3}){3})?:)?(?:\d{1,5}(?:-\d{1,5})?)?:)?"
    r"(\d{1,9})(?:-(\d{1,9}))?(?:/(tcp|udp|sctp)?)?",
    re.ASCII | re.IGNORECASE,
)
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TIMES = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}


def apply(config: Config, text: str) -> None:
    """Change a config as one instruction says; its own variables stand for themselves.

    Args:
        config: `Cmd`, `Env` and the others; it is changed.
        text: Such as `CMD ["sh", "-c", "date"]` or `ENV A=1 B=2`.

    Raises:
        UsageError: It is no instruction of this kind, or not complete.
    """
    name = (text.split() or [""])[0].upper()
    if name not in METADATA:
        raise UsageError(f"{name!r} cannot be changed", f"Use {', '.join(METADATA)}")
    try:
        change(config, instructions.parse(text), environment(config))
    except UsageError as error:
        raise UsageError(error.message.replace("line 1 (", "the change (", 1), error.hint) from None


def environment(config: Config) -> dict[str, str]:
    """Return the variables that a config sets."""
    return dict(str(one).partition("=")[::2] for one in config.get("Env") or [])


def change(
    config: Config, one: Instruction, variables: Mapping[str, str], escape: str = "\\"
) -> None:
    """Change a config as an instruction says.

    Args:
        config: `Cmd`, `Env` and the others; it is changed.
        one: The instruction.
        variables: What a variable in it stands for.
        escape: The Containerfile's escape character.

    Raises:
        UsageError: It is not complete or not right.
    """
    try:
        _CHANGES[one.name](config, one, variables, escape)
    except UsageError as error:
        if error.message.startswith("line "):
            raise
        raise one.error(error.message, error.hint) from None


def command(config: Config, one: Instruction) -> list[str]:
    """Return the words of a command: a JSON list as it is, anything else for the image's shell.

    Source: Docker documentation, "Dockerfile reference", section Shell and exec form.
    """
    listed = one.listed()
    return [*(config.get("Shell") or SHELL), one.rest] if listed is None else listed


def _command(config: Config, one: Instruction, _variables: Any, _escape: str) -> None:
    config[one.name.capitalize()] = command(config, one)


def _env(config: Config, one: Instruction, variables: Mapping[str, str], escape: str) -> None:
    found = environment(config) | words.pairs(one.rest, variables, escape)
    config["Env"] = [f"{name}={value}" for name, value in found.items()]


def _label(config: Config, one: Instruction, variables: Mapping[str, str], escape: str) -> None:
    found = words.pairs(one.rest, variables, escape)
    config["Labels"] = {**(config.get("Labels") or {}), **found}


def _user(config: Config, one: Instruction, variables: Mapping[str, str], escape: str) -> None:
    config["User"] = words.expand(one.rest, variables, escape)  # "" is root, as in BuildKit


def _stopsignal(config: Config, one: Instruction, v: Mapping[str, str], escape: str) -> None:
    config["StopSignal"] = words.expand(one.rest, v, escape)


def _workdir(config: Config, one: Instruction, variables: Mapping[str, str], escape: str) -> None:
    path = posixpath.join(
        config.get("WorkingDir") or "/", words.expand(one.rest, variables, escape)
    )
    config["WorkingDir"] = "/" + posixpath.normpath(path).lstrip("/")


def _expose(config: Config, one: Instruction, variables: Mapping[str, str], escape: str) -> None:
    ports: Config = {}
    for word in words.expand_to_words(one.rest, variables, escape):
        match = _PORT.fullmatch(word)
        if match is None:
            raise one.error(f"{word!r:.80} is no port", "Write it as 80, 80/udp or 8000-8010")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last <= 65535:
            raise one.error(f"{word!r} is no port", "Ports end at 65535")
        protocol = (match[3] or "tcp").lower()
        ports.update({f"{port}/{protocol}": {} for port in range(first, last + 1)})
    config["ExposedPorts"] = {**(config.get("ExposedPorts") or {}), **ports}


def _volume(config: Config, one: Instruction, variables: Mapping[str, str], escape: str) -> None:
    listed = one.listed()
    if listed is None:
        found = words.expand_to_words(one.rest, variables, escape)
    else:
        found = [words.expand(word, variables, escape) for word in listed]
    if not all(found) or listed == []:
        raise one.error("a volume is a path, and this one is empty", "Write VOLUME /data")
    config["Volumes"] = {**(config.get("Volumes") or {}), **{path: {} for path in found}}


def _shell(config: Config, one: Instruction, _variables: Any, _escape: str) -> None:
    listed = one.listed()
    if not listed:
        raise one.error("it takes a JSON list only", 'Write it as SHELL ["/bin/sh", "-c"]')
    config["Shell"] = listed


def _healthcheck(config: Config, one: Instruction, _variables: Any, _escape: str) -> None:
    word, _, rest = one.rest.replace("\t", " ", 1).partition(" ")
    if one.rest.upper() == "NONE":
        config["Healthcheck"] = {"Test": ["NONE"]}
        return
    if word.upper() != "CMD" or not rest.strip():
        raise one.error("it is neither CMD nor NONE", "Write HEALTHCHECK CMD ..., or NONE")
    inner = one._replace(rest=rest.strip())
    listed = inner.listed()
    if listed == []:
        raise one.error("it names no program", "Write HEALTHCHECK CMD ..., or NONE")
    test = ["CMD-SHELL", inner.rest] if listed is None else ["CMD", *listed]
    found: Config = {"Test": test}
    for flag, key in _TIMES.items():
        if flag in one.flags:
            found[key] = _nanoseconds(one, one.flags[flag])
    if one.flags.get("retries"):
        found["Retries"] = natural(one.flags["retries"])
        if found["Retries"] is None:
            raise one.error(f"--retries={one.flags['retries']:.80} is no number", "Such as 3")
    config["Healthcheck"] = found


def _nanoseconds(one: Instruction, text: str) -> int:
    """Return a duration such as `1m30s`; 0 is what is usual.

    Source: Go's time, ParseDuration; BuildKit, instructions/parse.go, `parseOptInterval`.
    """
    if text in ("", "0"):
        return 0
    parts = re.findall(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)", text, re.ASCII)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise one.error(f"{text!r:.80} is no duration", "Write it as 30s or 1m30s")
    nanoseconds = sum(float(number) * _SECONDS[unit] for number, unit in parts) * 1e9
    if 0 < nanoseconds < 1e6:
        raise one.error(f"{text!r:.80} is shorter than a millisecond", "Write it as 30s or 1m30s")
    if nanoseconds > MOST:
        raise one.error(f"{text!r:.80} is longer than 292 years", "Write it as 30s or 1m30s")
    return int(nanoseconds)


_CHANGES = {
    "CMD": _command,
    "ENTRYPOINT": _command,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "SHELL": _shell,
    "STOPSIGNAL": _stopsignal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
