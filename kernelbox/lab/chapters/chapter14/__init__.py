"""Chapter 14, light and efficient: what it asks.

predictions.py    guesses, before the kernel answers
figures.py        how sure, per call, the dearest
figures_answers.py  answers to these, right and wrong
sharing.py        counted once, one copy
sharing_answers.py  answers to these, right and wrong
kernels.py        whose kernel
kernels_answers.py  answers to it, right and wrong
quiz.py           questions at the end
"""

from __future__ import annotations

from kernelbox.lab.chapters.chapter14.figures import dearest, how_sure, per_call
from kernelbox.lab.chapters.chapter14.figures_answers import ANSWERS as FIGURES
from kernelbox.lab.chapters.chapter14.kernels import whose_kernel
from kernelbox.lab.chapters.chapter14.kernels_answers import ANSWERS as KERNELS
from kernelbox.lab.chapters.chapter14.predictions import PREDICTIONS
from kernelbox.lab.chapters.chapter14.quiz import QUIZ
from kernelbox.lab.chapters.chapter14.sharing import counted_once, one_copy
from kernelbox.lab.chapters.chapter14.sharing_answers import ANSWERS as SHARING

__all__ = ["ANSWERS", "EXERCISES", "FURTHER", "PREDICTIONS", "QUIZ"]

EXERCISES = (how_sure, counted_once, one_copy, per_call, whose_kernel, dearest)
FURTHER = ("dearest",)
ANSWERS = {**FIGURES, **SHARING, **KERNELS}
