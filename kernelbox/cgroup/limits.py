"""All that a container's use may be limited in: one entry a limit, and nothing else to be changed.

An entry says what the option is called, how it is read, where OCI's runtime spec has it
(`linux.resources`), what is written to the group, and how `inspect` tells it. The command line, the
notebook, the runtime and `inspect` go through this table.

Source: OCI runtime-spec, config-linux.md, "Control groups"; Docker, "Resource constraints".
"""

from __future__ import annotations

import re

from kernelbox.cgroup import limit_values
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from kernelbox.cgroup.group import Cgroup

    Values = dict[str, int]
    Resources = dict[str, Values]  # by controller, as OCI has it


class Limit(NamedTuple):
    """One limit.

    Attributes:
        option: Its name; on the command line with two dashes in front of it.
        letter: The short form; empty if it has none.
        metavar: What its value is called.
        help: What it does.
        controller: Its part of OCI's resources.
        keys: Its values there.
        read: From what a person gives (text or a number) to those values.
        apply: Writes them to a group.
        docker: What `inspect` calls it, and how it makes the number of the values.
    """

    option: str
    letter: str
    metavar: str
    help: str
    controller: str
    keys: tuple[str, ...]
    read: Callable[[Any], Values]
    apply: Callable[[Cgroup, Values], None]
    docker: tuple[str, Callable[[Values], int]]

    def of(self, resources: Resources) -> Values:
        """Return this limit's part of `resources`; empty if there is no such limit."""
        values = resources.get(self.controller, {})
        return {key: values[key] for key in self.keys if key in values}


_SIZE = r"(\d+(?:\.\d+)?)\s*([bkmgtBKMGT]?)(?:[iI]?[bB])?"
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def size(given: str | int, option: str) -> int:
    """Return the bytes that a size such as `64m`, `1.5g` or `4096` means.

    Raises:
        UsageError: It is not a size.

    Source: docker/go-units, RAMInBytes.
    """
    text = str(given).strip()
    match = re.fullmatch(_SIZE, text, re.ASCII)
    if not match:
        raise UsageError(
            f"{given!r:.80} is not a size for {option}", "Write it like 64m, 1.5g or 4096k"
        )
    # More than any machine has counts as that: hundreds of digits are no number any more.
    return int(min(float(match[1]) * _UNITS[match[2].lower()], limit_values.MAX_MEMORY))


def _number(given: str | float, option: str, kind: type[int] | type[float]) -> Any:
    try:
        return kind(given)
    except (TypeError, ValueError, OverflowError):
        wanted, like = ("a whole number", "20") if kind is int else ("a number", "0.5")
        raise UsageError(
            f"{given!r:.80} is not {wanted} for {option}",
            f"Write it like {like}; see: kernelbox run --help",
        ) from None


def _read_cpus(given: str | float) -> Values:
    quota, period = limit_values.cpu_quota(_number(given, "--cpus", float))
    return {"quota": quota, "period": period}


LIMITS = (
    Limit(
        option="memory",
        letter="-m",
        metavar="SIZE",
        help="most memory, such as 64m",
        controller="memory",
        keys=("limit",),
        read=lambda given: {"limit": size(given, "--memory")},
        apply=lambda group, values: group.limit_memory(values["limit"]),
        docker=("Memory", lambda values: values["limit"]),
    ),
    Limit(
        option="cpus",
        letter="",
        metavar="N",
        help="most processors, such as 0.5",
        controller="cpu",
        keys=("quota", "period"),
        read=_read_cpus,
        apply=lambda group, values: group.limit_cpu(values["quota"], values["period"]),
        docker=("NanoCpus", lambda values: max(values["quota"], 0) * 10**9 // values["period"]),
    ),
    Limit(
        option="cpu_shares",
        letter="-c",
        metavar="N",
        help="weight; 1024 is usual",
        controller="cpu",
        keys=("shares",),
        read=lambda given: {"shares": _number(given, "--cpu-shares", int)},
        apply=lambda group, values: group.weigh_cpu(values["shares"]),
        docker=("CpuShares", lambda values: values["shares"]),
    ),
    Limit(
        option="pids_limit",
        letter="",
        metavar="N",
        help="most processes and threads",
        controller="pids",
        keys=("limit",),
        read=lambda given: {"limit": _number(given, "--pids-limit", int)},
        apply=lambda group, values: group.limit_pids(values["limit"]),
        docker=("PidsLimit", lambda values: values["limit"]),
    ),
)


def read(options: Mapping[str, Any]) -> Resources:
    """Return what the limits among `options` mean; None and empty text are no limit.

    Raises:
        UsageError: A value is none that the option takes.
    """
    resources: Resources = {}
    for limit in LIMITS:
        given = options.get(limit.option)
        if given is not None and given != "":
            resources.setdefault(limit.controller, {}).update(limit.read(given))
    return resources


def apply(group: Cgroup, resources: Resources) -> None:
    """Write limits to a group that exists: at its birth, or later to change them.

    Raises:
        UsageError: A value is out of its range.
        KernelError: ENOENT without the controller; EBUSY if more is in use already.
    """
    for limit in LIMITS:
        if values := limit.of(resources):
            limit.apply(group, values)


def inspection(resources: Resources) -> dict[str, int]:
    """Return the limits under Docker's names; 0 means none.

    Source: Docker Engine API, "Inspect a container", HostConfig.
    """
    told = {}
    for limit in LIMITS:
        name, number = limit.docker
        values = limit.of(resources)
        told[name] = number(values) if values else 0
    return told
