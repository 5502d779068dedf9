"""`--chmod`: permissions as an octal number, or as what chmod(1) calls a symbolic mode.

    755  0644        just these
    +x  go-w  a+rX   some more, or some fewer, of the user, the group, others or all
    u=rwX,go=u-w     just these; those that another has

Source: POSIX, chmod, section Extended Description, with a umask of 0, as in BuildKit. `X` is `x` of
directories and of what somebody can execute already.
"""

from __future__ import annotations

import functools
import operator
import re
import stat

from kernelbox.kernel.errors import UsageError

_OCTAL = re.compile("0*([0-7]{1,4})")
_CLAUSE = re.compile("([ugoa]*)((?:[-+=](?:[rwxXst]+|[ugo])?)+)")
_ACTION = re.compile("([-+=])([rwxXst]+|[ugo])?")
_WHOSE = {"u": 0o4700, "g": 0o2070, "o": 0o1007, "a": 0o7777}
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}
_COPIED = {"u": 6, "g": 3, "o": 0}  # where the three bits of each are


def check(text: str) -> str:
    """Return a mode in its usual form: of an octal one, without needless zeros.

    Raises:
        UsageError: It is none.
    """
    if match := _OCTAL.fullmatch(text):
        return f"{int(match[1], 8):o}"
    if not all(_CLAUSE.fullmatch(clause) for clause in text.split(",")):
        raise UsageError(f"--chmod={text[:60]} is no mode", "Write it as 755, or as a+rX")
    return text


def changed(mode: int, text: str) -> int:
    """Return the mode of a file, its kind included, after a change that `check` has seen."""
    before, after = mode, stat.S_IMODE(mode)
    if _OCTAL.fullmatch(text):
        return stat.S_IFMT(mode) | int(text, 8)
    for clause in text.split(","):
        whose = clause[: len(clause) - len(clause.lstrip("ugoa"))]
        affected = functools.reduce(operator.or_, (_WHOSE[one] for one in whose or "a"))
        for action, what in _ACTION.findall(clause[len(whose) :]):
            bits = _bits(what, before, after) & affected
            if action == "=":
                after = after & ~affected | bits
            else:
                after = after | bits if action == "+" else after & ~bits
    return stat.S_IFMT(mode) | after


def _bits(what: str, before: int, after: int) -> int:
    """Return the bits that letters name, for everybody."""
    if what in _COPIED:
        return (after >> _COPIED[what] & 0o7) * 0o111
    found = 0
    for letter in what:
        if letter != "X":
            found |= _BITS[letter]
        elif stat.S_ISDIR(before) or before & 0o111:
            found |= _BITS["x"]
    return found
