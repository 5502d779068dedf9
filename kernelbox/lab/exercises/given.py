"""What a notebook gives to an exercise: remembered, so that a check looks at that and nothing else.

A student may take another object by the same name, by mistake or to make a check pass, write
something else into it, or go on after the given one has ended.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernelbox.lab.exercises import outside, pictures
from kernelbox.lab.exercises.verdict import Verdict, failed
from kernelbox.lab.held import Held
from kernelbox.lab.started import Container

if TYPE_CHECKING:
    from typing import Any

_LOOKS, _PAUSE = 20, 0.05  # seconds


@dataclass(frozen=True)
class Gift:
    """One thing given.

    Attributes:
        thing: Itself.
        alive: Whether it is to live until the check: a process, or a container.
        data: A copy of it, if it is a dict or a list.
    """

    thing: Any
    alive: bool
    data: Any


class Gifts:
    """What a chapter has given so far, by the name that the checks call it by."""

    def __init__(self) -> None:
        self._gifts: dict[str, Gift] = {}

    def remember(self, name: str, thing: Any, *, alive: bool) -> None:
        """Remember one; a cell that is run again gives another."""
        data = copy.deepcopy(thing) if isinstance(thing, (dict, list)) else None
        self._gifts[name] = Gift(thing, alive, data)
        pictures.take(thing)

    def wrong(self, given: dict[str, Any]) -> Verdict | None:
        """Return the verdict on what is not what was given, or is no longer alive; None if all is.

        Args:
            given: What a check gets, by name: the student's own things are among it.
        """
        for name, thing in given.items():
            gift = self._gifts.get(name)
            if gift is None:
                continue
            if thing is not gift.thing:
                return failed(
                    f"`{name}` is {thing!r:.80} now, and not what the lab gave: run its cell again",
                    repr(gift.thing)[:80],
                )
            if gift.data is not None and thing != gift.data:
                return failed(
                    f"`{name}` has been changed since the lab gave it: run its cell again"
                )
            if gift.alive and _has_ended(thing):
                return failed(f"`{name}` has ended: run its cell again")
        return None

    def ended(self, given: dict[str, Any]) -> Verdict | None:
        """Return the verdict on what has ended since `wrong` looked at it; None if nothing has.

        A process that is about to end gives up its namespaces and files first: for a moment more
        it looks alive. Source: kernel/exit.c, do_exit().
        """
        for _ in range(_LOOKS):
            if verdict := self.wrong(given):
                return verdict
            time.sleep(_PAUSE)
        return None


def _has_ended(thing: Any) -> bool:
    return isinstance(thing, (Held, Container)) and outside.has_ended(thing.pid)
