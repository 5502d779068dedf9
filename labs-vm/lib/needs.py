"""What the lab VM needs of the machine that it is to run on, and what to say without it."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import socket
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
TOP = HERE.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kernelbox" / "vm"


class Trouble(Exception):
    """What keeps the lab VM from running: one line with the cause and the cure."""


def find_qemu() -> str:
    """Return QEMU's program."""
    found = shutil.which("qemu-system-x86_64")
    if found:
        return found
    cures = {
        "Darwin": "brew install qemu",
        "Linux": "sudo apt-get install qemu-system-x86 qemu-utils (or: make vm)",
    }
    cure = cures.get(platform.system(), "see https://www.qemu.org/download")
    raise Trouble(f"there is no qemu-system-x86_64 here. Install it: {cure}")


def find_image(given: str | None) -> Path:
    """Return the directory of the image; it is made first where it is missing."""
    if given:
        image = Path(given)
    else:
        with subprocess.Popen([HERE / "build"], stdout=subprocess.PIPE, text=True) as build:
            try:
                told, _ = build.communicate()
            except KeyboardInterrupt:
                build.terminate()
                build.communicate()  # it removes what is half made
                raise
        if build.returncode:
            raise SystemExit(build.returncode)  # it has said why
        image = Path(told.strip())
    for name in ("disk.qcow2", "kernel", "initrd"):
        if not (image / name).is_file():
            raise Trouble(f"{image} has no {name}. Remove that directory and try again")
    return image


def damage(image: Path) -> str:
    """Return which file of the image is not as it was made; empty if all are."""
    for line in (image / "sums").read_text().splitlines():
        expected, name = line.split()
        found = hashlib.sha256()
        with (image / name).open("rb") as file:
            while part := file.read(1 << 20):
                found.update(part)
        if found.hexdigest() != expected:
            return name
    return ""


def check_port(port: int) -> None:
    """Make sure that nobody listens on the port."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError as error:
            raise Trouble(
                f"port {port} is taken ({error.strerror}). End what has it, or take another: "
                f"labs-vm/run --port {port + 1}"
            ) from None


def check_room(directory: Path, size: int) -> None:
    """Make sure that a start does not end in the middle for want of disk."""
    free = shutil.disk_usage(directory).free
    if free < size:
        raise Trouble(
            f"{directory} has {free >> 20} MiB free, and the lab VM wants {size >> 20}. "
            "Make room there, or set TMPDIR"
        )
