"""Chapter 00, the lab and how to reset it: what it asks.

predictions.py  guesses, before the kernel answers
exercises.py    a container, an island, a limit, how to remove one of two
answers.py      answers to these, right and wrong
quiz.py         questions at the end
"""

from __future__ import annotations

from kernelbox.lab.chapters.chapter00.answers import ANSWERS
from kernelbox.lab.chapters.chapter00.exercises import (
    a_first_container,
    an_island,
    at_most_twenty,
    this_one_not_that_one,
)
from kernelbox.lab.chapters.chapter00.predictions import PREDICTIONS
from kernelbox.lab.chapters.chapter00.quiz import QUIZ

__all__ = ["ANSWERS", "EXERCISES", "PREDICTIONS", "QUIZ"]

EXERCISES = (
    a_first_container,
    an_island,
    at_most_twenty,
    this_one_not_that_one,
)
