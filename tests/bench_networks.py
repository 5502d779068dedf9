"""What a network of kernelbox's costs: `python -m tests.bench --networks`, as root.

    bytes / made with ip   iperf3 from one container to another over the network's bridge, beside
                           the same topology made by hand with `ip`: veth, bridge, veth. Both
                           bridges are in one network namespace, which ends with the bench.
    attach                 what `network connect` takes, warm: veth, address, route, name

`run` on a bridge beside podman's is a row of the bench itself.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from kernelbox import lab
from tests.command import COMMAND

SECONDS = 2  # of iperf3 each time
ATTACHED = 20  # times
HAND = "kbhand0"  # the bridge that is made by hand, and what the addresses on it begin with
SUBNET = "10.201.0"


def measure(place: int, pairs: int, stack: ExitStack) -> None:
    """Print all rows.

    Args:
        place: A process in a network namespace of the bench's own.
        pairs: Measurements of each.
        stack: Undoes.
    """
    reset = ["nsenter", "-t", str(place), "--net", *COMMAND, "reset"]
    stack.callback(subprocess.run, reset, check=True, stdout=subprocess.DEVNULL)
    ours, theirs = made_by_kernelbox(place), made_by_hand(place, stack)
    rates = [(throughput(*ours), throughput(*theirs)) for _ in range(pairs)]
    ratios = [one / other for one, other in rates]
    medians = [statistics.median(column) for column in zip(*rates, strict=True)]
    print(
        f"{'veth-bridge-veth / made with ip':44} {statistics.median(ratios):5.2f}"
        f"  ({min(ratios):.2f} .. {max(ratios):.2f})"
        f"  {medians[0]:5.1f} Gbit/s {medians[1]:5.1f} Gbit/s",
        flush=True,
    )
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


def throughput(client: int, server: int, address: str) -> float:
    """Return what iperf3 gets from the one to the other, Gbit/s."""
    listen = ["nsenter", "-t", str(server), "--net", "iperf3", "--server", "--one-off"]
    with subprocess.Popen([*listen, "--forceflush"], stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        while "listening" not in one.stdout.readline():
            pass
        send = ["nsenter", "-t", str(client), "--net", "iperf3", "--json", "--client", address]
        done = subprocess.run(
            [*send, "--time", str(SECONDS)], check=True, capture_output=True, text=True
        )
        one.stdout.read()
    return float(json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]) / 1e9


def attach(box: lab.Lab) -> None:
    """Print what it takes to connect a container to one more network, asked of the agent."""
    container = box.start("busybox", "sleep 10000")
    network = box.make_network("further")
    times = []
    for _ in range(ATTACHED):
        began = time.perf_counter()
        network.connect(container)
        times.append((time.perf_counter() - began) * 1000)
        network.disconnect(container)
    low, high = min(times), max(times)
    print(f"{'attach, warm':44} {statistics.median(times):6.1f} ms  ({low:.1f} .. {high:.1f})")
