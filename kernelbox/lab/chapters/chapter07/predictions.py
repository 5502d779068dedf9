"""What is guessed in chapter 07 before the kernel answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab.exercises.predictions import choice, number, text

if TYPE_CHECKING:
    pass

PREDICTIONS = (
    text("uid", "the uid of root, just after unshare(user)"),
    choice("hostname", "root inside sets the host's hostname", "allowed", "refused"),
    choice("owner", "who owns root's file, on the host", "0", "65534", "2000000000"),
    choice("thread", "two threads ask for a user namespace", "allowed", "EPERM", "EINVAL"),
    number("powers", "capabilities of a container's root"),
    choice("powerless", "root without capabilities gives a file away", "allowed", "refused"),
)
