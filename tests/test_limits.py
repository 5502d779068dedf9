"""Limits of containers as a person gives them: options of `run`, read back from cgroupfs outside.

What a limit then does to a program is the kernel's business, and is looked at where it can be seen.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from kernelbox import cgroup
from kernelbox.cgroup import disks, hierarchy, limit_values, limits
from kernelbox.kernel.errors import KernelboxError, KernelError, UsageError
from kernelbox.lab import Lab
from tests import looking
from tests.command import Kernelbox
from tests.looking import soon
from tests.sandbox import TAG, Sandbox

MIB = 1 << 20
ALONE = ("--network", "none")
FOREVER = (*ALONE, "busybox", "sleep", "infinity")
IS_V1 = cgroup.find().version == 1
only_v1 = pytest.mark.skipif(not IS_V1, reason="controllers are in cgroup v2")
only_v2 = pytest.mark.skipif(IS_V1, reason="controllers are in cgroup v1")


def directory(pid: int, controller: str) -> Path:
    """The group that a process's limits are in, from /proc and the mount table alone."""
    lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    with open("/proc/self/mountinfo") as mounts:
        table = [line.split(" - ") for line in mounts]
    for _, names, path in lines:
        if controller not in (names.split(",") if IS_V1 else [controller]) or (names and not IS_V1):
            continue
        for mount, system in table:
            kind, *_, options = system.split()
            if (
                (kind == "cgroup" and controller in options.split(","))
                if IS_V1
                else (kind == "cgroup2")
            ):
                return Path(mount.split()[4] + path.removesuffix("/inside"))
    raise AssertionError(f"{pid} is in no group of {controller}")


def text(pid: int, controller: str, file: str) -> str:
    return (directory(pid, controller) / file).read_text().strip()


def swap_is_counted() -> bool:
    file = "memory.memsw.limit_in_bytes" if IS_V1 else "memory.swap.max"
    with cgroup.of(f"test-{os.getpid()}-swap") as group:
        return any(os.path.exists(f"{one}/{file}") for one in group.directories)


def whole_disk() -> str:
    """The device node of a disk of this host that is not virtual; it is only ever named."""
    disk = disks.disk_of("/var/tmp") or disks.disk_of("/")
    if not disk:
        pytest.skip("no directory of this host lies on a disk")
    return disk


# --- memory and swap ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "swap"),
    [
        ((), 64 * MIB),
        (("--memory-swap", "0"), 64 * MIB),
        (("--memory-swap", "-1"), None),
        (("--memory-swap", "64m"), 0),
        (("--memory-swap", "80m"), 16 * MIB),
    ],
)
def test_memory_swap_is_memory_and_swap_together(
    kernelbox: Kernelbox, options: tuple[str, ...], swap: int | None
) -> None:
    if not swap_is_counted():
        pytest.skip("this host does not count swap")
    pid = kernelbox.pid(kernelbox.start("--memory", "64m", *options, *FOREVER))
    if IS_V1:
        together = int(text(pid, "memory", "memory.memsw.limit_in_bytes"))
        assert together > 1 << 62 if swap is None else together == 64 * MIB + swap
    else:
        assert text(pid, "memory", "memory.swap.max") == ("max" if swap is None else str(swap))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--memory", "64m", "--memory-swap", "32m"), "larger than memory limit"),
        (("--memory-swap", "64m"), "always set the Memory limit"),
        (("--memory", "64m", "--memory-swap", "-2"), "not a size"),
        (("--memory", "32m", "--memory-reservation", "64m"), "less than memory reservation"),
        (("--memory-reservation", "1m"), "6MB"),
        (("--memory", "-5"), "not a size"),
        (("--memory", "nan"), "not a size"),
        (("--memory", "64q"), "not a size"),
        (("--memory", "1"), "6MB"),
        (("--memory", "99999999999g"), "more than any machine has"),
        (("--cpus", "0.5", "--cpu-quota", "1000"), "Conflicting options"),
        (("--cpus", "1", "--cpu-period", "1000"), "Conflicting options"),
        (("--cpus", "nan"), "Range of CPUs"),
        (("--cpus", "-1"), "Range of CPUs"),
        (("--cpus", "100000"), "Range of CPUs"),
        (("--cpu-quota", "5"), "less than 1ms"),
        (("--cpu-period", "5"), "less than 1ms"),
        (("--cpu-period", "2000000"), "larger than 1s"),
        (("--cpu-shares", "1"), "range from 2"),
        (("--cpu-shares", "1.5"), "not a whole number"),
        (("--cpuset-cpus", "99999"), "not available"),
        (("--cpuset-cpus", "1-0"), "no list of numbers"),
        (("--cpuset-cpus", "a"), "no list of numbers"),
        (("--pids-limit", "-2"), "ranges from 1"),
        (("--blkio-weight", "5"), "from 10 to 1000"),
        (("--blkio-weight", "1001"), "from 10 to 1000"),
        (("--device-read-bps", "1mb"), "no rate"),
        (("--device-read-bps", "/dev/null:1mb"), "no disk"),
        (("--device-read-bps", "/dev/none-such:1mb"), "No such file"),
        (("--device-write-bps", "/proc:1mb"), "no disk"),
        (("--oom-score-adj", "1001"), "[-1000, 1000]"),
        (("--oom-score-adj", "much"), "invalid int"),
        (("--cgroup-parent", "../system.slice"), "cannot be the parent"),
        (("--cgroup-parent", "a//b"), "cannot be the parent"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_in_one_line_and_nothing_is_made(
    kernelbox: Kernelbox, options: tuple[str, ...], words: str
) -> None:
    before = kernelbox.ok("ps", "-aq")
    assert words in kernelbox.refused("run", "--rm", *options, *FOREVER)
    assert kernelbox.ok("ps", "-aq") == before


def test_a_reservation_lands_where_the_kernel_looks_for_it(kernelbox: Kernelbox) -> None:
    pid = kernelbox.pid(kernelbox.start("--memory-reservation", "32m", *FOREVER))
    file = "memory.soft_limit_in_bytes" if IS_V1 else "memory.low"
    assert text(pid, "memory", file) == str(32 * MIB)


# --- CPU ------------------------------------------------------------------------------------------


def test_quota_and_period_are_given_in_microseconds(kernelbox: Kernelbox) -> None:
    pid = kernelbox.pid(kernelbox.start("--cpu-quota=5000", "--cpu-period=20000", *FOREVER))
    if IS_V1:
        assert text(pid, "cpu", "cpu.cfs_quota_us") == "5000"
        assert text(pid, "cpu", "cpu.cfs_period_us") == "20000"
    else:
        assert text(pid, "cpu", "cpu.max") == "5000 20000"


def test_a_program_sees_only_the_cpus_that_it_may_run_on(kernelbox: Kernelbox) -> None:
    last = max(os.sched_getaffinity(0))
    container = kernelbox.start("--cpuset-cpus", str(last), *FOREVER)
    pid = kernelbox.pid(container)
    assert os.sched_getaffinity(pid) == {last}
    assert text(pid, "cpuset", "cpuset.cpus") == str(last)
    assert kernelbox.ok("exec", container, "nproc") == "1\n"
    assert kernelbox.inspect(container)["HostConfig"]["CpusetCpus"] == str(last)


@only_v1
def test_who_is_root_in_a_container_cannot_give_it_more_cpus(kernelbox: Kernelbox) -> None:
    """Its processes are in a group below the one that has the limit, which they cannot see."""
    script = "mount -t cgroup -o cpuset none /mnt && echo 0-1 > /mnt/cpuset.cpus; nproc"
    options = ("--cpuset-cpus", "0", "--cap-add", "SYS_ADMIN", *ALONE)
    done = kernelbox("run", "--rm", *options, "busybox", "sh", "-c", script)
    assert done.stdout == "1\n"
    container = kernelbox.start("--cap-add", "SYS_ADMIN", *ALONE, *FOREVER[-3:])
    kernelbox.ok("update", "--cpuset-cpus", "0", container)
    assert kernelbox("exec", container, "sh", "-c", script).stdout == "1\n", "chosen later"


def test_shares_become_weights_by_the_formula_of_2025() -> None:
    assert [limit_values.cpu_weight(shares) for shares in (2, 1024, 262_144)] == [1, 100, 10_000]
    for weight in (1, 59, 100, 9_999, 10_000):
        shares = limit_values.shares_of(weight)
        assert limit_values.cpu_weight(shares) >= weight
        assert shares == 2 or limit_values.cpu_weight(shares - 1) < weight


# --- disks ----------------------------------------------------------------------------------------


def test_rates_of_a_disk_land_in_the_files_of_the_group(kernelbox: Kernelbox) -> None:
    disk = whole_disk()
    numbers = disks.find(disk)
    options = (f"--device-read-bps={disk}:2mb", f"--device-write-bps={disk}:1mb")
    more = (f"--device-read-iops={disk}:200", f"--device-write-iops={disk}:100")
    container = kernelbox.start(*options, *more, *FOREVER)
    pid = kernelbox.pid(container)
    if IS_V1:
        for file, most in (
            ("read_bps", 2 * MIB),
            ("write_bps", MIB),
            ("read_iops", 200),
            ("write_iops", 100),
        ):
            assert text(pid, "blkio", f"blkio.throttle.{file}_device") == f"{numbers} {most}"
    else:
        assert (
            text(pid, "io", "io.max") == f"{numbers} rbps=2097152 wbps=1048576 riops=200 wiops=100"
        )
    host = kernelbox.inspect(container)["HostConfig"]
    assert host["BlkioDeviceReadBps"] == [{"Path": disk, "Rate": 2 * MIB}]
    assert host["BlkioDeviceWriteIOps"] == [{"Path": disk, "Rate": 100}]


def test_a_weight_of_disk_requests_lands_in_the_group_or_is_told_to_be_unknown(
    kernelbox: Kernelbox,
) -> None:
    done = kernelbox("run", "-d", "--rm", "--name", "weighed", "--blkio-weight", "50", *FOREVER)
    if done.returncode:
        assert "kernel offers no" in done.stderr
        return
    pid = kernelbox.pid("weighed")
    files = ("blkio.bfq.weight", "blkio.weight") if IS_V1 else ("io.bfq.weight", "io.weight")
    group = directory(pid, "blkio" if IS_V1 else "io")
    found = [(group / one).read_text().split()[-1] for one in files if (group / one).exists()]
    assert found[0] in ("50", "405")
    assert kernelbox.inspect("weighed")["HostConfig"]["BlkioWeight"] == 50
    kernelbox.ok("rm", "-f", "weighed")


def test_a_directory_is_no_disk_and_the_refusal_names_the_disk_it_lies_on(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no disk") as refusal:
        disks.find(str(tmp_path))
    if disk := disks.disk_of(str(tmp_path)):
        assert refusal.value.hint == f"It is on {disk}: name that"


def test_what_lies_on_an_overlay_is_on_the_disk_of_its_upper_directory(tmp_path: Path) -> None:
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    mount = ["mount", "-t", "overlay", "overlay", "-o", options, f"{tmp_path}/merged"]
    subprocess.run(mount, check=True)
    try:
        assert disks.disk_of(f"{tmp_path}/merged") == disks.disk_of(str(tmp_path))
    finally:
        subprocess.run(["umount", f"{tmp_path}/merged"], check=True)


def test_a_loop_device_is_a_disk_and_its_partition_is_refused_with_the_disk_named(
    tmp_path: Path,
) -> None:
    if not os.path.exists("/dev/loop-control"):
        pytest.skip("this kernel has no loop devices")
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(8 * MIB)
    loop = subprocess.run(
        ["losetup", "--find", "--show", image],
        text=True, capture_output=True, check=True,
    ).stdout.strip()  # fmt: skip
    try:
        assert disks.find(loop).startswith("7:")
        assert disks.node(disks.find(loop)) == loop
        subprocess.run(["addpart", loop, "1", "2048", "4096"], check=True)
        assert soon(lambda: os.path.exists(f"{loop}p1"))
        with pytest.raises(UsageError, match=f"{loop}p1 is a partition.*name") as refusal:
            disks.find(f"{loop}p1")
        assert refusal.value.hint == f"It is on {loop}: name that"
    finally:
        subprocess.run(["delpart", loop, "1"], check=True)
        subprocess.run(["losetup", "--detach", loop], check=True)


# --- which processes are killed first, and where the group lies -----------------------------------


def test_a_program_deserves_an_oom_kill_as_told_and_so_does_one_that_exec_adds(
    kernelbox: Kernelbox,
) -> None:
    container = kernelbox.start("--oom-score-adj", "500", *FOREVER)
    assert Path(f"/proc/{kernelbox.pid(container)}/oom_score_adj").read_text() == "500\n"
    assert kernelbox.ok("exec", container, "cat", "/proc/self/oom_score_adj") == "500\n"


def test_a_cgroup_parent_is_made_and_goes_with_the_last_container_in_it(
    kernelbox: Kernelbox,
) -> None:
    name = f"test-{os.getpid()}-team"
    first = kernelbox.start("--cgroup-parent", f"{name}/ada", *FOREVER)
    second = kernelbox.start("--cgroup-parent", f"/{name}/ada", *FOREVER)
    parent = directory(kernelbox.pid(first), "memory").parent
    assert parent.parts[-3:] == ("kernelbox", name, "ada")
    assert directory(kernelbox.pid(second), "memory").parent == parent

    kernelbox.ok("rm", "-f", first)
    assert parent.is_dir()
    assert second in kernelbox.ok("ps", "-q")
    assert len(kernelbox.ok("top", second).splitlines()) == 2
    kernelbox.ok("rm", "-f", second)
    assert not parent.parent.exists()


def test_a_cgroup_parent_that_somebody_else_has_made_stays_and_its_limit_counts(
    kernelbox: Kernelbox,
) -> None:
    with cgroup.of(f"test-{os.getpid()}-class") as group:
        group.set("pids.max", 7)
        container = kernelbox.start("--cgroup-parent", group.name, *FOREVER)
        script = "for i in 1 2 3 4 5 6 7 8 9; do sleep 100 & done 2>/dev/null; wait"
        done = kernelbox("exec", container, "sh", "-c", f"{script} || true; exit 7")
        assert "can't fork" in done.stderr or done.returncode
        kernelbox.ok("rm", "-f", container)
        assert group.exists()


# --- nothing of a container: groups by hand -------------------------------------------------------


def test_a_group_is_made_for_a_block_and_emptied_and_removed_behind_it() -> None:
    with cgroup.of(f"test-{os.getpid()}-block") as group:
        sleeper = subprocess.Popen(["sleep", "infinity"])
        group.add(sleeper.pid)
        assert group.processes() == [sleeper.pid]
    assert sleeper.wait() == -9
    assert not group.exists()


def test_a_group_lies_in_a_group_and_both_are_emptied_and_removed() -> None:
    with cgroup.of(f"test-{os.getpid()}-block") as group:
        with group.below("nested") as nested, nested.below("deeper") as deeper:
            assert deeper.name == f"{group.name}/nested/deeper"
            assert deeper.get("pids.current") == "0"
            sleeper = subprocess.Popen(["sleep", "infinity"])
            deeper.add(sleeper.pid)
            assert group.processes() == [sleeper.pid]
            assert group.get("pids.current") == "1"
        assert sleeper.wait() == -9
        assert not nested.exists()
        assert group.exists()


@only_v2
def test_a_group_with_processes_in_it_passes_nothing_down_and_the_refusal_says_why() -> None:
    with cgroup.of(f"test-{os.getpid()}-block") as group:
        sleeper = subprocess.Popen(["sleep", "infinity"])
        group.add(sleeper.pid)
        with pytest.raises(KernelError, match="EBUSY") as refusal:
            group.below("nested").create()
        assert "move them below" in refusal.value.hint
    assert sleeper.wait() == -9


def test_a_name_in_use_is_left_to_whoever_has_it() -> None:
    with cgroup.of(f"test-{os.getpid()}-block") as group:
        with pytest.raises(KernelError, match="EEXIST"), cgroup.of(group.name):
            pass
        assert group.exists()


def test_what_is_written_in_v2s_words_is_read_back_in_them() -> None:
    with cgroup.of(f"test-{os.getpid()}-words") as group:
        for file, value in (
            ("memory.max", "67108864"),
            ("memory.max", "max"),
            ("cpu.max", "20000 50000"),
            ("cpu.max", "max 100000"),
            ("cpu.weight", "300"),
            ("pids.max", "17"),
            ("cpuset.cpus", "0"),
            ("cgroup.freeze", "1"),
            ("cgroup.freeze", "0"),
        ):
            group.set(file, value)
            assert group.get(file) == value
        assert group.get("memory.current") == "0"
        assert group.get("made.up") == ""


# --- hosts that lack something --------------------------------------------------------------------


@only_v1
@pytest.mark.parametrize(
    ("controller", "file", "value"),
    [
        ("cpuset", "cpuset.cpus", "0"),
        ("blkio", "io.max", "8:0 rbps=1"),
        ("blkio", "io.bfq.weight", "50"),
        ("memory", "memory.max", "64M"),
        ("pids", "pids.max", "5"),
        ("freezer", "cgroup.freeze", "1"),
    ],
)
def test_a_hierarchy_of_v1_that_is_not_mounted_is_named_with_the_cure(
    controller: str, file: str, value: str
) -> None:
    mounts = {name: at for name, at in cgroup.find().mounts.items() if name != controller}
    with cgroup.of(f"test-{os.getpid()}-lacking", cgroup.Hierarchy(1, mounts)) as group:
        with pytest.raises(KernelError, match="ENOENT") as refusal:
            group.set(file, value)
        assert f"no {controller} controller mounted" in refusal.value.hint
        assert f"mount -t cgroup -o {controller}" in refusal.value.hint
        assert group.get(file) == ""
        assert group.chosen_cpus() == ""


@only_v1
def test_a_controller_that_v2_does_not_offer_is_named_with_where_to_look() -> None:
    with open("/proc/self/mountinfo") as mounts:
        unified = [line.split()[4] for line in mounts if " - cgroup2 " in line]
    host = hierarchy.version_2(unified[0])
    for file in ("cpuset.cpus", "io.max", "memory.max", "cpu.max"):
        with cgroup.of(f"test-{os.getpid()}-bare", host) as group:
            with pytest.raises(KernelError, match="ENOENT") as refusal:
                group.set(file, "1")
            assert f"offers no {file.partition('.')[0]} controller" in refusal.value.hint
            assert "delegated" in refusal.value.hint


@only_v1
def test_cpus_come_down_to_a_group_however_deep_before_its_first_process() -> None:
    """In a hierarchy that hands nothing down by itself a process could not enter the group."""
    with cgroup.of(f"test-{os.getpid()}-top") as top:
        place = next(one for one in top.directories if f"{os.sep}cpuset{os.sep}" in one)
        Path(place, "cgroup.clone_children").write_text("0")
        host = cgroup.Hierarchy(1, {"cpuset": place})
        with cgroup.of("class/group", host) as group:
            assert group.get("cpuset.cpus") == top.get("cpuset.cpus") != ""
            sleeper = subprocess.Popen(["sleep", "infinity"])
            group.add(sleeper.pid)
            assert group.processes() == [sleeper.pid]
        assert sleeper.wait() == -9


@only_v1
def test_hierarchies_that_are_mounted_together_are_one_directory_with_the_limits_of_both() -> None:
    at = cgroup.find().mounts["pids"]
    host = cgroup.Hierarchy(1, {"pids": at, "hugetlb": at})
    with cgroup.of(f"test-{os.getpid()}-together", host) as group:
        assert len(group.directories) == 1
        group.limit_pids(5)
        assert Path(group.directories[0], "pids.max").read_text() == "5\n"


def test_killed_at_any_request_a_start_with_every_limit_leaves_no_group(tmp_path: Path) -> None:
    parent = f"test-{os.getpid()}-crash"
    options = ("--memory=64m", "--memory-swap=-1", "--memory-reservation=32m", "--cpu-quota=50000")
    more = (
        "--cpuset-cpus=0",
        f"--device-read-bps={whole_disk()}:1g",
        f"--cgroup-parent={parent}/a",
    )
    words = ("run", "--trace=json", *TAG, "--rm", *ALONE, *options, *more, "busybox", "true")
    sandbox = Sandbox(tmp_path / "root")
    try:
        events = sandbox.run(*words).trace
        numbers = [
            event["number"]
            for event in events
            if event["side"] == "runtime" and "/kernelbox/" in event["request"]
        ]
        assert len(numbers) > 6
        for number in numbers[:: 3 if IS_V1 else 2]:  # v1's are many that are alike
            broken = sandbox.run(*words, breaking=f"runtime:{number}:SIGKILL")
            assert broken.status, number
            sandbox.ok("ps")
            assert sandbox.settled() == [], number
            assert [path for path in looking.cgroups() if parent in str(path)] == [], number
    finally:
        sandbox.reset()


def test_a_notebook_gives_the_same_limits_as_numbers_and_lists(box: Lab) -> None:
    disk = whole_disk()
    limited = box.start(
        "busybox", "sleep infinity", network="none", cpuset_cpus=0, cpu_quota=20_000,
        memory=32 * MIB, memory_swap=-1, oom_score_adj=300, device_read_bps=[f"{disk}:1g"],
    )  # fmt: skip
    pid = limited.pid
    assert os.sched_getaffinity(pid) == {0}
    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "300\n"
    assert text(pid, "memory", "memory.limit_in_bytes" if IS_V1 else "memory.max") == str(32 * MIB)
    with pytest.raises(KernelboxError, match="no list of numbers"):
        box.start("busybox", "true", cpuset_cpus="all")


@pytest.mark.outside("it only names options")
def test_help_names_every_limit_and_the_commands_that_change_and_watch_them(
    kernelbox: Kernelbox,
) -> None:
    told = kernelbox.ok("--help")
    for command in ("update", "pause", "unpause", "stats", "events"):
        assert f"  {command} " in told
        assert f"kernelbox {command}" in kernelbox.ok(command, "--help")
    flags = {f"--{one.option.replace('_', '-')}" for one in limits.LIMITS}
    for command in ("run", "update"):
        assert flags <= set(re.findall(r"--[a-z-]+", kernelbox.ok(command, "--help")))
