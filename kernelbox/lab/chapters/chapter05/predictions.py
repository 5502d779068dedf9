"""What is guessed in chapter 05 before the kernel answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab.exercises.predictions import choice, number

if TYPE_CHECKING:
    pass

PREDICTIONS = (
    number("kernels", "kernels in the image"),
    choice("names", "a layer's DiffID and its blob's digest", "the same", "different"),
    number("bases", "copies of the base stored for 10 images"),
    choice("deleted", "with a layer that deletes a file it is", "smaller", "as large", "larger"),
    choice("exposed", "EXPOSE: at that port of the host answers", "the container", "nobody"),
    choice("pulled", "the same tag, pulled again", "the same image", "another image"),
    choice("touched", "the same files, packed again later", "the same digest", "another digest"),
)
