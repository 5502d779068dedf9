"""A stage's layers seen as one tree: an overlay that nobody else sees, and nothing writes to."""

from __future__ import annotations

import contextlib
import os
import tempfile

from kernelbox import overlay
from kernelbox.images import trees
from kernelbox.images.layout import PARTIAL
from kernelbox.images.nodes import DIRECTORY, opened
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple
from kernelbox.users import accounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kernelbox.images.store import Store

_LONGEST = 16 << 20  # bytes of a passwd or group file


class View(NamedTuple):
    """Layers as one tree.

    Attributes:
        fd: Descriptor of its root.
        scratch: A directory for what is needed meanwhile; it goes with the view.
    """

    fd: int
    scratch: str


@contextlib.contextmanager
def merged(store: Store, lowerdirs: Sequence[str]) -> Iterator[View]:
    """See layers as one tree while the block runs. The caller has taken the store's lock.

    Raises:
        KernelError: They cannot be mounted.
    """
    # Should this process be killed, the next writer to the store removes what has such a name.
    with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=store.path) as scratch:
        for name in ("upper", "work", "nothing"):
            os.mkdir(f"{scratch}/{name}")
        lower = list(lowerdirs) or [f"{scratch}/nothing"]
        directories = (lower, f"{scratch}/upper", f"{scratch}/work", scratch)
        # What a mount is known by is no open directory yet. Source: fsmount(2).
        with (
            opened(overlay.detached(overlay.Overlay(*directories))) as mount,
            opened(os.open(".", DIRECTORY, dir_fd=mount)) as fd,
        ):
            yield View(fd, scratch)


def identity(view: View, user: str) -> tuple[int, int]:
    """Return user and group that a name or a number means in the image; a lone number is both.

    Raises:
        UsageError: The image has no such user or group.

    Source: Docker documentation, "Dockerfile reference", section COPY --chown --chmod.
    """
    databases = f"{view.scratch}/accounts"
    os.makedirs(f"{databases}/etc", exist_ok=True)
    for name in ("passwd", "group"):
        # The image's file may be a symlink: it does not lead out of the image's root.
        real, missing = trees.resolve(view.fd, ("etc", name))
        if not missing:
            with open(f"{databases}/etc/{name}", "wb") as copy:
                copy.write(_content(view.fd, real))
    found = accounts.look_up(user, databases)
    if user.isdecimal():
        return found.uid, found.uid
    return found.uid, found.gid


def _content(root: int, path: trees.Path) -> bytes:
    try:
        with trees.opened_file(root, path) as fd:
            return os.read(fd, _LONGEST)
    except OSError as error:
        raise UsageError(f"/{'/'.join(path)} of the image is no file", "Use numbers") from error
