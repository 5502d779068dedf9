"""Podman, with kernelbox as its runtime: the same births, driven by an engine that others wrote.

All that it keeps (images, states, locks) is in file systems in memory that only a mount namespace
of the lab's has: of whoever uses Podman on this host, it sees nothing, and nobody sees anything of
this one. When that namespace goes, nothing is left of it.

Source: containers.conf(5), `runtime`; podman(1), `--runtime-flag`; OCI runtime-spec.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox.lab.conversation import LabError
from kernelbox.lab.lifecycle.bundle import lay_root
from kernelbox.lab.lifecycle.engine import requests

if TYPE_CHECKING:
    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.traces import Trace

IMAGE = "box:1"
_GROUPS = Path("/sys/fs/cgroup")
_PARENT = "libpod_parent"
_SETTINGS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "kernelbox-runtime"
runtime_supports_json = ["kernelbox-runtime"]
[engine.runtimes]
kernelbox-runtime = ["{runtime}"]
"""


def missing() -> str:
    """Return what is not here that Podman needs, and how to get it; empty if it can run."""
    if shutil.which("podman") is None:
        return "there is no Podman here. To get it: apt-get install podman"
    return ""


class Podman:
    """Podman in mounts of its own, with an image of busybox; it ends with the lab.

    Args:
        box: The lab.

    Raises:
        LabError: There is no Podman, or it cannot run here.
    """

    def __init__(self, box: Lab) -> None:
        if missing():
            raise LabError(missing())
        self._before = set(_groups())
        self._directory = Path(tempfile.mkdtemp(prefix="kernelbox-podman-"))
        self._directory.chmod(0o755)
        self._hand = box.hold()
        box.own(self)
        self._hand.unshare("mount")
        self._hand.mount(None, "/", None, "rprivate")
        for place in ("/run", "/dev/shm"):
            self._hand.mount("podman", place, "tmpfs")
        self._settings = self._directory / "containers.conf"
        runtime = self._directory / "kernelbox-runtime"
        runtime.write_text(
            f"#!{sys.executable} -I\nfrom kernelbox.cli.runtime import main\nmain()\n"
        )
        runtime.chmod(0o755)
        self._settings.write_text(_SETTINGS.format(runtime=runtime))
        lay_root(self._directory / "rootfs")
        rootfs = shlex.quote(str(self._directory / "rootfs"))
        self._sh(f"tar -C {rootfs} -c . | {self._podman} import --quiet - {IMAGE}")

    @property
    def _podman(self) -> str:
        settings = shlex.quote(str(self._settings))
        return f"CONTAINERS_CONF={settings} podman --root /run/images --storage-driver vfs"

    def __call__(self, *words: str) -> str:
        """Run a command of Podman's to its end; return what it printed, without the trace.

        Raises:
            LabError: It has failed.
        """
        return self._sh(f"{self._podman} --runtime-flag debug {shlex.join(words)}")

    def trace(self, container: str) -> Trace:
        """Return what the runtime asked of the kernel when it created a container."""
        place = self("inspect", container, "--format", "{{.ConmonPidFile}}")
        return requests(self._sh(f"cat {shlex.quote(os.path.dirname(place))}/oci-log"))

    def pid(self, container: str) -> int:
        """Return the process id of its first process, as the host counts."""
        return int(self("inspect", container, "--format", "{{.State.Pid}}"))

    def remove(self) -> None:
        """Remove its containers, and all else of it. Twice is fine."""
        if not self._directory.exists():
            return
        with suppress(LabError):
            self("rm", "--all", "--force", "--time", "0")
        made = [shlex.quote(str(one)) for one in _groups() if one not in self._before]
        if made:  # another Podman of this host may be in one by now: then it stays
            self._hand.shell(f"rmdir {' '.join(made)} 2>/dev/null || true")
        self._hand.end()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _sh(self, script: str) -> str:
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = self._hand.shell(script)
        if code:
            raise LabError(err.getvalue().strip()[-300:] or f"podman ended with {code}", code=code)
        return out.getvalue().strip()

    def __repr__(self) -> str:
        return "<Podman, with kernelbox as its runtime>"


def _groups() -> list[Path]:
    """Return the control groups that Podman has made on this host, the deepest first."""
    tops = [one / _PARENT for one in [_GROUPS, *_GROUPS.iterdir()]]
    return [
        path
        for top in tops
        if top.is_dir()
        for path in sorted([top, *filter(Path.is_dir, top.rglob("*"))], reverse=True)
    ]
