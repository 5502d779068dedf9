"""The machines that are known: their name for seccomp, and their calls' numbers."""

from __future__ import annotations

import os

from kernelbox.kernel.errors import KernelboxError
from kernelbox.plumbing import documents, storage
from kernelbox.plumbing.light import cache
from kernelbox.plumbing.records import NamedTuple


class Machine(NamedTuple):
    """A kind of processor, as `uname -m` calls it.

    Attributes:
        name: Such as `x86_64`.
        oci: As OCI's profiles call it.
        audit: As the kernel does (AUDIT_ARCH_...): the machine that a call was made for.
        foreign: From which number on a call is one of another convention (x32 on x86_64).
    """

    name: str
    oci: str
    audit: int
    foreign: int = 1 << 32

    @property
    def numbers(self) -> dict[str, int]:
        """The numbers of its system calls, by name."""
        return _every()[self.name]

    @property
    def names(self) -> dict[int, str]:
        """The names of its system calls, by number."""
        return {number: name for name, number in self.numbers.items()}


# Source: linux/audit.h; for x32, `__X32_SYSCALL_BIT`.
MACHINES = (
    Machine("x86_64", "SCMP_ARCH_X86_64", 0xC000003E, 0x40000000),
    Machine("aarch64", "SCMP_ARCH_AARCH64", 0xC00000B7),
)


def this() -> Machine:
    """Return the machine that we are on.

    Raises:
        KernelboxError: It is none of those.
    """
    name = os.uname().machine
    for one in MACHINES:
        if one.name == name:
            return one
    raise KernelboxError(
        f"seccomp filters are made for {' and '.join(one.name for one in MACHINES)} only, and this "
        f"is {name}",
        "Go on without one: --security-opt seccomp=unconfined",
    )


@cache
def all_names() -> frozenset[str]:
    """Return the names of the system calls of every machine that is known."""
    return frozenset(name for numbers in _every().values() for name in numbers)


@cache
def _every() -> dict[str, dict[str, int]]:
    """Return the tables. Source: kernel, `arch/x86/entry/syscalls`, `scripts/syscall.tbl`."""
    path = f"{os.path.dirname(__file__)}/numbers.json"
    found: dict[str, dict[str, int]] = documents.loads(storage.read(path))
    return found
