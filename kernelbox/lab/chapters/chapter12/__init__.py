"""Chapter 12, networks of one's own: what it asks.

predictions.py    guesses, before the kernel answers
wire.py           what the checks see: addresses, and the names that somebody finds
names.py          by name, two behind one name, who knows whom
walls.py          two legs, only here
shaped.py         a narrow link
names_answers.py  answers about names, right and wrong
walls_answers.py  answers about who gets where, and about the rate
quiz.py           questions at the end
"""

from __future__ import annotations

from kernelbox.lab.chapters.chapter12.names import by_name, two_behind_one, who_knows
from kernelbox.lab.chapters.chapter12.names_answers import ANSWERS as NAMES
from kernelbox.lab.chapters.chapter12.predictions import PREDICTIONS
from kernelbox.lab.chapters.chapter12.quiz import QUIZ
from kernelbox.lab.chapters.chapter12.shaped import narrow
from kernelbox.lab.chapters.chapter12.walls import only_here, two_legs
from kernelbox.lab.chapters.chapter12.walls_answers import ANSWERS as WALLS

__all__ = ["ANSWERS", "EXERCISES", "FURTHER", "PREDICTIONS", "QUIZ"]

EXERCISES = (by_name, two_behind_one, two_legs, only_here, narrow, who_knows)
FURTHER = ("who-knows",)
ANSWERS = {**NAMES, **WALLS}
