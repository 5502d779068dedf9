"""What `--security-opt` asks for: a filter of system calls, and that no program gains privilege.

    --security-opt seccomp=default|unconfined|FILE
    --security-opt no-new-privileges
    --security-opt apparmor=unconfined, label=disable      what is so anyway: accepted

Source: Docker, "docker run", "--security-opt".
"""

from __future__ import annotations

from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Any

_HINT = "Use seccomp=default, seccomp=unconfined, seccomp=FILE or no-new-privileges"
# kernelbox sets no profile of these modules, so without them a container is as it is with them.
_SO_ANYWAY = ("apparmor=unconfined", "label=disable", "seccomp=unconfined")


class Security(NamedTuple):
    """What was asked for.

    Attributes:
        seccomp: The profile, in OCI's form; None for no filter.
        no_new_privileges: Whether execve(2) grants nothing that its caller has not.
    """

    seccomp: dict[str, Any] | None = None
    no_new_privileges: bool = False


def read(options: Iterable[str], capabilities: Collection[str]) -> Security:
    """Return what the options ask for; of several the last counts.

    Args:
        options: As they were written.
        capabilities: The container's, with `CAP_`.

    Raises:
        UsageError: One is unknown, or its profile cannot be.
    """
    asked = Security()
    for option in options:
        name, _, value = option.replace(":", "=", 1).partition("=")
        if name == "no-new-privileges" and value in ("", "true", "false"):
            asked = asked._replace(no_new_privileges=value != "false")
        elif name == "seccomp" and value:
            asked = asked._replace(seccomp=_profile(value, capabilities))
        elif f"{name}={value}" not in _SO_ANYWAY:
            raise UsageError(f"no security option {option!r:.80}", _HINT)
    return asked


def _profile(value: str, capabilities: Collection[str]) -> dict[str, Any] | None:
    if value == "unconfined":
        return None
    # Only for who asks: the tables take a moment to read.
    from kernelbox.seccomp import default, docker, filter, machines, profile

    machine = machines.this()
    if value == "default":
        return default.profile(machine, capabilities)
    plain = docker.resolved(profile.load(value), machine, capabilities)
    filter.compile(profile.read(plain, machine), machine)  # what cannot be is said now
    return plain
