"""Instructions of classic BPF with labels instead of distances.

A conditional jump has a byte for how far it goes when its condition holds, and one for when it does
not. What is further away is reached by a jump of its own, behind it, which has 32 bits for that. A
jump that becomes longer pushes others apart, so this is repeated until nothing grows any more.

Source: kernel, `Documentation/networking/filter.rst`; linux/filter.h, `struct sock_filter`.
"""

from __future__ import annotations

import struct

from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple

INSTRUCTION = struct.Struct("=HBBI")  # code, and how far: if so, if not; the constant
LOAD, AND, GOTO, RETURN = 0x20, 0x54, 0x05, 0x06
IF_EQUAL, IF_GREATER, IF_AT_LEAST = 0x15, 0x25, 0x35
MOST = 4096  # BPF_MAXINSNS
_FAR = 255


class Jump(NamedTuple):
    """A conditional jump: to one label if the register is so, else to another."""

    code: int
    constant: int
    then: str
    otherwise: str


class Plain(NamedTuple):
    """Any other instruction."""

    code: int
    constant: int


class Label(NamedTuple):
    """A place, by its name."""

    name: str


class Program:
    """Instructions, one after the other, and the labels between them."""

    def __init__(self) -> None:
        self._items: list[Jump | Plain | Label] = []
        self._count = 0

    def add(self, item: Jump | Plain | Label) -> None:
        """Add an instruction, or a label for the next one."""
        self._items.append(item)

    def new_label(self) -> str:
        """Return a name that no label has."""
        self._count += 1
        return f".{self._count}"

    def assemble(self) -> bytes:
        """Return the instructions, 8 bytes each.

        Raises:
            UsageError: There are more than the kernel takes.
        """
        extra: dict[int, tuple[bool, bool]] = {}  # which ways of a jump need a jump of their own
        while True:
            places, at = self._places(extra)
            if at > MOST:
                raise UsageError(
                    f"the filter would have {at} instructions, and the kernel takes {MOST}",
                    "Name calls without tests of their arguments, or fewer of them",
                )
            grown = self._grown(places, extra)
            if grown == extra:
                return self._bytes(places, extra)
            extra = grown

    def _places(self, extra: dict[int, tuple[bool, bool]]) -> tuple[dict[str, int], int]:
        places, at = {}, 0
        for index, item in enumerate(self._items):
            if isinstance(item, Label):
                places[item.name] = at
            else:
                at += 1 + sum(extra.get(index, ()))
        return places, at

    def _grown(
        self, places: dict[str, int], extra: dict[int, tuple[bool, bool]]
    ) -> dict[int, tuple[bool, bool]]:
        grown, at = dict(extra), 0
        for index, item in enumerate(self._items):
            if isinstance(item, Jump):
                before = extra.get(index, (False, False))
                ways = (places[item.then] - at - 1, places[item.otherwise] - at - 1)
                far = (before[0] or ways[0] > _FAR, before[1] or ways[1] > _FAR)
                if any(far):
                    grown[index] = far
            if not isinstance(item, Label):
                at += 1 + sum(extra.get(index, ()))
        return grown

    def _bytes(self, places: dict[str, int], extra: dict[int, tuple[bool, bool]]) -> bytes:
        made = bytearray()
        for index, item in enumerate(self._items):
            at = len(made) // INSTRUCTION.size
            if isinstance(item, Plain):
                made += INSTRUCTION.pack(item.code, 0, 0, item.constant)
            elif isinstance(item, Jump):
                far_then, far_otherwise = extra.get(index, (False, False))
                then = 0 if far_then else places[item.then] - at - 1
                otherwise = int(far_then) if far_otherwise else places[item.otherwise] - at - 1
                made += INSTRUCTION.pack(item.code, then, otherwise, item.constant)
                for is_far, label in ((far_then, item.then), (far_otherwise, item.otherwise)):
                    if is_far:
                        here = len(made) // INSTRUCTION.size
                        made += INSTRUCTION.pack(GOTO, 0, 0, places[label] - here - 1)
        return bytes(made)
