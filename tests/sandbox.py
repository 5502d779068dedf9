"""A root of kernelbox's own for one test, commands that break, and what they leave on the host.

What is left is read from outside: /proc, cgroupfs, sysfs, netlink. Processes are found by their
environment: it names the root, in the container's program too when the command was given `TAG`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from tests import looking
from tests.command import LONGEST, Kernelbox

TAG = ("-e", "KERNELBOX_ROOT")  # for `run`: the program shall be found like the rest


class Done(NamedTuple):
    """A command that has ended: exit status, what it printed, and its `--trace=json` apart."""

    status: int
    out: str
    err: str
    trace: list[dict[str, Any]]

    def count(self, side: str) -> int:
        """Return how many requests a side made."""
        return max((event["number"] for event in self.trace if event["side"] == side), default=0)


class Sandbox(Kernelbox):
    """The command line on a root of its own, which is made with the first command.

    Args:
        root: What `KERNELBOX_ROOT` is to be.
        images: Another root's image store, to be shared; None to have an own one.
    """

    def __init__(self, root: Path, images: Path | None = None) -> None:
        super().__init__(root)
        self.images = images
        self.seen: set[str] = set()  # the ids of all containers there ever were

    def __call__(self, *words: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, like `Kernelbox`."""
        self._prepare()
        done = super().__call__(*words, **more)
        self.seen.update(self.containers())
        return done

    def _prepare(self) -> None:
        if self.images and not self.root.exists():
            self.root.mkdir()
            (self.root / "images").symlink_to(self.images)

    def run(self, *words: str, breaking: str = "") -> Done:
        """Run a command to its end; with `breaking`, it breaks there: `container:12:SIGKILL`."""
        return self.finish(self.begin(*words, breaking=breaking))

    def begin(self, *words: str, breaking: str = "") -> subprocess.Popen[str]:
        """Start a command without waiting for it."""
        self._prepare()
        return subprocess.Popen(
            [*self.command, *words],
            env=self.environment | {"KERNELBOX_BREAK": breaking},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> Done:
        """Wait for a command, and for whoever else holds its streams."""
        out, err = process.communicate(timeout=LONGEST)
        lines = err.splitlines(keepends=True)
        trace = [json.loads(line) for line in lines if line.startswith('{"side"')]
        rest = "".join(line for line in lines if not line.startswith('{"side"'))
        self.seen.update(re.findall("/kernelbox/([0-9a-f]{12})", err), self.containers())
        return Done(process.returncode, out, rest, trace)

    def reset(self) -> None:
        """Remove everything with `kernelbox reset`, and see that nothing is left of this root."""
        bridge, table = self.shared("link"), self.shared("nft")
        self.ok("reset")
        assert self.settled() == []
        assert not self.root.exists()
        assert not (bridge and Path(f"/sys/class/net/{bridge}").exists())
        assert f"ip {table}" not in looking.tables()

    # --- what there is ---------------------------------------------------------------------------

    def containers(self) -> list[str]:
        """Return the names of the containers' directories."""
        return _names(self.root / "containers")

    def processes(self) -> list[str]:
        """Return every process of kernelbox's and of its containers' that uses this root."""
        mark = f"KERNELBOX_ROOT={self.root}\0".encode()
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if mark in looking.file_of(pid, "environ"):
                    words = looking.file_of(pid, "cmdline").replace(b"\0", b" ")
                    found.append(f"{pid} {words.decode(errors='replace')}")
            except OSError:  # it has ended
                continue
        return found

    def remains(self) -> list[str]:
        """Return what is there of all containers seen so far, a line each."""
        found = [f"process {process}" for process in self.processes()]
        found += [f"{mount}" for mount in looking.mounts() if str(self.root) in str(mount)]
        found += [f"directory {name}" for name in self.containers()]
        found += [f"name {name}" for name in _names(self.root / "names")]
        leases = self.root / "networks/bridge"
        found += [f"lease {name}" for name in _names(leases) if (leases / name).is_symlink()]
        if table := self.shared("nft"):
            found += [rule for rule in looking.published() if rule.startswith(f"{table} ")]
        found += [f"cgroup {path}" for path in looking.cgroups() if path.name in self.seen]
        cables = {f"veth{one[:7]}" for one in self.seen}
        found += [f"link {name}" for name in _names(Path("/sys/class/net")) if name in cables]
        return found

    def settled(self) -> list[str]:
        """Return what remains once all that was about to go has gone."""
        found: list[str] = []

        def gone() -> bool:
            found[:] = self.remains()
            return not found

        looking.soon(gone, 5.0)
        return found

    def wait_alone(self) -> None:
        """Wait until no process of this root is left: a monitor may outlive its front."""
        assert looking.soon(lambda: not self.processes()), f"still there: {self.processes()}"

    def shared(self, kind: str) -> str:
        """Return the name of this root's bridge (`link`) or table (`nft`); empty if none yet."""
        try:
            lines = (self.root / "host/ledger").read_text().splitlines()
        except FileNotFoundError:
            return ""
        entries = [json.loads(line) for line in lines]
        names: list[str] = [entry["name"] for entry in entries if entry["kind"] == kind]
        return names[0] if names else ""


def _names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory)) if directory.is_dir() else []
