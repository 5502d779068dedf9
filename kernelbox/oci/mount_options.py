"""mount(8)'s words for what a mount is, and what becomes of each of them here.

    ro, nosuid, noatime, ...    attributes of this mount; with an `r` in front, of those below, too
    private, rshared, ...       what it passes on, and is passed
    sync, lazytime, ...         flags of the file system
    bind, rbind                 the source is a place, and no file system
    idmap, ridmap               its owners are shown as others
    tmpcopyup                   a tmpfs begins with what the image has there
    anything else               goes to the file system

Source: OCI runtime-spec, config.md, "Linux mount options"; mount_setattr(2); runc, tmpcopyup.
"""

from __future__ import annotations

from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_ATTRIBUTES = {  # word: bits to set, bits to clear before
    "ro": (k.MOUNT_ATTR_RDONLY, 0),
    "rw": (0, k.MOUNT_ATTR_RDONLY),
    "nosuid": (k.MOUNT_ATTR_NOSUID, 0),
    "suid": (0, k.MOUNT_ATTR_NOSUID),
    "nodev": (k.MOUNT_ATTR_NODEV, 0),
    "dev": (0, k.MOUNT_ATTR_NODEV),
    "noexec": (k.MOUNT_ATTR_NOEXEC, 0),
    "exec": (0, k.MOUNT_ATTR_NOEXEC),
    "noatime": (k.MOUNT_ATTR_NOATIME, k.MOUNT_ATTR__ATIME),
    "atime": (0, k.MOUNT_ATTR__ATIME),
    "relatime": (0, k.MOUNT_ATTR__ATIME),
    "norelatime": (k.MOUNT_ATTR_STRICTATIME, k.MOUNT_ATTR__ATIME),
    "strictatime": (k.MOUNT_ATTR_STRICTATIME, k.MOUNT_ATTR__ATIME),
    "nostrictatime": (0, k.MOUNT_ATTR__ATIME),
    "nodiratime": (k.MOUNT_ATTR_NODIRATIME, 0),
    "diratime": (0, k.MOUNT_ATTR_NODIRATIME),
    "nosymfollow": (k.MOUNT_ATTR_NOSYMFOLLOW, 0),
    "symfollow": (0, k.MOUNT_ATTR_NOSYMFOLLOW),
}
_OF_THE_FILE_SYSTEM = {
    "sync": "sync",
    "dirsync": "dirsync",
    "lazytime": "lazytime",
    "mand": "mand",
    "silent": "silent",
    "iversion": "iversion",
}
_WITHOUT_EFFECT = (
    "defaults", "async", "nolazytime", "nomand", "loud", "noiversion", "auto", "noauto", "user",
    "nouser", "nofail", "_netdev",
)  # fmt: skip
PROPAGATION = {
    "private": k.MS_PRIVATE,
    "slave": k.MS_SLAVE,
    "shared": k.MS_SHARED,
    "unbindable": k.MS_UNBINDABLE,
}
KNOWN = sorted(
    {*_ATTRIBUTES, *(f"r{word}" for word in _ATTRIBUTES), *_OF_THE_FILE_SYSTEM, *_WITHOUT_EFFECT}
    | {*PROPAGATION, *(f"r{word}" for word in PROPAGATION), "bind", "rbind", "tmpcopyup"}
    | {"idmap", "ridmap"}
)


class Options(NamedTuple):
    """What words mean.

    Attributes:
        bind: Whether the source is a place.
        recursive: Whether what is mounted below that comes along.
        attributes: MOUNT_ATTR_* bits of this mount: to set.
        cleared: And to take away before.
        below: The same for those below it as well: to set.
        cleared_below: And to take away before.
        propagation: Its kind, and whether it holds for those below, too; in order.
        flags: Of the file system.
        data: For the file system: `size=64k`.
        copy_up: Whether a tmpfs begins with what the image has there.
        idmap: `idmap` for other owners, `ridmap` for those of what is mounted below, too.
    """

    bind: bool
    recursive: bool
    attributes: int
    cleared: int
    below: int
    cleared_below: int
    propagation: tuple[tuple[int, bool], ...]
    flags: tuple[str, ...]
    data: tuple[str, ...]
    copy_up: bool
    idmap: str = ""

    @property
    def read_only(self) -> bool:
        """Whether it cannot be written to."""
        return bool((self.attributes | self.below) & k.MOUNT_ATTR_RDONLY)


def read(words: Iterable[str], kind: str) -> Options:
    """Return what the words of a mount mean.

    Args:
        words: One an item.
        kind: The mount's type.

    Raises:
        UsageError: One of them is known, and not done.
    """
    bits, below = [0, 0], [0, 0]
    propagation, flags, data = list[tuple[int, bool]](), list[str](), list[str]()
    idmap = ""
    bind, recursive, copy_up = kind in ("bind", "rbind"), kind == "rbind", False
    for word in words:
        if word in ("bind", "rbind"):
            bind, recursive = True, recursive or word == "rbind"
        elif (kind_of := word.removeprefix("r")) in PROPAGATION:
            propagation.append((PROPAGATION[kind_of], word.startswith("r")))
        elif word in _ATTRIBUTES:
            _choose(bits, *_ATTRIBUTES[word])
        elif word.startswith("r") and word[1:] in _ATTRIBUTES:
            _choose(below, *_ATTRIBUTES[word[1:]])
        elif word in _OF_THE_FILE_SYSTEM:
            flags.append(_OF_THE_FILE_SYSTEM[word])
        elif word == "tmpcopyup":
            copy_up = True
        elif word in ("idmap", "ridmap"):
            idmap = word
        elif word == "remount":
            raise UsageError(f"the mount option {word!r} is not done", "Leave it out")
        elif word and word not in _WITHOUT_EFFECT and not word.startswith("x-"):
            data.append(word)
    return Options(
        bind, recursive, bits[0], bits[1], below[0], below[1], tuple(propagation), tuple(flags),
        tuple(data), copy_up, idmap,
    )  # fmt: skip


def _choose(bits: list[int], wanted: int, unwanted: int) -> None:
    """Let the later word count."""
    bits[0] = bits[0] & ~unwanted | wanted
    bits[1] = bits[1] & ~wanted | unwanted
