"""What there is on the whole, how much of the disk it takes, and what a shell completes."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

import kernelbox as package
from kernelbox.cli import COMMANDS
from tests.command import Kernelbox
from tests.looking import survey

ALONE = ("--network", "none")
MIB = 1 << 20


def test_version_tells_the_kernel_and_ours(kernelbox: Kernelbox) -> None:
    assert f"Version: {package.__version__}" in kernelbox.ok("version").splitlines()
    assert kernelbox.ok("version", "-f", "{{.Kernel}}") == f"{os.uname().release}\n"
    assert json.loads(kernelbox.ok("version", "--format", "json"))["Arch"] == os.uname().machine


def test_info_counts_containers_by_where_they_are(kernelbox: Kernelbox) -> None:
    before = json.loads(kernelbox.ok("info", "--format", "json"))
    kernelbox.start(*ALONE, "busybox", "sleep", "infinity")
    created = kernelbox.ok("create", "busybox", "true").strip()
    after = json.loads(kernelbox.ok("system", "info", "--format", "json"))
    kernelbox.ok("rm", created)
    grown = {name: after[name] - before[name] for name in after if name.startswith("Containers")}
    assert grown["Containers"] == 2
    assert (grown["ContainersRunning"], grown["ContainersStopped"]) == (1, 1)
    assert after["DockerRootDir"] == str(kernelbox.root) and after["NCPU"] == os.cpu_count()


def used(kernelbox: Kernelbox) -> dict[str, dict[str, int]]:
    lines = kernelbox.ok("system", "df", "--format", "json").splitlines()
    return {row["Type"]: row for row in map(json.loads, lines)}


def test_df_tells_what_is_used_and_what_could_be_given_back(kernelbox: Kernelbox) -> None:
    before = used(kernelbox)
    write = "dd if=/dev/zero of=/big bs=1M count=2; dd if=/dev/zero of=/v/big bs=1M count=3"
    words = ("run", *ALONE, "--name", "writer", "-v", "big:/v", "busybox", "sh", "-c", write)
    assert kernelbox(*words).returncode == 0
    after = used(kernelbox)
    for kind, count in (("Containers", 2), ("Local Volumes", 3)):
        grown = after[kind]["Size"] - before[kind]["Size"]
        assert count * MIB <= grown < (count + 1) * MIB
        assert after[kind]["TotalCount"] == before[kind]["TotalCount"] + 1
    assert after["Containers"]["Reclaimable"] - before["Containers"]["Reclaimable"] >= 2 * MIB
    assert after["Local Volumes"]["Reclaimable"] == before["Local Volumes"]["Reclaimable"]
    kernelbox.ok("rm", "writer")
    assert used(kernelbox)["Local Volumes"]["Reclaimable"] >= 3 * MIB
    kernelbox.ok("volume", "rm", "big")
    layers = survey(kernelbox.root / "images/layers")
    assert after["Images"]["Size"] > 0 and layers
    assert "RECLAIMABLE" in kernelbox.ok("system", "df")
    assert "no command" in kernelbox.refused("system", "frob")


@pytest.fixture(scope="module")
def script(shared: Kernelbox) -> str:
    return shared.ok("completion", "bash")


def completed(kernelbox: Kernelbox, script: str, *words: str) -> set[str]:
    """Return what bash completes the last word to."""
    listed = " ".join(f"'{word}'" for word in words)
    press = f"COMP_WORDS=({listed}); COMP_CWORD={len(words) - 1}; _kernelbox; "
    path = os.path.dirname(kernelbox.command[0])
    done = subprocess.run(
        ["bash", "--norc", "-c", f'{script}\n{press} printf "%s\\n" "${{COMPREPLY[@]}}"'],
        env={**kernelbox.environment, "PATH": f"{path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def test_bash_completes_commands_options_and_names(kernelbox: Kernelbox, script: str) -> None:
    assert completed(kernelbox, script, "kernelbox", "") == set(COMMANDS)
    assert completed(kernelbox, script, "kernelbox", "re") >= {"restart", "rename", "reset"}
    assert completed(kernelbox, script, "kernelbox", "run", "--health-c") == {"--health-cmd"}
    assert completed(kernelbox, script, "kernelbox", "stop", "--t") == {"--timeout", "--time"}
    assert "prune" in completed(kernelbox, script, "kernelbox", "volume", "pr")
    kernelbox.start(*ALONE, "--name", "runs", "busybox", "sleep", "infinity")
    rests = kernelbox.ok("create", "--name", "rests", "busybox", "true").strip()
    try:
        assert completed(kernelbox, script, "kernelbox", "stop", "r") == {"runs"}
        assert completed(kernelbox, script, "kernelbox", "start", "r") == {"runs", "rests"}
        assert "busybox:latest" in completed(kernelbox, script, "kernelbox", "run", "busy")
    finally:
        kernelbox.ok("rm", rests)


def test_zsh_reads_the_same_by_its_own_means(shared: Kernelbox, script: str) -> None:
    told = shared.ok("completion", "zsh")
    assert "bashcompinit" in told and script.partition("_kernelbox()")[2] in told
    assert "invalid choice" in shared.refused("completion", "fish")
