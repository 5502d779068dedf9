"""An engine, as a runtime sees one: it has bundles, calls the runtime's verbs, and reads its log.

This is what Podman and containerd do, without their images and networks: each verb is a process of
the runtime's that ends. Nothing of it stays but the container; so who wants to know what that
printed gives it files to print to, and who wants to know what went wrong reads the runtime's log.

Source: OCI runtime-spec, runtime.md; runc(8).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelbox.kernel.door import Event
from kernelbox.lab.connect import privileged
from kernelbox.lab.conversation import LabError
from kernelbox.lab.lifecycle import remains
from kernelbox.lab.lifecycle.bundle import Bundle
from kernelbox.lab.reading import alive, until
from kernelbox.lab.traces import Trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab

_BEGINS = "kernelbox-engine-"
_PATIENCE = 60.0  # seconds for a verb
_LINE = re.compile(r"(\w+) (.*) = (\S+) <(\d+)us>", re.DOTALL)


@dataclass(frozen=True)
class Answer:
    """What a verb has answered.

    Attributes:
        code: Its exit status.
        said: What it printed.
        trace: What it asked of the kernel.
    """

    code: int
    said: str
    trace: Trace

    def __repr__(self) -> str:
        return f"exit status {self.code}"


class Engine:
    """An engine with a directory of its own; it ends with the lab, and its containers with it.

    Args:
        box: The lab.

    Attributes:
        directory: Where all of it is.
        states: Where the runtime keeps the states of its containers.
        bundles: By name.
    """

    def __init__(self, box: Lab) -> None:
        self._box = box
        self._hand = box.hold()  # does what only root may, whoever runs the notebook
        _bury_the_dead(self._hand)
        self.directory = Path(tempfile.mkdtemp(prefix=f"{_BEGINS}{os.getpid()}-"))
        self.directory.chmod(0o755)
        self.states = self.directory / "states"
        self.bundles: dict[str, Bundle] = {}
        self._log = self.directory / "log"
        self._over = False
        self._made: set[str] = set()
        box.own(self)

    def bundle(self, name: str, command: str | Sequence[str], **more: Any) -> Bundle:
        """Make a bundle; one of this name that is there is replaced.

        Args:
            name: Its own; a container made of it has that id, unless another is given.
            command: Words of its program, or one string that is split like a shell splits it.
            **more: What its config.json says beside or instead: hostname, hooks, annotations.
        """
        path = self.directory / "bundles" / name
        path.mkdir(parents=True, exist_ok=True)
        made = Bundle(path, command)
        made.config.update(more)
        self.bundles[name] = made
        return made

    # --- the verbs -------------------------------------------------------------------------------

    def create(
        self, container: str, *options: str, bundle: str = "", kill_before: int = 0
    ) -> Trace:
        """Make a container, up to its program; return what the kernel was asked for it.

        One of this id that is there goes first, so a cell can be run again.

        Args:
            container: Its id.
            *options: As `kernelbox oci create --help` has them.
            bundle: Name of its bundle, if that is not the id.
            kill_before: Kill the runtime before its request of this number; 0 lets it live.

        Raises:
            LabError: The runtime has refused; what it says stands in its log.
        """
        if self.left(container).things:
            self.delete(container)
        self._made.add(container)
        made = self.bundles[bundle or container]
        made.write()
        # The container keeps these two when the runtime has ended.
        with open(self._streams(container), "wb") as said:
            words = ["create", "--bundle", str(made.path), *options, container]
            answer = self._answer(words, said, kill_before)
        if answer.code and not kill_before:
            raise self._failure(answer)
        return answer.trace

    def start(self, container: str) -> Trace:
        """Let its program begin; return what the kernel was asked for it.

        Raises:
            LabError: It is in another state than `created`.
        """
        return self("start", container).trace

    def run(self, container: str, *options: str, bundle: str = "") -> Answer:
        """Make a container of a bundle, let its program run to its end, and delete it."""
        made = self.bundles[bundle or container]
        made.write()
        return self("run", "--bundle", str(made.path), *options, container)

    def kill(self, container: str, signal: str = "KILL") -> None:
        """Send a signal; after a deadly one, wait until the container is stopped."""
        self("kill", container, signal)
        if signal in ("KILL", "SIGKILL", "9"):
            until(lambda: self.status(container) == "stopped")

    def delete(self, container: str) -> None:
        """Take away what is there of it, whether it runs or not; nothing is fine.

        That is so where its note is lost, too, which the runtime goes by.
        """
        self("delete", "--force", container)
        left = self.left(container)
        for pid in left.pids:
            self.shell(f"kill -9 {pid} 2>&-")
            until(lambda pid=pid: not alive(pid))  # type: ignore[misc]
        for group in left.groups:
            self.shell(f"rmdir {group}")

    def state(self, container: str) -> dict[str, Any]:
        """Return what the runtime tells of a container. Source: runtime.md, "State"."""
        found: dict[str, Any] = json.loads(self("state", container).said)
        return found

    def status(self, container: str) -> str:
        """Return `created`, `running`, `paused` or `stopped`; empty if there is no such one."""
        try:
            return str(self.state(container)["status"])
        except LabError:
            return ""

    def pid(self, container: str) -> int:
        """Return the process id of its first process, as the host counts."""
        return int(self.state(container)["pid"])

    def said(self, container: str) -> str:
        """Return what its program has printed; wait a little for the first word of it."""
        until(lambda: self._streams(container).stat().st_size > 0, 2)
        return self.printed(container)

    def printed(self, container: str) -> str:
        """Return what its program has printed until now."""
        return self._streams(container).read_text(encoding="utf-8", errors="replace")

    def left(self, container: str) -> remains.Remains:
        """Return what the kernel has of a container, whatever the runtime says."""
        return remains.left_of(container, noted=container in self.noted())

    def noted(self) -> list[str]:
        """Return the ids of all that the runtime has noted down, damaged ones included."""
        return _noted(self.states, self._hand)

    def __call__(self, *words: str) -> Answer:
        """Call one of the runtime's verbs: `engine("exec", "greeter", "id")`.

        Raises:
            LabError: It has refused.
        """
        with tempfile.TemporaryFile() as said:
            answer = self._answer(list(words), said, 0)
        if answer.code and not (words[0] in ("run", "exec") and not self._complaint()):
            raise self._failure(answer)
        return answer

    # --- by hand ---------------------------------------------------------------------------------

    def shell(self, script: str) -> int:
        """Run a shell script as root, on the host; print what it prints; return its exit code."""
        return self._hand.shell(script)

    def read(self, path: str | Path) -> str:
        """Return what a file says that only root may read."""
        return str(self._hand.evaluate(f"open({str(path)!r}).read()"))

    def listing(self, path: str | Path) -> list[str]:
        """Return the names in a directory that only root may read."""
        return sorted(self._hand.evaluate(f"os.listdir({str(path)!r})"))

    def program(self, pid: int) -> str:
        """Say which program a process is: one of a bundle's, or still the runtime.

        Args:
            pid: As the host counts.
        """
        exe = self._hand.evaluate(f"tuple(os.stat('/proc/{pid}/exe'))[:3]")
        for one in self.bundles.values():
            there = os.stat(one.path / "rootfs/bin/busybox")
            if (there.st_ino, there.st_dev) == exe[1:3]:
                return "the bundle's busybox"
        return "the runtime"

    def remove(self) -> None:
        """Delete all containers, and the directory. Twice is fine."""
        if self._over:
            return
        self._over = True
        with suppress(LabError):
            for container in self._made - {*self.noted()}:
                if self.left(container).things:
                    self.delete(container)
            _end(self.directory, self._hand)
        self._hand.end()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __repr__(self) -> str:
        return "<an engine>"

    def _streams(self, container: str) -> Path:
        return self.directory / f"{container}.said"

    def _answer(self, words: list[str], said: Any, kill_before: int) -> Answer:
        self._log.write_text("")  # ours, whoever writes to it
        breaking = ["env", f"KERNELBOX_BREAK=runtime:{kill_before}:SIGKILL"] if kill_before else []
        how = ["--root", str(self.states), "--log", str(self._log), "--log-format", "json"]
        command = [*breaking, *_RUNTIME, *how, "--debug", *words]
        done = subprocess.run(
            privileged(command), stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
            timeout=_PATIENCE, check=False,
        )  # fmt: skip
        text = ""
        if words[0] != "create":
            said.seek(0)
            text = said.read().decode("utf-8", "replace")
        return Answer(done.returncode, text, requests(self._log.read_text(encoding="utf-8")))

    def _complaint(self) -> str:
        """Return the last error in the runtime's log; empty without."""
        lines = [json.loads(one) for one in self._log.read_text(encoding="utf-8").splitlines()]
        errors = [str(one["msg"]) for one in lines if one["level"] == "error"]
        return errors[-1] if errors else ""

    def _failure(self, answer: Answer) -> LabError:
        said = self._complaint() or f"the runtime ended with exit status {answer.code}"
        return LabError(said, code=answer.code)


_RUNTIME = [sys.executable, "-I", "-m", "kernelbox", "oci"]


def requests(log: str) -> Trace:
    """Return the requests to the kernel that a runtime's log has, if it was told to keep them."""
    found, numbers = Trace(), dict[str, int]()
    for line in log.splitlines():
        one = json.loads(line)
        known = _LINE.fullmatch(one["msg"]) if one["level"] == "debug" else None
        if known is not None:
            side, request, result, took = known.groups()
            numbers[side] = numbers.get(side, 0) + 1
            found.append(Event(side, numbers[side], request, result, int(took), ""))
    return found


def _noted(states: Path, hand: Held) -> list[str]:
    """Return the names of the directories there, which only root may read."""
    place = repr(str(states))
    return sorted(hand.evaluate(f"os.listdir({place}) if os.path.isdir({place}) else []"))


def _bury_the_dead(hand: Held) -> None:
    """End what engines of notebooks have left that were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{_BEGINS}*"):
        pid = path.name.removeprefix(_BEGINS).partition("-")[0]
        with suppress(OSError):  # it goes meanwhile
            if path.stat().st_uid == os.geteuid() and pid.isdecimal() and not alive(pid):
                _end(path, hand)
                shutil.rmtree(path, ignore_errors=True)


def _end(directory: Path, hand: Held) -> None:
    """Delete all containers of an engine's, and what root has made in its directory."""
    states = directory / "states"
    verb = [*_RUNTIME, "--root", str(states), "delete", "--force"]
    ending = [
        subprocess.Popen(
            privileged([*verb, one]), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for one in _noted(states, hand)
    ]
    for one in ending:
        one.wait()
    hand.shell(f"rm -rf --one-file-system '{directory}/states' '{directory}/bundles'")
