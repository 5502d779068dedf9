"""Two hundred containers, eight at a time, on a network with thirteen addresses.

So every address is given away again and again, and a mistake in who has which would show.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.sandbox import TAG, Sandbox

STARTS = 200
AT_ONCE = 8
SUBNET = "10.229.77.0/28"
# Who am I, what is my address; and alive from when to when, by the clock that all of them share.
SCRIPT = """
read since rest </proc/uptime
address=$(ip -4 address show eth0 2>/dev/null | sed -n 's/.*inet \\([0-9.]*\\).*/\\1/p')
sleep 0.05
read until rest </proc/uptime
echo $(hostname) $since $until $address
"""


class Life(NamedTuple):
    """What a container said: its id, seconds since boot, and its address, if it had one."""

    container: str
    since: float
    until: float
    address: str

    def overlaps(self, other: Life) -> bool:
        return self.since <= other.until and other.since <= self.until


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path / "root")
    small = tmp_path / "root/networks/bridge/subnet"
    small.parent.mkdir(parents=True)
    small.write_text(SUBNET)
    yield made
    made.reset()


@pytest.mark.alone  # eight at once are enough for any machine
def test_two_hundred_starts_eight_at_a_time(sandbox: Sandbox) -> None:
    def start(number: int) -> Life:
        network = "none" if number % 5 == 0 else "bridge"
        run = ("run", "--rm", *TAG, "--network", network, "busybox", "sh", "-c", SCRIPT)
        done = sandbox.run(*run)
        assert (done.status, done.err) == (0, ""), f"{number}: {done}"
        container, since, until, *address = done.out.split()
        assert len(address) == (network == "bridge"), f"{number}: {done.out}"
        return Life(container, float(since), float(until), "".join(address))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        lives = list(pool.map(start, range(STARTS)))

    sandbox.seen.update(life.container for life in lives)
    assert sandbox.settled() == []
    assert len({life.container for life in lives}) == STARTS

    bridged = [life for life in lives if life.address]
    assert len(bridged) == STARTS * 4 // 5
    assert len({life.address for life in bridged}) <= 13
    pairs = list(itertools.combinations(bridged, 2))
    together = [(one, other) for one, other in pairs if one.overlaps(other)]
    assert together, "no two containers were ever alive at the same time"
    assert not [pair for pair in together if pair[0].address == pair[1].address]
    assert [pair for pair in pairs if pair[0].address == pair[1].address], "none was given twice"
