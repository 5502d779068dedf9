"""Volumes without a name: directories whose content is the container's data, not its image's.

An image's VOLUME, or `-v /data`. What the image has there is to be seen in it, and what is written
to it is no change of the container: `diff` and `commit` pass over it, and a read-only root does not
hold it. So it is a part of a second overlay, over the same layers, with an upper directory of its
own: nothing is copied. It ends with the container.

Source: Docker, "Dockerfile reference", section VOLUME; "docker run --volume".
"""

from __future__ import annotations

import os

from kernelbox import overlay
from kernelbox.container.spec import Mount
from kernelbox.kernel import files, mounts
from kernelbox.kernel import flags as k
from kernelbox.plumbing import paths
from kernelbox.root import targets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.container.spec import Spec

KIND = "overlay"
"""The type of such a mount in a spec; its source is a path in the tree that it is a part of."""

LAYER = "lowerdir="
"""Before each layer of that tree among the mount's options; without any it is the image's."""


def directory(container_id: str) -> str:
    """Return where a container's volumes keep what is written to them."""
    return f"{paths.container(container_id)}/volumes"


def works(container_id: str) -> list[str]:
    """Return the work directories of a container's volumes."""
    try:
        names = os.listdir(directory(container_id))
    except FileNotFoundError:
        return []
    return [f"{directory(container_id)}/{name}" for name in names if name.startswith("work")]


def make(spec: Spec, userns: int | None = None) -> dict[str, int]:
    """Make a container's volumes, or find them again; return a detached mount of each, by place.

    Args:
        spec: What it shall be.
        userns: Its user namespace as a descriptor, if it has one of its own.

    Raises:
        UsageError: The image has something else than a directory there.
        KernelError: An overlay cannot be mounted.
    """
    found: dict[str, int] = {}
    for number, (lowerdirs, mounted) in enumerate(_by_layers(spec).items()):
        if number == 0 and not os.path.isdir(directory(spec.id)):
            files.mkdir(directory(spec.id))
        upper, work = (f"{directory(spec.id)}/{name}{number}" for name in ("upper", "work"))
        for path in (upper, work):
            if os.path.isdir(path):  # of an earlier life
                continue
            files.mkdir(path)
            if spec.shift:
                files.chown(path, spec.shift, spec.shift)
        tree = overlay.Overlay(list(lowerdirs), upper, work, "")
        found |= _parts(mounted, tree, userns, spec.shift)
    return found


def of_image(lowerdirs: list[str], path: str, aside: str) -> int:
    """Return a detached mount of what an image has at a path; a directory is made if it is missing.

    Args:
        lowerdirs: The image's, the topmost first.
        path: Of a directory or file.
        aside: A directory of the caller's own, for what is made.

    Raises:
        UsageError: The path leads through something that is no directory.
        KernelError: An overlay cannot be mounted.
    """
    upper, work = f"{aside}/upper", f"{aside}/work"
    for one in (upper, work):
        os.mkdir(one, 0o755)
    mount = Mount(path, KIND, path)
    return _parts([mount], overlay.Overlay(lowerdirs, upper, work, ""), None, 0)[path]


def again(spec: Spec, work: str, userns: int | None = None) -> dict[str, int]:
    """Return the same of a container that has ended.

    Args:
        spec: What it was.
        work: An empty directory beside it.
        userns: One with the maps of the user namespace that it had, if it had one.
    """
    found: dict[str, int] = {}
    for number, (lowerdirs, mounted) in enumerate(_by_layers(spec).items()):
        upper, own = f"{directory(spec.id)}/upper{number}", f"{work}/{number}"
        os.mkdir(own)
        tree = overlay.Overlay(list(lowerdirs), upper, own, "")
        found |= _parts(mounted, tree, userns, spec.shift)
    return found


def _by_layers(spec: Spec) -> dict[tuple[str, ...], list[Mount]]:
    """Return the volumes by the layers that they are over; mostly those are the image's."""
    found: dict[tuple[str, ...], list[Mount]] = {}
    for one in spec.brought:
        if one.type == KIND:
            own = tuple(word[len(LAYER) :] for word in one.options if word.startswith(LAYER))
            found.setdefault(own or tuple(spec.kernelbox.lowerdirs), []).append(one)
    return found


def _parts(
    mounted: list[Mount], tree: overlay.Overlay, userns: int | None, owner: int
) -> dict[str, int]:
    from kernelbox.kernel import aside  # few images have volumes

    whole = overlay.detached(tree._replace(merged=paths.merged()), userns)
    try:
        with aside.in_mounts_of():
            place = os.open(paths.merged(), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                mounts.move_mount(whole, place)
            finally:
                os.close(place)
            found = {}
            for one in mounted:
                borrowed = any(word.startswith(LAYER) for word in one.options)
                fd = targets.part(whole, one.source, None if borrowed else owner)
                if one.read_only:
                    mounts.mount_setattr(fd, attributes=k.MOUNT_ATTR_RDONLY)
                found[one.destination] = fd
            return found
    finally:
        os.close(whole)
