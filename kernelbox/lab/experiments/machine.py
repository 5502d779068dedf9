"""A virtual machine, booted for comparison: Debian's kernel, busybox, no disk, no network.

    if machine.missing():
        print(machine.missing())        # what is not here, and how to get it
    else:
        with machine.boot() as vm:
            vm.seconds, vm.told["boot_id"], vm.memory()

QEMU emulates the processor, instruction by instruction (TCG), since not every host lets a guest use
the real one (KVM): that is slower, and needs about the same memory. The machine has no more than it
must, so it is the smallest that can be had in this way; a usual one takes longer, and more.
"""

from __future__ import annotations

import os
import platform
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox.images.embedded import find_busybox
from kernelbox.lab.conversation import LabError
from kernelbox.lab.experiments import initramfs, memory

if TYPE_CHECKING:
    from types import TracebackType

QEMU = "qemu-system-x86_64"
MEMORY = 128  # MiB that the machine believes to have
PATIENCE = 100.0  # seconds for a boot: less than a cell of a notebook may take
PATIENCE_EMULATED = 3600.0  # where this host is emulated already: somebody waits, and is told

_TELLS = "kernelbox: "  # how a line begins that the machine's own program has written
_LINE = "console=ttyS0 quiet panic=-1 mitigations=off"
_CURE = "make machine, in the directory of kernelbox"
_CURE_WITH_A_KERNEL = (
    "sudo apt-get update && sudo apt-get install --no-install-recommends qemu-system-x86"
)
_EMULATED = (
    "The processor of this host is emulated already: a machine in the machine takes many times as "
    "long, minutes. To go on without it, interrupt this cell (the square above)."
)


def missing() -> str:
    """Return what is not here that a boot needs, and how to get it; empty if it can be booted."""
    if platform.machine() != "x86_64":
        return f"the virtual machine is one for x86_64, and this host is {platform.machine()}"
    if shutil.which(QEMU) is None:  # in the lab VM, which has a kernel, and no make
        cure = _CURE if kernel() is None else _CURE_WITH_A_KERNEL
        return f"there is no {QEMU} here. To get it: {cure}"
    if kernel() is None:
        return f"there is no kernel here that a virtual machine could boot. To get one: {_CURE}"
    if not find_busybox():
        return "there is no static busybox here. To get it: apt-get install busybox-static"
    return ""


def kernel() -> Path | None:
    """Return the kernel that the machine boots; None if there is none.

    It is the one that `make machine` has fetched, or that this host has booted itself.
    """
    fetched = Path(sys.prefix, "share/kernelbox/vmlinuz")
    for place in (fetched, Path(f"/boot/vmlinuz-{os.uname().release}")):
        if os.access(place, os.R_OK):
            return place
    return None


def is_emulated() -> bool:
    """Whether QEMU emulates this host's own processor: it is a lab VM without KVM."""
    return "QEMU TCG CPU" in Path("/proc/cpuinfo").read_text()


class Machine:
    """A virtual machine that has booted; it ends with its block, `end()`, or this process.

    Attributes:
        pid: Of QEMU, which it is to the host: one process.
        seconds: From the start of QEMU until the machine's program had said who it is.
        told: What that was: `release`, `boot_id`, `uptime`.
    """

    def __init__(self, running: subprocess.Popen[str], seconds: float, told: dict[str, str]):
        self.pid = running.pid
        self.seconds = seconds
        self.told = told
        self._running = running

    def memory(self) -> memory.Taken:
        """Return what it takes of the host's memory."""
        found = memory.rollup(Path(f"/proc/{self.pid}/smaps_rollup").read_text())
        own = found["Private_Clean"] + found["Private_Dirty"]
        return memory.Taken(found["Rss"], found["Pss"], own)

    def end(self) -> None:
        """Pull its plug. Twice is fine."""
        _ended(self._running)

    def __enter__(self) -> Machine:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self.end()

    def __repr__(self) -> str:
        return "<a virtual machine>"


def boot(*, show: bool = False) -> Machine:
    """Boot a virtual machine, and wait until its program runs.

    Args:
        show: Whether to print how long it has been booting, a line that is written over.

    Raises:
        LabError: Something is missing (`missing`); or it has not booted in time, or has
            ended instead: what it said last is told.
    """
    if lacking := missing():
        raise LabError(lacking)
    patience = PATIENCE
    if is_emulated():
        patience = PATIENCE_EMULATED
        if show:
            print(_EMULATED)
    began = time.monotonic()
    with tempfile.TemporaryFile() as first:  # without a name: whoever is killed leaves nothing
        first.write(initramfs.telling(Path(find_busybox()).read_bytes()))
        first.flush()
        running = subprocess.Popen(
            _command(f"/proc/self/fd/{first.fileno()}"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C is for whoever waits
            pass_fds=[first.fileno()],
        )
        try:
            told = _heard(running, began, patience, show=show)
            return Machine(running, time.monotonic() - began, told)
        except BaseException:
            _ended(running)
            raise


def _command(first: str) -> list[str]:
    """Return what starts QEMU: it dies with this process, even if that is killed.

    Source: qemu(1); setpriv(1), --pdeathsig.
    """
    return [
        *("setpriv", "--pdeathsig", "KILL", QEMU),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-machine", "pc", "-cpu", "max", "-accel", "tcg", "-m", str(MEMORY), "-smp", "1"),
        *("-kernel", str(kernel()), "-initrd", first, "-append", _LINE),
        *("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"),
    ]


def _heard(
    running: subprocess.Popen[str], began: float, patience: float, *, show: bool
) -> dict[str, str]:
    """Return what the machine tells until it is ready.

    Raises:
        LabError: It is not, in time or ever.
    """
    assert running.stdout is not None
    fd = running.stdout.fileno()
    said, shown = "", -1
    while f"{_TELLS}ready" not in said:
        passed = time.monotonic() - began
        if passed > patience:
            raise _failure(f"the virtual machine was not ready after {patience:.0f} s", said)
        if show and int(passed) != shown:
            shown = int(passed)
            print(f"\rbooting a virtual machine: {shown} s", end="", flush=True)
        if select.select([fd], [], [], 1)[0]:
            if not (new := os.read(fd, 1 << 16)):
                raise _failure("the virtual machine has ended instead of booting", said)
            said += new.decode(errors="replace")
    if show:
        print(f"\ra virtual machine has booted in {time.monotonic() - began:.1f} s", flush=True)
    lines = [line.strip() for line in said.splitlines()]
    told = [line.removeprefix(_TELLS) for line in lines if line.startswith(_TELLS)]
    return dict(line.split(" ", 1) for line in told if " " in line)


def _failure(what: str, said: str) -> LabError:
    last = [line.strip() for line in said.splitlines() if line.strip()][-1:]
    return LabError(f"{what}; it said last: {last[0] if last else 'nothing'}")


def _ended(running: subprocess.Popen[str]) -> None:
    running.kill()
    running.wait()
    if running.stdout is not None:
        running.stdout.close()
