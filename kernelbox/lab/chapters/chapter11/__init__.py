"""Chapter 11, the network by hand: what it asks.

predictions.py      guesses, before the kernel answers
wires.py            what the checks see: namespaces, cables, and who answers whom
cables.py           a cable, a switch, whose end
cables_answers.py   answers to these, right and wrong
streets.py          to the world, published by hand, a pod
streets_answers.py  answers to these, right and wrong
walls.py            which rule drops a packet
walls_answers.py    answers to that, right and wrong
quiz.py             questions at the end
"""

from __future__ import annotations

from kernelbox.lab.chapters.chapter11.cables import a_cable, a_switch, whose_end
from kernelbox.lab.chapters.chapter11.cables_answers import ANSWERS as CABLES
from kernelbox.lab.chapters.chapter11.predictions import PREDICTIONS
from kernelbox.lab.chapters.chapter11.quiz import QUIZ
from kernelbox.lab.chapters.chapter11.streets import a_pod, published, to_the_world
from kernelbox.lab.chapters.chapter11.streets_answers import ANSWERS as STREETS
from kernelbox.lab.chapters.chapter11.walls import which_rule
from kernelbox.lab.chapters.chapter11.walls_answers import ANSWERS as WALLS

__all__ = ["ANSWERS", "EXERCISES", "FURTHER", "PREDICTIONS", "QUIZ"]

EXERCISES = (a_cable, a_switch, to_the_world, published, whose_end, which_rule, a_pod)
FURTHER = ("whose-end", "which-rule", "a-pod")
ANSWERS = {**CABLES, **STREETS, **WALLS}
