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


def by_number(profile: Profile, machine: Machine) -> dict[int, tuple[Rule, ...]]:
    """Return the rules that decide on each call that the profile names, in their order.

    If the last one has no tests, nothing is left to the default.
    """
    found: dict[int, tuple[Rule, ...]] = {}
    for rule in profile.rules:
        for name in rule.names:
            number = machine.numbers[name]
            before = found.get(number, ())
            if before and not before[-1].tests:  # settled
                continue
            found[number] = (*before, rule) if rule.tests else (rule,)
    return found


def beyond(profile: Profile, machine: Machine) -> int | None:
    """Return the number from which on calls are newer than the profile; None if that is no matter.

    A profile that names nothing has no age.
    """
    named = [machine.numbers[name] for rule in profile.rules for name in rule.names]
    return max(named) + 1 if named and profile.default & _KINDS == ERRNO else None


NEWER = ERRNO | errno.ENOSYS


def decide(
    profile: Profile, machine: Machine, number: int, arguments: Sequence[int] = (0,) * 6
) -> Decision:
    """Return what becomes of a call.

    Args:
        profile: By which.
        machine: For which the call was made.
        number: Which.
        arguments: Six numbers of 64 bits.
    """
    if number >= machine.foreign:
        return Decision(KILL_PROCESS, "it is a call of another convention (x32)")
    newest = beyond(profile, machine)
    if newest is not None and number >= newest:
        return Decision(NEWER, "it is newer than every call that the profile names")
    rules = by_number(profile, machine).get(number, ())
    for rule in rules:
        if all(test.holds(arguments[test.argument]) for test in rule.tests):
            tests = " and ".join(map(str, rule.tests))
            return Decision(
                rule.action, f"a rule names it where {tests}" if tests else "a rule names it"
            )
    if rules:
        return Decision(profile.default, "no rule's tests hold, so the default counts")
    return Decision(profile.default, "no rule names it, so the default counts")
