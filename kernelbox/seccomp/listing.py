"""A filter as a person reads it: one line an instruction, calls by their names.

0  take the machine
1  if it is 0xc000003e go on, else to 52
2  take the number
3  if it is at least 157 (prctl) go to 28, else on
"""

from __future__ import annotations

from kernelbox.seccomp import decision
from kernelbox.seccomp.assembly import (
    AND,
    GOTO,
    IF_AT_LEAST,
    IF_EQUAL,
    IF_GREATER,
    INSTRUCTION,
    LOAD,
    RETURN,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.seccomp.machines import Machine

_COMPARED = {IF_EQUAL: "is", IF_GREATER: "is more than", IF_AT_LEAST: "is at least"}


def lines(program: bytes, machine: Machine) -> list[str]:
    """Return a filter in words, one line an instruction."""
    names = machine.names
    found, taken = [], ""
    for at, (code, then, otherwise, constant) in enumerate(INSTRUCTION.iter_unpack(program)):
        if code == LOAD:
            taken = _place(constant)
            words = f"take {taken}"
        elif code == AND:
            words = f"keep the bits {constant:#x}"
        elif code == RETURN:
            words = f"the call {decision.in_words(constant)}"
        elif code == GOTO:
            words = f"go to {at + 1 + constant}"
        elif then == otherwise:
            words = f"go to {at + 1 + then}"
        else:
            name = f" ({names[constant]})" if taken == "the number" and constant in names else ""
            value = f"{constant}" if taken == "the number" else f"{constant:#x}"
            ways = f"{_way(then, at)}, else {_way(otherwise, at).removeprefix('go ')}"
            words = f"if it {_COMPARED[code]} {value}{name} {ways}"
        found.append(f"{at:5}  {words}")
    return found


def _place(offset: int) -> str:
    if offset == 0:
        return "the number"
    if offset == 4:
        return "the machine"
    half = "upper" if offset % 8 else "lower"
    return f"the {half} half of argument {(offset - 16) // 8}"


def _way(distance: int, at: int) -> str:
    return f"go to {at + 1 + distance}" if distance else "go on"
