"""The host under examination: where a check reads, and whom it asks.

Everything a check knows comes through a `Host`: files, answers of programs, answers of the
kernel. By default that is this machine. Another machine's files below a directory, with the
answers its programs gave, are examined the same way. What a fact means is left to the checks.
"""

from __future__ import annotations

import errno
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from kernelbox.kernel.mount_words import unescaped

# An ordinary user's PATH lacks the directories where nft and ip lie on Debian.
_SEARCH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
_PATIENCE = 10  # seconds a program may take to answer


class Answer(NamedTuple):
    """What a program said: its exit status and everything it printed."""

    code: int
    output: str = ""

    @property
    def why(self) -> str:
        """The last line printed, which is where programs name the cause."""
        # mount(8) adds where to look for more; that is not the cause.
        lines = [line for line in self.output.splitlines() if line.strip() and "dmesg" not in line]
        return lines[-1].strip() if lines else f"exit status {self.code}"


class Mount(NamedTuple):
    """One line of mountinfo: where, which file system, from what, with which options.

    Source: proc_pid_mountinfo(5).
    """

    point: str
    kind: str
    source: str
    options: tuple[str, ...]
    super_options: tuple[str, ...]


def run(command: list[str], directory: str | None = None) -> Answer:
    """Run a program that changes nothing outside its own namespaces, and return its answer.

    A program that cannot be started answers as a shell would, with 126 or 127.
    """
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env={**os.environ, "LC_ALL": "C", "PATH": _SEARCH},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except FileNotFoundError:
        return Answer(127, f"{command[0]}: not found")
    except OSError as refusal:
        return Answer(126, f"{command[0]}: {refusal.strerror}")
    except subprocess.TimeoutExpired:
        return Answer(124, f"{command[0]}: no answer within {_PATIENCE} seconds")
    return Answer(done.returncode, done.stdout)


def request(number: int, *arguments: int | None) -> int:
    """Make system call `number` with arguments that cannot succeed; return the errno (0 if none).

    The recorder is passed by: nothing is changed, so there is nothing to record.
    """
    from kernelbox.kernel.syscalls import raw  # ctypes: not loadable where there is no Linux

    try:
        raw(number, *arguments)
    except OSError as refusal:
        return refusal.errno or errno.EIO
    return 0


@dataclass(frozen=True)
class Host:
    """A machine, as far as the checks can see it.

    Attributes:
        root: The directory that holds its /proc, /sys, /usr; `/` for this machine.
        system: Operating system, as `sys.platform` names it.
        machine: Processor, as `uname -m` names it.
        python: Version of the interpreter, major and minor.
        environ: The caller's environment.
        run: Runs a command (in a directory) and returns its `Answer`.
        request: Makes a harmless system call by number and returns the errno.
    """

    root: str = "/"
    system: str = sys.platform
    machine: str = field(default_factory=platform.machine)
    python: tuple[int, int] = sys.version_info[:2]
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    run: Callable[[list[str], str | None], Answer] = run
    request: Callable[..., int] = request

    def path(self, name: str) -> str:
        """Return where the host's absolute path `name` lies on this machine."""
        return os.path.join(self.root, name.lstrip("/"))

    def read(self, name: str) -> str:
        """Return the text of a file, stripped; empty if it is absent or may not be read."""
        try:
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                return file.read().strip()
        except OSError:
            return ""

    def exists(self, name: str) -> bool:
        """Return whether the host has a file or directory of this name."""
        return os.path.exists(self.path(name))

    def program(self, name: str) -> str:
        """Return the path of a program on the host; empty if it has none of this name."""
        found = (
            f"{directory}/{name}"
            for directory in _SEARCH.split(":")
            if directory and shutil.which(self.path(f"{directory}/{name}"))
        )
        return next(found, "")

    def release(self) -> str:
        """Return the kernel's release, for example `6.1.0-25-amd64`."""
        return self.read("/proc/sys/kernel/osrelease")

    def status(self, name: str) -> str:
        """Return one field of the caller's /proc/self/status, for example `CapEff`.

        Source: proc_pid_status(5).
        """
        for line in self.read("/proc/self/status").splitlines():
            key, _, value = line.partition(":")
            if key == name:
                return value.strip()
        return ""

    def capable(self, *wanted: str, among: str = "CapEff") -> bool:
        """Return whether the caller has every `wanted` capability.

        Args:
            wanted: Names without `CAP_`, for example `SYS_ADMIN`.
            among: The set, as /proc/self/status names it.
        """
        from kernelbox.users.capabilities import names  # reaches ctypes; see `request`

        return set(wanted) <= set(names(int(self.status(among) or "0", 16)))

    def mounts(self) -> list[Mount]:
        """Return the caller's mounts, in the order they were made."""
        return [_mount(line) for line in self.read("/proc/self/mountinfo").splitlines()]

    def existing(self, name: str) -> str:
        """Return `name`, or its nearest parent that exists, with symbolic links resolved."""
        while not self.exists(name) and name != os.path.dirname(name):
            name = os.path.dirname(name)
        inside = os.path.relpath(os.path.realpath(self.path(name)), os.path.realpath(self.root))
        return os.path.normpath(f"/{inside}")

    def filesystem(self, name: str) -> str:
        """Return the type of the file system that the existing path `name` lies on."""
        around = [mount for mount in self.mounts() if _within(name, mount.point)]
        # The longest mount point is the innermost; of two on one point, the later is on top.
        return max(around, key=lambda mount: len(mount.point)).kind if around else "unknown"


def _within(name: str, directory: str) -> bool:
    return f"{name}/".startswith(f"{directory.rstrip('/')}/")


def _mount(line: str) -> Mount:
    left, _, right = line.partition(" - ")
    before, (kind, source, super_options) = left.split(), right.split(" ", 2)
    point = unescaped(before[4])
    return Mount(point, kind, source, tuple(before[5].split(",")), tuple(super_options.split(",")))
