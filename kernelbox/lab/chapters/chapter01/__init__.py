"""Chapter 01, a container is a process: what it asks.

predictions.py  guesses, before the kernel answers
exercises.py    a container's numbers, its members, half of it, its monitor
answers.py      answers to these, right and wrong
quiz.py         questions at the end
"""

from __future__ import annotations

from kernelbox.lab.chapters.chapter01.answers import ANSWERS
from kernelbox.lab.chapters.chapter01.exercises import (
    all_its_numbers,
    half_a_container,
    kill_the_other_one,
    who_lives_there,
)
from kernelbox.lab.chapters.chapter01.predictions import PREDICTIONS
from kernelbox.lab.chapters.chapter01.quiz import QUIZ

__all__ = ["ANSWERS", "EXERCISES", "PREDICTIONS", "QUIZ"]

EXERCISES = (
    all_its_numbers,
    who_lives_there,
    half_a_container,
    kill_the_other_one,
)
