"""All that a container's use may be limited in: one entry a limit, and nothing else to be changed.

An entry says what the option is called, how it is read, where OCI's runtime spec has it
(`linux.resources`), and how `inspect` tells it. The command line, the notebook, the runtime,
`update` and `inspect` go through this table. What is written to a group is in applying.py.

Source: OCI runtime-spec, config-linux.md, "Control groups"; Docker, "Resource constraints".
"""

from __future__ import annotations

from kernelbox.cgroup import disks, limit_values
from kernelbox.cgroup.limit_words import cpus, device_rates, size, size_or_all, some_of, whole
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Values = dict[str, Any]
    Resources = dict[str, Values]  # by controller, as OCI has it


class Limit(NamedTuple):
    """One limit.

    Attributes:
        option: Its name; on the command line with two dashes in front of it.
        letter: The short form; empty if it has none.
        metavar: What its value is called.
        help: What it does.
        controller: Its part of OCI's resources.
        read: From what a person gives (text or a number) to its values there.
        docker: What `inspect` calls it, and how it makes that of the controller's values.
        several: Whether it may be given several times.
    """

    option: str
    letter: str
    metavar: str
    help: str
    controller: str
    read: Callable[[Any], Values]
    docker: tuple[str, Callable[[Values], Any]]
    several: bool = False


def _rates(option: str, key: str, docker: str) -> Limit:
    """Return the entry of one of the four limits that a disk may have."""
    requests = option.endswith("iops")
    flag = f"--{option.replace('_', '-')}"

    def told(values: Values) -> list[dict[str, Any]]:
        return [
            {"Path": disks.node(f"{one['major']}:{one['minor']}"), "Rate": one["rate"]}
            for one in values.get(key, ())
        ]

    return Limit(
        option=option,
        letter="",
        metavar="DISK:N" if requests else "DISK:SIZE",
        help=f"most {'requests' if requests else 'bytes'} a second, such as /dev/sda:"
        + ("1000" if requests else "1mb"),
        controller="blockIO",
        read=lambda given: {key: device_rates(given, flag, requests=requests)},
        docker=(docker, told),
        several=True,
    )


def _of(key: str) -> Callable[[Values], Any]:
    return lambda values: values.get(key, 0)


def _nano_cpus(values: Values) -> int:
    quota, period = values.get("quota", 0), values.get("period") or limit_values.DEFAULT_PERIOD
    return int(max(quota, 0) * 10**9 // period)


LIMITS = (
    Limit(
        option="memory",
        letter="-m",
        metavar="SIZE",
        help="most memory, such as 64m",
        controller="memory",
        read=lambda given: {"limit": size(given, "--memory")},
        docker=("Memory", _of("limit")),
    ),
    Limit(
        option="memory_swap",
        letter="",
        metavar="SIZE",
        help="most memory and swap together; twice --memory without it, -1 for any amount",
        controller="memory",
        read=lambda given: {"swap": size_or_all(given, "--memory-swap")},
        docker=("MemorySwap", _of("swap")),
    ),
    Limit(
        option="memory_reservation",
        letter="",
        metavar="SIZE",
        help="memory that is taken from it last, where the host runs short",
        controller="memory",
        read=lambda given: {"reservation": size(given, "--memory-reservation")},
        docker=("MemoryReservation", _of("reservation")),
    ),
    Limit(
        option="cpus",
        letter="",
        metavar="N",
        help="most processors, such as 0.5",
        controller="cpu",
        read=lambda given: dict(zip(("quota", "period"), cpus(given), strict=True)),
        docker=("NanoCpus", _nano_cpus),
    ),
    Limit(
        option="cpu_quota",
        letter="",
        metavar="N",
        help="most microseconds of CPU time a period",
        controller="cpu",
        read=lambda given: {"quota": whole(given, "--cpu-quota")},
        docker=("CpuQuota", _of("quota")),
    ),
    Limit(
        option="cpu_period",
        letter="",
        metavar="N",
        help="microseconds of a period; 100000 is usual",
        controller="cpu",
        read=lambda given: {"period": whole(given, "--cpu-period")},
        docker=("CpuPeriod", _of("period")),
    ),
    Limit(
        option="cpu_shares",
        letter="-c",
        metavar="N",
        help="weight; 1024 is usual",
        controller="cpu",
        read=lambda given: {"shares": whole(given, "--cpu-shares")},
        docker=("CpuShares", _of("shares")),
    ),
    Limit(
        option="cpuset_cpus",
        letter="",
        metavar="LIST",
        help="the CPUs it may run on, such as 0-2 or 0,1",
        controller="cpu",
        read=lambda given: {"cpus": some_of(given, "CPUs")},
        docker=("CpusetCpus", lambda values: values.get("cpus", "")),
    ),
    Limit(
        option="pids_limit",
        letter="",
        metavar="N",
        help="most processes and threads",
        controller="pids",
        read=lambda given: {"limit": whole(given, "--pids-limit")},
        docker=("PidsLimit", _of("limit")),
    ),
    Limit(
        option="blkio_weight",
        letter="",
        metavar="N",
        help="weight of its disk requests, 10 to 1000",
        controller="blockIO",
        read=lambda given: {"weight": whole(given, "--blkio-weight")},
        docker=("BlkioWeight", _of("weight")),
    ),
    _rates("device_read_bps", "throttleReadBpsDevice", "BlkioDeviceReadBps"),
    _rates("device_write_bps", "throttleWriteBpsDevice", "BlkioDeviceWriteBps"),
    _rates("device_read_iops", "throttleReadIOPSDevice", "BlkioDeviceReadIOps"),
    _rates("device_write_iops", "throttleWriteIOPSDevice", "BlkioDeviceWriteIOps"),
)


def read(options: Mapping[str, Any]) -> Resources:
    """Return what the limits among `options` mean; None and what is empty are no limit.

    Raises:
        UsageError: A value is none that the option takes, or two contradict each other.
    """
    given = {one.option for one in LIMITS if options.get(one.option) not in (None, "", [], ())}
    if "cpus" in given and given & {"cpu_quota", "cpu_period"}:
        raise UsageError(
            "Conflicting options: Nano CPUs and CPU quota or period cannot both be set",
            "--cpus stands for both: leave it out, or them",
        )
    resources: Resources = {}
    for limit in LIMITS:
        if limit.option in given:
            values = limit.read(options[limit.option])
            resources.setdefault(limit.controller, {}).update(values)
    return resources


def check(resources: Resources) -> None:
    """Refuse what no group can be given, before one is made.

    Raises:
        UsageError: A value is out of its range, or does not go with another.
    """
    memory, cpu = resources.get("memory", {}), resources.get("cpu", {})
    limit = memory.get("limit", 0)
    limit_values.memory_max(limit)
    limit_values.swap_max(limit, memory.get("swap", 0))
    limit_values.memory_low(memory.get("reservation", 0), limit)
    period = cpu.get("period", limit_values.DEFAULT_PERIOD)
    limit_values.cpu_max(cpu.get("quota", -1), period)
    if "shares" in cpu:
        limit_values.cpu_shares(cpu["shares"])
    limit_values.pids_max(resources.get("pids", {}).get("limit", -1))
    if "weight" in resources.get("blockIO", {}):
        limit_values.bfq_weight(resources["blockIO"]["weight"])


def inspection(resources: Resources) -> dict[str, Any]:
    """Return the limits under Docker's names; 0 or nothing means none.

    Source: Docker Engine API, "Inspect a container", HostConfig.
    """
    return {
        name: told(resources.get(limit.controller, {}))
        for limit in LIMITS
        for name, told in [limit.docker]
    }
