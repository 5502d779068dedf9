"""`process` becomes a record: of a config.json, or of the file that `exec --process` names.

Source: OCI runtime-spec, config.md, "Process".
"""

from __future__ import annotations

from kernelbox.kernel import syscalls
from kernelbox.oci.config import Affinity, Limit, Process, Scheduler, User
from kernelbox.oci.document import LARGEST_ID, Part
from kernelbox.users import capabilities

_SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")
_POLICIES = {
    "SCHED_OTHER": 0,
    "SCHED_FIFO": 1,
    "SCHED_RR": 2,
    "SCHED_BATCH": 3,
    "SCHED_ISO": 4,
    "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}
_SCHED_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01,
    "SCHED_FLAG_RECLAIM": 0x02,
    "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08,
    "SCHED_FLAG_KEEP_PARAMS": 0x10,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}
_IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_MOST_CPUS = 8192


def read(part: Part) -> Process:
    """Return the program that `process`, or the file of `exec --process`, describes.

    Raises:
        UsageError: It is against the spec.

    Source: OCI runtime-spec, config.md, "Process".
    """
    cwd = part.text("cwd", None)
    if not cwd.startswith("/"):
        raise part.wrong("cwd", "an absolute path")
    args = part.texts("args")
    if not args or not args[0]:
        raise part.wrong("args", "a list that begins with a program")
    size = part.part("consoleSize")
    return Process(
        args=tuple(args),
        env=tuple(part.texts("env")),
        cwd=cwd,
        user=_user(part.part("user")),
        capabilities=_capabilities(part.part("capabilities")),
        terminal=part.flag("terminal"),
        size=(size.number("height", None, 0, 65535), size.number("width", None, 0, 65535))
        if part.has("consoleSize")
        else None,
        rlimits=_limits(part),
        noNewPrivileges=part.flag("noNewPrivileges"),
        oomScoreAdj=part.number("oomScoreAdj", None, -1000, 1000)
        if part.plain.get("oomScoreAdj") is not None
        else None,
        scheduler=_scheduler(part.part("scheduler")) if part.has("scheduler") else None,
        ioPriority=_io_priority(part.part("ioPriority")) if part.has("ioPriority") else None,
        apparmor=part.text("apparmorProfile"),
        affinity=_affinity(part.part("execCPUAffinity")),
    )


def _user(part: Part) -> User:
    return User(
        uid=part.identity("uid"),
        gid=part.identity("gid"),
        additionalGids=tuple(part.numbers("additionalGids", 0, LARGEST_ID)),
        umask=part.number("umask", None, 0, 0o777) if part.plain.get("umask") is not None else None,
    )


def _capabilities(part: Part) -> dict[str, tuple[str, ...]]:
    """Return the sets, without what this machine does not know: that cannot be granted.

    Source: OCI runtime-spec, config.md, "Linux Process": such a capability is to be logged only.
    """
    known = {f"CAP_{name}" for name in capabilities.NAMES}
    return {one: tuple(name for name in part.texts(one) if name in known) for one in _SETS}


def ungranted(part: Part) -> list[str]:
    """Return which capabilities a process asks for that nobody can grant it, a line each.

    Args:
        part: `process`.

    Source: OCI runtime-spec, config.md, "Linux Process": such a value MUST be logged as a warning;
    capabilities(7): what is ambient is permitted and inheritable, too.
    """
    asked = part.part("capabilities")
    could = {*asked.texts("permitted")} & {*asked.texts("inheritable")}
    alone = [one for one in dict.fromkeys(asked.texts("ambient")) if one not in could]
    names = dict.fromkeys(name for one in _SETS for name in asked.texts(one))
    held = {f"CAP_{name}" for name in capabilities.names(syscalls.permitted_capabilities())}
    return [
        *(f"capability {name:.60} cannot be granted here" for name in names if name not in held),
        *(
            f"can't raise ambient capability {name:.60}: it is not permitted and inheritable"
            for name in alone
        ),
    ]


def _limits(part: Part) -> tuple[Limit, ...]:
    found = tuple(
        Limit(one.text("type", None), _limit(one, "soft"), _limit(one, "hard"))
        for one in part.parts("rlimits")
    )
    if len({one.type for one in found}) < len(found):
        raise part.wrong("rlimits", "a list that names each type once")
    return found


def _limit(part: Part, key: str) -> int:
    return part.number(key, None, -1) % 2**64  # the spec's type is uint64, and -1 is often written


def _scheduler(part: Part) -> Scheduler:
    flags = part.bits("flags", _SCHED_FLAGS)
    return Scheduler(
        policy=_POLICIES[part.chosen("policy", tuple(_POLICIES), None)],
        nice=part.number("nice", 0, -20, 19),
        priority=part.number("priority", 0, 0, 99),
        flags=flags,
        runtime=part.number("runtime", 0, 0),
        deadline=part.number("deadline", 0, 0),
        period=part.number("period", 0, 0),
    )


def _io_priority(part: Part) -> tuple[int, int]:
    return (
        _IO_CLASSES[part.chosen("class", tuple(_IO_CLASSES), None)],
        part.number("priority", 0, 0, 7),
    )


def _affinity(part: Part) -> Affinity | None:
    if not part.plain:
        return None
    pairs = (
        numbers(part, key, _MOST_CPUS, "processors") if part.has(key) else None
        for key in ("initial", "final")
    )
    return Affinity(*pairs)


def numbers(part: Part, key: str, below: int, what: str) -> tuple[int, ...]:
    """Return the numbers that a text such as `0-3,7` lists, in order.

    Raises:
        UsageError: It lists none, or others.
    """
    found: set[int] = set()
    for piece in part.text(key).split(","):
        first, _, last = piece.strip().partition("-")
        last = last or first
        if not (first.isdecimal() and last.isdecimal() and int(last) < below):
            raise part.wrong(key, f"a list of {what} such as 0-3,7")
        found.update(range(int(first), int(last) + 1))
    return tuple(sorted(found))
