"""Chapter 04, from chroot to pivot_root: what it asks.

predictions.py      guesses, before the kernel answers
roots.py            what the checks see: root directories, and who gets out of them
escapes.py          the way out, no way back, the missing right
escapes_answers.py  answers to these, right and wrong
pivots.py           the order of pivot_root, a forgotten descriptor, a quiet /proc
pivots_answers.py   answers to these, right and wrong
quiz.py             questions at the end
"""

from __future__ import annotations

from kernelbox.lab.chapters.chapter04.escapes import no_way_back, the_missing_right, the_way_out
from kernelbox.lab.chapters.chapter04.escapes_answers import ANSWERS as ESCAPES
from kernelbox.lab.chapters.chapter04.pivots import (
    PUZZLES,
    pivot_order,
    quiet_proc,
    the_forgotten_descriptor,
)
from kernelbox.lab.chapters.chapter04.pivots_answers import ANSWERS as PIVOTS
from kernelbox.lab.chapters.chapter04.predictions import PREDICTIONS
from kernelbox.lab.chapters.chapter04.quiz import QUIZ

__all__ = ["ANSWERS", "EXERCISES", "FURTHER", "PREDICTIONS", "PUZZLES", "QUIZ"]

EXERCISES = (
    the_way_out,
    no_way_back,
    pivot_order,
    the_forgotten_descriptor,
    the_missing_right,
    quiet_proc,
)
FURTHER = ("the-missing-right", "quiet-proc")
ANSWERS = {**ESCAPES, **PIVOTS}
