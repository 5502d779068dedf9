"""What a config.json may ask for and kernelbox does not do: refused by name, before anything is.

To leave it out in silence would give somebody a container that is not what they described.

Source: OCI runtime-spec, config.md, "Valid values": "MUST generate an error".
"""

from __future__ import annotations

from kernelbox.kernel import lsm
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.oci.config import Config
    from kernelbox.oci.document import Part

_LINUX = {
    "intelRdt": "Intel's cache and memory bandwidth allocation",
    "mountLabel": "SELinux labels",
    "memoryPolicy": "a NUMA memory policy",
    "netDevices": "moving network devices",
}
_PROCESS = {"selinuxLabel": "SELinux labels"}
_SECCOMP = {"listenerPath": "a seccomp agent", "listenerMetadata": "a seccomp agent"}
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
        (linux.part("seccomp"), _SECCOMP),
        (linux.part("resources").part("blockIO"), _BLOCK_IO),
    ):
        _refuse(part, refused)


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


def _refuse(part: Part, refused: dict[str, str]) -> None:
    for key, what in refused.items():
        if part.has(key):
            raise UsageError(f"{part.name}.{key}: kernelbox has nothing of {what}", "Leave it out")
