"""What a config.json may ask for and kernelbox does not do: refused by name, before anything is.

To leave it out in silence would give somebody a container that is not what they described.

Source: OCI runtime-spec, config.md, "Valid values": "MUST generate an error".
"""

from __future__ import annotations

import os
import posixpath

from kernelbox import namespaces, sysctls
from kernelbox.kernel import lsm
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.oci.config import Config
    from kernelbox.oci.document import Part

_LINUX = {
    "intelRdt": "Intel's cache and memory bandwidth allocation",
    "mountLabel": "SELinux labels",
}
_NAMES = {"kernel/hostname": "hostname", "kernel/domainname": "domainname"}
_PROCESS = {"selinuxLabel": "SELinux labels"}
_BLOCK_IO = {"leafWeight": "weights of leaves, which BFQ has none of"}


def check(document: Part) -> None:
    """Refuse what is asked for and not done.

    Raises:
        UsageError: The first of it, by name.
    """
    linux = document.part("linux")
    check_process(document.part("process"))
    for part, refused in (
        (linux, _LINUX),
        (linux.part("resources").part("blockIO"), _BLOCK_IO),
    ):
        _refuse(part, refused)
    seccomp = linux.part("seccomp")
    if seccomp.text("listenerMetadata") and not seccomp.text("listenerPath"):
        raise UsageError(
            f"{seccomp.name}.listenerMetadata is for the agent at listenerPath, and there is none",
            "Add that, or leave it out",
        )


def check_process(part: Part) -> None:
    """Refuse what a process asks for and does not get. Errors are those of `check`."""
    _refuse(part, _PROCESS)
    if part.text("apparmorProfile") and not lsm.has_apparmor():
        raise UsageError(
            "process.apparmorProfile: AppArmor is not in force on this host", "Leave it out"
        )


def check_namespaces(config: Config) -> None:
    """Refuse combinations of namespaces that no container is made of here. Errors as of `check`."""
    if config.has_user_namespace and not config.is_new("mount"):
        raise UsageError(
            "a container with a user namespace needs a new mount namespace: it may mount nowhere "
            "else",
            'Add {"type": "mount"} to linux.namespaces',
        )
    if config.netDevices and config.namespace("network") is None:
        raise UsageError(
            "netDevices need a network namespace to be moved to",
            'Add {"type": "network"} to linux.namespaces',
        )


def check_settings(config: Config) -> None:
    """Refuse settings that the container has not for itself: they would be the host's.

    Source: OCI runtime-spec, config-linux.md, "Sysctl"; runc, "is not in a separate kernel
    namespace".
    """
    for name in config.sysctl:
        path = path_of_setting(name)
        proc = sysctls.owner(f"{sysctls.ROOT}/{posixpath.normpath(path)}")
        if not proc or not _has_own(config, proc):
            raise UsageError(
                f"the setting {name:.80} is the host's: the container has no namespace that has it",
                f"Give it a namespace of its own: {proc}" if proc else "Leave it out",
            )
        if path in _NAMES and getattr(config, _NAMES[path]):
            raise UsageError(
                f"the setting {name} and {_NAMES[path]} say the same", "Leave one of them out"
            )


def path_of_setting(name: str) -> str:
    """Return the path of a setting; a slash in its name stands for a dot. Source: sysctl(8)."""
    return name if "/" in name else name.replace(".", "/")


def _has_own(config: Config, proc: str) -> bool:
    """Whether a container's namespace of a kind, by its name in /proc, is not the runtime's."""
    found = config.namespace(namespaces.kind(proc).oci)
    if found is None or not found.path:
        return found is not None
    try:
        return os.stat(found.path).st_ino != namespaces.identity("self", proc)
    except OSError:  # it is said elsewhere that it is not there
        return True


def _refuse(part: Part, refused: dict[str, str]) -> None:
    for key, what in refused.items():
        if part.has(key):
            raise UsageError(f"{part.name}.{key}: kernelbox has nothing of {what}", "Leave it out")
