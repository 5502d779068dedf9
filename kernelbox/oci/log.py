"""The runtime's log: where an engine reads why something failed.

Source: runc, `--log` and `--log-format`; containerd and Podman read `level` and `msg`.
"""

from __future__ import annotations

import os
import time

from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.light import suppress

_FORMATS = ("text", "json")


class Log:
    """Lines, each with a level and a message.

    Attributes:
        path: Of the file; empty for standard error, where errors are said anyway.
        form: `text` or `json`.
        debug: Whether lines for who looks for a fault are written, too.
    """

    def __init__(self, path: str = "", form: str = "text", *, debug: bool = False) -> None:
        if form not in _FORMATS:
            raise UsageError(f"unknown log format {form!r:.40}", "Use text or json")
        self.path = path
        self.form = form
        self.debug = debug
        self._fd: int | None = None

    def write(self, level: str, message: str) -> None:
        """Add a line; a log that cannot be written to is no reason to fail.

        Args:
            level: `error`, `warning` or `debug`.
            message: One line.
        """
        if (level == "debug" and not self.debug) or (level == "error" and not self.path):
            return
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        import json  # a line for a person is the exception

        if self.form == "json":
            told = {"level": level, "msg": message, "time": now}
            line = json.dumps(told, separators=(",", ":"))  # as runc's, for who looks by grep
        else:
            line = f'time="{now}" level={level} msg={json.dumps(message, ensure_ascii=False)}'
        with suppress(OSError):
            if self._fd is None and not self.path:
                self._fd = 2
            if self._fd is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._fd = os.open(self.path, flags, 0o644)
            os.write(self._fd, f"{line}\n".encode("utf-8", "backslashreplace"))
