"""Chapter 07, user namespaces and capabilities: what it asks.

predictions.py     guesses, before the kernel answers
ids.py             what the checks see: who a process is, and its maps
maps.py            root of nothing, reading a map, alone, two levels down
maps_answers.py    answers to these, right and wrong
powers.py          one capability, exactly two, and which count on the host
powers_answers.py  answers to these, right and wrong
quiz.py            questions at the end
"""

from __future__ import annotations

from kernelbox.lab.chapters.chapter07.maps import (
    PUZZLES,
    on_your_own,
    read_the_map,
    root_of_nothing,
    two_levels_down,
)
from kernelbox.lab.chapters.chapter07.maps_answers import ANSWERS as MAPS
from kernelbox.lab.chapters.chapter07.powers import exactly_two, one_power, over_the_host
from kernelbox.lab.chapters.chapter07.powers_answers import ANSWERS as POWERS
from kernelbox.lab.chapters.chapter07.predictions import PREDICTIONS
from kernelbox.lab.chapters.chapter07.quiz import QUIZ

__all__ = ["ANSWERS", "EXERCISES", "FURTHER", "PREDICTIONS", "PUZZLES", "QUIZ"]

EXERCISES = (
    root_of_nothing,
    read_the_map,
    on_your_own,
    one_power,
    exactly_two,
    two_levels_down,
    over_the_host,
)
FURTHER = ("two-levels-down", "over-the-host")
ANSWERS = {**MAPS, **POWERS}
