"""Profiles with their filters, worked out once and kept.

Anew at each start it would be a tenth of the start; to read what is kept takes a moment. It is what
these files say, so it is worked out again when one of them has changed. The default profile is kept
for each set of capabilities; of those that engines hand over a few dozen, the latest in each place.
"""

from __future__ import annotations

import os
from binascii import crc32

from kernelbox.plumbing import documents, paths, storage
from kernelbox.plumbing.light import suppress
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_PLACES = 64  # for filters of profiles that are given


class Kept(NamedTuple):
    """What is kept.

    Attributes:
        profile: In OCI's form.
        program: Its filter: instructions of 8 bytes.
        flags: How that is to be installed: SECCOMP_FILTER_FLAG_* bits.
        asks: Whether it asks another process about calls.
    """

    profile: dict[str, Any]
    program: bytes
    flags: int
    asks: bool


def default(capabilities: Sequence[str]) -> Kept:
    """Return the profile of a container with these capabilities, and its filter.

    Args:
        capabilities: With `CAP_`.

    Raises:
        KernelboxError: Filters are not made for this machine.
    """
    machine = os.uname().machine
    made_of = {"machine": machine, "capabilities": list(capabilities)}
    name = f"{crc32(' '.join([machine, *capabilities]).encode()):08x}"

    def make() -> Kept:
        from kernelbox.seccomp import default as defaults
        from kernelbox.seccomp import machines

        return _compiled(defaults.profile(machines.this(), capabilities))

    return _kept(name, made_of, make)


def given(profile: dict[str, Any], *, agent: bool = False) -> Kept:
    """Return a profile, and its filter.

    Args:
        profile: In OCI's form.
        agent: Whether another process can be asked about calls.

    Raises:
        UsageError: It cannot be one on this machine.
        KernelboxError: Filters are not made for this machine.
    """
    place = crc32(documents.dumps(profile).encode()) % _PLACES
    made_of = {"machine": os.uname().machine, "profile": profile, "agent": agent}
    return _kept(f"given-{place}", made_of, lambda: _compiled(profile, agent=agent))


def _kept(name: str, what: dict[str, Any], make: Callable[[], Kept]) -> Kept:
    """Return what is kept under a name, if it was made of the same; else make and keep it."""
    made_of = {"files": _files(), **what}
    path = f"{paths.filters()}/{name}"
    with suppress(OSError, ValueError, KeyError, TypeError):  # none yet, or none that can be read
        found = documents.loads(storage.read(path))
        if found["made_of"] == made_of:
            program = bytes.fromhex(found["program"])
            return Kept(found["profile"], program, found["flags"], found["asks"])
    made = make()
    text = documents.dumps({"made_of": made_of, **made._asdict(), "program": made.program.hex()})
    with suppress(OSError):  # who cannot keep it goes on without
        _keep(path, text.encode())
    return made


def _files() -> list[list[Any]]:
    """Return what tells one state of this folder from another."""
    with os.scandir(os.path.dirname(__file__)) as entries:
        stats = [(entry.name, entry.stat()) for entry in entries if entry.is_file()]
    return [[name, one.st_size, one.st_mtime_ns] for name, one in sorted(stats)]


def _compiled(plain: dict[str, Any], *, agent: bool = False) -> Kept:
    # These take longer to load than what is kept takes to read.
    from kernelbox.seccomp import filter as filters
    from kernelbox.seccomp import machines, profile

    machine = machines.this()
    found = profile.read(plain, machine, agent=agent)
    return Kept(plain, filters.compile(found, machine), found.flags, found.notifies)


def _keep(path: str, content: bytes) -> None:
    from kernelbox.plumbing import whole

    paths.private(os.path.dirname(path))
    whole.replace(path, content, 0o600)
