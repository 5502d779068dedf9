"""The lab VM's disks that are made here: the checkout, the lab user's home, a test's results."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from lib import needs


def checkout_tar(path: Path, job: str) -> None:
    """Write the checkout as it is now, without what is made in it, and the job, if there is one."""
    listed = [
        "git",
        "-C",
        needs.TOP,
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    names = ""
    with contextlib.suppress(OSError):  # there may be no git
        names = subprocess.run(listed, capture_output=True, text=True, check=False).stdout
    files = [needs.TOP / name for name in names.split("\0") if name]
    if not files:  # no git, or no clone
        files = [file for file in sorted(needs.TOP.rglob("*")) if not made_here(file)]
    with tarfile.open(path, "w") as tar:
        for file in files:
            if file.is_symlink() or file.is_file():
                tar.add(file, str(file.relative_to(needs.TOP)))
        if job:
            with tempfile.NamedTemporaryFile("w") as script:
                script.write(job)
                script.flush()
                tar.add(script.name, ".job")


def made_here(file: Path) -> bool:
    """Whether a file is one that `make` or a program made."""
    parts = file.relative_to(needs.TOP).parts
    anywhere = {".git", ".venv", "__pycache__", ".ipynb_checkpoints", "node_modules"}
    return bool(anywhere & set(parts)) or parts[0] in ("build", "dist") or file.suffix == ".box"


def home_disk(home: Path) -> Path:
    """Return the disk with the lab user's home; it is made first where it is missing."""
    disk = home / "home.qcow2"
    if not disk.exists():
        home.mkdir(parents=True, exist_ok=True)
        half = disk.with_suffix(".part")
        make_disk(half, "qcow2", 20 << 30)
        half.rename(disk)
    return disk


def make_disk(path: Path, form: str, size: int) -> None:
    """Make an empty disk."""
    command = ["qemu-img", "create", "-q", "-f", form, str(path), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise needs.Trouble(f"no disk could be made: {done.stderr.strip().splitlines()[-1]}")


def take_results(disk: Path, into: Path) -> int:
    """Unpack what the job left; return how it ended."""
    into.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(disk) as tar:
            for member in filter(tarfile.TarInfo.isfile, tar):
                # Whatever has run inside wrote the names: none leads out of the directory.
                target = into / os.path.normpath(f"/{member.name}")[1:]
                target.parent.mkdir(parents=True, exist_ok=True)
                with tar.extractfile(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
        return int((into / "status").read_text())
    except (tarfile.TarError, OSError, ValueError) as error:
        raise needs.Trouble(f"the lab VM left no results that can be read ({error})") from None
