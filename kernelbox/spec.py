"""What a container shall be: plain records, and their reading from text. No kernel access.

A `Spec` is made once, from an image's config and the person's options; it is stored beside the
container as `config.json` and never changes. The vocabulary is Docker's where a person sees it.
"""

from __future__ import annotations

import re

from kernelbox.kernel.errors import UsageError
from kernelbox.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Volume(NamedTuple):
    """A directory or file of the host that the container sees (`-v source:target[:ro]`)."""

    source: str
    target: str
    read_only: bool


class Limits(NamedTuple):
    """What the container's cgroup may use; None leaves a resource unlimited.

    Attributes:
        memory: Bytes.
        cpus: Processors, such as 0.5.
        cpu_shares: Weight against others, 2 to 262144; 1024 is usual.
        pids: Processes and threads together.
    """

    memory: int | None = None
    cpus: float | None = None
    cpu_shares: int | None = None
    pids: int | None = None


class Process(NamedTuple):
    """One program to run inside: the container's own, or one that `exec` adds.

    Attributes:
        args: The program and its arguments.
        env: Its environment, complete but for HOME, which the user decides.
        cwd: Working directory inside.
        user: `name`, `uid`, `name:group` or `uid:gid`; empty means root.
        capabilities: Names without `CAP_`.
        terminal: Whether it gets a terminal of its own (`-t`).
        interactive: Whether its standard input stays open (`-i`).
    """

    args: list[str]
    env: dict[str, str]
    cwd: str = "/"
    user: str = ""
    capabilities: tuple[str, ...] | list[str] = ()
    terminal: bool = False
    interactive: bool = False


class Spec(NamedTuple):
    """A container, as asked for.

    Attributes:
        id: 12 hexadecimal digits: short, since every path in a trace holds it.
        name: Unique among the containers of this host; empty until one is invented for it.
        image: The reference as the person wrote it.
        image_id: Digest of the image's config.
        lowerdirs: Its unpacked layers, the topmost first.
        process: The program.
        hostname: Of its UTS namespace.
        volumes: In the order given.
        limits: Of its cgroup.
        network: `bridge`, `none`, `host` or `container:NAME`.
        ports: `[ip:]hostPort:containerPort[/protocol]`.
        read_only: Whether its root is mounted read-only.
        init: Whether a small init is PID 1 and the program its child.
        userns: `host`, or `auto` for a user namespace of its own.
        time_offset: Seconds to shift the boot clock in a time namespace of its own; None for none.
        remove: Whether it is removed when it exits (`--rm`).
        stop_signal: Number of the signal that `stop` sends.
        created: Seconds since the epoch.
    """

    id: str
    name: str
    image: str
    image_id: str
    lowerdirs: list[str]
    process: Process
    hostname: str
    volumes: tuple[Volume, ...] = ()
    limits: Limits = Limits()
    network: str = "bridge"
    ports: tuple[str, ...] = ()
    read_only: bool = False
    init: bool = False
    userns: str = "host"
    time_offset: int | None = None
    remove: bool = False
    stop_signal: int = 15
    created: float = 0.0


def to_json(spec: Spec) -> dict[str, Any]:
    """Return `spec` as plain dicts and lists."""
    plain = spec._asdict()
    plain["process"] = spec.process._asdict()
    plain["limits"] = spec.limits._asdict()
    plain["volumes"] = [volume._asdict() for volume in spec.volumes]
    return plain


def from_json(plain: dict[str, Any]) -> Spec:
    """Return the spec that `to_json` gave."""
    fields = dict(plain)
    fields["process"] = Process(**fields["process"])
    fields["limits"] = Limits(**fields["limits"])
    fields["volumes"] = tuple(Volume(**volume) for volume in fields["volumes"])
    fields["ports"] = tuple(fields["ports"])
    return Spec(**fields)


# Compiled when they are first used: a start without these options needs none of them.
_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}"
_HOSTNAME = r"[a-zA-Z0-9]([a-zA-Z0-9.-]{0,62}[a-zA-Z0-9])?"
_SIZE = r"(\d+(?:\.\d+)?)\s*([bkmgtBKMGT]?)(?:[iI]?[bB])?"
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def container_name(text: str) -> str:
    """Check a `--name`. It becomes a file's name, so nothing like `../x` may pass.

    Raises:
        UsageError: It has other characters than letters, digits, `_`, `.` and `-`.

    Source: Docker's RestrictedNameChars.
    """
    if not re.fullmatch(_NAME, text, re.ASCII):
        raise UsageError(
            f"{text!r} is not a container name",
            "Use letters, digits, '_', '.' and '-', beginning with a letter or a digit",
        )
    return text


def hostname(text: str) -> str:
    """Check a `--hostname`.

    Raises:
        UsageError: The kernel or a program would not take it for one.

    Source: hostname(7); sethostname(2), HOST_NAME_MAX is 64.
    """
    if not re.fullmatch(_HOSTNAME, text):
        raise UsageError(
            f"{text!r} is not a hostname", "Use at most 64 letters, digits, '-' and '.'"
        )
    return text


def size(text: str, option: str) -> int:
    """Return the bytes that a size such as `64m`, `1.5g` or `4096` means.

    Raises:
        UsageError: It is not a size.

    Source: docker/go-units, RAMInBytes.
    """
    match = re.fullmatch(_SIZE, text.strip(), re.ASCII)
    if not match:
        raise UsageError(f"{text!r} is not a size for {option}", "Write it like 64m, 1.5g or 4096k")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def volume(text: str) -> Volume:
    """Return the volume that `source:target[:ro|rw]` means. Whether it exists is asked later.

    Raises:
        UsageError: A part is missing, not absolute, or the mode is unknown.

    Source: Docker, "docker run --volume".
    """
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(parts):
        raise UsageError(f"{text!r} is not a volume", "Write it as /on/host:/inside[:ro]")
    source, target = parts[:2]
    mode = parts[2] if len(parts) == 3 else "rw"
    if mode not in ("ro", "rw"):
        raise UsageError(f"volume mode {mode!r} in {text!r} is unknown", "Use ro or rw")
    if not source.startswith("/") or not target.startswith("/"):
        raise UsageError(f"both paths of volume {text!r} must be absolute", "Begin them with /")
    if not target.strip("/"):
        raise UsageError(f"volume {text!r} would cover the container's root", "Mount it below /")
    return Volume(source, target, mode == "ro")


def environment(pairs: list[str], given: Mapping[str, str]) -> dict[str, str]:
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
