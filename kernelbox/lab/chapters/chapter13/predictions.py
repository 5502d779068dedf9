"""What is guessed in chapter 13 before the kernel answers."""

from __future__ import annotations

from kernelbox.lab.exercises.predictions import choice

PREDICTIONS = (
    choice("waits", "after create, its first process is", "the runtime", "the program", "nobody"),
    choice("killed", "one that was only created, killed, is", "stopped", "created", "gone"),
    choice("parent", "inside, the parent of exec's process is", "process 1", "process 0", "itself"),
    choice(
        "inside", "which hook has the container's root", "createContainer", "startContainer", "none"
    ),
    choice("left", "killed half-way, a runtime leaves", "nothing", "a group", "a mount"),
    choice("lives", "on-failure:2, and it always fails: it runs", "2 times", "3 times", "for ever"),
)
