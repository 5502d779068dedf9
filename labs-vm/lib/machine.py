"""A virtual machine of QEMU's: under what it runs, what it tells, and how it ends."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import queue
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from lib import needs

TELLS = "kernelbox-vm: "  # how the guest's own scripts begin a line that is for this program
PROBE_LIMIT = 10  # seconds for a guest that only says it is alive
POWEROFF_LIMIT = 90  # seconds

# Meltdown and its kin are nothing that a guest of one's own needs to be kept from.
KERNEL_LINE = "root=/dev/vda1 rw quiet mitigations=off net.ifnames=0 psi=1 console=ttyS0"
KERNEL_LINE += (
    " tsc=reliable systemd.show_status=no systemd.machine_id=6b65726e656c626f78206c61622d766d"
)
# TCG keeps what it has translated by the address that it stands at: with random addresses, each
# start of a program is translated all over again, and takes more than twice as long.
TCG_LINE = " norandmaps"
# What costs TCG most is left out: copying byte by byte, for which real processors have a short cut,
# a fifth level of page tables, and a switch that ends each block in which the kernel reads a
# program's memory. It takes a tenth less time.
TCG_CPU = "max,erms=off,la57=off,smap=off"


def accelerator(qemu: str, image: Path) -> str:
    """Return what runs guests here: kvm or hvf, if a guest has shown it, else tcg.

    That /dev/kvm can be opened says little: inside some virtual machines a guest hangs under it.
    What was found is remembered until the next boot.
    """
    candidate = {"Linux": "kvm", "Darwin": "hvf"}.get(platform.system())
    if candidate == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        candidate = None
    if candidate is None or platform.machine() not in ("x86_64", "AMD64"):
        return "tcg"
    note = needs.CACHE / "accelerator.json"
    key = [qemu, candidate, boot_id()]
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(note.read_text())
        if known["key"] == key:
            return str(known["found"])
    found = candidate if runs(qemu, image, candidate) else "tcg"
    needs.CACHE.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps({"key": key, "found": found}))
    return found


def boot_id() -> str:
    """Return what changes when this machine boots."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def runs(qemu: str, image: Path, candidate: str) -> bool:
    """Whether a guest that has only to say that it is alive does."""
    command = [
        *machine(qemu, candidate, 256, 1),
        *("-kernel", str(image / "kernel"), "-initrd", str(image / "initrd")),
        *("-append", f"{KERNEL_LINE} probe", "-serial", "stdio"),
    ]
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(
            command, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, timeout=PROBE_LIMIT
        )
    except subprocess.TimeoutExpired:
        return False
    return f"{TELLS}alive".encode() in done.stdout


def machine(qemu: str, accel: str, memory: int, cpus: int) -> list[str]:
    """Return QEMU's command for a machine without any device."""
    tcg = accel == "tcg"
    return [
        qemu,
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-machine", "q35,usb=off,sata=off", "-cpu", TCG_CPU if tcg else "host"),
        *("-accel", "tcg,thread=multi,tb-size=512" if tcg else accel),
        *("-m", str(memory), "-smp", str(cpus)),
    ]


class Machine:
    """A VM: what it tells, and how it ends."""

    def __init__(
        self, qemu: str, image: Path, directory: Path, options: argparse.Namespace
    ) -> None:
        self.console = directory / "console.log"
        self.control = directory / "control"
        self.accel = accelerator(qemu, image)
        self.begun = time.monotonic()
        self._image = image
        self._command = [
            *machine(qemu, self.accel, options.memory, options.cpus),
            *("-kernel", str(image / "kernel"), "-initrd", str(image / "initrd")),
            *("-chardev", f"file,id=console,path={self.console}", "-serial", "chardev:console"),
            *("-device", "virtio-serial-pci", "-chardev", "stdio,id=tells,signal=off"),
            *("-device", "virtconsole,chardev=tells", "-device", "virtio-rng-pci"),
            *("-qmp", f"unix:{self.control},server=on,wait=off"),
        ]
        self._line = KERNEL_LINE + (TCG_LINE if self.accel == "tcg" else "")
        self.add_disk(image / "disk.qcow2", "system", "format=qcow2,snapshot=on,cache=unsafe")

    def add_disk(self, path: Path, serial: str, options: str) -> None:
        """Give it a disk, before it starts."""
        file = str(path).replace(",", ",,")
        self._command += [
            *("-drive", f"if=none,id={serial},file={file},{options}"),
            *("-device", f"virtio-blk-pci,drive={serial},serial={serial}"),
        ]

    def add(self, *arguments: str) -> None:
        """Give QEMU more arguments, before it starts."""
        self._command += arguments

    def boot_to(self, target: str) -> None:
        """Let systemd start something else than usual."""
        self._line += f" systemd.unit={target}"

    def start(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [*self._command, "-append", self._line],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C is for this program, which asks it to power off
        )
        self._be_as_nice_as_this_program()
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _be_as_nice_as_this_program(self) -> None:
        """Give its session this program's niceness.

        Where the scheduler shares out time among sessions first, that of a process counts only
        among those of its own session. Source: sched(7), "The autogroup feature".
        """
        if niceness := os.nice(0):
            with contextlib.suppress(OSError):  # not every kernel has it
                Path(f"/proc/{self._process.pid}/autogroup").write_text(str(niceness))

    def _listen(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def seconds(self) -> float:
        """Return how long it has been running."""
        return time.monotonic() - self.begun

    def hear(self, patience: float) -> str | None:
        """Return the next line that it prints at the other end; empty if none came for so long.

        None: it has ended.
        """
        try:
            return self._lines.get(timeout=max(patience, 0))
        except queue.Empty:
            return ""

    def power_off(self) -> None:
        """Press its power button, and wait until it has ended."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.control))
            for command in ("qmp_capabilities", "system_powerdown"):
                control.sendall(json.dumps({"execute": command}).encode() + b"\n")
            time.sleep(0.2)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(POWEROFF_LIMIT)

    def end(self) -> None:
        """End it, however it is."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def failure(self, what: str) -> needs.Trouble:
        """Return what to say of it when it did not do what it should."""
        self.end()
        broken = needs.damage(self._image)
        if broken:
            return needs.Trouble(
                f"{what}: {self._image}/{broken} is damaged. "
                f"Remove it and try again: rm -r {shlex.quote(str(self._image))}"
            )
        said = [line for line in self._process.stderr.read().splitlines() if line.strip()]
        if said:  # QEMU itself
            return needs.Trouble(f"{what}: {said[-1].removeprefix(f'{self._command[0]}: ')}")
        kept = needs.CACHE / "console.log"
        shutil.copy(self.console, kept)
        for line in kept.read_text(errors="replace").splitlines()[-25:]:
            print(f"  | {line}", file=sys.stderr)
        return needs.Trouble(f"{what}. The end of its console is above, all of it in {kept}")
