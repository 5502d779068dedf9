"""Chapter 09, memory and processes: what it asks.

predictions.py        guesses, before the kernel answers
looking.py            what the checks make and look at: groups with a limit, and what they hold
fitting.py            it just fits, give it back
fitting_answers.py    answers to these, right and wrong
available.py          what free should say
available_answers.py  answers to it, right and wrong
killing.py            the right one, who was killed
killing_answers.py    answers to these, right and wrong
ends.py               so many more, my real limit
ends_answers.py       answers to these, right and wrong
quiz.py               questions at the end
"""

from __future__ import annotations

from kernelbox.lab.chapters.chapter09.available import what_free_should_say
from kernelbox.lab.chapters.chapter09.available_answers import ANSWERS as AVAILABLE
from kernelbox.lab.chapters.chapter09.ends import my_real_limit, so_many_more
from kernelbox.lab.chapters.chapter09.ends_answers import ANSWERS as ENDS
from kernelbox.lab.chapters.chapter09.fitting import give_it_back, just_fits
from kernelbox.lab.chapters.chapter09.fitting_answers import ANSWERS as FITTING
from kernelbox.lab.chapters.chapter09.killing import the_right_one, who_was_killed
from kernelbox.lab.chapters.chapter09.killing_answers import ANSWERS as KILLING
from kernelbox.lab.chapters.chapter09.predictions import PREDICTIONS
from kernelbox.lab.chapters.chapter09.quiz import QUIZ

__all__ = ["ANSWERS", "EXERCISES", "FURTHER", "PREDICTIONS", "QUIZ"]

EXERCISES = (
    just_fits,
    what_free_should_say,
    the_right_one,
    who_was_killed,
    so_many_more,
    give_it_back,
    my_real_limit,
)
FURTHER = ("give-it-back", "my-real-limit")
ANSWERS = {**FITTING, **AVAILABLE, **KILLING, **ENDS}
