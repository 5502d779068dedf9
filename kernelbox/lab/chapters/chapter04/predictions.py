"""What is guessed in chapter 04 before the kernel answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab.exercises.predictions import choice, number

if TYPE_CHECKING:
    pass

PREDICTIONS = (
    choice("cwd", "after chroot, the working directory is", "inside", "outside"),
    choice("mounts", "after chroot, the old root's mounts are", "gone", "still there"),
    choice("descriptor", "after umount, the descriptor is", "dead", "still good"),
    number("leaks", "jails of four that do not hold"),
    choice("null", "writing to a /dev/null that nobody made", "fails", "makes a file"),
)
