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
_RESOURCES = {"network": "net_cls and net_prio", "rdma": "limits of RDMA"}
_MEMORY = {"kernel": "limits of kernel memory", "kernelTCP": "limits of kernel memory"}
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
        (linux.part("resources"), _RESOURCES),
        (linux.part("resources").part("memory"), _MEMORY),
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
    if part.part("execCPUAffinity").has("initial"):
        raise UsageError(
            "process.execCPUAffinity.initial is not done: a process is on any CPU until it is one",
            "Leave it out, and keep `final`",
        )


def check_namespaces(config: Config) -> None:
    """Refuse combinations of namespaces that no container is made of here. Errors as of `check`."""
    if not config.is_new("mount"):
        raise UsageError(
            "a container needs a new mount namespace: else its mounts would be the host's",
            'Add {"type": "mount"} to linux.namespaces',
        )
    user = config.namespace("user")
    if user is not None and user.path:
        raise UsageError(
            f"the user namespace {user.path} cannot be joined: kernelbox makes new ones only",
            "Leave out its path, and give uidMappings and gidMappings",
        )
    joined = [one.type for one in config.namespaces if one.path]
    if user is not None and joined:
        raise UsageError(
            f"a container with a user namespace of its own joins no other: {', '.join(joined)}",
            "Leave out their paths, or the user namespace",
        )


def _refuse(part: Part, refused: dict[str, str]) -> None:
    for key, what in refused.items():
        if part.has(key):
            raise UsageError(f"{part.name}.{key}: kernelbox has nothing of {what}", "Leave it out")
