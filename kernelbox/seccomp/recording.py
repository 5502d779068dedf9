"""A profile recorded from a run: what was in force, narrowed to the calls that were made.

While a run is recorded its filter asks about each call that it would allow, and is told to go on;
what it refuses it refuses as ever. Nor does it ask about a call that the profile will have anyhow.
What comes out allows no call that was not allowed before, keeps the tests of arguments, and says no
in the same way.
"""

from __future__ import annotations

from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import UsageError
from kernelbox.seccomp import filter, profile
from kernelbox.seccomp.profile import ALLOW, LOG, NOTIFY, Profile, Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Any

    from kernelbox.seccomp.machines import Machine

_ALLOWING = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG")

# Whether a run makes these is up to chance: to the place that is left in its memory, to a signal
# that comes in the middle of a call, to which of two threads is the first, to who ends it.
BY_CHANCE = {
    "brk", "exit", "exit_group", "futex", "madvise", "mmap", "mremap", "munmap",
    "restart_syscall", "rt_sigreturn", "sched_yield",
}  # fmt: skip


def watched(plain: dict[str, Any] | None, machine: Machine) -> tuple[bytes, int]:
    """Return the filter that asks about what a profile allows, and SECCOMP_FILTER_FLAG_* bits.

    Args:
        plain: In OCI's form; None for no profile: then it asks about every call but BY_CHANCE.
        machine: Whose calls are made.

    Raises:
        UsageError: It cannot be a profile on this machine.
    """
    if plain is None:
        known = tuple(name for name in sorted(BY_CHANCE) if name in machine.numbers)
        found = Profile(ALLOW, (Rule(known, ALLOW),))
    else:
        found = profile.read(plain, machine)
    asking = found._replace(
        default=_asked(found.default),
        rules=tuple(part for one in found.rules for part in _parts(one)),
    )
    # Threads there are none, and the kernel would not know what to return (EINVAL).
    flags = found.flags & ~k.SECCOMP_FILTER_FLAG_TSYNC | k.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
    return filter.compile(asking, machine), flags


def _parts(rule: Rule) -> Iterator[Rule]:
    """Yield a rule that asks, and one for the calls that need not be asked about."""
    if rule.action not in (ALLOW, LOG):
        yield rule
        return
    for wanted, action in ((False, NOTIFY), (True, rule.action)):
        names = tuple(name for name in rule.names if (name in BY_CHANCE) == wanted)
        if names:
            yield rule._replace(names=names, action=action)


def _asked(action: int) -> int:
    return NOTIFY if action in (ALLOW, LOG) else action


def check(plain: dict[str, Any] | None) -> None:
    """Refuse a profile that cannot be narrowed to a list of calls.

    Raises:
        UsageError: What no rule of it names is allowed.
    """
    if plain is not None and plain.get("defaultAction") in _ALLOWING:
        raise UsageError(
            "a profile that allows whatever it does not name cannot be narrowed to what is used",
            "Record with the default profile, or with --security-opt seccomp=unconfined",
        )


def narrowed(
    plain: dict[str, Any] | None, numbers: Collection[int], machine: Machine
) -> dict[str, Any]:
    """Return a profile, narrowed to the calls that were made, in OCI's form.

    Args:
        plain: What was in force; None for nothing.
        numbers: Of the calls that it has allowed.
        machine: On which.
    """
    if plain is None:
        everything = {"names": sorted(machine.numbers), "action": "SCMP_ACT_ALLOW"}
        plain = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "syscalls": [everything]}
    seen = {name for name, number in machine.numbers.items() if number in numbers} | BY_CHANCE
    rules = []
    for rule in plain["syscalls"]:
        names = rule["names"]
        if rule["action"] in _ALLOWING:
            names = sorted(seen.intersection(names))
        if names:
            rules.append({**rule, "names": names})
    return {**plain, "architectures": [machine.oci], "syscalls": rules}
