"""Commands on the host: images, doctor, reset."""

from __future__ import annotations

import os

from kernelbox import cleanup
from kernelbox.cli.parser import parser_for
from kernelbox.cli.table import columns, size
from kernelbox.kernel.errors import KernelboxError


def command_images(argv: list[str]) -> int:
    """List the images of this host."""
    from kernelbox.compose import image_store

    parser = parser_for("images", "List the images of this host.")
    parser.add_argument("-q", "--quiet", action="store_true", help="ids only")
    given = parser.parse_args(argv)
    found = image_store().list()
    if given.quiet:
        for image in found:
            print(image.id)
        return 0
    rows = []
    for image in found:
        name, _, tag = image.reference.rpartition(":")
        short = image.id.removeprefix("sha256:")[:12]
        rows.append((name or "<none>", tag or "<none>", short, image.created, size(image.size)))
    print(columns([("REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"), *rows]))
    return 0


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
