"""Chapter 03, mount namespaces and propagation: what it asks.

predictions.py          guesses, before the kernel answers
witness.py              what the checks see: devices, peer groups, who hears of a mount
propagation.py          who would hear of a mount, none, one way
propagation_answers.py  answers to these, right and wrong
mounts.py               truly read-only, a namespace without processes, who holds a mount
mounts_answers.py       answers to these, right and wrong
quiz.py                 questions at the end
"""

from __future__ import annotations

from kernelbox.lab.chapters.chapter03.mounts import ghost, truly_read_only, who_holds_it
from kernelbox.lab.chapters.chapter03.mounts_answers import ANSWERS as MOUNTS
from kernelbox.lab.chapters.chapter03.predictions import PREDICTIONS
from kernelbox.lab.chapters.chapter03.propagation import no_leak, one_way, who_would_hear
from kernelbox.lab.chapters.chapter03.propagation_answers import ANSWERS as PROPAGATION
from kernelbox.lab.chapters.chapter03.quiz import QUIZ

__all__ = ["ANSWERS", "EXERCISES", "FURTHER", "PREDICTIONS", "QUIZ"]

EXERCISES = (
    who_would_hear,
    no_leak,
    one_way,
    truly_read_only,
    ghost,
    who_holds_it,
)
FURTHER = ("ghost", "who-holds-it")
ANSWERS = {**PROPAGATION, **MOUNTS}
