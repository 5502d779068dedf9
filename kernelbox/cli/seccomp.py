"""`kernelbox seccomp`: what a profile of system calls says, in words and as the kernel's filter."""

from __future__ import annotations

import functools
import operator
import os
import shutil
import socket
import sys
import textwrap

from kernelbox.cli.actions import chosen
from kernelbox.cli.parser import parser_for
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import UsageError
from kernelbox.seccomp import decision, default, docker, filter, listing, machines, profile
from kernelbox.users import capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.seccomp.machines import Machine
    from kernelbox.seccomp.profile import Profile

_LONGEST_ARGUMENT = 200  # letters


def command_seccomp(argv: list[str]) -> int:
    """Do one of the things that can be done with profiles."""
    action = chosen("seccomp", _ACTIONS, argv)
    return action(argv[1:]) if action else 0


def _explain(argv: list[str]) -> int:
    """Say what becomes of a call, or of all, and why."""
    parser = parser_for("seccomp explain", "Say what becomes of a call, or of all, and why.")
    _take_profile(parser)
    parser.add_argument("call", nargs="?", default="", metavar="SYSCALL", help="a name or a number")
    parser.add_argument(
        "arguments",
        nargs="*",
        default=[],
        metavar="ARGUMENT",
        help="of the call, up to six: numbers, or names such as CLONE_NEWUSER|CLONE_NEWNS",
    )
    given = parser.parse_args(argv)
    found, machine = _read(given.profile, given.cap_add, given.arch)
    if not given.call:
        _tell_all(found, machine)
        return 0
    number = _number_of(given.call, machine)
    arguments = [_number(text) for text in given.arguments]
    if len(arguments) > 6:
        raise UsageError("a system call has six arguments at most", "Leave some out")
    arguments += [0] * (6 - len(arguments))
    decided = decision.Decisions(found, machine).of(number, arguments)
    name = machine.names.get(number, f"call {number}")
    print(f"{name} {decision.in_words(decided.action)}: {decided.why}")
    return 0


def _list(argv: list[str]) -> int:
    """Show the filter that the kernel runs, an instruction a line."""
    parser = parser_for("seccomp list", "Show the filter that the kernel runs.")
    _take_profile(parser)
    given = parser.parse_args(argv)
    found, machine = _read(given.profile, given.cap_add, given.arch)
    print("\n".join(listing.lines(filter.compile(found, machine), machine)))
    return 0


def _take_profile(parser: object) -> None:
    add = parser.add_argument  # type: ignore[attr-defined]  # argparse is not loaded for this
    add("profile", metavar="PROFILE", help="a file, or default")
    add("--cap-add", action="append", default=[], metavar="NAME", help="as of run")
    known = ", ".join(f"{one.name} ({docker.ARCHITECTURES[one.name]})" for one in machines.MACHINES)
    add("--arch", default="", metavar="NAME", help=f"for which machine: {known}; this one if left")


def _read(name: str, added: list[str], arch: str) -> tuple[Profile, Machine]:
    """Return the profile of a name, on a machine; say what was left out of it."""
    machine = _machine(arch) if arch else machines.this()
    if name in machine.numbers and not os.path.exists(name):
        raise UsageError(
            f"{name!r} is a system call, and no profile",
            f"The profile comes first: kernelbox seccomp explain default {name}",
        )
    caps = [f"CAP_{one}" for one in capabilities.choose(added, [])]
    if name == "default":
        plain = default.profile(machine, caps)
    else:
        plain = docker.resolved(profile.load(name), machine, caps)
    found = profile.read(plain, machine)
    for words in found.dropped:
        print(f"kernelbox: left out: {words}", file=sys.stderr)
    return found, machine


def _machine(arch: str) -> Machine:
    for one in machines.MACHINES:
        if arch in (one.name, docker.ARCHITECTURES[one.name]):
            return one
    known = " and ".join(one.name for one in machines.MACHINES)
    raise UsageError(f"--arch {arch!r:.80} is no machine that is known here", f"There are {known}")


def _tell_all(found: Profile, machine: Machine) -> None:
    """Print the calls by what becomes of them."""
    by_fate: dict[str, list[str]] = {}
    decisions = decision.Decisions(found, machine)
    for number, name in sorted(machine.names.items()):
        rules = decisions.rules.get(number, ())
        fates = dict.fromkeys(decision.in_words(rule.action) for rule in rules)
        if not fates or rules[-1].tests:
            settled = found.default if fates else decisions.of(number).action
            fates[decision.in_words(settled)] = None
        by_fate.setdefault(", or ".join(fates), []).append(name)
    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    for fate, names in sorted(by_fate.items(), key=lambda one: len(one[1])):
        print(f"{len(names)} {fate}:")
        lines = textwrap.fill(" ".join(names), width - 4)
        print(textwrap.indent(lines, " " * 4))


def _number_of(text: str, machine: Machine) -> int:
    if text in machine.numbers:
        return machine.numbers[text]
    if not text.isdecimal() or len(text) > 10 or int(text) >= 1 << 32:
        raise UsageError(
            f"{machine.name} has no system call {text!r:.80}", "Write its name or its number"
        )
    return int(text)


def _number(text: str) -> int:
    """Return an argument: a number, or names of flags with `|` between them."""
    words = text.split("|") if len(text) <= _LONGEST_ARGUMENT else [""]
    found = functools.reduce(operator.or_, map(_value, words))
    if not 0 <= found < 1 << 64:
        raise UsageError(
            f"{text!r:.80} is no argument of 64 bits",
            "Write it like 7, 0x7 or CLONE_NEWUSER; others than CLONE_, MS_ and AF_ as numbers",
        )
    return found


def _value(word: str) -> int:
    """Return a number, or a constant by its name; -1 for what is neither."""
    for constants in (k, socket):
        found = getattr(constants, word, None)
        if word.startswith(("CLONE_", "MS_", "AF_")) and isinstance(found, int):
            return int(found)
    try:
        return int(word, 0)
    except ValueError:
        return -1


_ACTIONS: dict[str, Callable[[list[str]], int]] = {"explain": _explain, "list": _list}
