"""Chapter 05, images: what it asks.

predictions.py      guesses, before the kernel answers
cells.py            cells of the notebook that answers need
tars.py             an image by hand, the same again, ChainIDs
tars_answers.py     answers to these, right and wrong
stores.py           stored once, a tag put back, which blob is damaged
stores_answers.py   answers to these, right and wrong
quiz.py             questions at the end
"""

from __future__ import annotations

from kernelbox.lab.chapters.chapter05.predictions import PREDICTIONS
from kernelbox.lab.chapters.chapter05.quiz import QUIZ
from kernelbox.lab.chapters.chapter05.stores import back_again, stored_once, which_one
from kernelbox.lab.chapters.chapter05.stores_answers import ANSWERS as STORES
from kernelbox.lab.chapters.chapter05.tars import by_hand, chains, same_again
from kernelbox.lab.chapters.chapter05.tars_answers import ANSWERS as TARS

__all__ = ["ANSWERS", "EXERCISES", "FURTHER", "PREDICTIONS", "QUIZ"]

EXERCISES = (
    by_hand,
    stored_once,
    back_again,
    which_one,
    same_again,
    chains,
)
FURTHER = ("touched", "same-again", "chain-ids")
ANSWERS = {**TARS, **STORES}
