"""Where kernelbox keeps things on disk, and nothing else.

One root directory holds it all: the image store, one directory per container, the networks'
address leases and the host ledger. Removing that directory forgets everything kernelbox knows.
"""

from __future__ import annotations

import os

DEFAULT_ROOT = "/var/lib/kernelbox"


def root() -> str:
    """Return kernelbox's root directory: `$KERNELBOX_ROOT`, or `/var/lib/kernelbox`."""
    return os.environ.get("KERNELBOX_ROOT") or DEFAULT_ROOT


def images() -> str:
    """Return the image store: an OCI image-layout plus the unpacked layers."""
    return f"{root()}/images"


def containers() -> str:
    """Return the directory that holds one directory per container, named by its id."""
    return f"{root()}/containers"


def container(container_id: str) -> str:
    """Return the directory of one container: config, state, ledger, log and overlay directories."""
    return f"{containers()}/{container_id}"


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
