"""Network namespaces as they were last seen: one in which nothing has changed is not read again.

To enter fifty namespaces and list what is in each takes longer than all other looking, and hardly
ever has anything changed. The kernel announces what does: see `kernelbox.kernel.announcements`. It
speaks of namespaces by their numbers in this one, so those that have none, for want of a cable to
here, are read each time. So is another one with a bridge: what that lets rules see, nobody
announces.

Who looks only once has nothing to remember: listening begins with the second look.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple

from kernelbox.kernel.announcements import HERE, Announcements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from kernelbox.observe.model import NetworkNamespace
    from kernelbox.observe.topology import World


class Seen(NamedTuple):
    """A namespace as it was seen: for the grid of who reaches whom, and for the snapshot."""

    world: World
    told: NetworkNamespace


class Memory:
    """What was seen, as long as it is still so."""

    def __init__(self) -> None:
        self._place = (0, 0)
        self._ears: Announcements | None = None
        self._inodes: set[int] = set()
        self._seen: dict[object, tuple[int, Seen]] = {}

    def begin(self, home: int, inodes: Collection[int]) -> None:
        """Forget what has changed. It is asked before anything is read, so no change is missed.

        Args:
            home: The inode of the observer's own namespace.
            inodes: Of all namespaces that are to be looked at. Another one may be at the other end
                of a cable: then all are read.
        """
        place = (os.getpid(), home)
        if place != self._place:
            self.close()
            self._place = place
        elif self._ears is None:
            with suppress(OSError):  # without CAP_NET_BROADCAST, or nftables: it is all read
                self._ears = Announcements()
        heard = self._ears.heard() if self._ears else None
        if heard is None or set(inodes) != self._inodes:
            self._seen.clear()
        self._inodes = set(inodes)
        self._seen = {key: one for key, one in self._seen.items() if one[0] not in (heard or ())}

    def recall(self, key: object) -> Seen | None:
        """Return how a namespace is still; None if it has to be read.

        Args:
            key: Whatever else it is known by: a number may come to mean another one.
        """
        found = self._seen.get(key)
        return found[1] if found else None

    def keep(self, key: object, number: int, seen: Seen) -> None:
        """Remember a namespace by its number here, which was asked for before it was read."""
        is_home = seen.world.inode == self._place[1]
        has_bridge = any(link.kind == "bridge" for link in seen.world.links.values())
        if self._ears and (is_home or (number != HERE and not has_bridge)):
            self._seen[key] = number, seen

    def close(self) -> None:
        """Forget everything, and listen no more."""
        if self._ears:
            self._ears.close()
        self._ears = None
        self._seen.clear()
