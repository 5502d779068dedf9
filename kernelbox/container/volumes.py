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
from kernelbox.kernel import files, mounts
from kernelbox.kernel import flags as k
from kernelbox.plumbing import paths
from kernelbox.root import targets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.container.spec import Mount, Spec

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
        found |= _parts(spec, mounted, overlay.Overlay(list(lowerdirs), upper, work, ""), userns)
    return found


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
        found |= _parts(spec, mounted, overlay.Overlay(list(lowerdirs), upper, own, ""), userns)
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
    spec: Spec, mounted: list[Mount], tree: overlay.Overlay, userns: int | None
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
                fd = targets.part(whole, one.source, None if borrowed else spec.shift)
                if one.read_only:
                    mounts.mount_setattr(fd, attributes=k.MOUNT_ATTR_RDONLY)
                found[one.destination] = fd
            return found
    finally:
        os.close(whole)
