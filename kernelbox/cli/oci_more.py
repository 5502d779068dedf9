"""`exec` and `update` of the OCI runtime: one more program in a container, and other limits."""

from __future__ import annotations

import os
import sys

from kernelbox.cli.oci import read_all
from kernelbox.cli.parser import Command, Option, read
from kernelbox.kernel.errors import UsageError
from kernelbox.oci import descriptors, document, entering, foreground, programs, refusals, resources
from kernelbox.oci.config import User
from kernelbox.plumbing.numbers import natural
from kernelbox.users import capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.cli.oci import Surroundings
    from kernelbox.oci.config import Process
    from kernelbox.oci.state import Box

EXEC = Command(
    "oci exec",
    "Run one more program in a container.",
    (
        Option(("--process", "-p"), "the file that describes the program", "FILE", default=""),
        Option(("--detach", "-d"), "do not wait for its end", default=False),
        Option(("--tty", "-t"), "give it a terminal", default=False),
        Option(("--console-socket",), "where its terminal is sent to", "SOCKET", default=""),
        Option(("--pid-file",), "where its pid is written to", "FILE", default=""),
        Option(("--pidfd-socket",), "where a pidfd of it is sent to", "SOCKET", default=""),
        Option(("--cwd",), "working directory inside", "PATH", default=""),
        Option(("--env", "-e"), "set a variable", "NAME=VALUE", default=[]),
        Option(("--user", "-u"), "who it runs as", "UID[:GID]", default=""),
        Option(("--additional-gids", "-g"), "one more group", "GID", default=[]),
        Option(("--cap", "-c"), "give it a capability more", "NAME", default=[]),
        Option(("--apparmor",), "the AppArmor profile that it runs under", "PROFILE", default=""),
        Option(("--no-new-privs",), "it shall gain no privilege", default=False),
        Option(("--preserve-fds",), "descriptors that it keeps beside 0 to 2", "N", int, default=0),
        Option(("--no-new-keyring",), "let it have the caller's session keyring", default=False),
        Option(("--cgroup",), "be in a control group below the container's",
               "[CONTROLLER,...:]PATH", default=[]),
        Option(("--ignore-paused",), "wait until a container that stands still runs again",
               default=False),
    ),
    "ID",
)  # fmt: skip
_NUMBERS = {  # option: part of resources, its key there, what it is
    "memory": ("memory", "limit", "bytes of memory"),
    "memory-reservation": ("memory", "reservation", "bytes that are taken from it last"),
    "memory-swap": ("memory", "swap", "bytes of memory and swap together"),
    "cpu-period": ("cpu", "period", "microseconds of a period"),
    "cpu-quota": ("cpu", "quota", "microseconds of CPU time in one"),
    "cpu-burst": ("cpu", "burst", "microseconds that may be saved up"),
    "cpu-share": ("cpu", "shares", "weight"),
    "cpu-rt-period": ("cpu", "realtimePeriod", "microseconds of a real-time period"),
    "cpu-rt-runtime": ("cpu", "realtimeRuntime", "microseconds of CPU time in one"),
    "cpu-idle": ("cpu", "idle", "1 to run only when nobody else wants to"),
    "pids-limit": ("pids", "limit", "processes and threads"),
    "blkio-weight": ("blockIO", "weight", "weight of disk requests"),
}
_SIZES = ("memory", "memory-reservation", "memory-swap")  # 100M, too; -1 for any amount
_WORDS = {"cpuset-cpus": ("cpu", "cpus"), "cpuset-mems": ("cpu", "mems")}
UPDATE = Command(
    "oci update",
    "Give a container other limits; what is not named stays.",
    (
        Option(("--resources", "-r"), "read them from a file, `-` for standard input", "FILE",
               default=""),
        *(
            Option((f"--{name}",), what, "N", str if name in _SIZES else int)
            for name, (_, _, what) in _NUMBERS.items()
        ),
        *(Option((f"--{name}",), "such as 0-2", "LIST", default="") for name in _WORDS),
    ),
    "ID",
)  # fmt: skip
_MOST_BYTES = 1 << 20


def verb_exec(argv: list[str], where: Surroundings) -> int:
    """Run one more program in a container; return its exit code, or 0 with `--detach`."""
    given = read(EXEC, argv)
    box = where.find(given["id"])
    what = _process(given, box)
    if what.terminal and given["detach"] and not given["console_socket"]:
        raise UsageError("a terminal that is not shown needs a --console-socket", "Give one")
    born = entering.enter(
        box, what,
        console_socket=given["console_socket"],
        pid_file=given["pid_file"] and os.path.abspath(given["pid_file"]),
        preserved=descriptors.reserve(given["preserve_fds"]),
        keyring=not given["no_new_keyring"],
        pidfd_socket=given["pidfd_socket"],
        below=given["cgroup"],
        paused_too=given["ignore_paused"],
    )  # fmt: skip
    return 0 if given["detach"] else foreground.wait(born)


def _process(given: dict[str, Any], box: Box) -> Process:
    """Return the program: of a file, or the container's own with other words.

    Raises:
        UsageError: It is none.
    """
    if given["process"]:
        part = document.load(given["process"], "process.json", pipe=True)
        refusals.check_process(part)
        what = programs.read(part)
        of_container = box.config().process if what.affinity is None else None
        return what._replace(
            terminal=what.terminal or given["tty"],
            affinity=of_container.affinity if of_container is not None else what.affinity,
        )
    if not given["command"]:
        raise UsageError("exec needs a program", "Name it after the id, or use --process")
    own = box.config().process
    if own is None:
        raise UsageError("the container has no process to be like", "Use --process")
    added = _normal(given["cap"])
    # Those that are added come by no program of a file (CVE-2022-29162). Nothing is ambient that is
    # not inheritable, too: where nothing is, runc adds none; and the rest of them goes later.
    kept_as_is = ("inheritable",) if own.capabilities["inheritable"] else ("inheritable", "ambient")
    kept = {
        name: names if name in kept_as_is else (*names, *(one for one in added if one not in names))
        for name, names in own.capabilities.items()
    }
    return own._replace(
        args=tuple(given["command"]),
        env=(*own.env, *given["env"]),
        cwd=given["cwd"] or own.cwd,
        user=_user(given, own.user),
        capabilities=kept,
        terminal=given["tty"],
        size=None,
        noNewPrivileges=given["no_new_privs"] or own.noNewPrivileges,
        apparmor=given["apparmor"] or own.apparmor,
    )


def _normal(names: list[str]) -> list[str]:
    found = [f"CAP_{one.upper().removeprefix('CAP_')}" for one in names]
    for given, name in zip(names, found, strict=True):
        if name.removeprefix("CAP_") not in capabilities.NAMES:
            raise UsageError(f"no capability {given!r:.40}", "capabilities(7) lists them")
    return found


def _user(given: dict[str, Any], own: User) -> User:
    uid, colon, gid = given["user"].partition(":")
    found = own
    if given["user"]:
        found = found._replace(uid=_id(uid), gid=_id(gid) if colon else own.gid)
    if given["additional_gids"]:
        found = found._replace(additionalGids=tuple(map(_id, given["additional_gids"])))
    return found


def _id(word: str) -> int:
    number = natural(word, document.LARGEST_ID)
    if number is None:
        raise UsageError(f"{word!r:.40} is not the number of a user or group", "Such as 1000")
    return number


def verb_update(argv: list[str], where: Surroundings) -> int:
    """Give a container other limits."""
    given = read_all(UPDATE, argv)
    box = where.find(given["id"])
    if box.status() == "stopped":
        raise UsageError("the container is stopped: there is nothing to be limited", "See: state")
    resources.apply(box.group, _asked(given), box.state.ociVersion)
    return 0


def _bytes(word: str, option: str) -> int:
    from kernelbox.cgroup import limit_words  # not for `exec`

    return limit_words.size_or_all(word, f"--{option}")


def _asked(given: dict[str, Any]) -> dict[str, Any]:
    """Return the limits that are asked for, as `linux.resources` has them."""
    if given["resources"] == "-":
        return document.parse(sys.stdin.buffer.read(_MOST_BYTES), "resources.json").plain
    if given["resources"]:
        return document.load(given["resources"], "resources.json").plain
    found: dict[str, dict[str, Any]] = {}
    for option, (part, key, _) in _NUMBERS.items():
        value = given[option.replace("-", "_")]
        if value is not None:
            found.setdefault(part, {})[key] = _bytes(value, option) if option in _SIZES else value
    for option, (part, key) in _WORDS.items():
        if value := given[option.replace("-", "_")]:
            found.setdefault(part, {})[key] = value
    return found
