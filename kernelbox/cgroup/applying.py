"""Limits, as OCI has them, written to a group, read from it, and changed while it is in use."""

from __future__ import annotations

from kernelbox.cgroup import limit_values, limits
from kernelbox.cgroup.translation import UNLIMITED
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.cgroup.group import Cgroup
    from kernelbox.cgroup.limits import Resources, Values

_RATES = {
    "throttleReadBpsDevice": "rbps",
    "throttleWriteBpsDevice": "wbps",
    "throttleReadIOPSDevice": "riops",
    "throttleWriteIOPSDevice": "wiops",
}


def apply(group: Cgroup, resources: Resources) -> None:
    """Write limits to a group that exists.

    Raises:
        UsageError: A value is out of its range.
        KernelError: ENOENT without the controller; EBUSY if more is in use already.
    """
    memory, cpu = resources.get("memory", {}), resources.get("cpu", {})
    io = resources.get("blockIO", {})
    if "limit" in memory or "swap" in memory:
        group.limit_memory(memory.get("limit", 0), memory.get("swap", 0))
    if "reservation" in memory:
        group.reserve_memory(memory["reservation"], memory.get("limit", 0))
    if "quota" in cpu or "period" in cpu:
        group.limit_cpu(cpu.get("quota", -1), cpu.get("period", limit_values.DEFAULT_PERIOD))
    if "shares" in cpu:
        group.weigh_cpu(cpu["shares"])
    if "cpus" in cpu:
        group.choose_cpus(cpu["cpus"])
    if "limit" in resources.get("pids", {}):
        group.limit_pids(resources["pids"]["limit"])
    if "weight" in io:
        group.weigh_io(io["weight"])
    for key, name in _RATES.items():
        for one in io.get(key, ()):
            group.limit_io(f"{one['major']}:{one['minor']}", **{name: one["rate"]})


def change(group: Cgroup, wanted: Resources) -> None:
    """Write other limits to a group that has some: what is not named stays as it is.

    Raises:
        UsageError: As `apply`; or the limits would contradict those that it has.
        KernelError: As `apply`; what was written before it stays written.

    Source: Docker, `docker update`.
    """
    now = present(group, wanted)
    merged = {
        controller: {**now.get(controller, {}), **wanted[controller]} for controller in wanted
    }
    if "memory" in wanted:
        merged["memory"] = _memory(now.get("memory", {}), wanted["memory"])
    limits.check(merged)
    asked = {controller: dict(values) for controller, values in wanted.items()}
    if asked.get("memory", {}).keys() & {"limit", "swap"}:  # each is written beside the other
        kept = {"limit", "swap", *wanted["memory"]}
        asked["memory"] = {key: one for key, one in merged["memory"].items() if key in kept}
    if asked.get("cpu", {}).keys() & {"quota", "period"}:
        kept = {"quota", "period", *wanted["cpu"]}
        asked["cpu"] = {key: one for key, one in merged["cpu"].items() if key in kept}
    apply(group, asked)


def _memory(now: Values, wanted: Values) -> Values:
    """Return what becomes of a group's memory limits: what is unset, 0, stays as it is."""
    merged = {**now, **{key: value for key, value in wanted.items() if value}}
    limit, together = merged.get("limit", 0), merged.get("swap", 0)
    if not wanted.get("swap") and 0 < together < limit:
        raise UsageError(
            "Memory limit should be smaller than already set memoryswap limit",
            f"Update that at the same time: --memory-swap {2 * limit}",
        )
    return merged


def present(group: Cgroup, asked: Resources) -> Resources:
    """Return the limits that a group has, as the kernel has them now.

    Args:
        group: Which.
        asked: What was asked for: several weights of v1 are one in v2, and this one is told.
    """
    resources = {
        "memory": _present_memory(group),
        "cpu": _present_cpu(group, asked.get("cpu", {}).get("shares", 1024)),
        "pids": _number("limit", group.get("pids.max")),
        "blockIO": _present_io(group, asked.get("blockIO", {}).get("weight", 100)),
    }
    return {controller: values for controller, values in resources.items() if values}


def _number(key: str, text: str) -> Values:
    return {key: int(text)} if text.isdigit() else {}


def _present_memory(group: Cgroup) -> Values:
    values = _number("limit", group.get("memory.max"))
    swap = group.get("memory.swap.max")
    if values and swap:
        values["swap"] = -1 if swap == "max" else values["limit"] + int(swap)
    reserved = _number(
        "reservation", group.get("memory.low") or group.get("memory.soft_limit_in_bytes")
    )
    return values | (reserved if 0 < reserved.get("reservation", 0) < UNLIMITED else {})


def _present_cpu(group: Cgroup, asked: int) -> Values:
    values: Values = {}
    quota, _, period = group.get("cpu.max").partition(" ")
    if quota.isdigit() or period not in ("", str(limit_values.DEFAULT_PERIOD)):
        values = {"quota": int(quota) if quota.isdigit() else -1, "period": int(period)}
    shares = group.get("cpu.shares")
    if not shares and (weight := group.get("cpu.weight")):
        same = limit_values.cpu_weight(asked) == int(weight)
        shares = str(asked if same else limit_values.shares_of(int(weight)))
    if shares and shares != "1024":
        values["shares"] = int(shares)
    if chosen := group.chosen_cpus():
        values["cpus"] = chosen
    return values


def _present_io(group: Cgroup, asked: int) -> Values:
    values: Values = {}
    if weight := group.get("io.bfq.weight").removeprefix("default ").partition("\n")[0]:
        values["weight"] = int(weight)
    elif weight := group.get("io.weight").removeprefix("default ").partition("\n")[0]:
        same = limit_values.io_weight(asked) == int(weight)
        values["weight"] = asked if same else 10 + (int(weight) - 1) * 990 // 9999
    if values.get("weight") == 100:
        del values["weight"]
    for line in group.get("io.max").splitlines():
        device, *pairs = line.split()
        major, minor = device.split(":")
        rates = dict(pair.split("=") for pair in pairs)
        for key, name in _RATES.items():
            if rates.get(name, "max") != "max":
                one = {"major": int(major), "minor": int(minor), "rate": int(rates[name])}
                values.setdefault(key, []).append(one)
    return values
