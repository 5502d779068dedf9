"""Chapter 10, disk I/O: what it asks.

predictions.py    guesses, before the kernel answers
holding.py        what the checks see: which limits of a disk hold for a process
lanes.py          a slow lane, how long, the quiet neighbour
lanes_answers.py  answers to these, right and wrong
below.py          the disk below
below_answers.py  answers to it, right and wrong
truth.py          an honest number, really written
truth_answers.py  answers to these, right and wrong
quiz.py           questions at the end
"""

from __future__ import annotations

from kernelbox.lab.chapters.chapter10.below import disk_below
from kernelbox.lab.chapters.chapter10.below_answers import ANSWERS as BELOW
from kernelbox.lab.chapters.chapter10.lanes import how_long, quiet_neighbour, slow_lane
from kernelbox.lab.chapters.chapter10.lanes_answers import ANSWERS as LANES
from kernelbox.lab.chapters.chapter10.predictions import PREDICTIONS
from kernelbox.lab.chapters.chapter10.quiz import QUIZ
from kernelbox.lab.chapters.chapter10.truth import honest_number, really_written
from kernelbox.lab.chapters.chapter10.truth_answers import ANSWERS as TRUTH

__all__ = ["ANSWERS", "EXERCISES", "FURTHER", "PREDICTIONS", "QUIZ"]

EXERCISES = (slow_lane, disk_below, honest_number, how_long, quiet_neighbour, really_written)
FURTHER = ("really-written",)
ANSWERS = {**LANES, **BELOW, **TRUTH}
