"""What the kernel does to a group, as events: the counters that say so are looked at, and compared.

In cgroup v2 a poll of `cgroup.events` and `memory.events` would wake a reader, in v1 an eventfd for
memory alone; nothing tells of throttling. So whoever watches looks, as often as he likes.

Source: cgroup-v2.rst, cgroup.events, memory.events, cpu.stat, pids.events.
"""

from __future__ import annotations

from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.cgroup.group import Cgroup


class Counted(NamedTuple):
    """What has happened in a group and below it since it was made; 0 where nobody counts.

    Attributes:
        oom: Processes ended by the OOM killer (`oom_kill`).
        throttled: Periods in which it had to wait for more CPU time (`nr_throttled`).
        forks: How often a fork was refused (`max` of pids.events).
    """

    oom: int = 0
    throttled: int = 0
    forks: int = 0


class Watch:
    """What happens in one group from now on, or from its birth.

    Attributes:
        seen: The counters as they were at the last look.
    """

    def __init__(self, group: Cgroup, *, from_birth: bool = False) -> None:
        self._group = group
        self.seen = Counted() if from_birth else count(group)

    def look(self) -> dict[str, int]:
        """Return what has happened since the last look, and how often: `{"oom": 1}`.

        A group that is gone has no more events.
        """
        now = count(self._group)
        if not self._group.exists():
            return {}
        before, self.seen = self.seen, now
        risen = {
            kind: value - was
            for (kind, value), was in zip(now._asdict().items(), before, strict=True)
        }
        return {kind: number for kind, number in risen.items() if number > 0}


def count(group: Cgroup) -> Counted:
    """Return the counters of a group."""
    return Counted(
        oom=group.counter("memory.events", "oom_kill"),
        throttled=group.counter("cpu.stat", "nr_throttled"),
        forks=group.counter("pids.events", "max"),
    )
