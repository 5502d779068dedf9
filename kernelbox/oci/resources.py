"""What a container may use, as its bundle has it, written to its control group.

Zero means unset: engines write it for what nobody asked for. What this host cannot do is refused by
the name of the file that it lacks.

Source: OCI runtime-spec, config-linux.md, "Control groups"; runc, "Zero-valued resources".
"""

from __future__ import annotations

import errno

from kernelbox.cgroup import devices, limit_values, tree
from kernelbox.kernel import files
from kernelbox.kernel.errors import KernelError, UsageError
from kernelbox.oci.document import Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.cgroup import Cgroup

_RATES = {
    "throttleReadBpsDevice": "rbps",
    "throttleWriteBpsDevice": "wbps",
    "throttleReadIOPSDevice": "riops",
    "throttleWriteIOPSDevice": "wiops",
}


def apply(group: Cgroup, plain: dict[str, object], version: str) -> None:
    """Write limits to a group that exists. What is not named stays as it is.

    Args:
        group: Which.
        plain: `linux.resources`, or what `update` was given; device rules are not looked at.
        version: Of the spec that the container is written to.

    Raises:
        UsageError: It is against the spec.
        KernelError: ENOENT where this host has no such limit; EINVAL, EBUSY.
    """
    part = Part(plain, "resources")
    _memory(group, part.part("memory"))
    _cpu(group, part.part("cpu"))
    _processes(group, part.part("pids"), version)
    _block_io(group, part.part("blockIO"))
    for one in part.parts("hugepageLimits"):
        size = one.text("pageSize", None)
        if not size.isalnum():
            raise one.wrong("pageSize", "a size such as 2MB")
        _write(group, f"hugetlb.{size}.max", f"hugetlb.{size}.limit_in_bytes", one.number("limit"))
    _network(group, part.part("network"))
    _rdma(group, part.part("rdma"))
    _unified(group, part)


def _processes(group: Cgroup, part: Part, version: str) -> None:
    """Limit the number of processes: from version 1.3 on, 0 is a limit, and the first is let in.

    Before, the number could not be left out, so engines wrote 0 for none.

    Source: OCI runtime-spec, config-linux.md, "PIDs"; runc, fs/pids.go.
    """
    limit = part.number("limit", 0)
    if limit:
        group.set("pids.max", limit if limit > 0 else "max")
    elif part.plain.get("limit") == 0 and not version.startswith(("1.0.", "1.1.", "1.2.")):
        group.set("pids.max", 1)


def _memory(group: Cgroup, part: Part) -> None:
    limit, together = part.number("limit", 0, -1), part.number("swap", 0, -1)
    if limit:
        group.set("memory.max", limit if limit > 0 else "max")
    if together and (together > 0 or group.get("memory.swap.max")):
        before = group.get("memory.max")  # which stays, where only the other is named
        alone = limit or (int(before) if before.isdecimal() else 0)
        if 0 < together < alone:
            raise part.wrong("swap", "at least the limit: it is memory and swap together")
        group.set("memory.swap.max", together - max(alone, 0) if together > 0 else "max")
    if reservation := part.number("reservation", 0, -1):
        file = "memory.low" if group.host.version == 2 else "memory.soft_limit_in_bytes"
        group.set(file, reservation if reservation > 0 else ("0" if file == "memory.low" else -1))
    if part.plain.get("swappiness") is not None:
        _write(group, "", "memory.swappiness", part.number("swappiness", 0, 0, 200))
    if part.flag("disableOOMKiller"):
        _write(group, "", "memory.oom_control", 1)
    # Of the kernel's own memory: not recommended any more, and in v1 only.
    for key, file in (("kernel", "kmem"), ("kernelTCP", "kmem.tcp")):
        if limit := part.number(key, 0, -1):
            _write(group, "", f"memory.{file}.limit_in_bytes", limit)
            _check_kept(group, f"memory.{file}.limit_in_bytes", limit)


def _check_kept(group: Cgroup, file: str, limit: int) -> None:
    """Refuse a limit that the kernel has taken, and not kept. Source: Linux 6.1, "kmem.limit"."""
    now = int(files.read(group.path(file)))
    if 0 < limit < now // 2:
        raise UsageError(f"this kernel takes no notice of {file}", "Leave it out")


def _cpu(group: Cgroup, part: Part) -> None:
    if shares := part.number("shares", 0, 0):
        group.weigh_cpu(min(max(shares, 2), 1 << 18))
    if cpus := part.text("cpus"):
        group.set("cpuset.cpus", cpus)
    if nodes := part.text("mems"):
        group.set("cpuset.mems", nodes)
    quota, period = part.number("quota"), part.number("period", 0, 0)
    if quota or period:
        before = group.get("cpu.max").split() or ["max", str(limit_values.DEFAULT_PERIOD)]
        now = ("max" if quota < 0 else str(quota)) if quota else before[0]
        group.set("cpu.max", f"{now} {period or before[-1]}")
    burst = part.number("burst", 0, 0)
    if burst or (part.plain.get("burst") == 0 and group.get("cpu.max.burst")):
        group.set("cpu.max.burst", burst)  # a number that may be left out: 0 is one
    _real_time(group, part.number("realtimePeriod", 0, 0), part.number("realtimeRuntime"))
    if part.plain.get("idle") is not None:
        group.set("cpu.idle", part.number("idle", 0, 0, 1))


def _real_time(group: Cgroup, period: int, runtime: int) -> None:
    """Limit who runs before all others; the runtime never exceeds the period, not even between.

    Source: scheduler/sched-rt-group.rst.
    """
    writes = {"cpu.rt_period_us": period, "cpu.rt_runtime_us": runtime}
    if period and runtime and period < int(tree.read(group.path("cpu.rt_period_us")) or 0):
        writes = dict(reversed(writes.items()))
    for name, value in writes.items():
        if value:
            _write(group, "", name, value)


def _block_io(group: Cgroup, part: Part) -> None:
    if weight := part.number("weight", 0, 0):
        group.weigh_io(weight)
    for one in part.parts("weightDevice"):
        device = f"{one.number('major', None)}:{one.number('minor', None)}"
        value = f"{device} {one.number('weight', None)}"
        _write(group, "io.bfq.weight", "blkio.bfq.weight_device", value)
    for key, name in _RATES.items():
        for one in part.parts(key):
            device = f"{one.number('major', None)}:{one.number('minor', None)}"
            group.limit_io(device, **{name: one.number("rate", None, 0)})


def _network(group: Cgroup, part: Part) -> None:
    """Mark packets, and give them a priority. Source: cgroup-v1/net_cls.rst, net_prio.rst."""
    if mark := part.number("classID", 0, 0, (1 << 32) - 1):
        _write(group, "", "net_cls.classid", mark)
    for one in part.parts("priorities"):
        priority = f"{one.text('name', None)} {one.number('priority', None, 0, (1 << 32) - 1)}"
        _write(group, "", "net_prio.ifpriomap", priority)


def _rdma(group: Cgroup, part: Part) -> None:
    """Limit what is held of network cards that read memory. Source: cgroup-v2.rst, "RDMA"."""
    for device in part.plain:
        one, limits = part.part(device), ""
        for key, word in (("hcaHandles", "hca_handle"), ("hcaObjects", "hca_object")):
            if one.plain.get(key) is not None:
                limits += f" {word}={one.number(key, None, 0, (1 << 32) - 1)}"
        if limits:
            _write(group, "rdma.max", "rdma.max", f"{device}{limits}")


def _unified(group: Cgroup, part: Part) -> None:
    """Write files of cgroup v2 as they are. Source: config-linux.md, "Unified"."""
    for file, value in part.table("unified").items():
        if group.host.version != 2:
            raise UsageError(
                f"resources.unified[{file!r:.60}] needs cgroup v2, and this host has v1",
                "Use the fields of resources",
            )
        for line in value.splitlines():
            group.set(file, line)


def _write(group: Cgroup, file: str, v1_file: str, value: object) -> None:
    """Write what the translation between v1 and v2 has no word for."""
    wanted = file if group.host.version == 2 else v1_file
    path = group.path(wanted) if wanted else ""
    if not path:
        raise UsageError(f"this host cannot limit {file or v1_file}", "Leave it out")
    try:
        files.write(path, str(value))
    except KernelError as refusal:
        if refusal.errno == errno.ENOENT:
            refusal.hint = f"This kernel offers no {wanted}"
        raise


def device_rules(plain: dict[str, object]) -> list[devices.Rule]:
    """Return which devices a container may use; the last rule that fits one counts.

    Without a rule it is none but those that each container has, and those come last anyway.

    Args:
        plain: `linux.resources`.

    Raises:
        UsageError: It is against the spec.

    Source: OCI runtime-spec, config-linux.md, "Allowed Device list"; runc, AllowedDevices.
    """
    rules = [_rule(one) for one in Part(plain, "resources").parts("devices")]
    return [*rules, *devices.DEFAULT]


def _rule(part: Part) -> devices.Rule:
    kind = part.chosen("type", ("a", "b", "c", "u"), "a")
    access = part.text("access")
    if kind == "a":
        return devices.Rule("a", None, None, "rwm", part.flag("allow"))
    if not access or set(access) - set("rwm"):
        raise part.wrong("access", "made of r, w and m")
    letter, allow = "c" if kind == "u" else kind, part.flag("allow")
    return devices.Rule(letter, _device(part, "major"), _device(part, "minor"), access, allow)


def _device(part: Part, key: str) -> int | None:
    """Return one of a device's numbers; None, which -1 is too, for every one."""
    return None if part.plain.get(key) in (None, -1) else part.number(key, None, 0, 0xFFFFF)
