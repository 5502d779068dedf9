"""argparse, with errors that are one line like every other of kernelbox's."""

from __future__ import annotations

import argparse

from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """A parser for one command; options may not be abbreviated."""

    def __init__(self, command: str, description: str) -> None:
        super().__init__(f"kernelbox {command}", description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the whole usage.

        Raises:
            UsageError: Always.
        """
        raise UsageError(message, f"See: {self.prog} --help")
