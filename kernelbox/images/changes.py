"""Changing what an image says of how it is run: `CMD`, `ENV` and the like, as text.

`commit --change` and `import --change` take these instructions, which are those of a Containerfile
that touch no file.

Source: Docker documentation, "docker container commit", option --change; OCI image-spec v1.1,
config.md, section Properties (config).
"""

from __future__ import annotations

import json
import shlex

from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def apply(config: dict[str, Any], text: str) -> None:
    """Change a config as one instruction says.

    Args:
        config: `Cmd`, `Env` and the others; it is changed.
        text: Such as `CMD ["sh", "-c", "date"]` or `ENV A=1 B=2`.

    Raises:
        UsageError: It is no instruction, or not complete.
    """
    word, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    name = word.upper()
    if not rest:
        raise UsageError(f"the change {text!r} says nothing", "Such as: CMD sh")
    if name in ("CMD", "ENTRYPOINT"):
        config[name.capitalize()] = command(rest)
    elif name == "ENV":
        before = dict(one.partition("=")[::2] for one in config.get("Env") or [])
        config["Env"] = [f"{key}={value}" for key, value in (before | pairs(rest)).items()]
    elif name == "LABEL":
        config["Labels"] = {**(config.get("Labels") or {}), **pairs(rest)}
    elif name in ("USER", "STOPSIGNAL"):
        config[{"USER": "User", "STOPSIGNAL": "StopSignal"}[name]] = rest
    elif name == "WORKDIR":
        above = "" if rest.startswith("/") else (config.get("WorkingDir") or "/").rstrip("/") + "/"
        config["WorkingDir"] = above + rest
    elif name == "EXPOSE":
        ports: dict[str, dict[str, str]] = {
            one if "/" in one else f"{one}/tcp": {} for one in rest.split()
        }
        config["ExposedPorts"] = {**(config.get("ExposedPorts") or {}), **ports}
    elif name == "VOLUME":
        listed = command(rest) if rest.startswith("[") else rest.split()
        config["Volumes"] = {**(config.get("Volumes") or {}), **{one: {} for one in listed}}
    else:
        raise UsageError(
            f"{word!r} cannot be changed",
            "Use CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR",
        )


def command(text: str) -> list[str]:
    """Return the words of a command: a JSON list as it is, anything else for a shell.

    Source: Docker documentation, "Dockerfile reference", section Shell and exec form.
    """
    try:
        words = json.loads(text)
    except ValueError:
        words = None
    if isinstance(words, list) and all(isinstance(word, str) for word in words):
        return words
    return ["/bin/sh", "-c", text]


def pairs(text: str) -> dict[str, str]:
    """Return the pairs of `A=1 B="two words"`, or the one of the old form `A two words`.

    Raises:
        UsageError: A quote has no end, or a word no `=`.
    """
    first, _, rest = text.partition(" ")
    if "=" not in first:
        if not rest:
            raise UsageError(f"{text!r} is no NAME=VALUE")
        return {first: rest.strip()}
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{text!r} has a quote without an end") from error
    if not all("=" in word for word in words):
        raise UsageError(f"{text!r} is no list of NAME=VALUE", "Quote a value that has spaces")
    return dict(word.partition("=")[::2] for word in words)
