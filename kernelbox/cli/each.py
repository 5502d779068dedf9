"""One command for several things: what fails with one of them does not keep it from the others."""

from __future__ import annotations

import sys

from kernelbox.kernel.errors import KernelboxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


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
