"""What is on the disk when the power fails: images that are whole, and words for what is not.

A root lies on an ext4 of its own, in a file. Whatever has not been written when that file is
copied, a power cut at that moment would have lost.

Source: ext4(5), delayed allocation; containerd and buildah sync what they store before they name
it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import Kernelbox

MIB = 1 << 20


@contextlib.contextmanager
def mounted(disk: Path, point: Path) -> Iterator[None]:
    point.mkdir()
    subprocess.run(["mount", "-o", "loop", disk, point], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", point], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Kernelbox]:
    """The command line on a root that has a disk of its own, `disk` beside `mounted`."""
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(64 * MIB)
    subprocess.run(["mkfs.ext4", "-q", path], check=True)
    with mounted(path, tmp_path / "mounted"):
        command = Kernelbox(tmp_path / "mounted/root")
        yield command
        command.ok("reset")


def after_a_cut(tmp_path: Path, words: tuple[str, ...]) -> str:
    """Return what a command prints on what the disk holds at this moment."""
    with (tmp_path / "mounted/journal").open("wb") as file:
        os.fsync(file.fileno())  # whatever has a name by now has it on the disk as well
    shutil.copyfile(tmp_path / "disk", tmp_path / "cut")
    with mounted(tmp_path / "cut", tmp_path / "again"):
        command = Kernelbox(tmp_path / "again/root")
        command.ok("ps")
        told = command.ok(*words)
        command.ok("reset")
    (tmp_path / "again").rmdir()
    return told


def test_an_image_is_whole_after_a_power_cut(disk: Kernelbox, tmp_path: Path) -> None:
    noise = os.urandom(4 * MIB)
    (tmp_path / "noise").write_bytes(noise)
    read = ("run", "--rm", "--network", "none", "made", "md5sum", "/noise")
    digest = hashlib.md5(noise, usedforsecurity=False).hexdigest()
    (tmp_path / "Containerfile").write_text("FROM busybox\nCOPY noise /\n")
    disk.ok("build", "-q", "-t", "made", tmp_path)
    assert after_a_cut(tmp_path, read).startswith(digest)
    disk.ok("save", "-o", tmp_path / "saved", "made")
    disk.ok("rmi", "made")
    disk.ok("prune", "-f")
    disk.ok("load", "-i", tmp_path / "saved")
    assert after_a_cut(tmp_path, read).startswith(digest)
    disk.ok("run", "--name", "c", "--network", "none", "made", "cp", "/noise", "/more")
    disk.ok("commit", "c", "made")
    read = (*read[:-1], "/more")
    assert after_a_cut(tmp_path, read).startswith(digest)
    disk.ok("rm", "c")


def test_what_is_damaged_is_named_alone_and_its_cure_works(disk: Kernelbox) -> None:
    script = ("--network", "none", "busybox", "true")
    for name in ("whole", "empty"):
        disk.ok("run", "--name", name, *script)
        disk.ok("commit", "-m", name, name, f"{name}-image")
    image = disk.inspect("empty-image")["Descriptor"]["digest"].removeprefix("sha256:")
    (disk.root / "images/blobs/sha256" / image).write_bytes(b"")
    damaged = disk.inspect("empty")["Id"]
    (disk.root / "containers" / damaged / "config.json").write_bytes(b"")
    for words, there, name in (
        (("ps", "-a"), "whole", damaged),
        (("images",), "whole-image", "empty-image"),
    ):
        listed = disk(*words)
        assert listed.returncode == 1
        assert there in listed.stdout and "empty" not in listed.stdout
        (line,) = listed.stderr.splitlines()
        assert name in line and "is damaged" in line and "kernelbox r" in line
    disk.ok("commit", "whole", "another-image")
    disk.ok("rm", damaged, "whole")
    disk.ok("rmi", "empty-image", "whole-image", "another-image")
    assert disk.ok("ps", "-aq") == ""
    disk.ok("images")
