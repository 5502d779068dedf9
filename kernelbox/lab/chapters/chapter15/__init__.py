"""Chapter 15, secure, measured: what it asks.

predictions.py     guesses, before the kernel answers
powers.py          least power, no new powers
calls.py           no way to it
holding.py         hold it, what it lacks, one lock
powers_answers.py  answers about privilege, right and wrong
calls_answers.py   answers about the filter, right and wrong
holding_answers.py answers about what holds a container
quiz.py            questions at the end
"""

from __future__ import annotations

from kernelbox.lab.chapters.chapter15.calls import no_way_to_it
from kernelbox.lab.chapters.chapter15.calls_answers import ANSWERS as CALLS
from kernelbox.lab.chapters.chapter15.holding import hold_it, one_lock, what_it_lacks
from kernelbox.lab.chapters.chapter15.holding_answers import ANSWERS as HOLDING
from kernelbox.lab.chapters.chapter15.powers import least_power, no_new_powers
from kernelbox.lab.chapters.chapter15.powers_answers import ANSWERS as POWERS
from kernelbox.lab.chapters.chapter15.predictions import PREDICTIONS
from kernelbox.lab.chapters.chapter15.quiz import QUIZ

__all__ = ["ANSWERS", "EXERCISES", "FURTHER", "PREDICTIONS", "QUIZ"]

EXERCISES = (least_power, no_way_to_it, no_new_powers, hold_it, what_it_lacks, one_lock)
FURTHER = ("one-lock",)
ANSWERS = {**POWERS, **CALLS, **HOLDING}
