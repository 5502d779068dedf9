"""A profile as a filter: the numbers sorted, a binary search among them, then tests of arguments.

Calls that have the same fate and neighbouring numbers are one interval, so most profiles come down
to some dozens of them, and a call meets half a dozen comparisons. A filter sees a call as this:

    0  its number     4  the machine it was made for     16, 24, ... 56  its arguments, 64 bits each

The register has 32 bits, so a 64-bit argument is compared in halves. Both machines that are known
keep the lower half first.

Source: linux/seccomp.h, `struct seccomp_data`; seccomp(2).
"""

from __future__ import annotations

from kernelbox.seccomp import decision
from kernelbox.seccomp.assembly import (
    AND,
    IF_AT_LEAST,
    IF_EQUAL,
    IF_GREATER,
    LOAD,
    RETURN,
    Jump,
    Label,
    Plain,
    Program,
)
from kernelbox.seccomp.profile import KILL_PROCESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.seccomp.machines import Machine
    from kernelbox.seccomp.profile import Profile, Rule, Test

_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16
_HALF = 0xFFFFFFFF

Fate = int | tuple["Rule", ...]  # an action, or rules of which the first counts whose tests hold
Interval = tuple[int, Fate]  # from this number on, to the next interval's


def compile(profile: Profile, machine: Machine) -> bytes:
    """Return the filter of a profile: instructions of 8 bytes, as seccomp(2) takes them.

    Raises:
        UsageError: It is longer than the kernel takes.
    """
    return _Compiler(profile).program(machine)


def intervals(profile: Profile, machine: Machine) -> list[Interval]:
    """Return what becomes of all numbers from 0 on, as intervals in order."""
    decisions = decision.Decisions(profile, machine)
    fates: dict[int, Fate] = {0: profile.default}
    for number, rules in sorted(decisions.rules.items()):
        fates[number] = _fate(rules)
        fates.setdefault(number + 1, profile.default)
    if decisions.beyond is not None:
        fates[decisions.beyond] = decision.NEWER
    if machine.foreign <= _HALF:
        fates[machine.foreign] = KILL_PROCESS
    found: list[Interval] = []
    for number in sorted(fates):
        if not found or found[-1][1] != fates[number]:
            found.append((number, fates[number]))
    return found


def _fate(rules: tuple[Rule, ...]) -> Fate:
    return rules if rules[0].tests else rules[0].action


class _Compiler:
    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._made = Program()
        self._labels: dict[Fate, str] = {}  # of what becomes of a call

    def program(self, machine: Machine) -> bytes:
        made = self._made
        made.add(Plain(LOAD, _MACHINE))
        right = made.new_label()
        made.add(Jump(IF_EQUAL, machine.audit, right, self._label(KILL_PROCESS)))
        made.add(Label(right))
        made.add(Plain(LOAD, _NUMBER))
        found = intervals(self._profile, machine)
        if len(found) == 1:
            # Nothing to search: a jump whose condition is no matter leads to what there is.
            only = self._label(found[0][1])
            made.add(Jump(IF_EQUAL, 0, only, only))
        else:
            self._search(found)
        self._ends()
        return made.assemble()

    def _label(self, fate: Fate) -> str:
        return self._labels.setdefault(fate, f"{fate}")

    def _search(self, found: list[Interval]) -> None:
        """Add a binary search for the interval of the number in the register."""
        middle = len(found) // 2
        halves = (found[middle:], found[:middle])
        labels = [
            self._label(half[0][1]) if len(half) == 1 else self._made.new_label() for half in halves
        ]
        self._made.add(Jump(IF_AT_LEAST, found[middle][0], *labels))
        for label, half in zip(labels[::-1], halves[::-1], strict=True):
            if len(half) > 1:
                self._made.add(Label(label))
                self._search(half)

    def _ends(self) -> None:
        """Add what the search leads to: tests first, which lead to actions themselves."""
        for fate in [one for one in self._labels if isinstance(one, tuple)]:
            self._made.add(Label(self._labels[fate]))
            for rule in fate:
                following = self._made.new_label()
                for test in rule.tests:
                    self._test(test, following)
                self._made.add(Jump(IF_EQUAL, 0, *[self._label(rule.action)] * 2))
                self._made.add(Label(following))
            self._made.add(Jump(IF_EQUAL, 0, *[self._label(self._profile.default)] * 2))
        for action in [one for one in self._labels if isinstance(one, int)]:
            self._made.add(Label(self._labels[action]))
            self._made.add(Plain(RETURN, action))

    def _test(self, test: Test, no: str) -> None:
        """Add the test of an argument, which goes on behind it if it holds, else to `no`."""
        made, yes, low = self._made, self._made.new_label(), self._made.new_label()
        place = _ARGUMENTS + 8 * test.argument
        high_value, low_value = test.value >> 32, test.value & _HALF
        made.add(Plain(LOAD, place + 4))
        if test.operator == "&":
            self._half(high_value, test.bits >> 32, low, no)
            made.add(Label(low))
            made.add(Plain(LOAD, place))
            self._half(low_value, test.bits & _HALF, yes, no)
        elif test.operator in ("==", "!="):
            hit, miss = (yes, no) if test.operator == "==" else (no, yes)
            made.add(Jump(IF_EQUAL, high_value, low, miss))
            made.add(Label(low))
            made.add(Plain(LOAD, place))
            made.add(Jump(IF_EQUAL, low_value, hit, miss))
        else:
            # `a < b` is `not a >= b`, and `a <= b` is `not a > b`.
            more, less = (yes, no) if test.operator in (">", ">=") else (no, yes)
            equal = made.new_label()
            made.add(Jump(IF_GREATER, high_value, more, equal))
            made.add(Label(equal))
            made.add(Jump(IF_EQUAL, high_value, low, less))
            made.add(Label(low))
            made.add(Plain(LOAD, place))
            code = IF_GREATER if test.operator in (">", "<=") else IF_AT_LEAST
            made.add(Jump(code, low_value, more, less))
        made.add(Label(yes))

    def _half(self, mask: int, bits: int, yes: str, no: str) -> None:
        self._made.add(Plain(AND, mask))
        self._made.add(Jump(IF_EQUAL, bits, yes, no))
