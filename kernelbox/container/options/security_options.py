"""What `--security-opt` asks for: a filter of system calls, no gain of privilege, AppArmor.

    --security-opt seccomp=unconfined|FILE      instead of the default profile
    --security-opt no-new-privileges
    --security-opt apparmor=PROFILE             one that is loaded, where the kernel has AppArmor
    --security-opt seccomp=default, apparmor=unconfined, label=disable      what is so anyway

Source: Docker, "docker run", "--security-opt".
"""

from __future__ import annotations

from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

_HINT = "Use seccomp=unconfined, seccomp=FILE, no-new-privileges or apparmor=PROFILE"
_LONGEST_NAME = 200  # of a profile of AppArmor's
# Nobody has a label of SELinux's here.
_SO_ANYWAY = ("label=disable",)


class Security(NamedTuple):
    """What was asked for.

    Attributes:
        seccomp: The profile, in OCI's form; None for no filter.
        no_new_privileges: Whether execve(2) grants nothing that its caller has not.
        apparmor: The profile of AppArmor's; empty for none, as where nobody asks.
    """

    seccomp: dict[str, Any] | None = None
    no_new_privileges: bool = False
    apparmor: str = ""


def read(
    options: Iterable[str], capabilities: Sequence[str], *, privileged: bool = False
) -> Security:
    """Return what the options ask for; of several the last counts.

    Nobody has to ask for the default profile, and who is privileged has none without asking.

    Args:
        options: As they were written.
        capabilities: The container's, with `CAP_`.
        privileged: Whether it is.

    Raises:
        UsageError: One is unknown, or its profile cannot be.
    """
    asked, profile = Security(), "unconfined" if privileged else "default"
    for option in options:
        name, _, value = option.replace(":", "=", 1).partition("=")
        if name == "no-new-privileges" and value in ("", "true", "false"):
            asked = asked._replace(no_new_privileges=value != "false")
        elif name == "seccomp" and value:
            profile = value
        elif name == "apparmor" and value:
            asked = asked._replace(apparmor=_apparmor(value))
        elif f"{name}={value}" not in _SO_ANYWAY:
            raise UsageError(f"no security option {option!r:.80}", _HINT)
    return asked._replace(seccomp=_profile(profile, capabilities))


def _apparmor(value: str) -> str:
    if value == "unconfined":
        return ""
    from kernelbox.kernel import lsm  # for few containers only

    if len(value) > _LONGEST_NAME or not value.isprintable():
        raise UsageError(f"no AppArmor profile can be called {value!r:.80}", "See: aa-status")
    if not lsm.has_apparmor():
        raise UsageError(
            f"apparmor={value}: AppArmor is not in force on this host",
            "Leave it out; kernelbox audit tells what holds a container instead",
        )
    return value


def _profile(value: str, capabilities: Sequence[str]) -> dict[str, Any] | None:
    if value == "unconfined":
        return None
    if value == "default":
        from kernelbox.seccomp import kept  # not for who has none

        return kept.default(capabilities).profile
    # Only for who asks: the tables take a moment to read.
    from kernelbox.seccomp import docker, filter, machines, profile

    machine = machines.this()
    plain = docker.resolved(profile.load(value), machine, capabilities)
    filter.compile(profile.read(plain, machine), machine)  # what cannot be is said now
    return plain
