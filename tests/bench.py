"""How quick kernelbox is, beside others on the same machine: `python -m tests.bench`, as root.

Absolute times say more about the machine than about the program. So each row runs two commands in
turns, A B A B, and tells the median of the ratios A/B of neighbours, with the smallest and the
largest; the medians of both stand beside it. Nothing is asserted here.

    kernelbox / runc      `run` of `true`, start to exit, with the same root, namespaces, mounts,
                          masks, capabilities and filter. runc is given a root that is there
                          already; kernelbox makes its overlay, and deletes what was written to it.
    ...-runtime / runc    `run` of the very same bundle by both as OCI runtimes; and the three acts
    kernelbox / podman    the same through podman and runc, from the same image
    kernelbox / python3   the interpreter alone: what no program in Python can do without
    bridge / none         what a network costs
    filter / none         what the filter of system calls costs
    bridge / bridge       each on a bridge of its own, with NAT. Podman is in a network and a mount
                          namespace where its bridge, its iptables rules and its lists of addresses
                          end with the bench; entering them is a millisecond of its time.
    notebook / floor      a warm start-to-exit through the agent, beside floor.c
    agent / python3       resident memory

Seeing has no peer to be compared with. What is told of it is what agent and notebook together take
of one processor while a view is open on 50 containers, five times a second (CPU time over some
seconds, from /proc/PID/stat; without a page, which is the browser's), and the time for a snapshot
of everything that there is to see of 200.

`--images` measures images instead: see bench_images.py; `--limits` limits: see bench_limits.py;
`--networks` networks: see bench_networks.py;
`--memory` what an idle container takes: see bench_memory.py.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kernelbox import lab
from kernelbox.images.store import Store
from kernelbox.observe.survey import PARTS, snapshot
from kernelbox.plumbing import paths
from kernelbox.root import masks
from kernelbox.seccomp import kept as filters
from kernelbox.users import capabilities
from kernelbox.widgets.base import View
from tests import bench_images, bench_limits, bench_memory, bench_networks
from tests.command import COMMAND

WATCHED, CROWD = 50, 200  # containers
SECONDS = 6.0  # of watching a view

Measure = Callable[[], float]  # returns milliseconds


def interleaved(name: str, a: Measure, b: Measure, pairs: int, warm_ups: int = 2) -> None:
    """Print one row: `a` beside `b`."""
    for warm_up in (a, b) * warm_ups:
        warm_up()
    times = [(a(), b()) for _ in range(pairs)]
    ratios = [one / other for one, other in times]
    medians = [statistics.median(column) for column in zip(*times, strict=True)]
    print(
        f"{name:44} {statistics.median(ratios):5.2f}  ({min(ratios):.2f} .. {max(ratios):.2f})"
        f"  {medians[0]:8.2f} ms  {medians[1]:8.2f} ms",
        flush=True,
    )


def command(*words: str, **more: Any) -> Measure:
    """Measure a command from its start to its exit."""

    def measure() -> float:
        began = time.perf_counter()
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, **more)
        elapsed = time.perf_counter() - began
        if done.returncode != 0:
            raise RuntimeError(f"{words[0]}: {done.stderr.decode().strip().splitlines()[-1]}")
        return elapsed * 1000

    return measure


def kernelbox(*options: str) -> Measure:
    return command(*COMMAND, "run", "--rm", *options, "busybox", "true")


# --- the others ---------------------------------------------------------------------------------


def bundle(directory: Path, layer: str) -> None:
    """Make a bundle equal to what `kernelbox run --network none` makes."""
    shutil.copytree(layer, directory / "bundle/rootfs", symlinks=True)
    (directory / "bundle/config.json").write_text(json.dumps(config(directory)))


def runtime(directory: Path, *words: str) -> Measure:
    """`run` of that bundle by an OCI runtime, whose states are in memory."""
    state = f"/dev/shm/{directory.name}-{Path(words[0]).name}"
    box = ("--bundle", str(directory / "bundle"), f"bench-{Path(words[0]).name}")
    return command(*words, "--root", state, "run", *box)


def in_acts(directory: Path, program: str) -> Measure:
    """`create`, `start` and `delete --force` by an OCI runtime."""
    state, box = f"/dev/shm/{directory.name}-{Path(program).name}", f"acts-{Path(program).name}"
    call = f"{program} --root {state}"
    where = f"--bundle {directory}/bundle"
    return command(
        "sh", "-ec", f"{call} create {where} {box}; {call} start {box}; {call} delete --force {box}"
    )


def config(directory: Path) -> dict[str, Any]:
    """Return the OCI configuration; without rlimits, which not every root may raise."""
    safe = ["nosuid", "noexec", "nodev"]
    kept = [f"CAP_{name}" for name in capabilities.choose([], [])]
    for name in ("hostname", "hosts", "resolv.conf"):
        (directory / name).write_text("")
    return {
        "ociVersion": "1.0.2",
        "process": {
            "args": ["true"],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
            "cwd": "/",
            "user": {"uid": 0, "gid": 0},
            "capabilities": {kind: kept for kind in ("bounding", "effective", "permitted")},
        },
        "root": {"path": "rootfs"},
        "hostname": "bench",
        "mounts": [
            mount("/proc", "proc", safe),
            mount("/sys", "sysfs", [*safe, "ro"]),
            mount("/sys/fs/cgroup", "cgroup", [*safe, "ro"]),
            mount("/dev", "tmpfs", ["nosuid", "mode=755", "size=64k"]),
            mount("/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666"]),
            mount("/dev/shm", "tmpfs", [*safe, "mode=1777", "size=64m"]),
            mount("/dev/mqueue", "mqueue", safe),
            *(
                {
                    "destination": f"/etc/{name}",
                    "source": f"{directory}/{name}",
                    "options": ["bind"],
                }
                for name in ("hostname", "hosts", "resolv.conf")
            ),
        ],
        "linux": {
            "cgroupsPath": "/kernelbox-bench",
            "namespaces": [
                {"type": kind} for kind in ("pid", "mount", "network", "uts", "ipc", "cgroup")
            ],
            "maskedPaths": list(masks.MASKED),
            "readonlyPaths": list(masks.READ_ONLY),
            "seccomp": filters.default(kept).profile,
        },
    }


def mount(destination: str, kind: str, options: list[str]) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": kind, "options": options}


def podman_words(directory: Path, network: str) -> tuple[list[str], list[str], str]:
    """Return podman with a storage of its own, options of its `run`, and the image's name there."""
    storage = ("--root", f"{directory}/root", "--runroot", f"{directory}/run")
    networks = ("--network-config-dir", f"{directory}/networks")
    base = ["podman", *storage, *networks, "--cgroup-manager", "cgroupfs", "--runtime", "runc"]
    (directory / "networks").mkdir(parents=True)
    pull = [*base, "pull", "-q", f"oci:{paths.images()}:busybox:latest"]
    pulled = subprocess.run(pull, capture_output=True, text=True, check=True)
    # Its defaults are above what a root without CAP_SYS_RESOURCE may set.
    limits = ("--ulimit", "nofile=20000:20000", "--ulimit", "nproc=20000:20000")
    return base, [*limits, "--network", network, "--pull", "never"], pulled.stdout.strip()


@contextmanager
def podman(directory: Path, network: str) -> Iterator[Measure]:
    """`podman run` of the same image, in a storage of its own."""
    base, options, image = podman_words(directory, network)
    run = (*base, "run", "--rm", *options, image, "true")
    before = podman_groups()
    try:
        if network == "none":
            yield command(*run)
        else:
            with elsewhere() as pid:
                yield command("nsenter", "-t", str(pid), "--net", "--mount", *run)
    finally:
        for group in podman_groups():
            if group not in before:
                group.rmdir()


@contextmanager
def podman_connect(directory: Path) -> Iterator[Measure]:
    """`podman network connect` of a container that runs, in a storage of its own."""
    base, options, image = podman_words(directory, "bridge")
    before = podman_groups()
    with elsewhere() as pid:
        there = ["nsenter", "-t", str(pid), "--net", "--mount", *base]

        def run(*words: str) -> None:
            subprocess.run([*there, *words], check=True, capture_output=True)

        run("network", "create", "further")
        run("run", "-d", "--name", "box", *options, image, "sleep", "10000")
        try:
            yield bench_networks.connecting(
                [*there, "network", "connect", "further", "box"],
                [*there, "network", "disconnect", "further", "box"],
            )
        finally:
            run("rm", "--force", "--time", "0", "box")
    for group in podman_groups():
        if group not in before:
            group.rmdir()


@contextmanager
def elsewhere(*, forgetful: bool = True) -> Iterator[int]:
    """Hold a network and a mount namespace; yield whose.

    Args:
        forgetful: Whether /run and /var/lib are empty there.
    """
    words = "mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/lib; " if forgetful else ""
    words += "echo; exec sleep infinity"
    hold = ["unshare", "--net", "--mount", "sh", "-c", words]
    with subprocess.Popen(hold, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            yield holder.pid
        finally:
            holder.kill()


def podman_groups() -> list[Path]:
    """Return the control groups that podman leaves behind, children first."""
    top = Path("/sys/fs/cgroup")
    return [*top.glob("*/libpod_parent/conmon"), *top.glob("*/libpod_parent")]


@contextmanager
def floor(directory: Path, layer: str) -> Iterator[Measure]:
    """The C program that does the least: it waits for a line, makes a container, tells the time."""
    program = directory / "floor"
    source = Path(__file__).with_name("floor.c")
    subprocess.run(["cc", "-O2", "-o", program, source], check=True)
    arguments = [program, layer, str(directory), "/bin/true"]
    with subprocess.Popen(arguments, stdin=-1, stdout=-1, text=True) as process:
        asks, answers = process.stdin, process.stdout
        assert asks is not None and answers is not None

        def measure() -> float:
            print(file=asks, flush=True)
            return int(answers.readline()) / 1e6

        yield measure
        asks.close()


# --- the notebook -------------------------------------------------------------------------------


def notebook(box: lab.Lab, **options: Any) -> Measure:
    def measure() -> float:
        began = time.perf_counter()
        result = box.run("busybox", ["true"], network="none", quiet=True, **options)
        elapsed = time.perf_counter() - began
        if result.code != 0:
            raise RuntimeError(f"the container exited with {result.code}")
        return elapsed * 1000

    return measure


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines)


def memory(agent: int) -> None:
    """Print the agent's resident memory beside that of an interpreter that does nothing."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=-1) as bare:
        while "(python" not in Path(f"/proc/{bare.pid}/stat").read_text():
            time.sleep(0.01)
        time.sleep(0.5)  # until it waits for its input
        sizes = [int(status(pid)["VmRSS"].split()[0]) / 1024 for pid in (agent, bare.pid)]
        bare.communicate()
    print(
        f"{'agent, idle / python3: resident memory':44} {sizes[0] / sizes[1]:5.2f}"
        f"  {'':16}  {sizes[0]:7.1f} MiB  {sizes[1]:7.1f} MiB"
    )
    print(f"{'agent, idle: threads':44} {status(agent)['Threads'].strip():>5}")


# --- seeing -------------------------------------------------------------------------------------


def seeing(box: lab.Lab) -> None:
    """Print what each view costs, and what a snapshot of a crowd takes."""
    started = [sleeper(box) for _ in range(WATCHED)]
    every: dict[str, Callable[[], View]] = {
        "processes": box.processes,
        "mounts": box.mounts,
        "layers": lambda: box.layers(started[0]),
        "network": box.network,
        "resources": box.resources,
    }
    print(f"\n{f'{WATCHED} containers, seen five times a second':44}   agent + notebook, of a core")
    for name, show in every.items():
        watched(name, box.agent, [show])
    watched("all five", box.agent, list(every.values()))
    started += [sleeper(box) for _ in range(CROWD - WATCHED)]
    crowd(started)


def sleeper(box: lab.Lab) -> lab.Container:
    return box.start("busybox", "sleep 10000", memory="64m")


def watched(name: str, agent: int, shows: list[Callable[[], View]]) -> None:
    """Print what the views take of a processor, in the agent and in this process."""
    pids = (agent, os.getpid())
    views = [show() for show in shows]
    for view in views:
        view.start()
    time.sleep(1)
    before, began = [cpu(pid) for pid in pids], time.monotonic()
    time.sleep(SECONDS)
    took = time.monotonic() - began
    shares = [(cpu(pid) - was) / took for pid, was in zip(pids, before, strict=True)]
    for view in views:
        view.close()
    print(f"{name:44} {100 * sum(shares):5.1f} %  = {shares[0]:.1%} + {shares[1]:.1%}", flush=True)


def cpu(pid: int) -> float:
    """Return the CPU time of a process, seconds. Source: proc_pid_stat(5), utime and stime."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def crowd(containers: list[lab.Container]) -> None:
    """Print how long a snapshot takes, part by part and whole; and as a view looks again."""
    rows = [(part, (part,), 0.0) for part in PARTS]
    rows += [("everything", PARTS, 0.0), ("as a view looks again", PARTS, 1.0)]
    for name, parts, recent in rows:
        snapshot(None, parts, recent=recent)  # what never changes is read once
        times, spent = [], []
        for _ in range(5):
            before, began = time.process_time(), time.perf_counter()
            snapshot(None, parts, recent=recent)
            times.append((time.perf_counter() - began) * 1000)
            spent.append((time.process_time() - before) * 1000)
        print(
            f"{f'snapshot of {len(containers)} containers: {name}':44} "
            f"{statistics.median(times):6.1f} ms  ({min(times):.1f} .. {max(times):.1f})"
            f"  of it {statistics.median(spent):.1f} ms of CPU time"
        )


# --- all of it ----------------------------------------------------------------------------------


def main() -> None:
    """Measure everything that this host has the programs for."""
    parser = argparse.ArgumentParser("python -m tests.bench", description="Measure kernelbox.")
    parser.add_argument("--pairs", type=int, default=30, help="measurements per row (30)")
    parser.add_argument("--images", action="store_true", help="unpacking and storing images")
    parser.add_argument("--limits", action="store_true", help="what limits keep, and cost")
    parser.add_argument("--memory", action="store_true", help="what an idle container takes")
    parser.add_argument("--networks", action="store_true", help="what a network costs")
    given = parser.parse_args()
    pairs = given.pairs
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kernelbox-bench")))
        os.environ["KERNELBOX_ROOT"] = str(directory / "root")
        stack.callback(subprocess.run, [*COMMAND, "reset"], stdout=subprocess.DEVNULL, check=True)
        subprocess.run([*COMMAND, "images"], stdout=subprocess.DEVNULL, check=True)
        if given.images:
            bench_images.measure(directory, interleaved, stack)
        elif given.limits:
            bench_limits.measure(directory, stack)
        elif given.memory:
            bench_memory.measure(directory, podman_words, podman_groups)
        elif given.networks:
            place = stack.enter_context(elsewhere(forgetful=False))

            def beside_podman(ours: Measure) -> None:
                if shutil.which("podman") is None or shutil.which("iptables") is None:
                    print("network connect: podman or iptables not installed")
                    return
                theirs = stack.enter_context(podman_connect(directory / "podman"))
                interleaved("network connect / podman's, CPU time", ours, theirs, pairs)

            bench_networks.measure(place, pairs, stack, beside_podman)
        else:
            measure(directory, pairs, stack)


def measure(directory: Path, pairs: int, stack: ExitStack) -> None:
    """Print all rows."""
    layer = Store(paths.images()).resolve("busybox:latest").lowerdirs[0]
    print(f"{pairs} pairs a row, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.2f}")
    print(f"{'A / B':44} {'ratio':>5}  {'(min .. max)':14}  {'median A':>11}  {'median B':>11}")
    alone, bridged = kernelbox("--network", "none"), kernelbox()

    def beside_podman(network: str) -> Measure:
        return stack.enter_context(podman(directory / f"podman-{network}", network))

    def row(name: str, needs: str, ours: Measure, theirs: Callable[[], Measure]) -> None:
        missing = [program for program in needs.split() if shutil.which(program) is None]
        try:
            if missing:
                raise RuntimeError(f"{' and '.join(missing)} not installed")
            interleaved(name, ours, theirs(), pairs)
        except (RuntimeError, subprocess.CalledProcessError) as error:
            print(f"{name}: {error}")

    bundle(directory, layer)
    ours, theirs = str(Path(COMMAND[0]).with_name("kernelbox-runtime")), "runc"
    for program in (ours, theirs):
        stack.callback(shutil.rmtree, f"/dev/shm/{directory.name}-{Path(program).name}", True)
    row("kernelbox run / runc run", "runc", alone, lambda: runtime(directory, theirs))
    row("kernelbox-runtime run / runc run", f"{ours} runc", runtime(directory, ours),
        lambda: runtime(directory, theirs))  # fmt: skip
    row("... create, start, delete", f"{ours} runc", in_acts(directory, ours),
        lambda: in_acts(directory, theirs))  # fmt: skip
    row("kernelbox run / podman run", "podman runc", alone, lambda: beside_podman("none"))
    interleaved("kernelbox run / python3 -c pass", alone, command(sys.executable, "-c", ""), pairs)
    interleaved("kernelbox run, bridge / no network", bridged, alone, pairs)
    both = "kernelbox run, bridge / podman run, bridge"
    unconfined = kernelbox("--network", "none", "--security-opt", "seccomp=unconfined")
    interleaved("kernelbox run, filter / no filter", alone, unconfined, pairs)
    row(both, "podman runc iptables", bridged, lambda: beside_podman("bridge"))

    box = lab.start()
    stack.callback(box.close)
    least = stack.enter_context(floor(directory, layer))
    interleaved("notebook, warm / C floor", notebook(box), least, 3 * pairs)
    interleaved("notebook, warm, traced / C floor", notebook(box, trace=True), least, 3 * pairs)
    memory(box.agent)
    seeing(box)


if __name__ == "__main__":
    main()
