"""Chapter 06, OverlayFS: what it asks.

predictions.py     guesses, before the kernel answers
layers.py          a layer that deletes, whatever is below, the stack
layers_answers.py  answers to these, right and wrong
copies.py          what is copied, one file again, a cheap move
copies_answers.py  answers to these, right and wrong
images.py          two ways to delete
images_answers.py  answers to these, right and wrong
quiz.py            questions at the end
"""

from __future__ import annotations

from kernelbox.lab.chapters.chapter06.copies import cheap_move, one_again, what_is_copied
from kernelbox.lab.chapters.chapter06.copies_answers import ANSWERS as COPIES
from kernelbox.lab.chapters.chapter06.images import two_ways
from kernelbox.lab.chapters.chapter06.images_answers import ANSWERS as IMAGES
from kernelbox.lab.chapters.chapter06.layers import (
    PUZZLES,
    build_the_stack,
    layer_that_deletes,
    whatever_is_below,
)
from kernelbox.lab.chapters.chapter06.layers_answers import ANSWERS as LAYERS
from kernelbox.lab.chapters.chapter06.predictions import PREDICTIONS
from kernelbox.lab.chapters.chapter06.quiz import QUIZ

__all__ = ["ANSWERS", "EXERCISES", "FURTHER", "PREDICTIONS", "PUZZLES", "QUIZ"]

EXERCISES = (
    layer_that_deletes,
    whatever_is_below,
    what_is_copied,
    two_ways,
    one_again,
    cheap_move,
    build_the_stack,
)
FURTHER = ("link", "open", "one-again", "cheap-move", "build-the-stack")
ANSWERS = {**LAYERS, **COPIES, **IMAGES}
