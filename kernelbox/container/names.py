"""Names of containers: taken by a symbolic link to the id, invented where nobody gave one, found.

names/<name>    a symbolic link to the id
"""

from __future__ import annotations

import os

from kernelbox.container import state
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing import paths
from kernelbox.plumbing.light import suppress

# An invented name is an adjective and a part of a container: it can be remembered and typed.
_ADJECTIVES = "brave calm eager gentle jolly keen light neat proud quiet".split()
_NOUNS = "cgroup fork inode kernel layer mount overlay pipe socket veth".split()


def free(name: str) -> str:
    """Return a name that no container has: the one given, or an invented one if it is empty.

    To be called, and the name taken, while housekeeping.

    Raises:
        UsageError: The name is in use.
    """
    if not name:
        return _invent()
    if os.path.lexists(f"{paths.names()}/{name}"):
        raise UsageError(
            f"the name {name!r} is in use by container "
            f"{os.readlink(f'{paths.names()}/{name}')[:12]}",
            f"Choose another, or remove it: kernelbox rm -f {name}",
        )
    return name


def take(name: str, container_id: str) -> None:
    """Let a name mean a container from now on.

    Raises:
        OSError: EEXIST if it means one already; ENOSPC, EROFS.
    """
    os.symlink(container_id, f"{paths.names()}/{name}")


def _invent() -> str:
    """Return a name that no container has."""
    pair = f"{_ADJECTIVES[os.urandom(1)[0] % 10]}_{_NOUNS[os.urandom(1)[0] % 10]}"
    name = pair
    while os.path.lexists(f"{paths.names()}/{name}"):
        name = f"{pair}{int.from_bytes(os.urandom(2), 'big')}"
    return name


def find(reference: str) -> str:
    """Return the id of the container whose name, id or unambiguous id prefix is `reference`.

    Raises:
        UsageError: There is none, or there are several.
    """
    if reference and "/" not in reference:
        try:
            return os.readlink(f"{paths.names()}/{reference}")
        except OSError:
            pass
    matches = [one for one in state.every() if reference and one.startswith(reference)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(f"{reference!r} is the beginning of several ids", "Write more of it")
    raise UsageError(f"no such container: {reference}", "See which there are: kernelbox ps -a")


def find_running(reference: str) -> str:
    """Return the id of the running container that `reference` means, as `find` does.

    Raises:
        UsageError: There is none, or it does not run.
    """
    container_id = find(reference)
    if state.read(container_id).status != "running":
        raise UsageError(f"container {reference} is not running", "See which are: kernelbox ps")
    return container_id


def forget(container_id: str, name: str) -> None:
    """Give up a name, if it still belongs to this container."""
    path = f"{paths.names()}/{name}"
    try:
        if os.readlink(path) == container_id:
            os.unlink(path)
    except FileNotFoundError:
        return


def of(container_id: str) -> list[str]:
    """Return the names that mean a container: its config may be damaged, or never written."""
    found = []
    for name in os.listdir(paths.names()):
        with suppress(OSError):
            if os.readlink(f"{paths.names()}/{name}") == container_id:
                found.append(name)
    return found
