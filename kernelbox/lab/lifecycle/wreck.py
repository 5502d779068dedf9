"""What a killed engine leaves: one container that runs, and two that nobody wants.

Which is which, and how far the half-made one came, is drawn anew each time.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from kernelbox.lab.conversation import LabError

if TYPE_CHECKING:
    from kernelbox.lab.lifecycle.engine import Engine

_WORDS = "anchor barrel candle drum ember fennel garnet harbor island juniper".split()


class Wreck:
    """Three containers of an engine that was killed.

    Args:
        engine: Whose runtime makes them; those of an earlier wreck go first.

    Attributes:
        wanted: The id of the one that somebody works with: it runs.
        pid: Of its first process.
        names: The ids of all three.
    """

    def __init__(self, engine: Engine) -> None:
        for name in _WORDS:
            if engine.left(name).things:
                engine.delete(name)
        self.names = random.sample(_WORDS, 3)
        self.wanted, half, waiting = self.names
        for name in self.names:
            engine.bundle(name, "sleep 1000")
        engine.create(self.wanted)
        engine.start(self.wanted)
        self.pid = engine.pid(self.wanted)
        made = [event.request for event in engine.create(waiting).on("runtime")]
        first = next(number for number, one in enumerate(made, 1) if one.startswith("mkdir("))
        birth = next(number for number, one in enumerate(made, 1) if one.startswith("clone3("))
        engine.create(half, kill_before=random.randint(first + 1, birth))
        if not engine.left(half).groups:
            raise LabError("the half-made container has left nothing", "Make the wreck again")

    def __repr__(self) -> str:
        return "<a wreck: three containers, and one of them is wanted>"
