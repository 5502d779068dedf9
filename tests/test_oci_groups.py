"""Where a container's processes are counted: groups that others made, or below its own; `exec`.

Source of each: OCI runtime-spec, config-linux.md, by its sections; runc-exec(8).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from kernelbox import cgroup
from kernelbox.cgroup import hierarchy
from kernelbox.kernel import files
from kernelbox.kernel.errors import KernelError
from kernelbox.oci import groups
from tests import looking
from tests.engine import RUNTIME, Engine

V2 = next((Path(one.point) for one in looking.mounts() if one.kind == "cgroup2"), None)


def test_a_program_more_is_in_the_groups_of_the_first(engine: Engine) -> None:
    """runc, "exec (cgroup v1+hybrid joins correct cgroup)": in each hierarchy, v2's among them."""
    engine.config["process"]["args"] = ["sleep", "1000"]
    pid = engine.create("first")
    engine.ok("start", "first")
    number = engine.bundle / "exec-pid"
    lost = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    engine.ok("exec", "--detach", "--pid-file", number, "first", "sleep", "999", **lost)
    seen = [Path(f"/proc/{one}/cgroup").read_text() for one in (pid, int(number.read_text()))]
    assert seen[0] == seen[1] and "oci-" in seen[0]


def test_a_program_more_in_a_group_below(engine: Engine) -> None:
    """runc-exec(8), `--cgroup`: below the container's, in v1 by controller; and nowhere else."""
    engine.config["process"]["args"] = ["sleep", "1000"]
    engine.create("box")
    engine.ok("start", "box")
    for group in engine.groups("box"):
        (group / "below").mkdir()
    own = f"/{engine.groups('box')[0].parts[-2]}/{engine.groups('box')[0].name}"

    def paths(*words: str) -> set[str]:
        told = engine.ok("exec", *words, "box", "cat", "/proc/self/cgroup")
        return {line.split(":", 1)[1] for line in told.split()}

    first = paths("--cgroup", "/")
    assert first == paths() and any(one.endswith(own) for one in first)
    moved = paths("--cgroup", "below")
    assert moved == {one + "/below" if one.endswith(own) else one for one in first}
    if cgroup.find().version == 1:
        moved = paths("--cgroup", "memory,pids:below", "--cgroup", "cpu:/")
        assert moved - first == {f"memory:{own}/below", f"pids:{own}/below"}
        assert "no hierarchy" in engine.refused("exec", "--cgroup", "nothing:below", "box", "true")
    assert "below" not in str(paths())
    assert "without" in engine.refused("exec", "--cgroup", "..", "box", "true").lower()
    assert "ENOENT" in engine.refused("exec", "--cgroup", "missing", "box", "true")


@pytest.mark.skipif(V2 is None, reason="no cgroup2 is mounted")
def test_who_has_moved_below_is_followed_in_version_2() -> None:
    """runc, "cgroup v2 + init process in non-root cgroup": who passes down takes nobody in."""
    assert V2 is not None
    name = f"test-{os.getpid()}-moved"
    above = V2 / "kernelbox" / name
    group = cgroup.of(f"kernelbox/{name}", hierarchy.version_2(str(V2))._replace(base=""))
    group.create()
    (above / "below").mkdir()
    with subprocess.Popen(["sleep", "1000"]) as sleeper:
        (above / "below/cgroup.procs").write_text(str(sleeper.pid))
        seen, passed = [], (above / "cgroup.controllers").read_text().split()
        for passes in (False, True):
            if passes and passed:
                group.pass_down(passed)
            for asked in ([], ["/"], ["below"]):
                with contextlib.closing(groups.way_into(group, asked, sleeper.pid)) as way:
                    seen.append(os.readlink(f"/proc/self/fd/{way.clone_fd}"))
        sleeper.kill()
    own, below = str(above), str(above / "below")
    followed = below if passed else own  # where the controllers are v1's, there may be none to pass
    assert seen == [own, own, below, followed, own, below]
    looking.soon(lambda: not (above / "below/cgroup.procs").read_text())
    group.remove()


def test_a_program_for_a_container_that_stands_still_waits(engine: Engine) -> None:
    """runc-exec(8), `--ignore-paused`: it runs when the container does."""
    engine.config["process"]["args"] = ["sleep", "1000"]
    engine.create("still")
    engine.ok("start", "still")
    engine.ok("pause", "still")
    assert "--ignore-paused" in engine.refused("exec", "still", "true")
    words = [*RUNTIME, "--root", str(engine.root), "exec", "--ignore-paused", "still", "echo", "ok"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as waiting:
        looking.soon(lambda: len(json.loads(engine.ok("ps", "--format", "json", "still"))) == 2)
        assert engine.status("still") == "paused" and waiting.poll() is None
        engine.ok("resume", "still")
        assert waiting.communicate(timeout=60)[0] == "ok\n"


def test_a_program_is_described_in_a_pipe(engine: Engine) -> None:
    """runc-exec(8), `--process`: /dev/fd/N, as a shell writes `<(...)`; and of no other FIFO."""
    engine.config["process"]["args"] = ["sleep", "1000"]
    engine.create("box")
    engine.ok("start", "box")
    plain = {"args": ["echo", "x" * 100_000], "cwd": "/", "env": ["PATH=/bin"]}
    read, write = os.pipe()
    if os.fork() == 0:  # more than a pipe holds
        os.close(read)
        with os.fdopen(write, "w") as file:
            file.write(json.dumps(plain))
        os._exit(0)
    os.close(write)
    done = engine.ok("exec", "--process", f"/dev/fd/{read}", "box", pass_fds=(read,))
    assert done == "x" * 100_000 + "\n"
    os.close(read)
    os.wait()
    os.mkfifo(engine.bundle / "fifo")
    assert "no file" in engine.refused("exec", "--process", engine.bundle / "fifo", "box")


@pytest.mark.parametrize(
    ("version", "limit", "wanted"),
    [("1.2.0", 0, "max"), ("1.3.0", 0, "1"), ("1.3.0", None, "max"), ("1.3.0", -1, "max")],
)
def test_no_processes_more(engine: Engine, version: str, limit: int | None, wanted: str) -> None:
    """Section "PIDs": 0 is a limit, from 1.3 on; runc makes it 1, for the first is in already."""
    path = f"/kernelbox/test-{os.getpid()}-few"
    file = Path(f"{cgroup.find().mounts['pids']}{path}/pids.max")
    engine.config["ociVersion"] = version
    engine.config["linux"] |= {"cgroupsPath": path, "resources": {"pids": {"limit": limit}}}
    engine.config["process"]["args"] = ["sleep", "1000"]
    engine.create("few")
    engine.ok("start", "few")
    assert file.read_text() == f"{wanted}\n"
    if wanted == "1":
        engine.ok("update", "--pids-limit", "9", "few")
        more = {"pids": {"limit": 0}}
        engine.ok("update", "--resources", "-", "few", stdin=None, input=json.dumps(more))
        assert file.read_text() == "1\n"


REAL_TIME = Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us")


@pytest.mark.skipif(not REAL_TIME.exists(), reason="this kernel has no real-time groups in v1")
def test_who_runs_before_all_others(engine: Engine) -> None:
    """Section "CPU", realtimeRuntime and realtimePeriod; the order of writing is the kernel's."""
    above = REAL_TIME.parent / f"kernelbox-test-{os.getpid()}-soon"
    path = above / "box"
    path.mkdir(parents=True)  # by somebody else, and in this hierarchy only
    try:
        (above / "cpu.rt_runtime_us").write_text("100000")
        engine.config["linux"]["cgroupsPath"] = f"/{above.name}/box"
        engine.config["process"]["args"] = ["sleep", "1000"]
        engine.create("soon")
        for period, runtime in ((1_000_000, 90_000), (10_000, 500), (800_000, 70_000), (None, 9)):
            asked = {"cpu": {"realtimePeriod": period, "realtimeRuntime": runtime}}
            engine.ok("update", "--resources", "-", "soon", stdin=None, input=json.dumps(asked))
            assert (path / "cpu.rt_runtime_us").read_text() == f"{runtime}\n"
            assert period is None or (path / "cpu.rt_period_us").read_text() == f"{period}\n"
        engine.ok("update", "--cpu-rt-period", "1000000", "--cpu-rt-runtime", "5000", "soon")
        assert (path / "cpu.rt_runtime_us").read_text() == "5000\n"
        engine.ok("delete", "--force", "soon")
    finally:
        for place in (path, above):
            if place.exists():
                place.rmdir()


CPUS = Path("/sys/fs/cgroup/cpuset/cpuset.cpus")


@pytest.mark.skipif(not CPUS.exists(), reason="only in cgroup v1 a group may have no CPUs")
def test_a_group_without_cpus_takes_nobody_in(engine: Engine) -> None:
    """cgroup-v1/cpusets.rst: what an engine has left empty is filled; else it is said why."""
    above = CPUS.parent / f"kernelbox-test-{os.getpid()}-empty"
    (above / "lower").mkdir(parents=True)
    assert (above / "lower/cpuset.cpus").read_text() == "\n"
    try:
        with pytest.raises(KernelError, match=r"ENOSPC.*cpuset.cpus or cpuset.mems is empty"):
            files.write(f"{above}/lower/tasks", "0")
        engine.config["linux"]["cgroupsPath"] = f"/{above.name}/lower/box"
        engine.create("box")
        assert (above / "lower/box/cpuset.cpus").read_text() == CPUS.read_text()
        engine.ok("delete", "--force", "box")
    finally:
        for place in (above / "lower", above):
            if place.exists():
                place.rmdir()


def test_a_group_in_which_nothing_moves_takes_no_container(engine: Engine) -> None:
    """runc, cgroups.bats, "pre-existing frozen cgroup": what is born there would wait for ever."""
    path = f"kernelbox/test-{os.getpid()}-frozen"
    engine.config["linux"]["cgroupsPath"] = f"/{path}"
    kept = cgroup.of(path, cgroup.find()._replace(base=""))
    kept.create()
    try:
        kept.freeze()
        for verb in ("create", "run"):
            said = engine.refused(verb, "--bundle", engine.bundle, "still")
            assert "container's cgroup unexpectedly frozen" in said and engine.left() == []
        kept.thaw()
        assert engine.ok("run", "--bundle", engine.bundle, "moves") == "hello\n"
    finally:
        if kept.exists():
            kept.thaw()
            kept.remove()
