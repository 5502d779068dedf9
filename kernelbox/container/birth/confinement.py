"""The filter of a container's system calls, made ready before its root is its own.

Once it is, no file of kernelbox's can be read any more; so the filter is worked out outside, and is
only handed to the kernel inside.
"""

from __future__ import annotations

from kernelbox.kernel import flags as k
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.container.spec import Spec


class Filter(NamedTuple):
    """A filter, and how it is to be installed: see `kernel.seccomp.set_filter`.

    Attributes:
        program: Its instructions.
        flags: SECCOMP_FILTER_FLAG_* bits.
        watched: Whether it asks a listener.
        handed_on: Whether who installs it waits until somebody has the listener: else, if it asks
            about few calls, it may be the program by then, which has none.
    """

    program: bytes
    flags: int
    watched: bool = False
    handed_on: bool = False


def filter_of(spec: Spec, *, watched: bool = False) -> Filter | None:
    """Return the filter that a container's programs get; None without one.

    Args:
        spec: The container.
        watched: Whether each call that it allows is to be recorded; then there is always one.

    Raises:
        UsageError: Its profile cannot be one on this machine.
    """
    wanted = spec.linux.seccomp
    if watched:
        from kernelbox.seccomp import machines, recording  # few are recorded

        return Filter(*recording.watched(wanted, machines.this()), watched=True)
    if wanted is None:
        return None
    from kernelbox.seccomp import kept  # only for who is filtered

    usual = kept.default(spec.process.capabilities.get("bounding", []))
    return Filter(usual.program, 0) if wanted == usual.profile else compiled(wanted)


def compiled(plain: dict[str, Any] | None, *, agent: bool = False) -> Filter | None:
    """Return the filter that a profile of OCI's is; None without one.

    Args:
        plain: The profile.
        agent: Whether another process can be asked about calls.

    Raises:
        UsageError: It cannot be one on this machine.
    """
    if plain is None:
        return None
    from kernelbox.seccomp import kept  # only for who is filtered

    found = kept.given(plain, agent=agent)
    # Threads there are none, and with a listener the kernel would not know what to return (EINVAL).
    useless = k.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
    if found.asks:
        useless = k.SECCOMP_FILTER_FLAG_TSYNC
    flags = found.flags & ~useless
    return Filter(found.program, flags, watched=found.asks, handed_on=found.asks)
