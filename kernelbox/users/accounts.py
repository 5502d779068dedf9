"""Accounts: who a container's process shall be, as the container's own files know it.

/etc/passwd and /etc/group are text files out of an image, and not to be trusted.
"""

from __future__ import annotations

import os

from kernelbox.kernel import lookup
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.numbers import natural
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# 2^32-1 means "no change" to setresuid(2); a larger number would wrap to a small one.
_LARGEST_ID = 2**32 - 2
_LONGEST_DATABASE = 1 << 20
_MOST_GROUPS = 65536  # NGROUPS_MAX


class Identity(NamedTuple):
    """Who a process is: numeric ids and the home directory that goes with them."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def look_up(user: str, root: str = "/") -> Identity:
    """Return who `user` is: `name`, `uid`, `name:group` or `uid:gid`; empty means root.

    Args:
        user: As given to `--user`.
        root: Directory whose etc/passwd and etc/group are asked.

    Raises:
        UsageError: No such user or group, a number that is no id, or more groups than can be.

    Source: Docker's `docker run --user`; passwd(5), group(5).
    """
    name, _, group = user.partition(":")
    name = name or "0"
    entry = _find(f"{root}/etc/passwd", name, 2)
    if entry is None and not name.isdecimal():
        raise UsageError(
            f"no user {name!r} in the container's /etc/passwd", "Use a name it has, or a number"
        )
    uid = _number(entry[2] if entry else name, "user")
    gid = _number(entry[3], "group") if entry and len(entry) > 3 else 0
    home = entry[5] if entry and len(entry) > 5 and entry[5] else "/"
    groups: tuple[int, ...] = ()
    if group:
        gid = _group(group, root)
    elif entry:
        groups = tuple(_groups_with_member(entry[0], root))
        if len(groups) > _MOST_GROUPS:
            raise UsageError(
                f"user {name!r:.80} is in {len(groups)} groups, and Linux knows {_MOST_GROUPS}",
                "Name one: --user NAME:GROUP",
            )
    return Identity(uid, gid, groups, home)


def more_groups(identity: Identity, groups: Iterable[str], root: str = "/") -> Identity:
    """Return who that is, in some groups more, each given by name or number.

    Raises:
        UsageError: There is no such group.

    Source: Docker, "docker run --group-add".
    """
    found = [*identity.groups, *(_group(one, root) for one in groups)]
    return identity._replace(groups=tuple(dict.fromkeys(found)))


def check_mapped(identity: Identity) -> None:
    """See to it that the caller's user namespace has such a user and group.

    Raises:
        UsageError: Its maps end before.

    Source: user_namespaces(7), "User and group ID mappings: uid_map and gid_map".
    """
    for kind, number in (("uid", identity.uid), ("gid", identity.gid)):
        if number == 0:
            continue
        try:
            text = lookup.read_proc(f"self/{kind}_map")
        except OSError:
            return  # there is no /proc to be believed: setresuid(2) will say it
        lines = [line.split() for line in text.splitlines()]
        ranges = [(int(first), int(first) + int(size)) for first, _, size in lines]
        if not any(first <= number < end for first, end in ranges):
            raise UsageError(
                f"there is no {kind} {number} in the container's user namespace",
                f"Use a number below {max(end for _, end in ranges)}",
            )


def _group(group: str, root: str) -> int:
    entry = _find(f"{root}/etc/group", group, 2)
    if entry is None and not group.isdecimal():
        raise UsageError(
            f"no group {group!r} in the container's /etc/group", "Use a name it has, or a number"
        )
    return _number(entry[2] if entry else group, "group")


def _groups_with_member(user: str, root: str) -> Iterator[int]:
    for entry in _entries(f"{root}/etc/group"):
        if len(entry) > 3 and user in entry[3].split(","):
            yield _number(entry[2], "group")


def _find(path: str, wanted: str, number_field: int) -> list[str] | None:
    # A number is never a name: an image could call a user `1000` whose id is 0.
    field = number_field if wanted.isdecimal() else 0
    for entry in _entries(path):
        if len(entry) > number_field and entry[field] == wanted:
            return entry
    return None


def _entries(path: str) -> Iterator[list[str]]:
    try:
        # O_NONBLOCK: an image may have put a fifo there to make us wait for ever.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return
    try:
        text = os.read(fd, _LONGEST_DATABASE).decode("utf-8", "replace")
    except OSError:
        return
    finally:
        os.close(fd)
    for line in text.splitlines():
        yield line.split(":")


def _number(text: str, what: str) -> int:
    number = natural(text, _LARGEST_ID)
    if number is None:
        raise UsageError(
            f"{text!r:.80} is not a {what} id", f"A {what} id is a number from 0 to {_LARGEST_ID}"
        )
    return number
