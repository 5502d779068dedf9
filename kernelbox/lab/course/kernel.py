"""A Jupyter kernel with a lab that is nobody's: cells run in it, whatever they do.

It is the kernel that a student has, with its threads and its magics. What it makes lies below a
root of its own, which is reset in the end. A cell may hang, end its process or print without end:
whoever has it run is told, and goes on.
"""

from __future__ import annotations

import fcntl
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kernelbox.kernel.errors import KernelboxError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 60.0  # for one cell
_PLACE = Path("/var/tmp/kernelbox-check-")  # how the name of a kernel's directory begins
_LOCK = "lock"
_GRACE = 10.0  # seconds that a cell has to end after it was interrupted
_BEGIN = 60.0  # seconds that a kernel may take to start
_CLEAR = """
from kernelbox import lab
box = lab.start()
box.reset(everything=True)
box.close()
%reset -f
"""
_RESET = "from kernelbox.lab import command_line; command_line.command(['reset'], quiet=True)"


class Ran(NamedTuple):
    """What became of a cell.

    Attributes:
        shown: Its last value, as text; the lines of its exception, if it raised one.
        raised: The class of its exception; empty if it raised none.
        ended: Why it was ended, in words; empty if it ended by itself.
    """

    shown: str
    raised: str
    ended: str


class Kernel:
    """A kernel that runs.

    Args:
        environment: Its environment variables.
        seconds: How long a cell may take before it is interrupted.

    Attributes:
        alive: Whether it still takes cells.
        used: Whether a cell has been run in it since it was new, or cleared.

    Raises:
        KernelboxError: It does not start.
    """

    def __init__(self, environment: dict[str, str], seconds: float) -> None:
        from jupyter_client.manager import KernelManager

        self._seconds = seconds
        self._manager = KernelManager(kernel_name="python3", shutdown_wait_time=_GRACE)
        nothing = subprocess.DEVNULL  # what a dying kernel says is for nobody's terminal
        self._manager.start_kernel(env=environment, cwd="/", stdout=nothing, stderr=nothing)
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self.alive, self.used = True, False
        try:
            self._client.wait_for_ready(timeout=_BEGIN)
        except RuntimeError as error:
            self.close()
            raise KernelboxError(f"Jupyter's kernel does not start: {error}") from error

    def run(self, source: str) -> Ran:
        """Run a cell until it ends, hangs for too long, or takes the kernel with it."""
        self.used = True
        cell = self._client.execute(source, allow_stdin=False)
        deadline = time.monotonic() + self._seconds
        shown = raised = ended = ""
        displayed: list[str] = []
        while True:
            message = self._next(cell)
            if message is None and not self._manager.is_alive():
                return self._over("it ended its process, or was killed")
            if time.monotonic() > deadline:
                if ended:
                    return self._over(f"{ended}, and did not end when it was interrupted")
                ended = f"it did not end within {self._seconds:g} s"
                self._manager.interrupt_kernel()
                deadline = time.monotonic() + _GRACE
            if message is None:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "execute_result":
                shown = content["data"].get("text/plain", "")
            elif kind == "display_data":  # a verdict is displayed before it is raised
                displayed.append(content["data"].get("text/plain", ""))
            elif kind == "error":
                raised = content["ename"]
                told = content["traceback"] or [content["evalue"]]
                shown = "\n".join(displayed if raised == "NotYet" and displayed else told)
            elif kind == "status" and content["execution_state"] == "idle":
                return Ran(shown, raised, ended)

    def clear(self) -> bool:
        """Forget every variable, and all that was made below the root; say whether it is done."""
        ran = self.run(_CLEAR)
        self.used = bool(ran.ended or ran.raised)
        return not self.used

    def _next(self, cell: str) -> dict[str, Any] | None:
        """Return the next message about a cell; None if there is none at the moment."""
        try:
            message: dict[str, Any] = self._client.get_iopub_msg(timeout=0.2)
        except queue.Empty:
            return None
        return message if message["parent_header"].get("msg_id") == cell else None

    def _over(self, why: str) -> Ran:
        self.close()
        return Ran("", "", why)

    def close(self) -> None:
        """End the kernel, at once. Twice is fine."""
        if self.alive:
            self.alive = False
            self._client.stop_channels()
            self._manager.shutdown_kernel(now=True)
            self._manager.cleanup_resources()


class Kernels:
    """One kernel for many exercises, and another one when it has died in one of them.

    Args:
        seconds: How long a cell may take.
        **more: Environment variables for the kernels, beside those of the caller.

    Raises:
        KernelboxError: Jupyter is not installed.
    """

    def __init__(self, seconds: float = SECONDS, **more: str) -> None:
        _need_jupyter()
        self._seconds = seconds
        self._more = more
        self._kernel: Kernel | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Kernels:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def fresh(self) -> Kernel:
        """Return a kernel without a variable, whose root nobody has used, or was reset.

        Raises:
            KernelboxError: It does not start; or what was made in one that died is not removed.
        """
        kernel = self._kernel
        if kernel is not None and kernel.alive and (not kernel.used or kernel.clear()):
            return kernel
        self._stack.close()
        self._kernel = self._stack.enter_context(_started(self._seconds, self._more))
        return self._kernel


@contextmanager
def _started(seconds: float, more: dict[str, str]) -> Iterator[Kernel]:
    """Start a kernel with directories and a KERNELBOX_ROOT of its own; leave nothing of it."""
    _sweep()
    with _place() as place:
        environment = {
            **os.environ,
            "KERNELBOX_ROOT": str(place / "root"),
            "KERNELBOX_PROGRESS": str(place / "progress.json"),
            "IPYTHONDIR": str(place / "ipython"),
            "JUPYTER_RUNTIME_DIR": str(place / "runtime"),
            **more,
        }
        kernel = Kernel(environment, seconds)
        try:
            yield kernel
        finally:
            kernel.close()
            _reset(environment)


@contextmanager
def _place() -> Iterator[Path]:
    """Make a directory with a lock that is held while it is used, and remove it. Source: flock(2).

    The lock is a file of its own: the directory itself is locked by whoever records progress in it.
    """
    place = Path(tempfile.mkdtemp(prefix=_PLACE.name, dir=_PLACE.parent))
    fd = os.open(place / _LOCK, os.O_RDONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(fd)


def _sweep() -> None:
    """Remove what those have left that were killed: nobody holds their lock any more.

    Raises:
        KernelboxError: It cannot be removed.
    """
    for place in _PLACE.parent.glob(f"{_PLACE.name}*"):
        with ExitStack() as opened:
            try:
                directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                opened.callback(os.close, directory)
                lock = os.open(_LOCK, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory)
                opened.callback(os.close, lock)
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # somebody is at it; or it is another's, or gone, or not locked yet
                continue
            is_ours = os.fstat(directory).st_uid == os.geteuid()
            # Somebody may have made it just now, and be about to lock it.
            if is_ours and time.time() - os.fstat(lock).st_mtime > _BEGIN:
                _reset({**os.environ, "KERNELBOX_ROOT": str(place / "root")})
                shutil.rmtree(place, ignore_errors=True)


def _need_jupyter() -> None:
    from importlib.util import find_spec

    for name in ("jupyter_client", "ipykernel", "nbformat"):
        if find_spec(name) is None:
            raise KernelboxError(
                f"answers are tried in a Jupyter kernel, and {name} is not installed",
                "Install it: pip install 'kernelbox-labs[lab]'",
            )


def _reset(environment: dict[str, str]) -> None:
    """Remove what was made below a root, with the lab's rights: a notebook's user may have none.

    Raises:
        KernelboxError: It cannot be removed.
    """
    command = [sys.executable, "-I", "-c", _RESET]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        root = environment["KERNELBOX_ROOT"]
        raise KernelboxError(f"what the answers made is not removed ({root}): {said[0]}")
