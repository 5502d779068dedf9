"""A bundle: a directory with a root file system and a config.json, for an OCI runtime to make.

It is as small as one can be: busybox in it, five kinds of namespaces, three mounts. What is not in
the config, no runtime does: there is no default anywhere.

Source: OCI runtime-spec, bundle.md, config.md.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelbox.images.embedded import find_busybox
from kernelbox.lab.conversation import LabError
from kernelbox.lab.started import words

if TYPE_CHECKING:
    from collections.abc import Sequence

_APPLETS = "sh cat echo env grep hostname id ls mkdir mount ps readlink sleep touch true tty wc"
_DIRECTORIES = "bin dev etc proc sys tmp"
_NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup")


class Bundle:
    """A bundle on disk, and its config in memory: change `config`, and the next `create` has it.

    Attributes:
        path: Its directory.
        config: What its config.json is to say.
    """

    def __init__(self, path: Path, command: str | Sequence[str]) -> None:
        self.path = path
        self.config = described(words(command if isinstance(command, str) else list(command)))
        lay_root(path / "rootfs")

    def write(self) -> None:
        """Write its config.json."""
        text = json.dumps(self.config, indent=2)
        (self.path / "config.json").write_text(text, encoding="utf-8")

    def __repr__(self) -> str:
        return f"<a bundle: {', '.join(self.config)}>"


def described(args: list[str]) -> dict[str, Any]:
    """Return the least that a config.json can say of a container with a program."""
    return {
        "ociVersion": "1.2.0",
        "process": {
            "args": args,
            "env": ["PATH=/bin", "TERM=xterm"],
            "cwd": "/",
            "user": {"uid": 0, "gid": 0},
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "bundle",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {
                "destination": "/dev",
                "type": "tmpfs",
                "source": "tmpfs",
                "options": ["nosuid", "mode=755", "size=64k"],
            },
            {
                "destination": "/dev/pts",
                "type": "devpts",
                "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
            },
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m"]},
        ],
        "linux": {"namespaces": [{"type": kind} for kind in _NAMESPACES]},
    }


def lay_root(rootfs: Path) -> None:
    """Make the smallest root file system that has a shell in it; what is there stays.

    A program that runs cannot be written to (ETXTBSY), and a cell may be run again.

    Raises:
        LabError: This host has no busybox that needs no libraries.
    """
    busybox = find_busybox()
    if not busybox:
        raise LabError("there is no static busybox here", "apt-get install busybox-static")
    for name in _DIRECTORIES.split():
        (rootfs / name).mkdir(parents=True, exist_ok=True)
    if not (rootfs / "bin/busybox").exists():
        shutil.copy(busybox, rootfs / "bin/busybox")
    for name in _APPLETS.split():
        if not (rootfs / "bin" / name).is_symlink():
            (rootfs / "bin" / name).symlink_to("busybox")
