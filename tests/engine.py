"""An engine, as an OCI runtime sees one: it has bundles, and is told of what it starts."""

from __future__ import annotations

import abc
import copy
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests import looking

RUNTIME = [sys.executable, "-c", "from kernelbox.cli.runtime import main; main()"]
CONFIG: dict[str, Any] = {
    "ociVersion": "1.2.0",
    "process": {
        "args": ["sh", "-c", "echo hello"],
        "env": ["PATH=/bin", "TERM=xterm"],
        "cwd": "/",
        "user": {"uid": 0, "gid": 0},
        "capabilities": {
            one: ["CAP_KILL", "CAP_CHOWN"] for one in ("bounding", "effective", "permitted")
        },
    },
    "root": {"path": "rootfs"},
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
    ],
    "linux": {
        "namespaces": [{"type": one} for one in ("pid", "network", "ipc", "uts", "mount")],
        "maskedPaths": ["/proc/keys", "/proc/acpi"],
        "readonlyPaths": ["/proc/sys"],
    },
}
# Neither root nor a container may have more than this machine's hard limits.
_PODMANS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
{more}
runtime = "kernelbox-runtime"
runtime_supports_json = ["kernelbox-runtime"]
[engine.runtimes]
kernelbox-runtime = ["{runtime}"]
"""


def settings_of_podman(directory: Path, more: str = "") -> Path:
    """Write the file that tells Podman of its runtime, and that; return the file's path.

    Args:
        directory: Where both will lie.
        more: Further lines of its `engine`.
    """
    runtime, settings = directory / "kernelbox-runtime", directory / "containers.conf"
    runtime.write_text(f"#!{sys.executable}\nfrom kernelbox.cli.runtime import main\nmain()\n")
    runtime.chmod(0o755)
    settings.write_text(_PODMANS.format(runtime=runtime, more=more))
    return settings


class RealEngine(abc.ABC):
    """Podman or Docker, by its command line."""

    @abc.abstractmethod
    def call(self, *words: str, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command."""

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Run a command; return its exit status, and what it printed."""
        done = self.call(*words)
        return done.returncode, done.stdout.decode().strip(), done.stderr.decode().strip()

    def ok(self, *words: str) -> str:
        status, out, err = self(*words)
        assert status == 0, (words, out, err)
        return out


class Engine:
    """An engine, as the runtime sees one: it has bundles, and is told of what it starts.

    Attributes:
        bundle: The directory of the bundle that is used next.
        root: Where the runtime keeps the states of containers.
        runtime: The words of the runtime's command, before its own options.
    """

    def __init__(self, directory: Path) -> None:
        self.bundle = directory / "bundle"
        self.root = directory / "states"
        self.bundle.mkdir()
        lay_root(self.bundle / "rootfs")
        self.runtime = RUNTIME
        self.config: dict[str, Any] = {}
        self.log = directory / "log"
        self.renew()

    def renew(self) -> None:
        self.config = copy.deepcopy(CONFIG)

    def __call__(self, *words: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run the runtime to its end, on the bundle as it is described now."""
        (self.bundle / "config.json").write_text(json.dumps(self.config))
        streams = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }
        return subprocess.run(
            [*self.runtime, "--root", str(self.root), *map(str, words)],
            text=True,
            timeout=120,
            check=False,
            **{**streams, **more},
        )

    def ok(self, *words: str | Path, **more: Any) -> str:
        done = self(*words, **more)
        assert (done.returncode, done.stderr or "") == (0, ""), done
        return done.stdout

    def refused(self, *words: str | Path, **more: Any) -> str:
        done = self(*words, **more)
        assert done.returncode == (255 if words[0] == "exec" else 1), done  # as runc's
        assert done.stderr.count("\n") == 1 and "bug" not in done.stderr, done
        return str(done.stderr)

    def create(self, container: str, *words: str | Path) -> int:
        """Create a container; return the pid of its first process. Its output is lost."""
        pid = self.bundle / "pid"
        lost = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        done = self("create", "--bundle", self.bundle, "--pid-file", pid, *words, container, **lost)
        assert done.returncode == 0, self("create", "--bundle", self.bundle, container)
        return int(pid.read_text())

    def sh(self, script: str, *words: str | Path) -> str:
        """Run a script in a container of the bundle; return what it prints."""
        self.config["process"]["args"] = ["sh", "-c", script]
        return self.ok("run", *words, "--bundle", self.bundle, "box").strip()

    def status(self, container: str) -> str:
        return str(json.loads(self.ok("state", container))["status"])

    def left(self) -> list[str]:
        return os.listdir(self.root) if self.root.exists() else []

    def groups(self, container: str) -> list[Path]:
        """Return what is there of a container's control group, if it is where it is by default."""
        return [
            path for path in looking.cgroups() if re.fullmatch(f"oci-.*-{container}", path.name)
        ]


def lay_root(rootfs: Path) -> None:
    """Make the smallest root file system that has a shell in it."""
    for name in ("bin", "proc", "dev", "sys", "etc", "tmp"):
        (rootfs / name).mkdir(parents=True)
    (rootfs / "tmp").chmod(0o1777)
    shutil.copy(os.path.realpath(shutil.which("busybox") or ""), rootfs / "bin/busybox")
    names = (
        "sh cat id ls sleep echo touch mkdir hostname grep stat tty umask true ps mount head kill"
    )
    for name in names.split():
        (rootfs / "bin" / name).symlink_to("busybox")


def gone(pid: int) -> bool:
    """Whether a process has ended; who has made it may not have asked for its end yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"
