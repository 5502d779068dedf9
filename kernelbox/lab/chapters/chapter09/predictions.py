"""What is guessed in chapter 09 before the kernel answers."""

from __future__ import annotations

from kernelbox.lab.exercises.predictions import choice

PREDICTIONS = (
    choice("free", "free below a limit of 48 MiB: total is", "0", "48 MiB", "the host's"),
    choice("asked", "200 MiB asked for below 48", "refused", "granted", "the asker is killed"),
    choice("film", "128 MiB of a file read below 48", "an error", "killed", "read to its end"),
    choice("short", "the small one asks for too much: killed is", "the small", "the large", "both"),
    choice("first", "PID 1's child is killed: the container", "ends", "runs on", "starts again"),
    choice("bomb", "fork below pids.max, when it is full", "waits", "kills another", "is refused"),
)
