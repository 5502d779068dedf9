"""The command line as a test uses it: run to its end, in the background, or in a terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from tests import looking

_INSTALLED = Path(sys.executable).with_name("kernelbox")
COMMAND = [str(_INSTALLED)] if _INSTALLED.exists() else [sys.executable, "-m", "kernelbox"]
# Below which the notebooks run: a name of its own each time would be seen in their outputs.
NOTEBOOKS_ROOT = "/var/lib/kernelbox-notebooks"
LONGEST = 300.0  # seconds that a command may take, on an emulated processor that is busy


class Running(NamedTuple):
    """A container that runs: its id, and the pid of its first process as the host counts."""

    id: str
    pid: int


class Started(subprocess.Popen[str]):
    """A command that is not waited for where the block that has it fails: it may never end."""

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        """End it first, if there is an exception."""
        if kind is not None:
            self.kill()
        super().__exit__(kind, *rest)


class Kernelbox:
    """The command line, as a callable, and the containers it was told to keep.

    Args:
        root: What `KERNELBOX_ROOT` is to be.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.command = COMMAND
        self.environment = {
            **os.environ,
            looking.MARK: str(os.getpid()),
            "KERNELBOX_ROOT": str(root),
            "NO_COLOR": "1",
        }
        self._started: list[str] = []

    def __call__(
        self,
        *words: str | Path,
        input: str | None = None,
        env: dict[str, str] | None = None,
        prefix: tuple[str, ...] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, with nothing on its standard input unless `input` says so.

        Args:
            words: Of the command line, after `kernelbox`.
            input: Standard input.
            env: Environment variables to add.
            prefix: A command that starts the command, such as `setpriv`.
        """
        return subprocess.run(
            [*prefix, *self.command, *map(str, words)],
            env=self.environment | (env or {}),
            text=True,
            errors="surrogateescape",
            timeout=LONGEST,
            capture_output=True,
            check=False,
            **({"stdin": subprocess.DEVNULL} if input is None else {"input": input}),
        )

    def ok(self, *words: str | Path, **more: Any) -> str:
        """Run a command that must succeed and not complain; return what it prints."""
        done = self(*words, **more)
        assert (done.returncode, done.stderr) == (0, ""), f"{words}: {done}"
        return done.stdout

    def refused(self, *words: str | Path, **more: Any) -> str:
        """Run a command that must fail as commands shall: one line for a person, nothing else."""
        done = self(*words, **more)
        assert done.returncode in (2, 125, 126, 127), done
        assert re.fullmatch(r"kernelbox: .+\. .+\n", done.stderr), done  # cause, and cure
        assert not re.search(r"bug|Traceback|\.py:|Error:", done.stderr), done
        assert done.stdout == "", done
        return done.stderr

    def popen(self, *words: str | Path, **more: Any) -> subprocess.Popen[str]:
        """Start a command without waiting for it; pipes for its streams."""
        streams = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }
        return Started(
            [*self.command, *map(str, words)],
            env=self.environment,
            text=True,
            **{**streams, **more},
        )

    def terminal(self, *words: str | Path, size: tuple[int, int] = (24, 80)) -> looking.Terminal:
        """Start a command in a terminal of its own."""
        return looking.Terminal([*self.command, *map(str, words)], self.environment, size)

    def start(self, *words: str | Path, **more: Any) -> str:
        """`kernelbox run -d ...`; return the id of the container, which is removed in the end."""
        container_id = self.ok("run", "-d", *words, **more).strip()
        self._started.append(container_id)
        return container_id

    def inspect(self, container: str) -> dict[str, Any]:
        """Return what `kernelbox inspect` says of a container."""
        (found,) = json.loads(self.ok("inspect", container))
        assert isinstance(found, dict)
        return found

    def pid(self, container: str) -> int:
        """Return the pid of a container's first process, as the host counts."""
        pid = self.inspect(container)["State"]["Pid"]
        assert pid > 0
        return int(pid)

    def clean_up(self) -> None:
        """Remove what `start` started, if the test has not."""
        left = [one for one in self._started if (self.root / "containers" / one).exists()]
        if left:
            self.ok("rm", "-f", *left)
