"""Chapter 08, CPU: what it asks.

predictions.py     guesses, before the kernel answers
wanting.py         what the checks see: who wants to run, where, and below which quota
quota.py           half a core, how often throttled, in time
quota_answers.py   answers to these, right and wrong
weight.py          two to one, shares, how many CPUs
weight_answers.py  answers to these, right and wrong
quiz.py            questions at the end
"""

from __future__ import annotations

from kernelbox.lab.chapters.chapter08.predictions import PREDICTIONS
from kernelbox.lab.chapters.chapter08.quiz import QUIZ
from kernelbox.lab.chapters.chapter08.quota import half_a_core, how_often, in_time
from kernelbox.lab.chapters.chapter08.quota_answers import ANSWERS as QUOTA
from kernelbox.lab.chapters.chapter08.weight import how_many_cpus, not_a_limit, two_to_one
from kernelbox.lab.chapters.chapter08.weight_answers import ANSWERS as WEIGHT

__all__ = ["ANSWERS", "EXERCISES", "FURTHER", "PREDICTIONS", "QUIZ"]

EXERCISES = (half_a_core, how_often, in_time, two_to_one, not_a_limit, how_many_cpus)
FURTHER = ("how-many-cpus",)
ANSWERS = {**QUOTA, **WEIGHT}
