"""OverlayFS: immutable lower directories, one writable upper, seen as one merged tree.

Chapter 06 mounts one by hand.

    merged     what the container sees as /
    upperdir   where its changes land: copies (copy-up), new files, whiteouts
    workdir    the kernel's own, empty, on the same file system as upperdir
    lowerdir   the image's layers, the topmost first, never written

Source: `Documentation/filesystems/overlayfs.rst`.
"""

from __future__ import annotations

import os

from kernelbox.kernel import flags as k
from kernelbox.kernel import mounts
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

# mount(2) takes one page of options, fsconfig(2) values of 255 bytes.
_OPTIONS_SIZE, _VALUE_SIZE = 4096, 256
_MOST_LAYERS = 500  # OVL_MAX_STACK

# Before it, overlay takes no layer from a mount that is attached nowhere: EINVAL, and the kernel's
# log says "failed to clone lowerpath". Source: clone_private_mount() in the kernel.
_DETACHED_LAYERS_SINCE = (6, 15)

_SETTINGS = (
    # Without it, the end of every container waits until the whole disk below upperdir is in sync.
    # Its changes need not survive a power cut. Source: overlayfs.rst, "Volatile mount".
    ("volatile", ""),
    # A kernel may be configured for either, and then upperdir holds references to lowerdir, which
    # are nothing to make a layer of. Source: overlayfs.rst, "Redirect directories"; "Metadata only
    # copy up".
    ("redirect_dir", "off"),
    ("metacopy", "off"),
)


class Overlay(NamedTuple):
    """The directories of one overlay; `lowerdirs` has the topmost layer first."""

    lowerdirs: list[str]
    upperdir: str
    workdir: str
    merged: str


def options(overlay: Overlay) -> str:
    """Return the overlay's mount options."""
    lower = ":".join(_escape(path) for path in overlay.lowerdirs)
    upper, work = _escape(overlay.upperdir), _escape(overlay.workdir)
    settings = ",".join(f"{name}={value}" if value else name for name, value in _SETTINGS)
    return f"lowerdir={lower},upperdir={upper},workdir={work},{settings}"


def mount(overlay: Overlay) -> None:
    """Mount the merged view at `overlay.merged`, in the caller's mount namespace.

    Device nodes in it do not work (MS_NODEV): a container's root may make some, and no device
    controller stands behind them.

    Raises:
        UsageError: The image has more layers than overlay can stack.
        KernelError: EINVAL if upperdir and workdir lie on an unsuitable file system (another
            overlay, NFS), or the kernel takes no more layers; ENOENT; EPERM.
    """
    _check_number(overlay)
    text = options(overlay)
    if len(os.fsencode(text)) < _OPTIONS_SIZE:
        mounts.mount("overlay", overlay.merged, "overlay", k.MS_NODEV, text)
        return
    # Some 50 layers fill a page with their paths, but 200 with the numbers of descriptors.
    opened: list[int] = []  # no ExitStack: in here, nothing can be imported any more
    try:
        short = Overlay(*_by_descriptor(overlay, opened.append), overlay.merged)
        text = options(short)
        if len(text) < _OPTIONS_SIZE:
            mounts.mount("overlay", overlay.merged, "overlay", k.MS_NODEV, text)
            return
        made = _make(short)
        opened.append(made)
        target = os.open(overlay.merged, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.append(target)
        mounts.move_mount(made, target)
    finally:
        for fd in opened:
            os.close(fd)


def detached(overlay: Overlay, userns_fd: int | None = None) -> int:
    """Return a descriptor of the merged view, which nobody else sees until it is attached.

    For a container in another user namespace: the layers belong to the host's ids. Each is seen
    through the id map of the container's user namespace, so that root's files in the image are
    root's in the container, whoever that is on the host. The mount is attached by the container
    side with `move_mount`.

    Args:
        overlay: Its upperdir must belong to the container's root.
        userns_fd: The container's /proc/PID/ns/user; None for a view without id maps.

    Raises:
        UsageError: The image has more layers than overlay can stack.
        KernelError: EINVAL before Linux 5.19 or where the file system has no idmapped mounts; with
            more than some 14 layers, before Linux 6.7; before 6.15, if the caller has threads.

    Source: mount_setattr(2), "ID-mapped mounts".
    """
    from contextlib import ExitStack  # only for a user namespace

    _check_number(overlay)
    with ExitStack() as stack:
        layers = []
        for path in overlay.lowerdirs:
            layer = mounts.open_tree(path, 0)
            stack.callback(os.close, layer)
            if userns_fd is not None:
                mounts.mount_setattr(layer, attributes=k.MOUNT_ATTR_IDMAP, userns_fd=userns_fd)
            layers.append(layer)
        if _linux() < _DETACHED_LAYERS_SINCE:
            _attach(layers, overlay.lowerdirs, stack)
        upper, work = overlay.upperdir, overlay.workdir
        if max(len(os.fsencode(path)) for path in (upper, work)) >= _VALUE_SIZE:
            empty = overlay._replace(lowerdirs=[])
            _, upper, work = _by_descriptor(empty, lambda fd: stack.callback(os.close, fd))
        # A layer is named by its descriptor: there is no path to a detached mount.
        return _make(Overlay([_name(layer) for layer in layers], upper, work, overlay.merged))


def _linux() -> tuple[int, ...]:
    """Return the kernel's version: 6 and 12 for `6.12.117+deb13-cloud-amd64`."""
    return tuple(map(int, os.uname().release.split("-")[0].split(".")[:2]))


def _attach(layers: list[int], places: list[str], stack: ExitStack) -> None:
    """Attach detached mounts, each onto one of `places`, where nobody else sees them.

    That is in a mount namespace of our own. It is left when the stack closes, and ends with its
    mounts, whatever happens to us; the overlay has its own hold on the layers.
    """
    from kernelbox.kernel import aside  # for older kernels only

    stack.enter_context(aside.in_mounts_of())
    for layer, place in zip(layers, places, strict=True):
        target = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, target)
        mounts.move_mount(layer, target)


def _make(overlay: Overlay) -> int:
    """Make an overlay whose names are short, and return a descriptor of its detached mount.

    Source: `Documentation/filesystems/overlayfs.rst`, "Multiple lower layers" (lowerdir+).
    """
    context = mounts.fsopen("overlay")
    try:
        lower = ":".join(overlay.lowerdirs)
        if len(lower) < _VALUE_SIZE:
            mounts.fsconfig(context, k.FSCONFIG_SET_STRING, "lowerdir", lower)
        else:  # one by one, since Linux 6.7
            for layer in overlay.lowerdirs:
                mounts.fsconfig(context, k.FSCONFIG_SET_STRING, "lowerdir+", layer)
        mounts.fsconfig(context, k.FSCONFIG_SET_STRING, "upperdir", overlay.upperdir)
        mounts.fsconfig(context, k.FSCONFIG_SET_STRING, "workdir", overlay.workdir)
        for name, value in _SETTINGS:
            kind = k.FSCONFIG_SET_STRING if value else k.FSCONFIG_SET_FLAG
            mounts.fsconfig(context, kind, name, value or None)
        mounts.fsconfig(context, k.FSCONFIG_CMD_CREATE)
        return mounts.fsmount(context, k.MOUNT_ATTR_NODEV)
    finally:
        os.close(context)


def _by_descriptor(overlay: Overlay, keep: Callable[[int], object]) -> tuple[list[str], str, str]:
    """Return names for lowerdirs, upperdir and workdir that are short however long the paths are.

    Args:
        overlay: The directories.
        keep: Is given each descriptor that a name stands for, to be closed later.
    """
    names = []
    for path in (*overlay.lowerdirs, overlay.upperdir, overlay.workdir):
        fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        keep(fd)
        names.append(_name(fd))
    return names[:-2], names[-2], names[-1]


def _name(fd: int) -> str:
    return f"/proc/self/fd/{fd}"


def _check_number(overlay: Overlay) -> None:
    if len(overlay.lowerdirs) > _MOST_LAYERS:
        raise UsageError(
            f"the image has {len(overlay.lowerdirs)} layers, and overlay stacks {_MOST_LAYERS}",
            "Merge some of them",
        )


def _escape(path: str) -> str:
    """Quote what overlay's option parser would take for a separator."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
