"""Control groups on the real kernel, read from outside with plain open() on cgroupfs and /proc.

The group under test is the host's own kind, v1 or v2; on a v1 host v2 is tested as far as its
mount goes (everything but the controllers).
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import mmap
import os
import signal
import struct
import sys
import time

import pytest

from kernelbox import cgroup
from kernelbox.cgroup import hierarchy, limit_values
from kernelbox.cgroup.events import Watch
from kernelbox.cgroup.sampling import Sampler
from kernelbox.kernel import door, flags, process, syscalls
from kernelbox.kernel.errors import KernelboxError, KernelError, UsageError
from tests.looking import soon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIB = 1 << 20
_numbers = itertools.count()

only_v1 = pytest.mark.skipif(cgroup.find().version != 1, reason="controllers are in cgroup v2")
only_v2 = pytest.mark.skipif(cgroup.find().version != 2, reason="controllers are in cgroup v1")


def cgroup2_mount() -> str:
    with open("/proc/self/mountinfo") as mounts:
        found = [line.split()[4] for line in mounts if " - cgroup2 " in line]
    if not found:
        pytest.skip("no cgroup2 file system is mounted")
    return found[0]


def v2_host() -> cgroup.Hierarchy:
    return hierarchy.version_2(cgroup2_mount())


@contextlib.contextmanager
def made(host: cgroup.Hierarchy | None = None) -> Iterator[cgroup.Cgroup]:
    """A group of its own, gone afterwards, and so are the parents that were made for it."""
    group = cgroup.of(f"test-{os.getpid()}-{next(_numbers)}", host)
    missing = [parent for parent in cgroup.parents(host) if not os.path.isdir(parent)]
    try:
        group.create()
        yield group
    finally:
        group.kill()
        group.remove()
        for parent in missing:
            with contextlib.suppress(OSError):  # another start may have come to use it
                os.rmdir(parent)


def born_in(group: cgroup.Cgroup, act: Callable[[], object]) -> int:
    """Fork a child that enters the group, runs `act` and exits 0; return its pid."""
    entrance = group.open()
    try:
        if entrance.clone_fd is None:
            pid = os.fork()
        else:
            pid, pidfd = process.clone3(0, entrance.clone_fd)
            if pid:
                os.close(pidfd)
        if pid == 0:
            try:
                entrance.enter()
                entrance.close()
                act()
                os._exit(0)
            finally:
                os._exit(99)
        return pid
    finally:
        entrance.close()


def status_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def text(path: str) -> str:
    with open(path) as file:
        return file.read().strip()


def counters(path: str) -> dict[str, int]:
    return {name: int(number) for name, number in map(str.split, text(path).splitlines())}


def real(group: cgroup.Cgroup, controller: str, file: str) -> str:
    """The path of a file of this group, put together without the code under test."""
    return f"{group.host.mounts[controller]}/kernelbox/{group.name}/{file}"


# --- which hierarchy ----------------------------------------------------------------------------

RHEL_8 = """\
30 25 0:26 / /sys/fs/cgroup/systemd rw,nosuid shared:9 - cgroup cgroup rw,xattr,name=systemd
34 25 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:13 - cgroup cgroup rw,cpu,cpuacct
35 25 0:31 / /sys/fs/cgroup/memory rw,nosuid shared:14 - cgroup cgroup rw,memory
36 25 0:32 / /sys/fs/cgroup/pids rw,nosuid shared:15 - cgroup cgroup rw,pids
37 25 0:33 / /sys/fs/cgroup/freezer rw,nosuid shared:16 - cgroup cgroup rw,freezer
38 25 0:34 / /sys/fs/cgroup/cpuset rw,nosuid shared:17 - cgroup cgroup rw,cpuset
39 25 0:35 / /mnt/again rw,nosuid shared:14 - cgroup cgroup rw,memory
"""


def test_controllers_mounted_together_are_one_directory() -> None:
    host = hierarchy.choose(RHEL_8)

    assert host.version == 1
    assert host.mounts["cpu"] == host.mounts["cpuacct"] == "/sys/fs/cgroup/cpu,cpuacct"
    assert cgroup.of("a", host).directories == [
        "/sys/fs/cgroup/systemd/kernelbox/a",
        "/sys/fs/cgroup/cpu,cpuacct/kernelbox/a",
        "/sys/fs/cgroup/memory/kernelbox/a",
        "/sys/fs/cgroup/pids/kernelbox/a",
        "/sys/fs/cgroup/freezer/kernelbox/a",
        "/sys/fs/cgroup/cpuset/kernelbox/a",
    ]
    assert host.shown == ["cpu,cpuacct", "memory", "pids", "freezer"]


def test_the_hierarchy_is_v2_only_where_its_root_offers_cpu_memory_and_pids() -> None:
    offered = text(f"{cgroup2_mount()}/cgroup.controllers").split()

    assert (cgroup.find().version == 2) == ({"cpu", "memory", "pids"} <= set(offered))


def test_a_host_without_control_groups_is_told_how_to_mount_them() -> None:
    with pytest.raises(KernelboxError, match="no control groups mounted") as refusal:
        hierarchy.choose("21 1 8:1 / / rw - ext4 /dev/sda1 rw\n")

    assert "mount -t cgroup2" in refusal.value.hint


# --- making and removing ------------------------------------------------------------------------


def test_naming_a_group_makes_nothing() -> None:
    group = cgroup.of("never-made")

    assert not any(os.path.exists(directory) for directory in group.directories)
    assert not group.exists()
    assert {os.path.dirname(directory) for directory in group.directories} == set(cgroup.parents())


def test_a_group_is_one_directory_in_every_hierarchy_and_is_removed_twice_without_complaint() -> (
    None
):
    with made() as group:
        assert group.exists()
        for mount in set(group.host.mounts.values()):
            assert os.path.isfile(f"{mount}/kernelbox/{group.name}/cgroup.procs")

        group.remove()
        assert not any(os.path.exists(directory) for directory in group.directories)
        group.remove()


def test_removing_takes_the_groups_below_first() -> None:
    with made() as group:
        for directory in group.directories:
            os.makedirs(f"{directory}/a/b")

        group.remove()

        assert not group.exists()


def test_half_a_group_is_removed_like_a_whole_one() -> None:
    with made() as group:
        os.rmdir(group.directories[-1])

        group.remove()

        assert not group.exists()


def test_a_name_in_use_is_refused() -> None:
    with made() as group, pytest.raises(KernelError, match="EEXIST"):
        cgroup.of(group.name).create()


def test_a_group_with_a_process_in_it_is_not_removed() -> None:
    with made() as group:
        pid = born_in(group, signal.pause)
        everywhere = group.directories  # into v2's it is born, into v1's it has to walk
        assert soon(lambda: all(str(pid) in text(f"{one}/cgroup.procs") for one in everywhere))

        with pytest.raises(KernelError, match="EBUSY"):
            group.remove()

        end(pid)


@pytest.mark.parametrize("name", ["", ".", "..", "a/../b", "a/", "/a", "../system.slice", "a\nb"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        cgroup.of(name)


@pytest.mark.parametrize(
    "directory", ["", "/sys/fs/cgroup/cpu/x", "/sys/fs/cgroup/cpu/kernelbox/../x", "/kernelboxes/x"]
)
def test_only_groups_of_kernelbox_are_removed(directory: str) -> None:
    with pytest.raises(UsageError, match="not a control group that kernelbox made"):
        cgroup.remove(directory)


def test_a_file_of_another_group_cannot_be_written() -> None:
    with made() as group, pytest.raises(UsageError):
        group.set("../../cgroup.procs", os.getpid())


# --- limits -------------------------------------------------------------------------------------


@only_v1
def test_limits_land_in_the_files_of_v1() -> None:
    with made() as group:
        group.limit_memory(64 * MIB)
        group.limit_cpu(*cgroup.cpu_quota(0.5))
        group.weigh_cpu(512)
        group.limit_pids(100)

        assert text(real(group, "memory", "memory.limit_in_bytes")) == str(64 * MIB)
        assert text(real(group, "cpu", "cpu.cfs_period_us")) == "100000"
        assert text(real(group, "cpu", "cpu.cfs_quota_us")) == "50000"
        assert text(real(group, "cpu", "cpu.shares")) == "512"
        assert text(real(group, "pids", "pids.max")) == "100"
        with_swap = real(group, "memory", "memory.memsw.limit_in_bytes")
        if os.path.exists(with_swap):
            assert text(with_swap) == str(128 * MIB)


@only_v1
def test_limits_of_v1_can_be_raised_lowered_and_lifted() -> None:
    with made() as group:
        memory = real(group, "memory", "memory.limit_in_bytes")
        unlimited = text(memory)

        for size in (64 * MIB, 512 * MIB, 32 * MIB):
            group.limit_memory(size)
            assert text(memory) == str(size)
        group.limit_memory(-1)
        group.limit_cpu(-1)
        group.limit_pids(0)

        assert text(memory) == unlimited
        assert text(real(group, "cpu", "cpu.cfs_quota_us")) == "-1"
        assert text(real(group, "pids", "pids.max")) == "max"


@only_v2
def test_limits_land_in_the_files_of_v2() -> None:
    with made() as group:
        group.limit_memory(64 * MIB)
        group.limit_cpu(*cgroup.cpu_quota(0.5))
        group.weigh_cpu(512)
        group.limit_pids(100)

        assert text(real(group, "memory", "memory.max")) == str(64 * MIB)
        assert text(real(group, "cpu", "cpu.max")) == "50000 100000"
        assert text(real(group, "cpu", "cpu.weight")) == "59"
        assert text(real(group, "pids", "pids.max")) == "100"
        swap = real(group, "memory", "memory.swap.max")
        if os.path.exists(swap):
            assert text(swap) == str(64 * MIB)


@only_v1
def test_v2_words_are_understood_on_v1() -> None:
    with made() as group:
        group.set("memory.max", "64M")
        group.set("cpu.weight", 100)
        group.set("cpu.max", "20000 50000")
        group.set("cpu.max.burst", 1000)

        assert text(real(group, "memory", "memory.limit_in_bytes")) == str(64 * MIB)
        assert text(real(group, "cpu", "cpu.shares")) == "1024"
        assert text(real(group, "cpu", "cpu.cfs_quota_us")) == "20000"
        assert text(real(group, "cpu", "cpu.cfs_period_us")) == "50000"
        assert text(real(group, "cpu", "cpu.cfs_burst_us")) == "1000"


@only_v1
def test_a_disk_is_slowed_down_in_v2_words_on_v1() -> None:
    devices = [text(f"/sys/block/{name}/dev") for name in sorted(os.listdir("/sys/block"))]
    if not devices or "blkio" not in cgroup.find().mounts:
        pytest.skip("no block device, or no blkio controller")

    with made() as group:
        limit = real(group, "blkio", "blkio.throttle.write_bps_device")

        group.set("io.max", f"{devices[0]} wbps=1048576 rbps=max")
        assert text(limit) == f"{devices[0]} 1048576"
        group.set("io.max", f"{devices[0]} wbps=max")
        assert text(limit) == ""


def test_the_trace_shows_the_file_that_was_really_written() -> None:
    events: list[door.Event] = []
    with made() as group:
        door.sink = events.append
        try:
            group.limit_pids(7)
            group.limit_cpu(50_000)
        finally:
            door.sink = None

    files = [("pids", "pids.max", "7"), ("cpu", "cpu.max", "50000 100000")]
    if group.host.version == 1:
        files[1:] = [("cpu", "cpu.cfs_period_us", "100000"), ("cpu", "cpu.cfs_quota_us", "50000")]
    assert [event.request for event in events] == [
        f'write("{real(group, controller, file)}", "{value}")' for controller, file, value in files
    ]


@only_v1
@pytest.mark.parametrize(
    "file", ["memory.high", "cgroup.kill", "cpu.pressure", "memory.oom.group", "made.up"]
)
def test_what_v1_cannot_do_says_so_in_one_line(file: str) -> None:
    with made() as group, pytest.raises(KernelError) as refusal:
        group.set(file, "1")

    assert refusal.value.errno == errno.EOPNOTSUPP
    assert "cgroup v1" in refusal.value.hint
    assert refusal.value.hint == group.why_not(file)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("file", "value"), [("memory.max", "lots"), ("cgroup.freeze", "2")])
def test_a_value_of_the_wrong_kind_is_refused_in_either_version(file: str, value: str) -> None:
    with made() as group, pytest.raises(KernelError, match=r"EINVAL|ERANGE"):
        group.set(file, value)


def test_a_limit_on_a_group_that_does_not_exist_says_to_create_it() -> None:
    with pytest.raises(KernelError, match="Create the control group first"):
        cgroup.of("never-made").limit_pids(1)


@pytest.mark.parametrize("size", [1, 6 * MIB - 1, -2])
def test_a_memory_limit_below_6_mib_is_refused_in_dockers_words(size: int) -> None:
    with pytest.raises(UsageError, match=r"^Minimum memory limit allowed is 6MB"):
        cgroup.of("never-made").limit_memory(size)


@pytest.mark.parametrize("cpus", [-1, 0.001, 1e6, float("nan"), float("inf")])
def test_cpus_that_the_host_does_not_have_are_refused_in_dockers_words(cpus: float) -> None:
    there = len(os.sched_getaffinity(0))

    with pytest.raises(
        UsageError,
        match=f"Range of CPUs is from 0.01 to {there}.00, as there are only {there} CPUs available",
    ):
        cgroup.cpu_quota(cpus)


def test_limits_outside_their_range_are_refused_before_anything_is_written() -> None:
    group = cgroup.of("never-made")

    for bad in (
        lambda: group.limit_memory(1 << 63),
        lambda: group.weigh_cpu(1),
        lambda: group.weigh_cpu(262_145),
        lambda: group.limit_pids(-2),
        lambda: group.limit_pids(1 << 40),
        lambda: group.limit_cpu(999),
        lambda: group.limit_cpu(50_000, 999),
    ):
        with pytest.raises(UsageError):
            bad()


def test_shares_become_weights_as_in_runc() -> None:
    weights = [limit_values.cpu_weight(shares) for shares in (2, 512, 1024, 2048, 262_144)]

    assert weights == [1, 59, 100, 174, 10_000]


# --- what the limits do -------------------------------------------------------------------------


def allocate() -> None:
    held = []
    for _ in range(512):
        held.append(bytearray(os.urandom(4096)) * 256)


def test_a_process_that_takes_more_than_memory_max_is_killed_and_only_its_group_counts_it() -> None:
    with made() as group, made() as sibling:
        group.limit_memory(32 * MIB)
        sibling.limit_memory(32 * MIB)

        pid = born_in(group, allocate)
        assert status_of(pid) == -signal.SIGKILL

        file = "memory.oom_control" if group.host.version == 1 else "memory.events"
        assert counters(real(group, "memory", file))["oom_kill"] == 1
        assert counters(real(sibling, "memory", file))["oom_kill"] == 0
        assert group.stats().oom_kill == 1
        assert sibling.stats().oom_kill == 0


BOMB = """
import os, signal
while True:
    try:
        if os.fork() == 0:
            signal.pause()
    except BlockingIOError:  # EAGAIN
        signal.pause()
"""


def test_a_fork_bomb_stops_at_pids_max() -> None:
    # An interpreter of its own: os.fork takes locks, which a child of clone3 may have found taken.
    def bomb() -> None:
        os.execv(sys.executable, [sys.executable, "-IS", "-c", BOMB])

    with made() as group:
        group.limit_pids(8)
        pid = born_in(group, bomb)
        events = real(group, "pids", "pids.events")
        assert soon(lambda: counters(events)["max"] > 0)

        assert text(real(group, "pids", "pids.current")) == "8"
        assert len(group.processes()) == 8
        group.kill()
        assert status_of(pid) == -signal.SIGKILL


def test_cpu_max_makes_a_busy_group_wait() -> None:
    def spin() -> None:
        while True:
            pass

    with made() as group:
        group.limit_cpu(5_000, 100_000)
        pid = born_in(group, spin)
        stat = real(group, "cpu", "cpu.stat")
        assert soon(lambda: counters(stat)["nr_throttled"] > 1)
        end(pid)

        stats = group.stats()
        assert stats.nr_throttled and stats.throttled_usec and stats.cpu_usec


def test_stats_are_what_cgroupfs_says() -> None:
    def hold_8_mib() -> None:
        held = bytearray(os.urandom(8 * MIB))
        signal.pause()
        del held

    with made() as group:
        group.limit_memory(64 * MIB)
        group.limit_pids(5)
        pid = born_in(group, hold_8_mib)
        file = "memory.usage_in_bytes" if group.host.version == 1 else "memory.current"
        assert soon(lambda: int(text(real(group, "memory", file))) > 8 * MIB)
        stats = group.stats()
        end(pid)

    assert stats.memory_limit == 64 * MIB
    assert stats.memory_current is not None and 8 * MIB < stats.memory_current <= 64 * MIB
    assert stats.memory_cache is not None
    assert (stats.pids_current, stats.pids_limit, stats.pids_max_events) == (1, 5, 0)
    assert (stats.oom_kill, stats.nr_throttled) == (0, 0)
    assert stats.cpu_usec is not None


def test_no_limit_is_none_and_so_is_every_number_of_a_group_that_is_gone() -> None:
    with made() as group:
        before = group.stats()
        group.remove()
        after = group.stats()

    assert (before.memory_limit, before.pids_limit) == (None, None)
    assert before.pids_current == 0
    assert set(after) == {None}


# --- processes ----------------------------------------------------------------------------------


def test_a_child_walks_in_and_is_in_every_hierarchy_of_the_group() -> None:
    with made() as group:
        pid = born_in(group, signal.pause)
        assert soon(lambda: text(f"/proc/{pid}/cgroup").count(group.name) >= len(group.directories))

        for directory in group.directories:
            assert text(f"{directory}/cgroup.procs") == str(pid)
        assert group.processes() == [pid]
        assert not group.wait_empty(0)
        end(pid)
        assert group.wait_empty(5)


def test_the_parent_stays_where_it_was() -> None:
    before = text("/proc/self/cgroup")
    with made() as group:
        assert status_of(born_in(group, lambda: None)) == 0

    assert text("/proc/self/cgroup") == before


@only_v1
def test_the_entrance_works_from_inside_a_user_namespace() -> None:
    with made() as group:
        entrance = group.open()
        pid, pidfd = process.clone3(0, entrance.clone_fd)
        if pid == 0:
            try:
                syscalls.unshare(flags.CLONE_NEWUSER)
                entrance.enter()
                signal.pause()
            finally:
                os._exit(99)
        entrance.close()
        os.close(pidfd)

        def everywhere() -> bool:
            return all(text(f"{one}/cgroup.procs") == str(pid) for one in group.directories)

        assert soon(everywhere)
        assert os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user")
        end(pid)


def test_descriptors_of_the_entrance_do_not_reach_a_program_and_are_closed() -> None:
    with made() as group:
        entrance = group.open()
        opened = descriptors_on(group)
        assert len(opened) == len(group.directories)
        assert not any(os.get_inheritable(fd) for fd in opened)

        entrance.close()
        assert descriptors_on(group) == []
        entrance.close()


def descriptors_on(group: cgroup.Cgroup) -> list[int]:
    """This process's descriptors that are open on a directory of the group, or on a file in one."""
    found = []
    for fd in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(FileNotFoundError):  # the descriptor of listdir itself
            if f"/kernelbox/{group.name}" in os.readlink(f"/proc/self/fd/{fd}"):
                found.append(fd)
    return found


def test_an_entrance_to_nowhere_is_refused() -> None:
    with pytest.raises(KernelError, match=r"ENOENT.*Create the control group first"):
        cgroup.of("never-made").open()


def test_a_running_process_is_moved_with_add() -> None:
    with made() as group:
        pid = os.fork()
        if pid == 0:
            signal.pause()
            os._exit(0)

        group.add(pid)

        assert group.processes() == [pid]
        assert text("/proc/self/cgroup") != text(f"/proc/{pid}/cgroup")
        end(pid)


def test_a_frozen_group_stands_still_and_runs_on_when_thawed() -> None:
    beat = mmap.mmap(-1, 8)

    def ticks() -> int:
        return int(struct.unpack("q", beat[:])[0])

    def tick() -> None:
        for number in itertools.count(1):
            beat[:] = struct.pack("q", number)
            time.sleep(0.001)

    with made() as group:
        pid = born_in(group, tick)
        assert soon(lambda: ticks() > 3)

        group.freeze()
        assert group.frozen()
        if group.host.version == 1:
            assert text(real(group, "freezer", "freezer.state")) == "FROZEN"
        else:
            assert counters(real(group, "cgroup", "cgroup.events"))["frozen"] == 1
        stopped_at = ticks()
        time.sleep(0.05)
        assert ticks() == stopped_at

        group.thaw()
        assert not group.frozen()
        assert soon(lambda: ticks() > stopped_at + 3)
        end(pid)


def test_kill_empties_a_group_whose_processes_fork_all_the_time() -> None:
    def hydra() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            with contextlib.suppress(BlockingIOError):
                os.fork()

    with made() as group:
        group.limit_pids(40)
        pid = born_in(group, hydra)
        assert soon(lambda: counters(real(group, "pids", "pids.events"))["max"] > 0)

        group.kill()

        for directory in group.directories:
            assert text(f"{directory}/cgroup.procs") == ""
        assert status_of(pid) == -signal.SIGKILL
        group.remove()
        assert not group.exists()


def test_kill_ends_frozen_processes_and_those_in_groups_below_but_no_others() -> None:
    with made() as group, made() as sibling:
        frozen = born_in(group, signal.pause)
        spared = born_in(sibling, signal.pause)
        below = born_in(group, signal.pause)
        assert soon(lambda: len(group.processes()) == 2 and len(sibling.processes()) == 1)
        for directory in group.directories:
            os.mkdir(f"{directory}/below")
            if group.host.version == 1:
                with open(f"{directory}/below/cgroup.procs", "w") as procs:
                    procs.write(str(below))
        assert group.processes() == sorted([frozen, below])
        group.freeze()

        group.kill()

        assert status_of(frozen) == status_of(below) == -signal.SIGKILL
        assert sibling.processes() == [spared]
        end(spared)


def test_killing_an_empty_group_asks_nothing_of_the_kernel() -> None:
    events: list[door.Event] = []
    with made() as group:
        door.sink = events.append
        try:
            group.kill()
        finally:
            door.sink = None

    assert events == []


# --- cgroup v2, wherever a cgroup2 file system is mounted ---------------------------------------


def test_v2_gives_birth_inside_the_group() -> None:
    with made(v2_host()) as group:
        (directory,) = group.directories
        assert counters(f"{directory}/cgroup.events")["populated"] == 0

        pid = born_in(group, signal.pause)

        assert f"0::/kernelbox/{group.name}" in text(f"/proc/{pid}/cgroup").splitlines()
        assert text(f"{directory}/cgroup.procs") == str(pid)
        assert counters(f"{directory}/cgroup.events")["populated"] == 1
        assert group.processes() == [pid]
        end(pid)
        assert soon(lambda: counters(f"{directory}/cgroup.events")["populated"] == 0)


def test_v2_freezes_thaws_and_kills_with_one_write_each() -> None:
    events: list[door.Event] = []
    with made(v2_host()) as group:
        (directory,) = group.directories
        pid = born_in(group, signal.pause)
        door.sink = events.append
        try:
            group.freeze()
            assert counters(f"{directory}/cgroup.events")["frozen"] == 1
            group.thaw()
            assert soon(lambda: counters(f"{directory}/cgroup.events")["frozen"] == 0)
            group.freeze()
            group.kill()
        finally:
            door.sink = None

        assert status_of(pid) == -signal.SIGKILL
        assert text(f"{directory}/cgroup.procs") == ""

    assert [event.request for event in events] == [
        f'write("{directory}/cgroup.freeze", "1")',
        f'write("{directory}/cgroup.freeze", "0")',
        f'write("{directory}/cgroup.freeze", "1")',
        f'write("{directory}/cgroup.kill", "1")',
    ]


def test_v2_counts_cpu_time_even_without_a_cpu_controller() -> None:
    def spin() -> None:
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass

    with made(v2_host()) as group:
        assert status_of(born_in(group, spin)) == 0
        usage = counters(f"{group.directories[0]}/cpu.stat")["usage_usec"]

        assert usage > 0
        assert group.stats().cpu_usec == usage


def test_v2_without_a_controller_says_which_one_is_missing() -> None:
    host = v2_host()
    missing = [name for name in ("cpu", "memory", "pids", "made-up") if name not in host.mounts]
    with made(host) as group:
        for controller in missing:
            with pytest.raises(KernelError, match="ENOENT") as refusal:
                group.set(f"{controller}.max", "max")
            assert f"offers no {controller} controller" in refusal.value.hint
            assert group.why_not(f"{controller}.max") == refusal.value.hint


def test_v2_passes_controllers_down_to_its_groups() -> None:
    host = v2_host()
    wanted = {"cpu", "io", "memory", "pids"} & host.mounts.keys()
    with made(host) as group:
        (directory,) = group.directories

        assert wanted <= set(text(f"{host.mounts['cgroup']}/cgroup.subtree_control").split())
        assert wanted <= set(text(f"{directory}/cgroup.controllers").split())


def test_v2_takes_groups_below_with_it() -> None:
    with made(v2_host()) as group:
        os.makedirs(f"{group.directories[0]}/a/b")

        group.remove()

        assert not os.path.exists(group.directories[0])


def test_a_device_is_used_only_if_a_rule_allows_it_with_v2_by_a_program() -> None:
    def refused(path: str, mode: int = os.O_RDWR) -> bool:
        try:
            os.close(os.open(path, mode | os.O_NONBLOCK))
        except PermissionError:
            return True
        return False

    def act() -> None:
        assert not any(map(refused, ["/dev/null", "/dev/zero", "/dev/full", "/dev/urandom"]))
        assert refused("/dev/kmsg", os.O_RDONLY)
        os._exit(7)

    for host in {cgroup.find().version: None, 2: v2_host()}.values():
        with made(host) as group:
            group.limit_devices()
            assert status_of(born_in(group, act)) == 7


# --- looking again and again ----------------------------------------------------------------------


def test_a_sampler_sees_what_stats_say_and_leaves_out_who_is_gone() -> None:
    names = [f"test-{os.getpid()}-sampled-{number}" for number in range(3)]
    before = len(os.listdir("/proc/self/fd"))
    with cgroup.of(names[0]) as idle, cgroup.of(names[1]) as busy:
        lacking = cgroup.of(names[2])
        pid = born_in(busy, lambda: [None for _ in iter(int, 1)])
        with Sampler([idle, busy, lacking]) as sampler:
            assert soon(lambda: sampler.look()[busy.name].cpu_usec > 100_000)
            seen = sampler.look()
            assert seen.keys() == {idle.name, busy.name}
            assert seen[idle.name] == (0, 0, idle.stats().memory_current, 0, 0, 0, 0)
            said = busy.stats()
            assert said.cpu_usec is not None
            assert 0 < seen[busy.name].cpu_usec <= said.cpu_usec
            assert seen[busy.name].pids == said.pids_current == 1
            assert seen[busy.name].memory > 0
            busy.set("cpu.max", "2000 20000")
            assert soon(lambda: sampler.look()[busy.name].nr_throttled > 0)

            end(pid)
            idle.remove()
            assert sampler.look().keys() == {busy.name}
            assert sampler.look()[busy.name].pids == 0
        sampler.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_sampler_counts_an_oom_kill() -> None:
    with cgroup.of(f"test-{os.getpid()}-sampled") as group, Sampler([group]) as sampler:
        group.limit_memory(8 * MIB, 8 * MIB)
        assert status_of(born_in(group, allocate)) == -signal.SIGKILL
        assert soon(lambda: sampler.look()[group.name].oom_kill == 1)


def test_a_group_that_comes_and_goes_while_it_is_read_stops_nobody() -> None:
    group = cgroup.of(f"test-{os.getpid()}-fleeting")
    enough, told = os.pipe()
    os.set_blocking(enough, False)
    coming = os.fork()
    if coming == 0:
        try:
            while True:
                group.create()
                group.remove()
                with contextlib.suppress(BlockingIOError):
                    os.read(enough, 1)
                    os._exit(0)
        finally:
            os._exit(1)
    seen: set[int | None] = set()
    looks = itertools.count()
    watch = Watch(group, from_birth=True)

    def often_enough() -> bool:
        seen.add(group.stats().pids_current)
        assert group.processes() == []
        assert group.counter("memory.events", "oom_kill") == 0
        assert group.get("cpu.max") in ("", "max 100000")
        assert watch.look() == {}
        with Sampler([group]) as sampler:
            assert set(sampler.look()) <= {group.name}
        group.kill()
        return seen == {None, 0} and next(looks) > 200

    try:
        # An emulated machine looks ten times a second.
        assert soon(often_enough, 300), seen
    finally:
        os.write(told, b"x")
        assert status_of(coming) == 0
        os.close(enough)
        os.close(told)
    assert not group.exists()
