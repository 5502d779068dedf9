"""What a network of kernelbox's costs: `python -m tests.bench --networks`, as root.

    bytes / made with ip   iperf3 from one container to another over the network's bridge, beside
                           the same topology made by hand with `ip`: veth, bridge, veth. Both
                           bridges are in one network namespace, which ends with the bench.
    connect / podman's     CPU time of `network connect` of a running container, start to exit
    attach                 what that takes, warm, asked of the agent: veth, address, route, name

How many bytes pass in a second is a matter of what else the machine has to do. So it is how many
pass in a second of CPU time, of both ends of iperf3 together; short runs in turns, whose order
changes with each pair; and of the ratios of the pairs the median, with the interval in which the
true one is with 95 % certainty, whatever their distribution.

`run` on a bridge beside podman's is a row of the bench itself.

Source: iperf3(1), `cpu_utilization_percent`; for the interval: the sign test, by order statistics.
"""

from __future__ import annotations

import json
import math
import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from kernelbox import lab
from tests.command import COMMAND

MEGABYTES = 400  # that iperf3 sends each time
ATTACHED = 20  # times
HAND = "kbhand0"  # the bridge that is made by hand, and what the addresses on it begin with
SUBNET = "10.201.0"


def measure(
    place: int,
    pairs: int,
    stack: ExitStack,
    beside_podman: Callable[[Callable[[], float]], None],
) -> None:
    """Print all rows.

    Args:
        place: A process in a network namespace of the bench's own.
        pairs: Measurements of each.
        stack: Undoes.
        beside_podman: Prints the row of connecting, given what measures kernelbox's.
    """
    reset = ["nsenter", "-t", str(place), "--net", *COMMAND, "reset"]
    stack.callback(subprocess.run, reset, check=True, stdout=subprocess.DEVNULL)
    print(f"{pairs} pairs, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.2f}", flush=True)
    ways = made_by_kernelbox(place), made_by_hand(place, stack)
    rates = []
    for turn in range(pairs):
        first, second = (throughput(*way) for way in (ways if turn % 2 else ways[::-1]))
        rates.append((first, second) if turn % 2 else (second, first))
    ratios = [one / other for one, other in rates]
    medians = [statistics.median(column) for column in zip(*rates, strict=True)]
    low, high = interval(ratios)
    print(
        f"{'veth-bridge-veth / made with ip':44} {statistics.median(ratios):5.3f}"
        f"  (95 %: {low:.3f} .. {high:.3f})"
        f"  {medians[0]:5.1f} and {medians[1]:5.1f} Gbit a CPU second",
        flush=True,
    )
    beside_podman(by_kernelbox(place))
    box = lab.start()
    stack.callback(box.close)
    attach(box)


def made_by_kernelbox(place: int) -> tuple[int, int, str]:
    """Start two containers on a network; return their pids, and the address of the second."""
    here = ["nsenter", "-t", str(place), "--net", *COMMAND]

    def kernelbox(*words: str) -> str:
        done = subprocess.run([*here, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    kernelbox("network", "create", "bench")
    ids = [
        kernelbox("run", "-d", "--network", "bench", "busybox", "sleep", "10000") for _ in range(2)
    ]
    first, second = json.loads(kernelbox("inspect", *ids))
    address = second["NetworkSettings"]["IPAddress"]
    return first["State"]["Pid"], second["State"]["Pid"], address


def made_by_hand(place: int, stack: ExitStack) -> tuple[int, int, str]:
    """Make the same with `ip`; return as above."""
    there = ["nsenter", "-t", str(place), "--net"]

    def ip(words: str, inside: list[str] = there) -> None:
        subprocess.run([*inside, "ip", *words.split()], check=True)

    ip(f"link add {HAND} type bridge")
    ip(f"address add {SUBNET}.1/24 dev {HAND}")
    ip(f"link set {HAND} up")
    pids = []
    for number in (2, 3):
        end = stack.enter_context(subprocess.Popen(["unshare", "--net", "sleep", "infinity"]))
        stack.callback(end.kill)
        mine = Path("/proc/self/ns/net").readlink()
        while Path(f"/proc/{end.pid}/ns/net").readlink() == mine:
            time.sleep(0.001)
        ip(f"link add kbhand{number} type veth peer name eth0 netns {end.pid}")
        ip(f"link set kbhand{number} master {HAND} up")
        inside = ["nsenter", "-t", str(end.pid), "--net"]
        ip(f"address add {SUBNET}.{number}/24 dev eth0", inside)
        ip("link set eth0 up", inside)
        pids.append(end.pid)
    return pids[0], pids[1], f"{SUBNET}.3"


def interval(values: list[float]) -> tuple[float, float]:
    """Return between which of the values the median is of all that could be, in 95 of 100 cases."""
    ordered, count = sorted(values), len(values)
    tail, rank = 0.0, 0
    while (tail := tail + math.comb(count, rank) / 2**count) <= 0.025:
        rank += 1
    rank = max(rank, 1)
    return ordered[rank - 1], ordered[-rank]


def throughput(client: int, server: int, address: str) -> float:
    """Return what iperf3 gets from the one to the other, Gbit a second of CPU time."""
    listen = ["nsenter", "-t", str(server), "--net", "iperf3", "--server", "--one-off"]
    with subprocess.Popen([*listen, "--forceflush"], stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        while "listening" not in one.stdout.readline():
            pass
        send = ["nsenter", "-t", str(client), "--net", "iperf3", "--json", "--client", address]
        done = subprocess.run(
            [*send, "--bytes", f"{MEGABYTES}M"], check=True, capture_output=True, text=True
        )
        one.stdout.read()
    end = json.loads(done.stdout)["end"]
    busy = end["cpu_utilization_percent"]
    share = (busy["host_total"] + busy["remote_total"]) / 100
    return float(end["sum_received"]["bits_per_second"]) / share / 1e9


def connecting(connect: list[str], disconnect: list[str]) -> Callable[[], float]:
    """Return what measures a command that connects, in milliseconds of CPU time; another undoes it.

    Of all that the command starts and waits for.
    """

    def spent() -> float:
        found = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (found.ru_utime + found.ru_stime) * 1000

    def measure() -> float:
        before = spent()
        subprocess.run(connect, check=True, capture_output=True)
        elapsed = spent() - before
        subprocess.run(disconnect, check=True, capture_output=True)
        return elapsed

    return measure


def by_kernelbox(place: int) -> Callable[[], float]:
    """Start a container; return what measures connecting it to one more network."""
    here = ["nsenter", "-t", str(place), "--net", *COMMAND]
    for words in (
        ("network", "create", "second"),
        ("run", "-d", "--name", "box", "busybox", "sleep", "10000"),
    ):
        subprocess.run([*here, *words], check=True, capture_output=True)
    return connecting(
        [*here, "network", "connect", "second", "box"],
        [*here, "network", "disconnect", "second", "box"],
    )


def cpu(pid: int) -> float:
    """Return the CPU time of a process with one thread, in milliseconds.

    Source: kernel, `Documentation/scheduler/sched-stats.rst`, "/proc/<pid>/schedstat".
    """
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def attach(box: lab.Lab) -> None:
    """Print what it takes to connect a container to one more network, asked of the agent."""
    container = box.start("busybox", "sleep 10000")
    network = box.make_network("further")
    times, spent = [], []
    for _ in range(ATTACHED):
        before, began = cpu(box.agent), time.perf_counter()
        network.connect(container)
        times.append((time.perf_counter() - began) * 1000)
        spent.append(cpu(box.agent) - before)
        network.disconnect(container)
    low, high = min(times), max(times)
    print(
        f"{'attach, warm':44} {statistics.median(times):6.1f} ms  ({low:.1f} .. {high:.1f})"
        f"  of it {statistics.median(spent):.1f} ms of CPU time"
    )
