"""What limits keep, and what it costs to have them: the section `limits` of tests.bench.

    rate / quota      CPU time that a burner gets in five seconds, beside its quota
    rate / limit      bytes that go to and from a disk, with direct I/O, beside `io.max`
    update, warm      other limits for a running container, by the function behind `update`
    sampling          what it takes of one processor to look at 200 groups five times a second
    bombs             a container that answers one line after the other, while three beside it, with
                      limits, eat memory, fork and write to the disk without end

The cgroup version is the host's: natively v1 or v2, in the lab VM v2. Nothing is asserted here.
"""

from __future__ import annotations

import mmap
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kernelbox import cgroup
from kernelbox.cgroup import disks
from kernelbox.cgroup.sampling import Sampler
from kernelbox.container.lifecycle import update
from tests.command import COMMAND

SECONDS = 5.0
GROUPS, HERTZ = 200, 5
BOMBED = 60.0  # seconds
MIB = 1 << 20

BOMBS = {
    "memory": (("--memory=64m", "--memory-swap=64m"), "while :; do tail /dev/zero; done"),
    "fork": (
        ("--pids-limit=50", "--cpus=0.5"),
        # A shell that cannot fork gives up; awk goes on.
        "awk 'BEGIN { while (1) system(\"sleep 9 & sleep 9 & sleep 9 &\") }' 2>/dev/null",
    ),
    "disk": (
        ("--memory=64m", "--cpus=0.5"),
        "while :; do dd if=/dev/zero of=/file bs=1M count=64 conv=fsync; done",
    ),
}


def measure(directory: Path, stack: ExitStack) -> None:
    """Print the rows of limits.

    Args:
        directory: For everything that is made; KERNELBOX_ROOT lies in it.
        stack: Undoes.
    """
    version = cgroup.find().version
    print(f"cgroup v{version}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.2f}", flush=True)
    for share in (0.2, 0.5):
        cpu_rate(share)
    disk = disks.disk_of(str(directory))
    for writing in (False, True):
        if disk:
            disk_rate(directory, disk, 8 * MIB, writing=writing)
    sampling()
    warm_update()
    bombs(stack)


def row(name: str, text: str) -> None:
    print(f"{name:44} {text}", flush=True)


@contextmanager
def child(group: cgroup.Cgroup, act: Callable[[], object]) -> Iterator[int]:
    """Run `act` in a process of the group's, which is killed behind the block."""
    gate, opened = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.read(gate, 1)
            act()
        finally:
            os._exit(0)
    group.add(pid)
    os.write(opened, b"x")
    os.close(gate)
    os.close(opened)
    try:
        yield pid
    finally:
        group.kill()
        os.waitpid(pid, 0)


def burn() -> None:
    while True:
        pass


def cpu_rate(share: float) -> None:
    """Print the CPU time that a burner gets, beside its quota."""
    with cgroup.of(f"bench-{os.getpid()}") as group, child(group, burn):
        group.limit_cpu(*cgroup.cpu_quota(share))
        time.sleep(0.3)
        before, began = group.stats().cpu_usec or 0, time.monotonic()
        time.sleep(SECONDS)
        used = ((group.stats().cpu_usec or 0) - before) / 1e6
        got = used / (time.monotonic() - began)
        row(f"rate / quota of {share} CPUs", f"{got / share:6.3f}   {got:.3f} CPUs")


def disk_rate(directory: Path, disk: str, limit: int, *, writing: bool) -> None:
    """Print how many bytes go to or from a disk, beside the limit of that."""
    file = directory / "io"
    file.write_bytes(bytes(64 * MIB))
    os.sync()
    fd = os.open(file, (os.O_WRONLY if writing else os.O_RDONLY) | os.O_DIRECT)
    buffer = mmap.mmap(-1, MIB // 4)  # aligned, as direct I/O asks for

    def transfer() -> None:
        while True:
            for place in range(0, 64 * MIB, len(buffer)):
                if writing:
                    os.pwrite(fd, buffer, place)
                else:
                    os.preadv(fd, [buffer], place)

    def moved(group: cgroup.Cgroup) -> int:
        stats = group.stats()
        return (stats.io_write_bytes if writing else stats.io_read_bytes) or 0

    name = f"rate / limit of {limit // MIB} MiB/s, {'written' if writing else 'read'}"
    with cgroup.of(f"bench-{os.getpid()}") as group:
        group.limit_io(disks.find(disk), **{"wbps" if writing else "rbps": limit})
        with child(group, transfer):
            time.sleep(1)
            before, began = moved(group), time.monotonic()
            time.sleep(SECONDS)
            rate = (moved(group) - before) / (time.monotonic() - began)
            row(name, f"{rate / limit:6.3f}   {rate / MIB:.2f} MiB/s")
    os.close(fd)
    file.unlink()


def sampling() -> None:
    """Print what it takes to look at many groups, of one processor."""
    with ExitStack() as made:
        groups = [
            made.enter_context(cgroup.of(f"bench-{os.getpid()}-{number}"))
            for number in range(GROUPS)
        ]
        for busy in groups[:10]:
            made.enter_context(child(busy, lambda: [time.sleep(0.05) for _ in iter(int, 1)]))
        sampler = made.enter_context(Sampler(groups))
        sampler.look()
        used, began = time.process_time(), time.monotonic()
        looks = int(SECONDS * HERTZ)
        for look in range(looks):
            assert len(sampler.look()) == GROUPS
            time.sleep(max(0.0, began + (look + 1) / HERTZ - time.monotonic()))
        took = time.process_time() - used
        row(
            f"{GROUPS} groups, {HERTZ} times a second",
            f"{100 * took / (time.monotonic() - began):6.2f} % of a core   "
            f"{1000 * took / looks:.1f} ms a look",
        )


def run(*words: str) -> str:
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def warm_update() -> None:
    """Print how long other limits take, where all that is needed is loaded."""
    container = run("run", "-d", "--network=none", "--memory=64m", "busybox", "sleep", "infinity")
    times = []
    for number in range(60):
        size = (64 + number % 2) * MIB
        wanted = {"memory": {"limit": size, "swap": size}, "cpu": {"quota": 50_000 + number}}
        began = time.perf_counter()
        update.update(container, wanted)
        times.append((time.perf_counter() - began) * 1000)
    row(
        "update, warm",
        f"{statistics.median(times):6.2f} ms  ({min(times):.2f} .. {max(times):.2f})",
    )
    run("rm", "-f", container)


def bombs(stack: ExitStack) -> None:
    """Print how soon a container answers, alone, and beside three that do their worst."""
    answering = subprocess.Popen(
        [*COMMAND, "run", "--rm", "-i", "--network=none", "busybox", "cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    stack.callback(answering.communicate)
    answers("answers, alone", answering, SECONDS)
    started = {
        name: run("run", "-d", "--network=none", *limits, "busybox", "sh", "-c", script)
        for name, (limits, script) in BOMBS.items()
    }
    answers(f"answers, {BOMBED:.0f} s beside three bombs", answering, BOMBED)
    for name, one in started.items():
        stats = cgroup.of(one).stats()
        row(
            f"   the {name} bomb",
            f"{(stats.memory_peak or 0) / MIB:6.1f} MiB at most, {stats.oom_kill} OOM kills, "
            f"{stats.pids_current} processes, {stats.pids_max_events} forks refused, "
            f"{(stats.io_write_bytes or 0) / MIB:.0f} MiB written",
        )
    run("rm", "-f", *started.values())


def answers(name: str, answering: subprocess.Popen[bytes], seconds: float) -> None:
    """Print how long it takes from a line to its answer."""
    assert answering.stdin and answering.stdout
    times = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        answering.stdin.write(b"?\n")
        answering.stdin.flush()
        if answering.stdout.readline() != b"?\n":
            sys.exit("the container that answers has ended")
        times.append((time.perf_counter() - began) * 1000)
        time.sleep(0.01)
    times.sort()
    p50, p99 = (times[int(len(times) * share)] for share in (0.5, 0.99))
    row(name, f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, longest {times[-1]:.2f} ms, of {len(times)}")
