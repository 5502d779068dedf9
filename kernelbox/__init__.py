"""kernelbox: take a container apart and put it back together, one kernel request at a time."""

from __future__ import annotations

__version__ = "0.1.0"
