"""Commands on the host: doctor, reset."""

from __future__ import annotations

import os

from kernelbox import cleanup
from kernelbox.cli.parser import parser_for
from kernelbox.kernel.errors import KernelboxError


def command_doctor(argv: list[str]) -> int:
    """Check the host; 0 if the labs can run on it."""
    from kernelbox.lab import doctor

    return doctor.main(argv)


def command_reset(argv: list[str]) -> int:
    """Remove everything kernelbox owns; what it does not own is left alone."""
    parser = parser_for("reset", "Remove every container, network, image and file of kernelbox's.")
    parser.parse_args(argv)
    if os.geteuid() != 0:
        raise KernelboxError("reset needs privilege", "Run it as root: sudo kernelbox reset")
    cleanup.reset()
    print("clean: nothing of kernelbox's is left on this host")
    return 0
