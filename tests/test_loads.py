"""Load generators: each uses up what it says, as the kernel counts it, and at the rate it says."""

from __future__ import annotations

import math
import mmap
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kernelbox.kernel.errors import UsageError
from kernelbox.lab import Lab
from kernelbox.loads import kinds, pace, sheet, shell
from tests.looking import descendants, soon, status

MIB = 1 << 20


@contextmanager
def load(kind: str, workers: int = 1, **options: Any) -> Iterator[tuple[int, int]]:
    """Fork a load; yield its pid and its sheet."""
    told = sheet.make(workers)
    pid = os.fork()
    if pid == 0:
        try:
            kinds.run(kind, workers, options, sheet.Sheet(told))
        finally:
            os._exit(1)
    try:
        yield pid, told
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(told)


def cpu(pid: int) -> float:
    """Return the CPU time that a process has used, seconds. Source: proc_pid_schedstat(5)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


# --- the sheet and the pace -----------------------------------------------------------------------


def test_a_sheet_keeps_the_count_and_the_last_measurements_of_each_worker() -> None:
    told = sheet.make(2)
    one = sheet.Sheet(told)
    one.tell(1, 7)
    for number in range(sheet.KEPT + 3):
        one.measure(1, number)
    first, second = sheet.read(told)
    os.close(told)
    assert first == sheet.Row(0, ())
    assert second.done == 7
    assert second.measured == tuple(map(float, range(3, sheet.KEPT + 3)))


def test_what_a_forked_worker_tells_is_read_by_whoever_has_the_sheet() -> None:
    told = sheet.make(1)
    written = sheet.Sheet(told)
    if os.fork() == 0:
        written.tell(0, 5)
        written.measure(0, 0.25)
        os._exit(0)
    os.wait()
    assert sheet.read(told) == [sheet.Row(5, (0.25,))]
    os.close(told)


def test_a_pace_is_never_faster_than_stated_and_makes_nothing_up() -> None:
    stated = pace.Pace(100)
    time.sleep(0.5)  # kept waiting: fifty units are missed
    began = time.monotonic()
    for _ in range(30):
        stated.wait(1)
    # Less than a tenth of a second may be made up for, which is ten of these.
    assert time.monotonic() - began >= 0.19


# --- what each uses up ----------------------------------------------------------------------------


def test_every_worker_of_a_burner_uses_cpu_time_and_counts_its_turns() -> None:
    with load("burn", 2) as (pid, told):
        assert soon(lambda: len(descendants(pid)) == 1)
        both = [pid, *descendants(pid)]
        assert soon(lambda: all(cpu(one) > 0.2 for one in both))
        used = sum(map(cpu, both))
        turns = [row.done for row in sheet.read(told)]
    # A turn is a fifth of a millisecond of CPU time, and a look at the clock.
    assert all(turns)
    assert sum(turns) * 0.0002 <= used + 0.1


def test_a_burner_measures_the_pauses_in_which_it_was_kept_from_running() -> None:
    with load("burn") as (pid, told):
        assert soon(lambda: sheet.read(told)[0].done)
        os.kill(pid, signal.SIGSTOP)
        assert soon(lambda: status(pid)["State"].startswith("T"))
        time.sleep(0.3)
        os.kill(pid, signal.SIGCONT)
        assert soon(lambda: max(sheet.read(told)[0].measured, default=0) >= 0.3)


def test_a_server_does_jobs_of_so_much_cpu_time_and_sleeps_between_them() -> None:
    with load("serve", work=0.01, every=0.02, open_loop=False) as (pid, told):
        before = cpu(pid)
        assert soon(lambda: sheet.read(told)[0].done >= 10)
        jobs, used = sheet.read(told)[0], cpu(pid) - before
    assert all(seconds >= 0.01 for seconds in jobs.measured)
    assert 0.01 * jobs.done <= used + 0.01 and used < 0.02 * (jobs.done + 2)


@pytest.mark.parametrize("open_loop", [False, True])
def test_who_comes_while_a_server_stands_still_has_waited_in_an_open_loop_only(
    open_loop: bool,
) -> None:
    with load("serve", work=0.001, every=0.05, open_loop=open_loop) as (pid, told):
        assert soon(lambda: sheet.read(told)[0].done)
        os.kill(pid, signal.SIGSTOP)
        assert soon(lambda: status(pid)["State"].startswith("T"))
        before = sheet.read(told)[0].done
        time.sleep(0.8)
        os.kill(pid, signal.SIGCONT)
        assert soon(lambda: sheet.read(told)[0].done >= before + 15)
        after = sheet.read(told)[0].measured[before : before + 15]
    # One was to come, or was being served; and in an open loop one more every 50 ms.
    late = sum(seconds > 0.2 for seconds in after)
    assert late >= 8 if open_loop else late <= 5


def test_an_eater_holds_touched_pages_of_its_own_and_stays() -> None:
    with load("eat", size=20 * MIB, rate=math.inf) as (pid, told):
        assert soon(lambda: sheet.read(told)[0].done == 20 * MIB)
        assert soon(lambda: status(pid)["State"].startswith("S"))
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    dirty = next(line.split()[1] for line in rollup.splitlines() if "Private_Dirty" in line)
    assert int(dirty) * 1024 >= 20 * MIB


def test_an_eater_takes_whole_pages_at_the_stated_rate() -> None:
    with load("eat", size=2 * MIB + 1, rate=4 * MIB) as (_, told):
        began = time.monotonic()
        assert soon(lambda: sheet.read(told)[0].done == 2 * MIB + mmap.PAGESIZE)
        assert time.monotonic() - began >= 0.3


def test_a_forker_has_so_many_children_and_they_end_with_it() -> None:
    with load("fork_many", number=12, rate=1000.0) as (pid, told):
        assert soon(lambda: len(descendants(pid)) == 12)
        assert soon(lambda: sheet.read(told)[0].done == 12)
        children = descendants(pid)
        assert soon(lambda: all(status(one)["State"].startswith("S") for one in [pid, *children]))
    assert soon(lambda: not any(os.path.exists(f"/proc/{one}/exe") for one in children))


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("at_random", [False, True])
def test_a_writer_and_a_reader_move_the_bytes_that_they_count(
    tmp_path: Path, at_random: bool, direct: bool
) -> None:
    file = Path("/var/tmp") / f"kernelbox-load-{os.getpid()}"  # tmp_path may be a tmpfs
    how = {"path": str(file), "size": MIB, "rate": math.inf, "block": 64 << 10}
    how |= {"at_random": at_random, "direct": direct}
    try:
        with load("write", **how) as (pid, told):
            assert soon(lambda: sheet.read(told)[0].done >= 8 * MIB)
            os.kill(pid, signal.SIGSTOP)
            assert soon(lambda: status(pid)["State"].startswith("T"))
            assert abs(moved(pid, "wchar") - sheet.read(told)[0].done) <= 64 << 10
        assert file.stat().st_size <= MIB
        if not at_random:
            assert file.stat().st_size == MIB
        file.write_bytes(bytes(MIB))
        with load("read", **how) as (pid, told):
            assert soon(lambda: sheet.read(told)[0].done >= 8 * MIB)
            assert sheet.read(told)[0].measured
    finally:
        file.unlink(missing_ok=True)


def moved(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def test_direct_writes_reach_the_disk_at_the_stated_rate_at_most() -> None:
    file = f"/var/tmp/kernelbox-load-{os.getpid()}"
    how = {"path": file, "size": MIB, "rate": 4.0 * MIB, "block": 64 << 10}
    how |= {"at_random": False, "direct": True}
    try:
        with load("write", **how) as (pid, told):
            began = time.monotonic()
            assert soon(lambda: sheet.read(told)[0].done >= 2 * MIB)
            assert time.monotonic() - began >= 0.3
            assert soon(lambda: moved(pid, "write_bytes") >= 2 * MIB)
    finally:
        os.unlink(file)


@pytest.mark.parametrize(
    ("kind", "workers", "options", "words"),
    [
        ("bake", 1, {}, "there is no load 'bake'"),
        ("burn", 0, {}, "workers of burn is 0"),
        ("burn", 65, {}, "65 workers are too many"),
        ("serve", 1, {"work": -1.0, "every": 1.0, "open_loop": True}, "work of serve is -1.0"),
        ("serve", 1, {"work": math.nan, "every": 1.0}, "work of serve is nan"),
        ("eat", 1, {"size": math.inf, "rate": 1.0}, "size of eat is infinite"),
        ("write", 1, {"block": 0, "direct": False}, "block of write is 0"),
        ("read", 1, {"block": 1000, "direct": True}, "block of read is 1000, and no direct"),
    ],
)
def test_what_no_load_can_do_is_refused(
    kind: str, workers: int, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        kinds.check(kind, workers, options)


def test_a_reader_asks_for_blocks_of_the_stated_size(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(MIB))
    how = {"path": str(file), "size": MIB, "rate": math.inf, "block": 4096}
    with load("read", **how, at_random=True, direct=False) as (pid, told):
        assert soon(lambda: sheet.read(told)[0].done >= MIB)
        os.kill(pid, signal.SIGSTOP)
        assert soon(lambda: status(pid)["State"].startswith("T"))
        assert 4096 <= moved(pid, "rchar") / moved(pid, "syscr") < 6000  # two were of its own


# --- inside a container of busybox ----------------------------------------------------------------


def test_a_container_burns_with_so_many_processes(box: Lab) -> None:
    busy = box.start("busybox", shell.burn(2), network="none")
    assert soon(lambda: len(descendants(busy.pid)) == 2)
    assert soon(lambda: all(cpu(one) > 0.1 for one in descendants(busy.pid)))
    assert cpu(busy.pid) < 0.1
    busy.remove()


def test_a_container_eats_so_much_memory_and_keeps_it(box: Lab) -> None:
    hungry = box.start("busybox", shell.eat(20 * MIB), network="none")

    def held() -> bool:
        sizes = [int(status(one).get("RssAnon", "0 kB").split()[0]) for one in family(hungry.pid)]
        return max(sizes) * 1024 >= 20 * MIB

    assert soon(held)
    hungry.remove()


def family(pid: int) -> list[int]:
    return [pid, *descendants(pid)]


def test_a_container_forks_so_many_children(box: Lab) -> None:
    parent = box.start("busybox", shell.fork_many(9), network="none")
    assert soon(lambda: len(descendants(parent.pid)) == 9)
    parent.remove()


def test_a_container_writes_and_reads_a_file(box: Lab) -> None:
    disk = box.start("busybox", "sleep 1000", network="none")
    assert disk.exec(shell.write("/file", 4 * MIB), quiet=True).code == 0
    assert disk.exec("stat -c %s /file", quiet=True).stdout == f"{4 * MIB}\n"
    assert "64+0 records in" in disk.exec(shell.read("/file"), quiet=True).stderr
    disk.remove()
