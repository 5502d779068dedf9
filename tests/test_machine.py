"""The virtual machine of chapter 14: what is in its first files, one boot, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelbox.lab import LabError
from kernelbox.lab.experiments import initramfs, machine
from kernelbox.lab.experiments.machine import Machine
from tests.looking import is_alive, soon

BUSYBOX = "/bin/busybox"
NEVER = "while :; do sleep 1; done"


def qemu(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let a shell script be what is found as QEMU."""
    program = directory / machine.QEMU
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    monkeypatch.setattr(machine, "missing", lambda: "")


# --- the first files ------------------------------------------------------------------------------


def test_others_unpack_the_first_files_as_they_are_meant(tmp_path: Path) -> None:
    busybox = Path(BUSYBOX).read_bytes()
    unpack = [BUSYBOX, "cpio", "-i"]
    subprocess.run(unpack, input=initramfs.telling(busybox), cwd=tmp_path, check=True)
    modes = {one.name: one.lstat().st_mode for one in tmp_path.rglob("*")}
    assert modes == {
        **dict.fromkeys(("bin", "dev", "proc"), 0o40755),
        **dict.fromkeys(("busybox", "init"), 0o100755),
    }
    assert (tmp_path / "bin/busybox").read_bytes() == busybox
    assert subprocess.run(["sh", "-n", tmp_path / "init"], check=True)


# --- a boot ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def booted() -> Iterator[Machine]:
    if lacking := machine.missing():
        pytest.skip(lacking)
    with machine.boot() as made:
        yield made


def test_a_virtual_machine_has_a_kernel_and_a_boot_of_its_own(booted: Machine) -> None:
    found = machine.kernel()
    assert found is not None
    # Source: Documentation/arch/x86/boot.rst, kernel_version.
    header = found.read_bytes()[: 1 << 16]
    begin = int.from_bytes(header[0x20E:0x210], "little") + 0x200
    assert booted.told["release"] == header[begin:].split(b" ", 1)[0].decode()
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert len(booted.told["boot_id"]) == len(boot_id) and booted.told["boot_id"] != boot_id
    assert 0 < float(booted.told["uptime"]) < booted.seconds


def test_to_the_host_it_is_one_process_which_has_the_guests_memory(booted: Machine) -> None:
    assert Path(f"/proc/{booted.pid}/comm").read_text().startswith("qemu-system")
    taken = booted.memory()
    text = Path(f"/proc/{booted.pid}/status").read_text()
    resident = int(text.partition("VmRSS:")[2].split()[0]) << 10
    assert taken.resident == pytest.approx(resident, rel=0.05)
    assert 40 << 20 < taken.own <= taken.proportional <= taken.resident


# --- and its end ----------------------------------------------------------------------------------


def test_what_tells_who_it_is_has_booted_and_ends_with_its_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "kernelbox: release 1.2\nnoise\nkernelbox: boot_id b\nkernelbox: ready"
    qemu(tmp_path, monkeypatch, f"printf '%s\\r\\n' '{said}'; {NEVER}")
    with machine.boot(show=True) as made:
        assert made.told == {"release": "1.2", "boot_id": "b"} and is_alive(made.pid)
    assert not is_alive(made.pid)
    made.end()
    assert capsys.readouterr().out.splitlines()[-1].startswith("a virtual machine has booted in ")


def test_one_that_does_not_boot_is_ended_and_what_it_said_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    qemu(tmp_path, monkeypatch, "echo qemu: no such kernel; exit 1")
    with pytest.raises(LabError, match="ended instead of booting; it said last: qemu: no such ker"):
        machine.boot()
    qemu(tmp_path, monkeypatch, f"echo $$ >{tmp_path}/pid; {NEVER}")
    for name in ("PATIENCE", "PATIENCE_EMULATED"):
        monkeypatch.setattr(machine, name, 1)
    with pytest.raises(LabError, match="was not ready after 1 s; it said last: nothing"):
        machine.boot()
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_it_does_not_outlive_a_notebook_that_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    qemu(tmp_path, monkeypatch, f"echo $$ >{tmp_path}/pid; {NEVER}")
    code = (
        "from kernelbox.lab.experiments import machine; machine.missing = str; "
        "machine.kernel = str; machine.boot()"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as notebook:
        assert soon(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
        notebook.send_signal(signal.SIGKILL)
    guest = int((tmp_path / "pid").read_text())
    assert soon(lambda: not is_alive(guest))


@pytest.mark.parametrize(
    ("lacks", "told"), [("qemu", "there is no qemu-system"), ("kernel", "there is no kernel here")]
)
def test_what_is_missing_is_named_with_its_cure(
    lacks: str, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the virtual machine is one for x86_64")
    qemu(tmp_path, monkeypatch, "exit 1")
    monkeypatch.undo()
    path = "/nowhere" if lacks == "qemu" else f"{tmp_path}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.setattr(machine, "kernel", lambda: None)
    assert machine.missing().startswith(told)
    with pytest.raises(LabError, match="make machine"):
        machine.boot()


def test_where_a_kernel_is_here_already_qemu_alone_is_to_be_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The lab VM has the kernel that it has booted, and no make."""
    if os.uname().machine != "x86_64":
        pytest.skip("the virtual machine is one for x86_64")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(machine, "kernel", lambda: tmp_path)
    assert "apt-get install" in machine.missing() and "make" not in machine.missing()


def test_who_is_emulated_already_is_told_that_it_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.is_emulated() == ("TCG" in Path("/proc/cpuinfo").read_text())
    qemu(tmp_path, monkeypatch, f"echo 'kernelbox: ready'; {NEVER}")
    for emulated in (True, False):
        monkeypatch.setattr(machine, "is_emulated", lambda answer=emulated: answer)
        with machine.boot(show=True):
            assert ("interrupt this cell" in capsys.readouterr().out) == emulated
