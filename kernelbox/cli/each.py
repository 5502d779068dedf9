"""Several things in one command: what fails with one of them does not keep it from the others."""

from __future__ import annotations

import sys

from kernelbox.kernel.errors import KernelboxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Complaints:
    """What a list leaves out because it is damaged: told below the list, each in a line."""

    def __init__(self) -> None:
        self._found: list[KernelboxError] = []

    def __call__(self, error: KernelboxError) -> None:
        """Hear of one."""
        self._found.append(error)

    def tell(self) -> int:
        """Print all; return the exit status, 1 if there are any."""
        for error in self._found:
            print(f"kernelbox: {error}", file=sys.stderr)
        return 1 if self._found else 0


def for_each(references: list[str], act: Callable[[str], str]) -> int:
    """Do `act` to each, printing what it returns; return the exit status, 1 if any failed."""
    status = 0
    for reference in references:
        try:
            print(act(reference))
        except KernelboxError as error:
            print(f"kernelbox: {error}", file=sys.stderr)
            status = 1
    return status
