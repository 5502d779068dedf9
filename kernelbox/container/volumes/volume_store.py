"""Volumes with a name: directories of data that no container owns, and that outlive them all.

    volumes/<name>/volume.json    when it was made, labels
                   _data          what containers see of it
                   used           from its first use on: then it was filled with what the image has
                   filling        while it is being filled

A container names one in its config by the path of `_data`, and as long as it does, the volume is in
use. In a container with a user namespace it is seen through the id map: what is root's there is
root's here, and in every other container.

Source: Docker, "Volumes", "Populate a volume using a container".
"""

from __future__ import annotations

import fcntl
import os
import time

from kernelbox.container import deletion, state
from kernelbox.container.volumes import volumes
from kernelbox.kernel import process
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.plumbing import documents, paths, storage
from kernelbox.plumbing.light import contextmanager
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.container.spec import Mount, Spec


class Volume(NamedTuple):
    """One volume.

    Attributes:
        name: Unique on this root.
        created: Seconds since the epoch.
        labels: What whoever made it says of it.
        anonymous: Whether it was made without a name, and got one.
    """

    name: str
    created: float = 0.0
    labels: dict[str, str] = {}  # noqa: RUF012 - nobody changes it
    anonymous: bool = False

    @property
    def data(self) -> str:
        """The directory that containers see."""
        return paths.volume_data(self.name)


def name_of(source: str) -> str:
    """Return the name of the volume whose data a bind's source is; empty if it is none's."""
    name = os.path.basename(os.path.dirname(source))
    return name if name and source == paths.volume_data(name) else ""


def create(volume: Volume) -> None:
    """Make a volume; one that is there is left as it is.

    Raises:
        OSError: ENOSPC, EROFS.
    """
    directory = os.path.dirname(volume.data)
    paths.private(paths.volumes())
    os.makedirs(volume.data, mode=0o755, exist_ok=True)
    try:
        fd = os.open(f"{directory}/volume.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(documents.dumps({**volume._asdict(), "created": volume.created or time.time()}))


def every() -> list[Volume]:
    """Return all volumes, by name."""
    try:
        names = sorted(os.listdir(paths.volumes()))
    except FileNotFoundError:
        return []
    return [_read(name) for name in names]


def find(name: str) -> Volume:
    """Return the volume of that name. Raises UsageError if there is none."""
    if (
        not name
        or "/" in name
        or name.startswith(".")
        or not os.path.isdir(paths.volume_data(name))
    ):
        raise UsageError(f"no such volume: {name:.80}", "See which there are: kernelbox volume ls")
    return _read(name)


def _read(name: str) -> Volume:
    """Return what is known of a volume; a crash may have left its data alone."""
    try:
        return Volume(**documents.loads(storage.read(f"{paths.volumes()}/{name}/volume.json")))
    except (FileNotFoundError, ValueError, TypeError):
        return Volume(name)


def users(name: str) -> list[str]:
    """Return the ids of the containers that name a volume in their config."""
    data = paths.volume_data(name)
    found = []
    for one in state.every():
        try:
            mounts = state.config(one).get("mounts", [])
            if any(mount.get("source") == data for mount in mounts):
                found.append(one)
        except (state.Damaged, AttributeError):  # nobody knows what it uses
            found.append(one)
    return found


def remove(name: str) -> None:
    """Remove a volume, and all that is in it.

    Raises:
        UsageError: There is none, or a container has it, be it one that does not run.
        KernelboxError: A file resists.
    """
    with state.housekeeping():
        volume = find(name)
        if having := users(name):
            whose = ", ".join(one[:12] for one in having)
            raise UsageError(f"volume {name} is in use by {whose}", "Remove that container first")
        trash = f"{paths.trash()}/volume-{name}"
        os.rename(os.path.dirname(volume.data), trash)
    deletion.delete_tree(trash)


def prune(*, everything: bool) -> list[str]:
    """Remove the volumes that no container has; return their names.

    Args:
        everything: Also those that somebody has named.
    """
    removed = []
    for volume in every():
        if (volume.anonymous or everything) and not users(volume.name):
            remove(volume.name)
            removed.append(volume.name)
    return removed


def prepare(spec: Spec, mount: Mount) -> None:
    """Make a volume ready for a container: at its first use, it gets what the image has there.

    Raises:
        UsageError: The image has something else than a directory there.
        KernelboxError: It cannot be copied.
        OSError: ENOSPC, EROFS.
    """
    name = name_of(mount.source)
    create(Volume(name))
    directory = f"{paths.volumes()}/{name}"
    with _alone(directory):
        if os.path.exists(f"{directory}/used"):
            return
        if not os.listdir(mount.source):
            _fill(spec, mount, f"{directory}/filling")
        storage.write(f"{directory}/used", "")


def _fill(spec: Spec, mount: Mount, aside: str) -> None:
    """Copy what the image has at a mount's place; what is half copied never is the volume."""
    deletion.delete_tree(aside)
    os.mkdir(aside, 0o700)
    try:
        tree = volumes.of_image(spec.kernelbox.lowerdirs, mount.destination, aside)
        try:
            os.mkdir(f"{aside}/data", 0o755)
            os.set_inheritable(tree, True)
            # cp follows no link below what it copies, and keeps owners, modes and attributes.
            command = ["cp", "-a", "--", f"/proc/self/fd/{tree}/.", f"{aside}/data"]
            if process.wait_exit(os.posix_spawnp("cp", command, os.environ)) != 0:
                raise KernelboxError(
                    f"volume {name_of(mount.source)} cannot be filled with the image's "
                    f"{mount.destination}",
                    "Is the disk full? See: df",
                )
        finally:
            os.close(tree)
        os.rename(f"{aside}/data", mount.source)  # which is empty
    finally:
        deletion.delete_tree(aside)


@contextmanager
def _alone(directory: str) -> Iterator[None]:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
