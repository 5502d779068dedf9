"""The experiments of chapter 14: what they return is what the kernel says, asked another way."""

from __future__ import annotations

import mmap
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelbox.kernel import pages
from kernelbox.lab import Container, Lab, LabError
from kernelbox.lab.experiments import births, calls, interval, memory, noise, page_cache
from tests.looking import is_alive

MIB = 1 << 20


def in_memory(path: Path) -> bool:
    """Whether all of a file can be read without waiting for a disk. Source: preadv2(2)."""
    buffer = bytearray(path.stat().st_size)
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.preadv(fd, [buffer], 0, os.RWF_NOWAIT) == len(buffer)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [8, 20, 41])
def test_nine_of_ten_intervals_hold_the_median_and_no_more_than_they_must(count: int) -> None:
    drawn = random.Random(count)
    held = 0
    for _ in range(2000):
        # A long tail, as times have it; its median is 1.
        found = interval.of_median([drawn.lognormvariate(0, 1) for _ in range(count)])
        assert found.low <= found.middle <= found.high
        held += found.low <= 1 <= found.high
    # Ranks are whole numbers: with few values, an interval is surer than it has to be.
    assert 0.88 < held / 2000 < 0.97


def test_a_ratio_is_of_neighbours_so_a_slow_moment_of_the_machine_does_not_count() -> None:
    moments = [random.uniform(1, 50) for _ in range(20)]
    found = interval.of_ratio([3 * moment for moment in moments], moments)
    assert found[:3] == pytest.approx((3, 3, 3))
    assert found.said() == "3, and most likely between 3 and 3 (20 runs)"
    assert found.apart(interval.of_median([4, 5, 6, 7, 8]))
    assert not found.apart(interval.of_median([1, 2, 3, 4, 5]))


def test_from_too_few_values_nothing_is_concluded() -> None:
    with pytest.raises(ValueError, match="4 values are too few to be 90% sure"):
        interval.of_median([1, 2, 3, 4])


def test_ways_are_measured_in_turns_and_the_first_rounds_do_not_count() -> None:
    done: list[str] = []
    ways = {name: lambda name=name: done.append(name) for name in "ab"}
    found = births.in_turns(ways, runs=3)
    assert done == [*"ab"] * 5
    assert {name: len(times) for name, times in found.items()} == {"a": 3, "b": 3}


# --- births and memory ----------------------------------------------------------------------------


def test_what_is_started_is_a_process_or_a_container_and_ends(box: Lab) -> None:
    found = births.in_turns({"one": births.process, "other": births.container(box)}, runs=2)
    assert all(seconds > 0 for times in found.values() for seconds in times)
    assert len(box.made) == 4
    assert not box.containers(every=True)


def test_a_crowd_grows_and_goes(box: Lab) -> None:
    with births.crowd(box, 3) as crowd:
        crowd.grow(1)
        crowd.grow(3)
        pids = [one.pid for one in crowd.containers]
        assert len(crowd.took) == 3 and all(map(is_alive, pids))
        with pytest.raises(LabError, match="3 containers at most, and not 4"):
            crowd.grow(4)
    assert not any(map(is_alive, pids))


def test_a_page_that_two_have_is_counted_once(box: Lab) -> None:
    parent, witness = box.hold(), box.hold()
    parent.python(f"shared = mmap.mmap(-1, {8 * MIB}); shared.write(bytes({8 * MIB}))")
    child = parent.fork()
    child.python("sum(shared[::4096])")  # shared memory is mapped by whoever looks at it
    both = memory.taken(witness, [parent.pid, child.pid])
    own = memory.taken(witness, [parent.pid])
    assert both.proportional >= 8 * MIB <= both.resident - both.proportional
    assert own.proportional < own.resident - 3 * MIB and own.own < 8 * MIB
    # The same, process by process and mapping by mapping.
    text = "".join(Path(f"/proc/{one.pid}/smaps").read_text() for one in (parent, child))
    added = sum(map(int, re.findall(r"^Pss: +(\d+) kB", text, re.M))) << 10
    assert both.proportional == pytest.approx(added, rel=0.02)


def test_a_container_is_its_program_and_its_monitor(box: Lab) -> None:
    container = box.start("busybox", "sleep 1000", network="none")
    program, monitor = memory.people([container])
    assert Path(f"/proc/{program}/comm").read_text() == "sleep\n"
    assert b"python" in Path(f"/proc/{monitor}/cmdline").read_bytes()
    assert f"PPid:\t{box.agent}\n" in Path(f"/proc/{monitor}/status").read_text()


# --- one copy -------------------------------------------------------------------------------------


@pytest.fixture
def pair(box: Lab) -> Iterator[tuple[Container, Container]]:
    """Two containers of an image that has a file of 4 MiB."""
    builder = box.start("busybox", "sleep 1000", network="none")
    builder.exec("dd if=/dev/urandom of=/film bs=1M count=4", quiet=True)
    box.kernelbox(["commit", builder.id, "experiments/film"], quiet=True)
    one, other = (
        box.start("experiments/film", "sleep 1000", network="none") for _ in ("one", "other")
    )
    yield one, other
    for container in (builder, one, other):
        container.remove()
    box.kernelbox("rmi experiments/film", quiet=True)


def test_what_one_container_has_read_the_other_finds_in_memory(
    box: Lab, pair: tuple[Container, Container]
) -> None:
    one, other = (page_cache.reader(box, container) for container in pair)
    layers = pair[0].inspect()["GraphDriver"]["Data"]["LowerDir"].split(":")
    [film] = [path for layer in layers if (path := Path(layer, "film")).exists()]
    assert page_cache.dropped(one, "/film")
    assert page_cache.cached(other, "/film") == 0
    assert not in_memory(film)  # asking so begins to read it
    page_cache.dropped(one, "/film")
    assert page_cache.read(one, "/film") > 0
    assert page_cache.cached(other, "/film") > 0.99 and in_memory(film)
    # Who has changed it has one of its own.
    pair[1].exec(["sh", "-c", "echo >> /film"])
    assert page_cache.dropped(one, "/film")
    page_cache.read(other, "/film")
    assert page_cache.cached(other, "/film") > 0.99
    assert page_cache.cached(one, "/film") == 0


def test_a_file_that_somebody_maps_and_one_that_is_empty(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(MIB))
    assert pages.cached(str(file)) == MIB
    with file.open("rb") as open_file:
        used = mmap.mmap(open_file.fileno(), MIB, access=mmap.ACCESS_READ)
    assert used[::4096].count(0) == MIB // 4096  # each page is touched
    pages.drop(str(file))
    assert pages.cached(str(file)) == MIB
    used.close()
    pages.drop(str(file))
    assert pages.cached(str(file)) == 0
    file.write_bytes(b"")
    assert pages.cached(str(file)) == 0
    with pytest.raises(FileNotFoundError):
        pages.cached(str(tmp_path / "nothing"))


# --- calls, messages, noise -----------------------------------------------------------------------


def test_calls_inside_and_outside_are_measured_and_nobody_is_left(box: Lab) -> None:
    inside, outside = calls.in_turns(box, runs=3)
    assert len(inside) == len(outside) == 3
    assert all(1e-9 < seconds < 1e-3 for seconds in inside + outside)
    assert not box.containers()


def test_a_program_that_makes_no_call_has_no_price(
    box: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "PROGRAM", ("sleep", "1000"))
    with pytest.raises(LabError, match="makes no system call"):
        calls.in_turns(box, runs=1)


def test_messages_go_to_the_container_and_to_oneself(box: Lab) -> None:
    there, oneself = calls.messages(box, box.start("busybox", "sleep 1000"), times=20)
    assert len(there) == len(oneself) == 20 and min(there + oneself) > 0


def test_a_service_answers_beside_its_neighbours_and_all_go(box: Lab) -> None:
    ways: dict[str, tuple[int, dict[str, str]]] = {
        "alone": (0, {}),
        "two": (2, {"cpu.weight": "1"}),
    }
    found = noise.quietest(box, ways, rounds=1)
    assert found.keys() == ways.keys()
    for measured in found.values():
        assert min(measured) >= 0.004 and noise.slow(measured) in measured
    assert not list(Path("/sys/fs/cgroup").glob(f"**/lab-*/{box.agent}-*/neighbour-*"))
