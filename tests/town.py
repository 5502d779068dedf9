"""A scene with the command line in it: its `kernelbox` makes containers in the scene's host."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.command import COMMAND, Kernelbox
from tests.scene import Scene


class Town(Kernelbox):
    """The command line in a scene of its own, with a root of its own.

    Attributes:
        scene: Its host, and the world outside.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.scene = Scene()
        # A mount namespace, too: there the file that names the host's name servers is another one.
        inside = ["nsenter", "-t", str(self.scene.host.pid), "-n", "unshare", "--mount"]
        self.holder = subprocess.Popen([*inside, "sleep", "infinity"])
        here = os.readlink("/proc/self/ns/mnt")
        while os.readlink(f"/proc/{self.holder.pid}/ns/mnt") == here:
            time.sleep(0.001)
        self.resolv_conf = root.parent / "resolv.conf"
        self.resolv_conf.write_text("nameserver 198.51.100.2\nsearch example.org\n")
        enter = ["nsenter", "-t", str(self.holder.pid), "-n", "-m"]
        mount = [*enter, "mount", "--bind", self.resolv_conf, "/etc/resolv.conf"]
        subprocess.run(mount, check=True)
        self.command = [*enter, *COMMAND]

    def inside(self, container: str, script: str) -> str:
        """Run a shell script in a container; return what it prints, without its last line's end."""
        return self.ok("exec", container, "sh", "-c", script).rstrip("\n")

    def fails_inside(self, container: str, script: str) -> bool:
        """Whether a shell script in a container fails."""
        return self("exec", container, "sh", "-c", script).returncode != 0

    def network(self, name: str) -> dict[str, Any]:
        """Return what `network inspect` says of one."""
        (found,) = json.loads(self.ok("network", "inspect", name))
        assert isinstance(found, dict)
        return found

    def address(self, container: str) -> str:
        """Return a container's first address."""
        return str(self.inspect(container)["NetworkSettings"]["IPAddress"])

    def name_servers(self) -> list[int]:
        """Return the pids of its name servers: what is in its host's network namespace."""
        there = os.readlink(f"/proc/{self.scene.host.pid}/ns/net")
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
                is_here = os.readlink(f"/proc/{pid}/ns/net") == there
                if is_here and b"kernelbox.network.names.server" in words:
                    found.append(int(pid))
        return found

    def close(self) -> None:
        """Reset it, which leaves nothing, and let the scene go."""
        self.ok("reset")
        assert not self.root.exists()
        assert self.scene.tables() == []
        assert not [name for name in self.scene.host.links() if name.startswith("kernelbox")]
        for note in self.scene.notes():
            assert not os.path.exists(note), note.read_text()
        self.holder.kill()
        self.holder.wait()
        self.scene.close()
