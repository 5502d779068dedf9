"""Control groups from a notebook: made by hand, by v2's names, and gone with the lab.

What is asked is read in cgroupfs and /proc, with plain open().
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelbox import cgroup, lab
from kernelbox.lab import Group, Lab, LabError, measuring, notebook
from tests.command import Kernelbox
from tests.conftest import suffix_of
from tests.looking import is_alive, soon, status

V2 = cgroup.find().version == 2
# By v2's name: the file, and what v1 has instead.
REAL = {
    "cpu.max": ("cpu.max", "cpu.cfs_quota_us"),
    "cpu.weight": ("cpu.weight", "cpu.shares"),
    "cpuset.cpus": ("cpuset.cpus", "cpuset.cpus"),
    "pids.max": ("pids.max", "pids.max"),
    "memory.max": ("memory.max", "memory.limit_in_bytes"),
}


def real(group: Group, file: str) -> str:
    """Return what the host's own file says of a group."""
    controller = file.partition(".")[0]
    path = f"{cgroup.find().mounts[controller]}{group.path}/{REAL[file][0 if V2 else 1]}"
    return Path(path).read_text().strip()


def groups_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text()


def left(name: str) -> list[Path]:
    """Return the directories, in any hierarchy, of groups that are called so."""
    return [path for parent in cgroup.find().parents for path in Path(parent).rglob(name)]


@pytest.fixture(scope="module")
def common(tests_root: Path) -> Iterator[Lab]:
    """A lab for the tests in which nothing runs: to start one takes longer than such a test."""
    made = notebook.Lab()  # which `lab.start` of the tests between does not end
    yield made
    made.close()


# --- making and removing --------------------------------------------------------------------------


def test_a_group_is_there_in_every_hierarchy_until_its_block_ends(box: Lab) -> None:
    name = f"block-{os.getpid()}"
    with box.cgroup(name) as made:
        assert len(left(name)) == len(cgroup.find().parents)
        assert all(str(path).endswith(made.path) for path in left(name))
    assert not left(name)
    made.remove()


def test_groups_lie_in_one_that_is_the_roots_and_is_in_its_ledger(
    box: Lab, tests_root: Path
) -> None:
    made = box.cgroup("web")
    top = f"lab-{suffix_of(tests_root)}"
    assert made.path.split("/")[:3] == ["", "kernelbox", top]
    assert f'"name": "{top}"' in (tests_root / "host/ledger").read_text()


def test_a_group_of_a_name_that_is_there_takes_its_place_with_all_in_it(box: Lab) -> None:
    first = box.burn(group=box.cgroup("again"))
    second = box.cgroup("again")
    assert not first.running
    assert second.processes == []


def test_groups_end_with_the_lab_whatever_runs_in_them(box: Lab) -> None:
    name = f"end-{os.getpid()}"
    outer = box.cgroup(name)
    inner = outer.cgroup("inner")
    burner = box.burn(group=inner)
    inner.freeze()
    box.close()
    assert not is_alive(burner.pid)
    assert not left(name)


def test_groups_of_an_agent_that_was_killed_go_with_the_next_lab(tests_root: Path) -> None:
    name = f"killed-{os.getpid()}"
    first = lab.start()
    inner = first.cgroup(name)
    burner, held = first.burn(group=inner), first.hold()
    inner.add(held)
    inner.freeze()
    os.kill(first.agent, signal.SIGKILL)
    assert left(name)
    second = lab.start()
    assert not left(name)
    assert not is_alive(burner.pid) and not is_alive(held.pid)
    second.close()


def test_a_lab_leaves_another_labs_groups_alone() -> None:
    one = lab.start()
    kept = one.burn(group=one.cgroup("same"))
    script = "from kernelbox import lab; b = lab.start(); b.cgroup('same'); b.close()"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert kept.running
    one.close()


def test_reset_removes_groups_with_what_runs_in_them(
    box: Lab, kernelbox: Kernelbox, tests_root: Path
) -> None:
    made = box.cgroup("reset-me")
    burner = box.burn(2, group=made)
    kernelbox.ok("reset")
    assert not left(f"lab-{suffix_of(tests_root)}")
    assert not is_alive(burner.pid)


@pytest.mark.parametrize("name", ["", ".", "..", "a/..", "a//b", "a\nb", "/a"])
def test_what_cannot_name_a_group_is_refused(common: Lab, name: str) -> None:
    with pytest.raises(LabError, match="cannot name a control group"):
        common.cgroup(name)


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "value", "v2", "v1"),
    [
        ("cpu.max", "20000 50000", "20000 50000", "20000"),
        ("cpu.max", "max 100000", "max 100000", "-1"),
        ("cpu.weight", "200", "200", "2048"),
        ("cpuset.cpus", "0", "0", "0"),
        ("pids.max", "33", "33", "33"),
        ("memory.max", "16777216", "16777216", "16777216"),
    ],
)
def test_what_is_written_by_v2s_name_is_in_the_hosts_file_and_is_read_back(
    common: Lab, file: str, value: str, v2: str, v1: str
) -> None:
    made = common.cgroup("files")
    trace = made.write(file, value)
    assert real(made, file) == (v2 if V2 else v1)
    assert made.read(file) == value
    assert all(made.path in event.request for event in trace)
    assert any(REAL[file][0 if V2 else 1] in event.request for event in trace)


@pytest.mark.parametrize(
    "file",
    [
        "cpu.max", "cpu.max.burst", "cpu.weight", "cpu.stat", "cpuset.cpus.effective",
        "memory.max", "memory.current", "memory.events", "memory.stat", "pids.max", "pids.current",
        "pids.events", "cgroup.procs", "cgroup.events", "cgroup.freeze", "cgroup.controllers",
    ],
)  # fmt: skip
def test_the_files_of_v2_can_be_read_on_either_kind_of_host(common: Lab, file: str) -> None:
    made = common.cgroup("read")
    said = made.read(file)
    if V2:
        path = Path(f"{cgroup.find().mounts['cgroup']}{made.path}/{file}")
        assert said == path.read_text().rstrip("\n")
    else:
        assert said or file == "cgroup.procs"


def test_cpu_stat_counts_what_a_burner_uses_in_microseconds(box: Lab) -> None:
    made = box.cgroup("counted")
    burner = box.burn(group=made)
    schedstat = Path(f"/proc/{burner.pid}/schedstat")
    # With v1 it is born outside, and walks in: a little of its time is not the group's.
    assert soon(lambda: int(schedstat.read_text().split()[0]) > 4e8)
    burner.end()
    assert soon(lambda: made.numbers("cpu.stat")["usage_usec"] >= 300_000)
    assert made.stats.cpu_usec == made.numbers("cpu.stat")["usage_usec"]


def test_a_quota_throttles_a_burner_or_others_had_the_processor(box: Lab) -> None:
    made = box.cgroup("throttled")
    made.write("cpu.max", "5000 100000")
    box.burn(2, group=made)
    assert soon(lambda: made.numbers("cpu.stat")["nr_throttled"] > 2)
    stat = made.numbers("cpu.stat")
    assert stat["throttled_usec"] > 0
    # A period more than were counted may have begun, and each CPU may overdraw a slice.
    assert stat["usage_usec"] <= 5000 * (stat["nr_periods"] + 1) + 2 * 10_000


@pytest.mark.skipif(V2, reason="controllers are in cgroup v2")
@pytest.mark.parametrize(
    ("file", "words"), [("cpu.pressure", "no pressure"), ("memory.high", "no limit that slows")]
)
def test_what_v1_has_no_word_for_says_so_when_it_is_read_or_written(
    common: Lab, file: str, words: str
) -> None:
    made = common.cgroup("lacking")
    assert words in made.why_not(file)
    with pytest.raises(LabError, match=words):
        made.read(file)
    with pytest.raises(LabError, match=words):
        made.write(file, "max")


@pytest.mark.parametrize(
    ("file", "value"),
    [("cpu.max", "-5 100000"), ("cpu.max", "many"), ("pids.max", "nan"), ("cpuset.cpus", "9999")],
)
def test_a_value_that_the_kernel_refuses_is_told_in_one_line(
    common: Lab, file: str, value: str
) -> None:
    made = common.cgroup("refused")
    before = made.read(file)
    with pytest.raises(LabError, match=r"write\(.*E[A-Z]+ "):
        made.write(file, value)
    assert made.read(file) == before


@pytest.mark.parametrize("file", ["../cgroup.procs", "cpu/max", "no.such", "cpu.none"])
def test_a_file_that_is_none_of_a_group_is_neither_read_nor_written(common: Lab, file: str) -> None:
    made = common.cgroup("strange")
    with pytest.raises(LabError):
        made.read(file)
    with pytest.raises(LabError):
        made.write(file, "1")


def test_the_directory_of_a_controller_is_where_the_host_has_its_files(common: Lab) -> None:
    made = common.cgroup("where")
    assert Path(made.directory("cpu"), "cpu.stat").exists()
    assert Path(made.directory("io"), "cgroup.procs").exists()
    with pytest.raises(LabError, match="no nothing controller"):
        made.directory("nothing")


def test_pressure_wakes_whoever_waits_for_it(box: Lab) -> None:
    made = box.cgroup("pressure")
    try:
        made.read("cpu.pressure")
    except LabError as refusal:
        pytest.skip(f"no pressure is kept per group: {refusal}")
    box.burn(3, group=made, cpus=(0,))
    woken = box.hold()
    woken.python(
        "import select\n"
        f"fd = os.open('{made.directory('cpu')}/cpu.pressure', os.O_RDWR)\n"
        "os.write(fd, b'some 100000 1000000')\n"
        "poller = select.poll()\n"
        "poller.register(fd, select.POLLPRI)\n"
    )
    assert woken.evaluate("bool(poller.poll(20000))")
    assert soon(lambda: "some avg10=0.00" not in made.read("cpu.pressure"))


# --- nested ---------------------------------------------------------------------------------------


def test_a_group_in_a_group_has_the_controllers_that_are_passed_down(box: Lab) -> None:
    outer = box.cgroup("outer")
    assert {"cpu", "memory", "pids"} <= set(outer.controllers)
    before = outer.cgroup("before")
    assert before.controllers == ([] if V2 else outer.controllers)
    outer.pass_down("cpu", "pids")
    after = outer.cgroup("after")
    assert set(after.controllers) >= {"cpu", "pids"}
    after.write("pids.max", "9")
    assert after.name == "outer/after"
    assert after.path == f"{outer.path}/after"
    with pytest.raises(LabError):
        outer.pass_down("no-such")


@pytest.mark.skipif(not V2, reason="controllers are in cgroup v1: each has a hierarchy of its own")
def test_v2_passes_nothing_down_from_a_group_with_processes_in_it(box: Lab) -> None:
    outer = box.cgroup("internal")
    outer.add(box.hold())
    with pytest.raises(LabError, match="EBUSY"):
        outer.pass_down("memory")


@pytest.mark.skipif(not V2, reason="controllers are in cgroup v1: no group has a type there")
def test_who_passes_pids_down_from_a_group_with_processes_is_told_why_none_can_enter_below(
    box: Lab,
) -> None:
    outer = box.cgroup("threaded")
    outer.add(box.hold())
    inner = outer.cgroup("inner")
    outer.pass_down("pids")
    assert outer.read("cgroup.type") == "domain threaded"
    with pytest.raises(LabError, match=r"(EOP)?NOTSUPP?.*domain invalid: the group above"):
        inner.add(box.hold())
    outer.remove()
    assert not left("threaded")


def test_a_group_in_one_that_is_gone_cannot_be_made(box: Lab) -> None:
    outer = box.cgroup("gone")
    outer.remove()
    with pytest.raises(LabError, match="ENOENT"):
        outer.cgroup("inner")


# --- processes ------------------------------------------------------------------------------------


def test_a_held_process_and_a_container_are_moved_in_all_hierarchies(box: Lab) -> None:
    made = box.cgroup("moved")
    held = box.hold()
    web = box.start("busybox", "sleep 1000", network="none")
    made.add(held)
    made.add(web)
    assert made.processes == sorted([held.pid, web.pid])
    for pid in made.processes:
        lines = groups_of(pid).splitlines()
        ours = [line for line in lines if line.endswith(made.path)]
        assert len(ours) == len(cgroup.find().parents)


def test_a_held_process_stays_where_it_is_moved_however_young_it_is(box: Lab) -> None:
    made = box.cgroup("young")
    held = []
    for _ in range(10):
        held.append(box.hold())
        made.add(held[-1])
    assert all(one.look() for one in held)  # by now each has done all that it does at first
    assert made.processes == sorted(one.pid for one in held)


def test_a_child_of_a_held_process_is_born_where_its_parent_is(box: Lab) -> None:
    made = box.cgroup("family")
    held = box.hold()
    made.add(held)
    child = held.fork()
    assert made.processes == sorted([held.pid, child.pid])


@pytest.mark.parametrize("whose", ["init", "agent", "notebook"])
def test_a_process_of_the_hosts_is_not_moved(common: Lab, whose: str) -> None:
    pid = {"init": 1, "agent": common.agent, "notebook": os.getpid()}[whose]
    made = common.cgroup("closed")
    before = groups_of(pid)
    with pytest.raises(LabError, match="is the host's"):
        made.add(pid)
    assert groups_of(pid) == before


def test_a_process_that_has_ended_cannot_be_moved(box: Lab) -> None:
    held = box.hold()
    held.end()
    with pytest.raises(LabError, match="ESRCH"):
        box.cgroup("late").add(held)


def test_a_load_is_born_in_its_group_and_on_its_cpus(box: Lab) -> None:
    made = box.cgroup("born")
    burner = box.burn(2, group=made, cpus=(0,))
    assert soon(lambda: len(made.processes) == 2)
    assert all(os.sched_getaffinity(pid) == {0} for pid in made.processes)
    assert burner.pid in made.processes
    burner.end()
    assert soon(lambda: made.processes == [])


def test_a_load_without_a_group_is_where_held_processes_are(box: Lab, tests_root: Path) -> None:
    assert f"/kernelbox/held-{suffix_of(tests_root)}\n" in groups_of(box.burn().pid)


def test_what_a_load_has_told_can_be_read_after_its_end(box: Lab) -> None:
    burner = box.burn()
    assert soon(lambda: burner.count > 10)
    burner.end()
    burner.end()
    assert burner.count > 10 and not burner.running


def test_a_load_in_a_group_that_is_gone_is_refused(box: Lab) -> None:
    made = box.cgroup("left")
    made.remove()
    with pytest.raises(LabError, match="ENOENT"):
        box.burn(group=made)


def test_a_frozen_group_stands_still_until_it_is_thawed(box: Lab) -> None:
    made = box.cgroup("frozen")
    burner = box.burn(group=made)
    assert soon(lambda: burner.count > 0)
    assert made.events == {"populated": 1, "frozen": 0}
    made.freeze()
    assert made.events == {"populated": 1, "frozen": 1}
    still = burner.count
    time.sleep(0.2)
    assert burner.count == still
    made.thaw()
    assert soon(lambda: burner.count > still)


@pytest.mark.parametrize("frozen", [False, True])
def test_kill_ends_all_in_a_group_and_below_and_the_group_stays(box: Lab, frozen: bool) -> None:
    outer = box.cgroup("killed")
    inner = outer.cgroup("inner")
    burners = [box.burn(group=inner), box.fork_many(5, group=inner)]
    assert soon(lambda: len(inner.processes) == 7)
    if frozen:
        outer.freeze()
    outer.kill()
    assert outer.processes == []
    assert outer.events["populated"] == 0
    assert not any(burner.running for burner in burners)
    assert left("killed")


def test_a_fork_bomb_in_a_group_has_an_end(box: Lab) -> None:
    made = box.cgroup("bomb")
    box.fork_many(2000, 100_000.0, group=made)
    assert soon(lambda: len(made.processes) == 512, 120)
    time.sleep(0.2)
    assert len(made.processes) == 512
    made.kill()
    assert made.processes == []


def test_a_graph_shows_what_a_group_uses_and_its_limit_as_it_changes(box: Lab) -> None:
    made = box.cgroup("shown")
    made.write("cpu.max", "5000 100000")
    box.burn(group=made)
    graph = box.resources(made)
    assert "shown: cpu up to 0.05" in repr(graph)
    made.write("cpu.max", "10000 100000")

    def seen() -> bool:
        graph.refresh()
        told, counted = repr(graph), graph.text().splitlines()[-1]  # a rate takes a moment more
        return "shown: cpu up to 0.1; throttled" in told and "cpu" in counted

    assert soon(seen)


# --- measuring ------------------------------------------------------------------------------------


def test_used_is_what_the_kernel_counts_of_each_group_over_the_same_while(box: Lab) -> None:
    busy, idle = box.cgroup("busy"), box.cgroup("idle")
    burner = box.burn(group=busy)
    schedstat = Path(f"/proc/{burner.pid}/schedstat")
    began, before = time.monotonic(), int(schedstat.read_text().split()[0])
    found = measuring.used(busy, idle, seconds=0.5)
    passed, after = time.monotonic() - began, int(schedstat.read_text().split()[0])
    assert found[1] == 0
    # What was used between the two outer looks is at least what was between the inner ones.
    assert 0 < found[0] * 0.5 <= (after - before) / 1e9 + 0.02
    assert passed >= 0.5


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1), (1, 1), (10, 1), (11, 2), (50, 5), (95, 10), (100, 10)]
)
def test_a_percentile_is_the_nearest_rank(percent: float, value: float) -> None:
    assert measuring.percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], percent) == value


def test_of_nothing_there_is_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        measuring.percentile([], 50)


def test_the_groups_of_a_process_are_told_from_its_own_up_with_the_quota_of_each(box: Lab) -> None:
    outer = box.cgroup("outer")
    outer.pass_down("cpu")
    outer.write("cpu.max", "30000 60000")
    inner = outer.cgroup("inner")
    held = box.hold()
    inner.add(held)
    found = measuring.cpu_groups(held.pid)
    assert [path.name for path in found[:2]] == ["inner", "outer"]
    assert all((path / "cgroup.procs").exists() for path in found)
    assert str(held.pid) in (found[0] / "cgroup.procs").read_text().split()
    assert [measuring.cpu_max(path) for path in found[:2]] == ["max 100000", "30000 60000"]
    assert measuring.cpu_max(found[-1]) == "max 100000"  # /kernelbox


def test_the_groups_of_a_process_are_told_with_the_memory_limit_of_each(box: Lab) -> None:
    outer = box.cgroup("outer")
    outer.pass_down("memory")
    outer.write("memory.max", 48 << 20)
    inner = outer.cgroup("inner")
    held = box.hold()
    inner.add(held)
    found = measuring.memory_groups(held.pid)
    assert [path.name for path in found[:2]] == ["inner", "outer"]
    assert str(held.pid) in (found[0] / "cgroup.procs").read_text().split()
    assert [measuring.memory_max(path) for path in found[:2]] == ["max", str(48 << 20)]
    assert measuring.memory_max(found[-1]) == "max"  # /kernelbox


@pytest.mark.vm
@pytest.mark.parametrize("how", ["killed", "removed", "further up"])
def test_who_waits_for_a_disk_below_a_tiny_limit_is_ended_all_the_same(box: Lab, how: str) -> None:
    outer = box.cgroup("outer")
    outer.pass_down("io")
    inner = outer.cgroup("inner")
    disk = box.disk(1 << 20)
    inner.write("io.max", f"{disk.number} wbps=2")
    load = box.write(disk.path, disk.size, direct=True, group=inner)
    assert soon(lambda: status(load.pid)["State"].startswith("D"))
    if how == "killed":
        inner.kill()
    elif how == "removed":
        inner.remove()
    else:
        outer.remove()
    assert not is_alive(load.pid)
    outer.remove()
