"""Chapter 02, PID namespaces, init and signals: what it asks.

predictions.py      guesses, before the kernel answers
births.py           the order of a birth, a list that lies, numbers in two namespaces
births_answers.py   answers to these, right and wrong
signals.py          who hears a signal, who goes, who collects orphans
signals_answers.py  answers to these, right and wrong
quiz.py             questions at the end
"""

from __future__ import annotations

from kernelbox.lab.chapters.chapter02.births import (
    PUZZLES,
    a_list_that_lies,
    birth_order,
    third_and_first,
)
from kernelbox.lab.chapters.chapter02.births_answers import ANSWERS as BIRTHS
from kernelbox.lab.chapters.chapter02.predictions import PREDICTIONS
from kernelbox.lab.chapters.chapter02.quiz import QUIZ
from kernelbox.lab.chapters.chapter02.signals import a_good_init, goes_when_asked, who_listens
from kernelbox.lab.chapters.chapter02.signals_answers import ANSWERS as SIGNALS

__all__ = ["ANSWERS", "EXERCISES", "FURTHER", "PREDICTIONS", "PUZZLES", "QUIZ"]

EXERCISES = (
    birth_order,
    a_list_that_lies,
    who_listens,
    goes_when_asked,
    a_good_init,
    third_and_first,
)
FURTHER = ("depth", "third-and-first")
ANSWERS = {**BIRTHS, **SIGNALS}
