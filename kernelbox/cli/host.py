"""Commands on the host: doctor, reset, course."""

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


def command_course(argv: list[str]) -> int:
    """Make a course folder for nbgrader out of the notebooks."""
    parser = parser_for("course", "Make a course folder for nbgrader out of the notebooks.")
    parser.add_argument("directory", metavar="DIR", help="new, empty, or made by this command")
    parser.add_argument("--chapters", metavar="NN,NN", help="only these, such as 00,01")
    given = parser.parse_args(argv)
    from pathlib import Path

    from kernelbox.cli.table import columns
    from kernelbox.lab.course import folder, notebooks

    files = notebooks.files(given.chapters)
    made = folder.write(Path(given.directory), files)
    rows = [(one.name, str(one.exercises), str(one.points)) for one in made]
    print(columns([("ASSIGNMENT", "EXERCISES", "POINTS"), *rows]))
    print(f"For students: {given.directory}/release")
    return 0
