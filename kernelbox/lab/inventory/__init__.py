"""What a student believes of containers, before the course and after it: a concept inventory.

    from kernelbox.lab import inventory

    inventory.ask("before")               twenty questions on the page; nothing is said to an answer
    inventory.answer("before", 3, "b")    the third of them, in code
    inventory.ask("after")                the same, and each answer is told whether it is right
    inventory.gain()                      what has changed: a picture, and a table beside it

Its rooms:

    misconceptions.py  what people believe, each by a name
    items.py           the questions, and which misconception each wrong answer shows
    asking.py          a form on a page that lives, else the questions as text
    gains.py           how often each misconception is held, before and after
    picture.py         the gain as a picture and a table
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab.inventory.asking import Asking

if TYPE_CHECKING:
    from kernelbox.lab.inventory.picture import Picture


def ask(when: str) -> Asking:
    """Return the questions, to be answered on the page.

    Args:
        when: `before` or `after` the course.

    Raises:
        LabError: It is another time; or after comes before before.
    """
    return Asking(when)


def answer(when: str, number: int, letter: str) -> str:
    """Answer one of the questions in code; return what there is to say to it.

    Args:
        when: `before` or `after` the course.
        number: Of the question, from 1.
        letter: Of the answer.

    Raises:
        LabError: There is no such time, question or answer.
    """
    return Asking(when).answer(number, letter)


def gain() -> Picture:
    """Return what the course has changed for whoever has this record of progress.

    Raises:
        LabError: No question has been answered both times.
    """
    from kernelbox.lab.inventory.picture import of_one

    return of_one()
