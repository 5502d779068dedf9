"""kernelbox: take a container apart and put it back together, one kernel request at a time.

from kernelbox import lab      what notebooks use
kernelbox.cli                  the command line
kernelbox.kernel               the one door to the kernel
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

__version__ = "0.1.0"


def __getattr__(name: str) -> ModuleType:
    # `import kernelbox` costs nothing; `kernelbox.lab` is imported when it is asked for.
    if name in ("lab",):
        return importlib.import_module(f"kernelbox.{name}")
    raise AttributeError(f"module 'kernelbox' has no attribute {name!r}")
