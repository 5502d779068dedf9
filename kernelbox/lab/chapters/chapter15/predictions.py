"""What is guessed in chapter 15 before the kernel answers."""

from __future__ import annotations

from kernelbox.lab.exercises.predictions import choice

PREDICTIONS = (
    choice("default", "of 26 attacks, through a default container get", "none", "5", "12"),
    choice("key", "without a filter, a key of the host's root is", "found", "not found"),
    choice("suid", "user 1000 runs a set-user-ID program of root's", "as root", "as 1000"),
    choice("hardened", "with every lock there is, 26 attacks leave", "none", "1", "5"),
    choice("hostname", "root of a container calls sethostname(2)", "renamed", "refused"),
    choice("denied", "a filter says 28 (ENOSPC) to mkdir(2): mkdir", "is killed", "says no space"),
)
