"""A file capability, as its extended attribute holds it, and for whose root it counts.

Revision 2 is for the root of the host's user namespace, and all that layers and tars know. Revision
3 names another root, as the host counts: the one of a container's user namespace.

Source: capabilities(7), "File capability extended attribute versioning"; linux/capability.h.
"""

from __future__ import annotations

XATTR = "security.capability"

_REVISION, _REVISION_2, _REVISION_3 = 0xFF000000, 0x02000000, 0x03000000
_SETS = slice(4, 20)  # behind the revision and its flags: permitted and inheritable, 64 bits each


def for_all(capability: bytes) -> bytes:
    """Return a file capability without the user namespace that it was given in."""
    magic = int.from_bytes(capability[:4], "little")
    if magic & _REVISION != _REVISION_3:
        return capability
    return (magic & ~_REVISION | _REVISION_2).to_bytes(4, "little") + capability[_SETS]


def for_root(capability: bytes, root: int) -> bytes:
    """Return a file capability for the root of a user namespace.

    Args:
        capability: Of either revision.
        root: The root's id on the host; 0 for the host's own.
    """
    plain = for_all(capability)
    magic = int.from_bytes(plain[:4], "little")
    if not root or magic & _REVISION != _REVISION_2:
        return plain
    revised = (magic & ~_REVISION | _REVISION_3).to_bytes(4, "little")
    return revised + plain[_SETS] + root.to_bytes(4, "little")
