"""Where kernelbox keeps things on disk, and who may look there.

One root directory holds it all: the image store, one directory per container, the networks'
address leases and the host ledger. Removing that directory forgets everything kernelbox knows.

Each person has a root of their own, also behind sudo: two students on one machine see nothing of
each other's containers and images, and the one's reset leaves the other's alone.
"""

from __future__ import annotations

import os
from binascii import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_ROOT = "/var/lib/kernelbox"


def root() -> str:
    """Return kernelbox's root directory for this process."""
    return root_of(os.environ, os.geteuid())


def root_of(environment: Mapping[str, str], uid: int) -> str:
    """Return the root directory for a process of user `uid` in this environment.

    That is `$KERNELBOX_ROOT`; else `/var/lib/kernelbox` for root, and `/var/lib/kernelbox-1000` for
    user 1000, whether that is who asks or who has asked sudo.

    Source: sudo(8), SUDO_UID.
    """
    if given := environment.get("KERNELBOX_ROOT"):
        return given
    asking = environment.get("SUDO_UID", "") if uid == 0 else str(uid)
    is_a_person = asking.isascii() and asking.isdecimal() and int(asking) != 0
    return f"{DEFAULT_ROOT}-{int(asking)}" if is_a_person else DEFAULT_ROOT


def is_usual() -> bool:
    """Whether the root is the superuser's own."""
    return os.path.realpath(root()) == os.path.realpath(DEFAULT_ROOT)


def suffix() -> str:
    """Return five hexadecimal digits that tell this root's things on the host from another's."""
    return f"{crc32(os.fsencode(os.path.realpath(root()))) & 0xFFFFF:05x}"


def loop_name() -> str:
    """Return what the kernel is told of this root's loop devices: whose they are."""
    return f"kernelbox-{suffix()}"


def private(directory: str) -> str:
    """Return a directory that its owner alone can look into; it is made if it is missing.

    One that was open to others is closed: what is in images and containers is the owner's affair,
    and files below keep the permissions that they have inside.

    Raises:
        OSError: EACCES, EROFS, ENOSPC.
    """
    os.makedirs(directory, mode=0o700, exist_ok=True)
    if os.stat(directory).st_mode & 0o077:
        os.chmod(directory, 0o700)
    return directory


def build_cache() -> str:
    """Return the directory of what `RUN --mount=type=cache` keeps from one build to the next."""
    return f"{root()}/build-cache"


def images() -> str:
    """Return the image store: an OCI image-layout plus the unpacked layers."""
    return f"{root()}/images"


def containers() -> str:
    """Return the directory that holds one directory per container, named by its id."""
    return f"{root()}/containers"


def container(container_id: str) -> str:
    """Return the directory of one container: config, state, ledger, log and overlay directories."""
    return f"{containers()}/{container_id}"


def volumes() -> str:
    """Return the directory that holds one directory per volume, named as that is."""
    return f"{root()}/volumes"


def volume_data(name: str) -> str:
    """Return the directory of a volume that containers see."""
    return f"{volumes()}/{name}/_data"


def events() -> str:
    """Return the file of what has happened to containers."""
    return f"{root()}/events"


def filters() -> str:
    """Return the directory of the filters of system calls that are kept."""
    return f"{root()}/filters"


def trash() -> str:
    """Return the directory where what is left of removed containers waits to be deleted."""
    return f"{root()}/trash"


def merged() -> str:
    """Return the empty directory where each container, in its own mount namespace, has its root."""
    return f"{root()}/merged"


def names() -> str:
    """Return the directory of container names: symlinks from a name to an id."""
    return f"{root()}/names"


def networks() -> str:
    """Return the directory that holds one directory of address leases per network."""
    return f"{root()}/networks"


def host() -> str:
    """Return the directory of the ledger of things shared by all containers (bridge, NAT table)."""
    return f"{root()}/host"
