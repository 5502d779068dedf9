"""Disks of the lab's own: loop devices that loads write to, gone with the lab however it ends.

What there is, is read in sysfs: /sys/block/loopN/loop/backing_file is there for one in use.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from kernelbox import lab
from kernelbox.lab import Lab, LabError
from kernelbox.lab.measuring import io_counters, io_stat, moved
from tests.command import Kernelbox
from tests.looking import soon

MIB = 1 << 20


def in_use(path: str) -> bool:
    return Path("/sys/block", path.removeprefix("/dev/"), "loop/backing_file").exists()


def sectors(path: str, field: int) -> int:
    """Return a number of /sys/block/DEV/stat: 2 is sectors read, 6 is sectors written."""
    return int(Path("/sys/block", path.removeprefix("/dev/"), "stat").read_text().split()[field])


def test_a_disk_has_its_size_and_is_zeros_until_it_is_let_go(box: Lab) -> None:
    with box.disk(8 * MIB) as disk:
        name = disk.path.removeprefix("/dev/")
        assert int(Path(f"/sys/block/{name}/size").read_text()) * 512 == 8 * MIB
        assert Path(f"/sys/block/{name}/dev").read_text().strip() == disk.number
        assert Path(disk.path).read_bytes() == bytes(8 * MIB)
    assert soon(lambda: not in_use(disk.path))
    disk.remove()


@pytest.mark.vm
def test_what_a_group_moves_is_counted_for_the_disk_that_it_is_moved_to(box: Lab) -> None:
    one, other = box.disk(MIB), box.disk(MIB)
    group = box.cgroup("movers")
    for disk in (one, other):
        group.write("io.max", f"{disk.number} wbps=max")  # v1 counts from then on
    assert io_counters(group, one.number) == dict.fromkeys(("rbytes", "wbytes", "rios", "wios"), 0)
    box.write(one.path, MIB, MIB, block=32 << 10, direct=True, group=group)
    assert soon(lambda: sectors(one.path, 6) > 100)
    rates = moved(group, one.number, seconds=0.5)
    # It writes a MiB a second, and may be kept from that; it has none of the other, and no reads.
    assert 0 < rates["wbytes"] < 1.5 * MIB
    assert rates["wbytes"] == pytest.approx(rates["wios"] * (32 << 10))
    assert rates["rbytes"] == 0
    assert not any(io_counters(group, other.number).values())
    total = io_counters(group, one.number)["wbytes"]
    assert total <= sectors(one.path, 6) * 512
    directory = group.directory("io")
    assert f"{one.number} " in io_stat(directory) and "wbytes=" in io_stat(directory)
    group.remove()


def test_direct_writes_of_a_load_reach_the_disk_and_direct_reads_come_from_it(box: Lab) -> None:
    disk = box.disk(4 * MIB)
    writer = box.write(disk.path, disk.size, direct=True)
    assert soon(lambda: writer.count >= 8 * MIB)
    writer.end()
    assert sectors(disk.path, 6) * 512 >= writer.count
    before = sectors(disk.path, 2)
    reader = box.read(disk.path, disk.size, direct=True, at_random=True)
    assert soon(lambda: reader.count >= 8 * MIB)
    reader.end()
    assert (sectors(disk.path, 2) - before) * 512 >= reader.count


def test_a_held_process_makes_a_file_system_on_it_and_mounts_that(box: Lab) -> None:
    disk = box.disk(16 * MIB)
    held = box.hold()
    held.unshare("mount")
    held.mount(None, "/", None, "rprivate")
    assert held.shell(f"mke2fs -q {disk.path}") == 0
    held.mount(disk.path, "/mnt", "ext2")
    assert held.shell("echo kept > /mnt/file && sync -f /mnt/file") == 0
    assert disk.path not in Path("/proc/self/mountinfo").read_text()
    disk.remove()
    assert in_use(disk.path)  # for as long as it is mounted
    held.end()
    assert soon(lambda: not in_use(disk.path))


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_a_disk_goes_with_the_agent(how: str) -> None:
    box = lab.start()
    disk = box.disk(2 * MIB)
    box.write(disk.path, disk.size, direct=True)
    if how == "killed":
        os.kill(box.agent, signal.SIGKILL)
    else:
        box.close()
    assert soon(lambda: not in_use(disk.path))
    with contextlib.suppress(LabError):
        box.close()


@pytest.mark.parametrize("how", ["let go", "killed"])
def test_its_partitions_go_with_a_disk(how: str) -> None:
    box = lab.start()
    disk = box.disk(4 * MIB)
    trace = disk.partition(1, MIB, 2 * MIB)
    assert "BLKPG_ADD_PARTITION" in str(trace[0]) and "addpart" in repr(trace)
    name = disk.path.removeprefix("/dev/")
    partition = Path(f"/sys/block/{name}/{name}p1")
    assert (partition / "partition").read_text() == "1\n"
    assert [int((partition / one).read_text()) for one in ("start", "size")] == [2048, 4096]
    with pytest.raises(LabError, match="EBUSY"):
        disk.partition(2, 2 * MIB, 2 * MIB)
    if how == "killed":
        os.kill(box.agent, signal.SIGKILL)
    else:
        disk.remove()
    assert soon(lambda: not in_use(disk.path))
    assert soon(lambda: not partition.exists())
    with contextlib.suppress(LabError):
        box.close()


def test_reset_takes_a_disk_away_from_a_lab_that_is_open(box: Lab, kernelbox: Kernelbox) -> None:
    disk = box.disk(2 * MIB)
    kernelbox.ok("reset")
    disk.remove()
    assert soon(lambda: not in_use(disk.path))


def test_reset_leaves_a_device_alone_that_is_another_programs_by_now(
    box: Lab, kernelbox: Kernelbox, tmp_path: Path
) -> None:
    disk = box.disk(2 * MIB)
    disk.remove()
    assert soon(lambda: not in_use(disk.path))
    file = tmp_path / "another"
    file.write_bytes(bytes(2 * MIB))
    other = box.hold()
    assert other.shell(f"losetup {disk.path} {file}") == 0
    try:
        kernelbox.ok("reset")
        assert in_use(disk.path)
    finally:
        os.system(f"losetup --detach {disk.path}")


@pytest.mark.parametrize("size", [-1, 0, 512, MIB + 1])
def test_what_is_no_size_for_a_disk_is_refused(box: Lab, size: int) -> None:
    with pytest.raises(LabError, match="no size for a disk"):
        box.disk(size)


def test_a_disk_larger_than_the_room_there_is_is_refused_and_takes_none(box: Lab) -> None:
    with pytest.raises(LabError, match=r"space|large"):
        box.disk(1 << 50)
