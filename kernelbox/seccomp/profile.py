"""A profile of system calls in OCI's form, read and checked.

    {"defaultAction": "SCMP_ACT_ERRNO",
     "syscalls": [{"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"}]}

What a kernel newer than these pages has added is left out of a rule, and what is left out is said:
`dropped`. What would change the meaning of a profile if it were left out is refused.

Source: OCI runtime-spec, config-linux.md, "Seccomp".
"""

from __future__ import annotations

import errno

from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing import documents
from kernelbox.plumbing.records import NamedTuple
from kernelbox.seccomp import machines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeGuard

    from kernelbox.seccomp.machines import Machine

# SECCOMP_RET_*; the lower half of one is data: an error number, or what a tracer is told.
KILL_PROCESS, KILL_THREAD, TRAP, ERRNO, NOTIFY, TRACE, LOG, ALLOW = (
    0x80000000,
    0x00000000,
    0x00030000,
    0x00050000,
    0x7FC00000,
    0x7FF00000,
    0x7FFC0000,
    0x7FFF0000,
)
ACTIONS = {
    "SCMP_ACT_KILL": KILL_THREAD,
    "SCMP_ACT_KILL_THREAD": KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": KILL_PROCESS,
    "SCMP_ACT_TRAP": TRAP,
    "SCMP_ACT_ERRNO": ERRNO,
    "SCMP_ACT_NOTIFY": NOTIFY,
    "SCMP_ACT_TRACE": TRACE,
    "SCMP_ACT_LOG": LOG,
    "SCMP_ACT_ALLOW": ALLOW,
}
OPERATORS = {
    "SCMP_CMP_EQ": "==",
    "SCMP_CMP_NE": "!=",
    "SCMP_CMP_LT": "<",
    "SCMP_CMP_LE": "<=",
    "SCMP_CMP_GT": ">",
    "SCMP_CMP_GE": ">=",
    "SCMP_CMP_MASKED_EQ": "&",
}
FLAGS = {  # SECCOMP_FILTER_FLAG_*
    "SECCOMP_FILTER_FLAG_TSYNC": 1,
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 32,
}
_MOST_BYTES = 4 << 20  # of a profile
_ARGUMENTS = 6
_SHOWN = 5  # calls that are not known


class Test(NamedTuple):
    """What an argument of a call must be.

    Attributes:
        argument: Which, from 0 to 5.
        operator: One of OPERATORS' symbols.
        value: To compare with; for `&` the bits that count.
        bits: For `&`, what these must be.
    """

    argument: int
    operator: str
    value: int
    bits: int = 0

    def __str__(self) -> str:
        if self.operator == "&":
            return f"argument {self.argument} & {self.value:#x} == {self.bits:#x}"
        return f"argument {self.argument} {self.operator} {self.value:#x}"

    def holds(self, given: int) -> bool:
        """Whether an argument is so."""
        value = self.value
        if self.operator == "&":
            return given & value == self.bits
        return {
            "==": given == value,
            "!=": given != value,
            "<": given < value,
            "<=": given <= value,
            ">": given > value,
            ">=": given >= value,
        }[self.operator]


class Rule(NamedTuple):
    """What becomes of some calls, whose arguments are so.

    Attributes:
        names: The calls.
        action: SECCOMP_RET_* with its data.
        tests: All of them must hold; none for every call of these names.
    """

    names: tuple[str, ...]
    action: int
    tests: tuple[Test, ...] = ()


class Profile(NamedTuple):
    """A profile, read.

    Attributes:
        default: What becomes of every other call.
        rules: In order.
        flags: SECCOMP_FILTER_FLAG_* bits.
        dropped: What was left out of it, in words.
    """

    default: int
    rules: tuple[Rule, ...]
    flags: int = 0
    dropped: tuple[str, ...] = ()

    @property
    def notifies(self) -> bool:
        """Whether it leaves a call to another process."""
        return NOTIFY in (self.default, *(one.action for one in self.rules))


def load(path: str) -> dict[str, Any]:
    """Return what is in the file of a profile.

    Raises:
        UsageError: There is none, or no JSON object is in it.
    """
    hint = "A profile is `default` or a file: JSON as in OCI runtime-spec, config-linux.md, Seccomp"
    try:
        with open(path, "rb") as file:  # it may be without an end
            text = file.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise UsageError(f"the profile {path!r:.200} is larger than 4 MiB", hint)
        found: Any = documents.loads(text)
    except OSError as error:
        raise UsageError(
            f"cannot read the profile {path!r:.200}: {error.strerror}", hint
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the profile {path!r:.200} is no JSON: {error!s:.100}", hint) from None
    if not isinstance(found, dict):
        raise UsageError(f"the profile {path!r:.200} is no JSON object", hint)
    return found


def read(plain: dict[str, Any], machine: Machine, *, agent: bool = False) -> Profile:
    """Return the profile that an OCI document describes, as it is on a machine.

    Args:
        plain: The object `linux.seccomp`.
        machine: Whose calls are to be filtered.
        agent: Whether another process can be asked about calls.

    Raises:
        UsageError: It is not of this form; it asks for what no filter can do.
    """
    dropped: list[str] = []
    _demand_machine(plain, machine, dropped)
    rules, strange = [], set[str]()
    for entry in listed(plain, "syscalls"):
        if not isinstance(entry, dict):
            raise wrong("a rule", entry)
        rules += _rules(entry, machine, strange)
    if strange:
        some = ", ".join(sorted(strange)[:_SHOWN])
        more = ", ..." if len(strange) > _SHOWN else ""
        dropped.append(f"{len(strange)} calls that no machine here has: {some:.200}{more}")
    found = Profile(
        _action(plain, "defaultAction", "defaultErrnoRet"),
        tuple(rule for rule in rules if rule.names),
        _flags(plain),
        tuple(dict.fromkeys(dropped)),
    )
    if found.notifies and not agent:
        raise UsageError(
            "SCMP_ACT_NOTIFY asks another process about each call, and there is none",
            "Use SCMP_ACT_ERRNO or SCMP_ACT_LOG; a bundle's config.json may have a listenerPath",
        )
    return found


def _demand_machine(plain: dict[str, Any], machine: Machine, dropped: list[str]) -> None:
    named = [str(one) for one in listed(plain, "architectures")]
    if named and machine.oci not in named:
        raise UsageError(
            f"the profile is for {', '.join(named)!s:.120}, and this machine is {machine.oci}",
            f"Add {machine.oci} to its architectures",
        )
    for one in named:
        if one != machine.oci:
            dropped.append(f"calls of {one:.40} are refused, as if it were not named")


def _rules(entry: dict[str, Any], machine: Machine, strange: set[str]) -> list[Rule]:
    """Return an entry as a rule; as one for each test if several are of the same argument.

    Source: runc, libcontainer/seccomp, matchCall: since no argument is two things, one is enough.
    """
    names = listed(entry, "names")
    for one in names:
        if not isinstance(one, str):
            raise wrong("the name of a system call", one)
    if not names:
        raise UsageError(
            "a rule of the profile names no system call", "Give it names, or remove it"
        )
    numbers = machine.numbers
    known = [one for one in names if one in numbers]
    strange.update(set(names) - machines.all_names())
    tests = tuple(map(_test, listed(entry, "args")))
    rule = Rule(tuple(known), _action(entry, "action", "errnoRet"), tests)
    if len({one.argument for one in tests}) == len(tests):
        return [rule]
    return [rule._replace(tests=(one,)) for one in tests]


def _test(plain: object) -> Test:
    if not isinstance(plain, dict):
        raise wrong("an argument of a rule", plain)
    index, operator = plain.get("index"), plain.get("op")
    if not _is_number(index, _ARGUMENTS):
        raise wrong("the index of an argument", index)
    if not isinstance(operator, str) or operator not in OPERATORS:
        raise wrong("the operator of an argument", operator)
    value, second = plain.get("value", 0), plain.get("valueTwo", 0)
    for one in (value, second):
        if not _is_number(one, 1 << 64):
            raise wrong("the value of an argument", one)
    # Bits that do not count cannot keep it from holding: so has libseccomp it, and with it runc.
    bits = second & value if operator == "SCMP_CMP_MASKED_EQ" else 0
    return Test(index, OPERATORS[operator], value, bits)


def _is_number(value: object, below: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < below


def _action(plain: dict[str, Any], key: str, data_key: str) -> int:
    name = plain.get(key)
    if not isinstance(name, str) or name not in ACTIONS:
        raise wrong(key, name)
    action = ACTIONS[name]
    if action not in (ERRNO, TRACE):
        return action
    data: object = plain.get(data_key)
    data = errno.EPERM if data is None else data
    if not _is_number(data, 4096 if action == ERRNO else 65536):
        raise wrong(data_key, data)
    return action | data


def _flags(plain: dict[str, Any]) -> int:
    found = 0
    for one in listed(plain, "flags"):
        if not isinstance(one, str) or one not in FLAGS:
            raise wrong("a flag", one)
        found |= FLAGS[one]
    return found


def listed(plain: dict[str, Any], key: str) -> list[Any]:
    """Return a list of a profile's; empty if it has none. Raises UsageError if it is none."""
    found = plain.get(key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise wrong(key, found)
    return found


def wrong(what: str, value: object) -> UsageError:
    """Return the refusal of a part of a profile."""
    return UsageError(
        f"{what} of the profile cannot be {value!r:.80}",
        "See OCI runtime-spec, config-linux.md, Seccomp",
    )
