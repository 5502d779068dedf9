"""Whose a setting is: what kernelbox says, beside what the kernel does in a new namespace."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kernelbox import sysctls

UNSHARE = {"net": "--net", "uts": "--uts", "ipc": "--ipc"}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("net/ipv4/ip_forward", "1"),
        ("net/core/somaxconn", "77"),
        ("kernel/hostname", "other"),
        ("kernel/domainname", "other"),
        ("kernel/shmmni", "77"),
        ("kernel/msgmni", "77"),
        ("kernel/sem", "1 2 3 4"),
        ("fs/mqueue/msg_max", "7"),
    ],
)
def test_a_namespace_has_the_setting_for_itself(setting: str, value: str) -> None:
    path = Path(f"/proc/sys/{setting}")
    kind = sysctls.owner(str(path))
    assert kind
    before = path.read_text()
    script = f"echo {value} > {path} && cat {path}"
    done = subprocess.run(
        ["unshare", UNSHARE[kind], "sh", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == value.split()
    assert path.read_text() == before


@pytest.mark.parametrize(
    "path",
    [
        "/proc/sys/vm/swappiness",
        "/proc/sys/kernel/panic",
        "/proc/self/root/proc/sys/kernel/core_pattern",
        "/proc/sys/net/../vm/swappiness",
    ],
)
def test_the_machine_has_the_rest(path: str) -> None:
    assert sysctls.owner(path) == ""


@pytest.mark.parametrize("path", ["/proc/self/uid_map", "/etc/passwd", "/proc/sys", "/tmp/sys/x"])
def test_what_is_no_setting_is_nobodys(path: str) -> None:
    assert sysctls.owner(path) is None
