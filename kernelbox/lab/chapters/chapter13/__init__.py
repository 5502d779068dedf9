"""Chapter 13, the life cycle: what it asks.

predictions.py    guesses, before the kernel answers
waiting.py        between create and start: who waits, which state, somebody joins
waiting_answers.py  answers to these, right and wrong
demands.py        what a bundle demands: limits and mounts, a hook that refuses
demands_answers.py  answers to these, right and wrong
wreckage.py       what a killed engine leaves
wreckage_answers.py  answers to it, right and wrong
quiz.py           questions at the end
"""

from __future__ import annotations

from kernelbox.lab.chapters.chapter13.demands import demanded, refusing
from kernelbox.lab.chapters.chapter13.demands_answers import ANSWERS as DEMANDS
from kernelbox.lab.chapters.chapter13.predictions import PREDICTIONS
from kernelbox.lab.chapters.chapter13.quiz import QUIZ
from kernelbox.lab.chapters.chapter13.waiting import prepared, waiting, which_state
from kernelbox.lab.chapters.chapter13.waiting_answers import ANSWERS as WAITING
from kernelbox.lab.chapters.chapter13.wreckage import wreckage
from kernelbox.lab.chapters.chapter13.wreckage_answers import ANSWERS as WRECKAGE

__all__ = ["ANSWERS", "EXERCISES", "FURTHER", "PREDICTIONS", "QUIZ"]

EXERCISES = (waiting, which_state, prepared, refusing, wreckage, demanded)
FURTHER = ("demanded",)
ANSWERS = {**WAITING, **DEMANDS, **WRECKAGE}
