"""The default profile with its filter, worked out once for a set of capabilities, and kept.

Anew at each start it would be a tenth of the start; to read what is kept takes a moment. It is what
these files say, so it is worked out again when one of them has changed.
"""

from __future__ import annotations

import os
from binascii import crc32

from kernelbox.plumbing import documents, paths, storage
from kernelbox.plumbing.light import suppress
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class Kept(NamedTuple):
    """What is kept.

    Attributes:
        profile: In OCI's form.
        program: Its filter: instructions of 8 bytes.
    """

    profile: dict[str, Any]
    program: bytes


def default(capabilities: Sequence[str]) -> Kept:
    """Return the profile of a container with these capabilities, and its filter.

    Args:
        capabilities: With `CAP_`.

    Raises:
        KernelboxError: Filters are not made for this machine.
    """
    machine = os.uname().machine
    made_of = {"files": _files(), "machine": machine, "capabilities": list(capabilities)}
    name = f"{crc32(' '.join([machine, *capabilities]).encode()):08x}"
    path = f"{paths.filters()}/{name}"
    with suppress(OSError, ValueError, KeyError, TypeError):  # none yet, or none that can be read
        found = documents.loads(storage.read(path))
        if found["made_of"] == made_of:
            return Kept(found["profile"], bytes.fromhex(found["program"]))
    made = _make(capabilities)
    text = documents.dumps({"made_of": made_of, **made._asdict(), "program": made.program.hex()})
    with suppress(OSError):  # who cannot keep it goes on without
        _keep(path, text.encode())
    return made


def _files() -> list[list[Any]]:
    """Return what tells one state of this folder from another."""
    with os.scandir(os.path.dirname(__file__)) as entries:
        stats = [(entry.name, entry.stat()) for entry in entries if entry.is_file()]
    return [[name, one.st_size, one.st_mtime_ns] for name, one in sorted(stats)]


def _make(capabilities: Sequence[str]) -> Kept:
    # These take longer to load than what is kept takes to read.
    from kernelbox.seccomp import default as defaults
    from kernelbox.seccomp import filter as filters
    from kernelbox.seccomp import machines, profile

    machine = machines.this()
    plain = defaults.profile(machine, capabilities)
    return Kept(plain, filters.compile(profile.read(plain, machine), machine))


def _keep(path: str, content: bytes) -> None:
    from kernelbox.plumbing import whole

    paths.private(os.path.dirname(path))
    whole.replace(path, content, 0o600)
