"""Whether a container does its work: a program of its own is asked now and then, in it.

Its monitor looks after that beside its streams. Each probe is a fork of the monitor, since whoever
enters a container's namespaces does not come back; what it says is in a file beside the state:

    containers/<id>/health.json    status, how many probes have failed in a row, the last five

Source: Docker, "Dockerfile reference", HEALTHCHECK; moby, daemon/health.go.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress

from kernelbox.container import events
from kernelbox.container.birth import enter
from kernelbox.container.lifecycle import pause
from kernelbox.container.options import process_options
from kernelbox.kernel import door, process
from kernelbox.kernel.errors import KernelboxError, KernelError
from kernelbox.plumbing import paths, storage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from kernelbox.container.option_types import Healthcheck
    from kernelbox.container.spec import Spec

_MOST_OUTPUT = 4096  # bytes of a probe that are kept
_MOST_PROBES = 5


class Health:
    """The probes of one life of a container."""

    def __init__(self, spec: Spec, check: Healthcheck, pid: int) -> None:
        self._spec = spec
        self._check = check
        self._pid = pid
        self._began = time.time()
        self._status = "starting"
        self._streak = 0
        self._log: list[dict[str, Any]] = []
        self._probe: _Probe | None = None
        self._due = time.monotonic() + self._interval()
        self._note()

    def waits(self) -> list[int]:
        """Return the descriptors to be waited for."""
        return self._probe.waits() if self._probe else []

    def seconds(self) -> float | None:
        """Return how long that may take."""
        return self._due - time.monotonic()

    def act(self, ready: set[int]) -> None:
        """Begin a probe when its time has come, and hear of its end."""
        if self._probe is not None:
            over = self._probe.heard(ready)
            if not over and self.seconds() > 0:  # type: ignore[operator]  # it is no None
                return
            self._judge(self._probe.end(), late=not over)
            self._probe = None
            self._due = time.monotonic() + self._interval()
        elif self.seconds() <= 0:  # type: ignore[operator]
            self._due = time.monotonic() + self._interval()
            if not pause.is_paused(self._spec.id):
                self._probe = _Probe(self._spec, self._check["test"], self._pid)
                self._due = time.monotonic() + self._check["timeout"]

    def close(self) -> None:
        """Probe no more."""
        if self._probe is not None:
            self._probe.end()

    def _is_young(self) -> bool:
        return time.time() - self._began < self._check["start_period"]

    def _interval(self) -> float:
        if self._status == "starting" and self._is_young():
            return self._check["start_interval"]
        return self._check["interval"]

    def _judge(self, result: dict[str, Any], *, late: bool) -> None:
        if late:
            limit = self._check["timeout"]
            told = f"Health check exceeded timeout ({limit:g}s)"
            result = {**result, "ExitCode": -1, "Output": f"{told}: {result['Output']}"}
        self._log = [*self._log, result][-_MOST_PROBES:]
        before = self._status
        if result["ExitCode"] == 0:
            self._status, self._streak = "healthy", 0
        elif before != "starting" or not self._is_young():  # else it is still getting ready
            self._streak += 1
            if self._streak >= self._check["retries"]:
                self._status = "unhealthy"
        self._note()
        if self._status != before:
            events.record(f"health_status: {self._status}", self._spec.id)

    def _note(self) -> None:
        found = {"Status": self._status, "FailingStreak": self._streak, "Log": self._log}
        path = _path(self._spec.id)
        with suppress(OSError):  # a full disk stops nothing
            storage.write(f"{path}.new", json.dumps(found))
            os.replace(f"{path}.new", path)


class _Probe:
    """One program in the container, in the hands of a process of its own."""

    def __init__(self, spec: Spec, test: list[str], pid: int) -> None:
        self._began = time.time()
        self._output = b""
        self._fd, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(writer, True)
        self._child = os.fork()
        if self._child == 0:
            _be_probe(spec, test, pid, writer)
        os.close(writer)
        self._pidfd = process.pidfd_open(self._child)

    def waits(self) -> list[int]:
        return [self._fd, self._pidfd] if self._fd >= 0 else [self._pidfd]

    def heard(self, ready: set[int]) -> bool:
        """Read what it says; return whether it has ended."""
        if self._fd in ready:
            self._read()
        return self._pidfd in ready

    def _read(self) -> None:
        with suppress(BlockingIOError):
            while data := os.read(self._fd, 1 << 16):
                self._output = (self._output + data)[:_MOST_OUTPUT]
            os.close(self._fd)  # nobody has the other end
            self._fd = -1

    def end(self) -> dict[str, Any]:
        """End it, if it has not; return how it went, in Docker's words."""
        with suppress(KernelError):
            process.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        code = process.wait_exit(self._child)
        os.close(self._pidfd)
        if self._fd >= 0:
            self._read()
        if self._fd >= 0:  # what it has left behind holds the other end
            os.close(self._fd)
        return {
            "Start": _stamp(self._began),
            "End": _stamp(time.time()),
            "ExitCode": code,
            "Output": self._output.decode("utf-8", "replace"),
        }


def _be_probe(spec: Spec, test: list[str], pid: int, writer: int) -> NoReturn:
    """Enter the container, run the test in it, and end as it does."""
    try:
        process.die_with_parent()
        process.close_all_but([writer])
        door.sink = door.gate = None
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        kind, *words = test
        command = words if kind == "CMD" else ["/bin/sh", "-c", *words]
        what = process_options.compose_exec(spec.process, command, {"tty": False})
        born = enter.enter(pid, spec, what, (nothing, writer, writer), (24, 80))
        os.close(writer)
        os._exit(process.wait_exit(born.pid))
    except KernelboxError as error:
        os.write(writer, str(error).encode()[:_MOST_OUTPUT])
        os._exit(error.code)
    finally:
        os._exit(125)


def of(container_id: str) -> dict[str, Any] | None:
    """Return what is known of a running container's health, in Docker's words; None if nothing."""
    try:
        found = json.loads(storage.read(_path(container_id)))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def forget(container_id: str) -> None:
    """Leave nothing of the last life's probes."""
    with suppress(FileNotFoundError):
        os.unlink(_path(container_id))


def _path(container_id: str) -> str:
    return f"{paths.container(container_id)}/health.json"


def _stamp(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
