"""What one idle container takes of the memory, beside others: the section `memory` of tests.bench.

A container is its program, and somebody who waits for it on the host: our monitor, conmon, or
containerd's shim. Of each the proportional set size is taken (PSS: a page that *n* processes have
is 1/*n* of a page), in MiB, and what nobody else has (USS); both are of one container out of TEN
that run side by side. A daemon that all of them need (containerd; for a notebook, its agent) is
told as well, once.

    kernelbox             `run -d`: each monitor has been a command of its own, and dozes
    notebook              the monitors are forks of one agent
    podman                conmon, with runc
    containerd            its shim, with runc: what stands below `docker run`
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from kernelbox import lab
from kernelbox.lab.experiments.memory import rollup
from tests.command import COMMAND

TEN = 10
MIB = 1 << 20
FOREVER = ("sleep", "100000")
SETTLE = 35.0  # seconds until nobody is busy with a start any more, and our monitors doze

Podman = Callable[[Path, str], tuple[list[str], list[str], str]]
Groups = Callable[[], list[Path]]


def measure(directory: Path, podman: Podman, groups: Groups) -> None:
    """Print the rows.

    Args:
        directory: For everything that is made; KERNELBOX_ROOT lies in it.
        podman: Returns podman's words, for a directory and a network.
        groups: Returns the control groups that podman leaves behind.
    """
    print(f"{TEN} idle containers each, load {os.getloadavg()[0]:.2f}")
    titles = ("program", "monitor", "together", "of it USS")
    print(f"{'MiB of one':34}" + "".join(f"{title:>11}" for title in titles))
    ours()
    notebook()
    for needs, theirs in (
        ("podman runc conmon", lambda: beside_podman(directory / "podman", podman, groups)),
        ("containerd ctr runc", lambda: beside_containerd(directory / "containerd")),
    ):
        missing = [one for one in needs.split() if shutil.which(one) is None]
        if missing:
            print(f"{needs.split()[0]}: {' and '.join(missing)} not installed")
        else:
            theirs()


def row(name: str, programs: list[int], monitors: list[int], daemon: int = 0) -> None:
    """Print what one container takes on average; and the daemon that all have in common."""
    time.sleep(SETTLE)
    shares = [[taken(pid) for pid in pids] for pids in (programs, monitors)]
    program, monitor = (sum(one for one, _ in found) / TEN / MIB for found in shares)
    own = sum(own for found in shares for _, own in found) / TEN / MIB
    print(f"{name:34}{program:11.2f}{monitor:11.2f}{program + monitor:11.2f}{own:11.2f}", end="")
    print(f"   and the daemon {taken(daemon)[0] / MIB:.1f}" if daemon else "", flush=True)


def taken(pid: int) -> tuple[int, int]:
    """Return the PSS and the USS of a process, bytes."""
    found = rollup(Path(f"/proc/{pid}/smaps_rollup").read_text())
    return found["Pss"], found["Private_Clean"] + found["Private_Dirty"]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def remove_groups(parents: list[Path]) -> None:
    """Remove what containerd leaves in control groups where it was not before."""
    for parent in parents:
        with suppress(FileNotFoundError):
            (parent / "default").rmdir()


def said(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def ours() -> None:
    """Measure containers of the command line."""
    run = (*COMMAND, "run", "-d", "--network", "none", "busybox", *FOREVER)
    ids = [said(*run) for _ in range(TEN)]
    pids = [json.loads(said(*COMMAND, "inspect", one))[0]["State"]["Pid"] for one in ids]
    row("kernelbox run -d", pids, [parent(pid) for pid in pids])
    said(*COMMAND, "rm", "-f", *ids)


def notebook() -> None:
    """Measure containers of one notebook."""
    box = lab.start()
    pids = [box.start("busybox", [*FOREVER], network="none").pid for _ in range(TEN)]
    row("kernelbox, from a notebook", pids, [parent(pid) for pid in pids], box.agent)
    box.close()


def beside_podman(directory: Path, podman: Podman, groups: Groups) -> None:
    """Measure containers of podman, in a storage of its own."""
    before = groups()
    base, options, image = podman(directory, "none")
    try:
        ids = [said(*base, "run", "-d", *options, image, *FOREVER) for _ in range(TEN)]
        form = "{{.State.Pid}} {{.State.ConmonPid}}"
        pairs = [said(*base, "inspect", "--format", form, one).split() for one in ids]
        row(
            "podman run -d: conmon",
            *([int(one) for one in pids] for pids in zip(*pairs, strict=True)),
        )
    finally:
        said(*base, "rm", "-f", "-t", "0", "--all")
        time.sleep(SETTLE)  # each conmon takes a moment to end
        # Podman mounts it on itself, and may leave it.
        subprocess.run(["umount", f"{directory}/root/overlay"], stderr=subprocess.DEVNULL)
        for group in groups():
            if group not in before:
                group.rmdir()


def beside_containerd(directory: Path) -> None:
    """Measure containers of containerd, as `docker run` has them made; the daemon is our own."""
    directory.mkdir()
    archive, socket = directory / "busybox.tar", directory / "socket"
    said(*COMMAND, "save", "-o", str(archive), "busybox")
    config = directory / "config.toml"
    config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    places = ("--root", f"{directory}/root", "--state", f"{directory}/state")
    words = ["containerd", "--config", str(config), *places, "--address", str(socket)]
    ctr = ("ctr", "--address", str(socket))
    parents = [one for one in Path("/sys/fs/cgroup").glob("*/") if not (one / "default").exists()]
    with ExitStack() as ending, (directory / "log").open("wb") as log:
        ending.callback(remove_groups, parents)
        daemon = subprocess.Popen(words, stdout=log, stderr=log)
        ending.callback(daemon.wait)
        ending.callback(daemon.terminate)
        while not socket.exists():
            time.sleep(0.05)
            assert daemon.poll() is None, (directory / "log").read_text()[-500:]
        said(*ctr, "images", "import", str(archive))
        image = said(*ctr, "images", "ls", "-q").splitlines()[0]
        names = [f"kernelbox-bench-{number}" for number in range(TEN)]
        for name in names:
            for words in (["containers", "delete"], ["task", "delete", "-f"]):  # the latter first
                ending.callback(subprocess.run, [*ctr, *words, name], capture_output=True)
            said(*ctr, "run", "-d", image, name, *FOREVER)
        listed = [line.split() for line in said(*ctr, "task", "ls").splitlines()[1:]]
        pids = [int(one[1]) for one in listed]
        row("containerd: its shim", pids, [parent(pid) for pid in pids], daemon.pid)
