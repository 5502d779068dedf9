"""Which devices a container may use, whatever nodes it has made: the device controller.

A node is only a name with two numbers; that a container's file systems do not let nodes work is
undone by whoever may mount. The kernel asks once more when a device is opened: in cgroup v1 a list
in the group, in cgroup v2 a program, which is this list put into the kernel's own instructions.

Source: cgroup-v1/devices.rst; cgroup-v2.rst, "Device controller"; OCI runtime-spec,
config-linux.md, "Default Devices"; runc, AllowedDevices.
"""

from __future__ import annotations

from kernelbox.plumbing.light import struct
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Rule(NamedTuple):
    """Devices that may be used, or not.

    Attributes:
        kind: `b` or `c`, block or character; `a` for all, of any number and in any way.
        major: Which driver; None for all.
        minor: Which of its devices; None for all.
        access: `r`ead, `w`rite, `m`ake a node.
        allow: Whether they may.
    """

    kind: str
    major: int | None
    minor: int | None
    access: str = "rwm"
    allow: bool = True

    def __str__(self) -> str:
        """Return the rule as v1 takes it: `c 1:3 rwm`."""
        if self.kind == "a":
            return "a"
        numbers = ["*" if one is None else str(one) for one in (self.major, self.minor)]
        return f"{self.kind} {':'.join(numbers)} {self.access}"


DEFAULT = (
    Rule("c", 1, 3),  # null
    Rule("c", 1, 5),  # zero
    Rule("c", 1, 7),  # full
    Rule("c", 1, 8),  # random
    Rule("c", 1, 9),  # urandom
    Rule("c", 5, 0),  # tty
    Rule("c", 5, 2),  # ptmx
    Rule("c", 136, None),  # pts/*
    Rule("c", None, None, "m"),  # any node may be made, as a name
    Rule("b", None, None, "m"),
)

_KINDS = {"b": 1, "c": 2}  # BPF_DEVCG_DEV_*
_ACCESS = {"m": 1, "r": 2, "w": 4}  # BPF_DEVCG_ACC_*

# The kernel's instructions: opcode, both registers in a byte, offset, constant.
# Source: `Documentation/bpf/standardization/instruction-set.rst`.
_LOAD_WORD, _MOVE, _AND, _SHIFT_RIGHT = 0x61, 0xBC, 0x54, 0x74
_SET, _UNLESS_CONSTANT, _UNLESS_REGISTER, _EXIT = 0xB7, 0x55, 0x5D, 0x95
_IF_CONSTANT = 0x15
_ANSWER, _QUESTION, _KIND, _WANTED, _MAJOR, _MINOR = range(6)


def program(rules: Sequence[Rule]) -> bytes:
    """Return a program that allows what the rules do, and nothing else.

    It is asked with three words: kind and access, major, minor. Of the rules that fit the last one
    counts: so it is asked for first.

    Source: linux/bpf.h, `struct bpf_cgroup_dev_ctx`.
    """
    code = [
        _instruction(_LOAD_WORD, _KIND, _QUESTION, offset=0),
        _instruction(_MOVE, _WANTED, _KIND),
        _instruction(_AND, _KIND, constant=0xFFFF),
        _instruction(_SHIFT_RIGHT, _WANTED, constant=16),
        _instruction(_LOAD_WORD, _MAJOR, _QUESTION, offset=4),
        _instruction(_LOAD_WORD, _MINOR, _QUESTION, offset=8),
    ]
    for rule in reversed(rules):
        code += _part(rule)
    return b"".join([*code, _instruction(_SET, _ANSWER, constant=0), _instruction(_EXIT)])


def _part(rule: Rule) -> list[bytes]:
    """Return the part that answers what one rule is for, and else goes on behind itself.

    That is access of which it allows everything, or of which it denies something.
    """
    mask = sum(_ACCESS[letter] for letter in rule.access)
    # By now nothing else is in the question's register: it takes what is both wanted and meant.
    steps = [(_MOVE, _QUESTION, _WANTED, 0), (_AND, _QUESTION, 0, mask)]
    if rule.allow:
        steps.append((_UNLESS_REGISTER, _QUESTION, _WANTED, 0))
    else:
        steps.append((_IF_CONSTANT, _QUESTION, 0, 0))
    if rule.kind != "a":
        steps.append((_UNLESS_CONSTANT, _KIND, 0, _KINDS[rule.kind]))
    for register, number in ((_MAJOR, rule.major), (_MINOR, rule.minor)):
        if number is not None:
            steps.append((_UNLESS_CONSTANT, register, 0, number))
    steps += [(_SET, _ANSWER, 0, int(rule.allow)), (_EXIT, 0, 0, 0)]
    return [
        _instruction(code, register, other, len(steps) - place - 1 if _jumps(code) else 0, constant)
        for place, (code, register, other, constant) in enumerate(steps)
    ]


def _jumps(code: int) -> bool:
    return code in (_IF_CONSTANT, _UNLESS_CONSTANT, _UNLESS_REGISTER)


def _instruction(
    code: int, register: int = 0, other: int = 0, offset: int = 0, constant: int = 0
) -> bytes:
    return struct.pack("=BBhi", code, other << 4 | register, offset, constant)
