"""Beside systemd, which has the root of cgroup v2 for its own: the lab VM, Debian as it comes.

What a container may use, and where it is, is read from cgroupfs and /proc before and after.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.command import Kernelbox

TOP = Path("/sys/fs/cgroup")
LIMITS = ("--memory", "64m", "--cpus", "0.5", "--pids-limit", "20", "--cpuset-cpus", "0")
FILES = ("memory.max", "cpu.max", "pids.max", "cpuset.cpus", "cpuset.cpus.effective")

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(not Path("/run/systemd/system").is_dir(), reason="systemd is not init here"),
    pytest.mark.skipif(not (TOP / "cgroup.controllers").exists(), reason="no cgroup v2 here"),
]


def systemctl(*words: str) -> None:
    subprocess.run(["systemctl", *words], check=True, capture_output=True)


def group(pid: int) -> Path:
    """Return the control group of a process, as /proc has it."""
    (line,) = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return TOP / line.removeprefix("0::/")


def limits(pid: int) -> dict[str, str]:
    return {name: (group(pid) / name).read_text() for name in FILES}


def test_systemd_neither_resets_a_limit_nor_moves_a_process(kernelbox: Kernelbox) -> None:
    container = kernelbox.start(*LIMITS, "--network", "none", "busybox", "sleep", "infinity")
    pid = kernelbox.pid(container)
    before, home = limits(pid), group(pid)
    assert home == TOP / "kernelbox" / container and before["memory.max"] == f"{64 << 20}\n"
    unit = "kernelbox-test.service"
    # Without its usual dependencies, which the lab VM has not started for a job.
    wanting = ("DefaultDependencies=no", "CPUWeight=50", "IOWeight=50", "AllowedCPUs=0")
    options = [word for one in wanting for word in ("-p", one)]
    run = ["systemd-run", "--unit", unit, *options, "sleep", "infinity"]
    subprocess.run(run, check=True, capture_output=True)
    systemctl("stop", unit)  # nobody of systemd's wants these controllers any more
    for word in ("daemon-reload", "daemon-reexec", "daemon-reload"):
        systemctl(word)
        assert (group(pid), limits(pid)) == (home, before), word
