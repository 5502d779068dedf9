"""What a container is described by: OCI's config.json, which runc understands as we do."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernelbox.container import spec
from tests.command import COMMAND, Kernelbox

OPTIONS = ("--network=none", "--hostname=probe", "--memory=64m", "--pids-limit=50", "--read-only")
SEEN = """
hostname
id -u; id -g
cat /proc/self/cgroup | grep -c .
grep -E "CapEff|CapBnd" /proc/self/status
touch /new 2>/dev/null || echo read-only
ls /dev
cut -d" " -f5 /proc/self/mountinfo | grep -E "^/(etc|data|proc$|sys$|dev)" | sort
cat /proc/keys | wc -c
echo $PWD $COLOUR
ulimit -n >/dev/null; cat /data/note
"""


def config_of(kernelbox: Kernelbox, container: str) -> dict[str, Any]:
    text = (kernelbox.root / "containers" / container / "config.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture
def bundle(kernelbox: Kernelbox, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A bundle made of a container's config.json as it stands, and of its image's files."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/note").write_text("from the host\n")
    options = (*OPTIONS, "-u", "1000:1000", "-w", "/usr", "-e", "COLOUR=green")
    volume = f"{tmp_path}/data:/data:ro"
    container = kernelbox.start(*options, "-v", volume, "busybox", "sleep", "600")
    config = config_of(kernelbox, container)
    [layer] = config["kernelbox"]["lowerdirs"]
    shutil.copytree(layer, tmp_path / "rootfs", symlinks=True)
    for directory in ("data", "etc"):
        (tmp_path / "rootfs" / directory).mkdir(exist_ok=True)
    config["process"]["args"] = ["/bin/sh", "-c", SEEN]
    config["linux"]["cgroupsPath"] = f"/spec-{container}"  # a group of its own, which it removes
    (tmp_path / "config.json").write_text(json.dumps(config))
    yield tmp_path, container


@pytest.mark.skipif(not shutil.which("runc"), reason="runc is not installed")
def test_an_oci_runtime_makes_the_same_container_of_it(
    kernelbox: Kernelbox, bundle: tuple[Path, str]
) -> None:
    """Two of them: runc, and kernelbox as one."""
    directory, container = bundle
    ours = kernelbox.ok("exec", container, "sh", "-c", SEEN)
    for runtime in (["runc"], [*COMMAND, "oci"]):
        check_same(runtime, directory, container, ours)


def check_same(runtime: list[str], directory: Path, container: str, ours: str) -> None:
    done = subprocess.run(
        [*runtime, "--root", directory / "state", "run", f"spec-{container}"],
        cwd=directory, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ours.splitlines()
    assert "read-only" in ours and "from the host" in ours and "/usr green" in ours


def test_limits_are_where_oci_has_them(kernelbox: Kernelbox) -> None:
    container = kernelbox.start(*OPTIONS, "--cpus=0.5", "-c", "512", "busybox", "sleep", "600")
    assert config_of(kernelbox, container)["linux"]["resources"] == {
        "memory": {"limit": 64 << 20},
        "cpu": {"quota": 50_000, "period": 100_000, "shares": 512},
        "pids": {"limit": 50},
    }


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ((), {"pid", "mount", "uts", "ipc", "cgroup", "network"}),
        (("--network=host",), {"pid", "mount", "uts", "ipc", "cgroup"}),
        (
            ("--network=none", "--userns=auto", "--time-offset=5"),
            {"pid", "mount", "uts", "ipc", "cgroup", "network", "user", "time"},
        ),
    ],
)
def test_a_namespace_that_is_not_named_is_the_hosts(
    kernelbox: Kernelbox, options: tuple[str, ...], kinds: set[str]
) -> None:
    container = kernelbox.start(*options, "busybox", "sleep", "600")
    named = {one["type"] for one in config_of(kernelbox, container)["linux"]["namespaces"]}
    assert named == kinds
    pid = kernelbox.pid(container)
    files = {"mount": "mnt", "network": "net"}
    for kind in {"pid", "mount", "uts", "ipc", "cgroup", "network", "user", "time"}:
        name = files.get(kind, kind)
        own, its = (Path(f"/proc/{who}/ns/{name}").readlink() for who in ("self", pid))
        assert (own != its) == (kind in named), kind


def test_what_is_written_is_read_back(kernelbox: Kernelbox) -> None:
    options = ("--network=none", "--userns=auto", "--cpus=0.5", "-v", "/usr/share:/data:ro")
    plain = config_of(kernelbox, kernelbox.start(*options, "busybox", "sleep", "600"))
    assert json.loads(json.dumps(spec.to_json(spec.from_json(plain)))) == plain


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--privileged", "--time-offset", "5", "-v", "/volume", "--tmpfs", "/memory"),
        ("--userns", "auto", "--sysctl", "net.core.somaxconn=100", "--ulimit", "nofile=100:100"),
        (
            "--oom-score-adj",
            "5",
            "--restart",
            "always",
            "--health-cmd",
            "true",
            "-t",
            "--read-only",
        ),
        ("--device", "/dev/full:/dev/other", "--security-opt", "seccomp=unconfined", "--cpus", "1"),
    ],
    ids=" ".join,
)
def test_what_is_written_is_as_the_specs_own_schema_wants_it(
    kernelbox: Kernelbox, options: tuple[str, ...]
) -> None:
    made = kernelbox("create", "--network", "none", *options, "busybox", "true")
    assert made.returncode == 0, made  # what is privileged is told so
    container = made.stdout.strip()
    bundle = kernelbox.root / "containers" / container
    assert "as the spec wants it" in kernelbox.ok("oci", "spec", "--check", "--bundle", bundle)
    process = config_of(kernelbox, container)["process"]
    assert ("oomScoreAdj" in process) == ("--oom-score-adj" in options)
    kernelbox.ok("rm", container)
