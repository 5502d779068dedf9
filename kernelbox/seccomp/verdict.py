"""What a filter says of a call, found out as the kernel does: the filter is run.

A profile says it, too (decision.py); but whoever has to know it at each start has the filter at
hand, and a profile would have to be read first.

Source: kernel, `Documentation/networking/filter.rst`; linux/seccomp.h, `struct seccomp_data`.
"""

from __future__ import annotations

import struct

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
from kernelbox.seccomp.profile import ALLOW, LOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kernelbox.seccomp.machines import Machine


def of(program: bytes, machine: Machine, call: Sequence[int]) -> int:
    """Return what becomes of a call: SECCOMP_RET_* with its data.

    Args:
        program: The filter: instructions of 8 bytes.
        machine: For which the call is made.
        call: Its number, and up to six arguments of 64 bits.
    """
    number, *arguments = call
    padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    # Where it is called from no filter of kernelbox's asks.
    data = struct.pack("=iIQ6Q", number, machine.audit, 0, *padded)
    instructions = list(INSTRUCTION.iter_unpack(program))
    register = at = 0
    while True:
        code, then, otherwise, constant = instructions[at]
        at += 1
        if code == RETURN:
            return int(constant)
        if code == LOAD:
            (register,) = struct.unpack_from("=I", data, constant)
        elif code == AND:
            register &= constant
        elif code == GOTO:
            at += constant
        else:
            holds = {
                IF_EQUAL: register == constant,
                IF_GREATER: register > constant,
                IF_AT_LEAST: register >= constant,
            }[code]
            at += then if holds else otherwise


def lets_pass(program: bytes, machine: Machine, calls: Iterable[Sequence[int]]) -> bool:
    """Whether a filter allows every one of some calls, without asking anybody."""
    return all(of(program, machine, one) in (ALLOW, LOG) for one in calls)
