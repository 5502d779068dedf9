"""What a profile says of a call, and by which of its rules.

A rule without tests settles its calls, wherever it stands; if there are several, the first. Else
the first rule counts whose tests all hold; and if none does, the profile's default.

A call that is newer than all that a profile names does not exist for whoever it confines (ENOSYS):
a C library then does without, as on an older kernel, where "not permitted" would end the program.
runc does it likewise. That holds where the default is an error; whoever is killed for a call that
nobody has allowed is killed for a new one, too.
"""

from __future__ import annotations

import errno

from kernelbox.plumbing.records import NamedTuple
from kernelbox.seccomp.profile import ALLOW, ERRNO, KILL_PROCESS, KILL_THREAD, LOG, TRACE, TRAP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernelbox.seccomp.machines import Machine
    from kernelbox.seccomp.profile import Profile, Rule

_KINDS = 0xFFFF0000
_WORDS = {
    KILL_PROCESS: "kills the process (SIGSYS)",
    KILL_THREAD: "kills the thread (SIGSYS)",
    TRAP: "sends SIGSYS",
    ERRNO: "fails",
    TRACE: "is up to a tracer",
    LOG: "is allowed, and logged",
    ALLOW: "is allowed",
}


class Decision(NamedTuple):
    """What becomes of a call.

    Attributes:
        action: SECCOMP_RET_* with its data.
        why: A sentence's end.
    """

    action: int
    why: str


def in_words(action: int) -> str:
    """Return what an action does to a call: `fails with EPERM`."""
    words = _WORDS[action & _KINDS]
    if action & _KINDS == ERRNO:
        return f"{words} with {errno.errorcode.get(action & ~_KINDS, action & ~_KINDS)}"
    return words


NEWER = ERRNO | errno.ENOSYS


class Decisions:
    """What a profile says of every call on a machine: prepared once, asked as often as needed.

    Attributes:
        default: What becomes of a call that no rule decides on.
        rules: The rules that decide on each call that the profile names, in their order, by number.
            If the last one has no tests, nothing is left to the default.
        beyond: From which number on calls are newer than the profile; None if that is no matter.
            A profile that names nothing has no age.

    Args:
        profile: By which.
        machine: For which the calls are made.
    """

    def __init__(self, profile: Profile, machine: Machine) -> None:
        self.default = profile.default
        self.rules: dict[int, tuple[Rule, ...]] = {}
        self._foreign = machine.foreign
        numbers = machine.numbers
        found: dict[int, list[Rule]] = {}
        for rule in profile.rules:
            for name in rule.names:
                before = found.setdefault(numbers[name], [])
                if before and not before[-1].tests:  # settled
                    continue
                if not rule.tests:
                    before.clear()
                before.append(rule)
        self.rules.update((number, tuple(rules)) for number, rules in found.items())
        ages = self.rules and profile.default & _KINDS == ERRNO
        self.beyond = max(self.rules) + 1 if ages else None

    def of(self, number: int, arguments: Sequence[int] = (0,) * 6) -> Decision:
        """Return what becomes of a call.

        Args:
            number: Which.
            arguments: Six numbers of 64 bits.
        """
        if number >= self._foreign:
            return Decision(KILL_PROCESS, "it is a call of another convention (x32)")
        if self.beyond is not None and number >= self.beyond:
            return Decision(NEWER, "it is newer than every call that the profile names")
        rules = self.rules.get(number, ())
        for rule in rules:
            if all(test.holds(arguments[test.argument]) for test in rule.tests):
                tests = " and ".join(map(str, rule.tests))
                return Decision(
                    rule.action, f"a rule names it where {tests}" if tests else "a rule names it"
                )
        if rules:
            return Decision(self.default, "no rule's tests hold, so the default counts")
        return Decision(self.default, "no rule names it, so the default counts")
