"""Networks from a notebook: made and joined by its cells, gone with it; who reaches whom.

What is asked is read in sysfs, by `ip` and `nft`, and by packets that are really sent.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelbox import lab
from kernelbox.lab import Container, Lab, LabError
from kernelbox.lab.exercises import clean
from kernelbox.lab.networked import Network
from tests import looking
from tests.command import Kernelbox
from tests.looking import is_alive, soon

FOREVER = "sleep 1000"


def is_there(network: Network) -> bool:
    """Whether anything of a network is there."""
    link = Path("/sys/class/net", network.bridge).exists()
    return link or f"ip {network.table}" in looking.tables()


def server_of(network: Network) -> int:
    """Return the pid of a network's name server: who listens at port 53 of its gateway."""
    said = subprocess.run(
        ["ss", "-Hlnup", f"src {network.gateway}:53"], check=True, capture_output=True, text=True
    ).stdout
    return int(said.rpartition("pid=")[2].partition(",")[0])


def pings(one: Container, address: str) -> bool:
    return one.exec(["ping", "-c", "1", "-W", "2", address], quiet=True).code == 0


def address(container: Container, network: str = "bridge") -> str:
    found = container.inspect()["NetworkSettings"]["Networks"][network]["IPAddress"]
    assert isinstance(found, str)
    return found


@pytest.fixture
def web(box: Lab) -> Iterator[Network]:
    made = box.make_network("web")
    yield made
    made.remove()


def test_a_network_has_its_bridge_its_table_and_a_trace_until_it_is_removed(box: Lab) -> None:
    made = box.make_network("made", subnet="10.170.44.0/24", options=("mtu=1300",))
    assert (made.subnet, made.gateway) == ("10.170.44.0/24", "10.170.44.1")
    assert Path(f"/sys/class/net/{made.bridge}/mtu").read_text() == "1300\n"
    assert f"ip {made.table}" in looking.tables()
    assert f"ip link add {made.bridge}" in repr(made.trace)
    assert is_alive(server := server_of(made))
    made.remove()
    assert not is_there(made)
    assert soon(lambda: not is_alive(server))
    made.remove()


def test_a_network_goes_with_the_lab_and_with_it_who_is_on_it() -> None:
    box = lab.start()
    try:
        made = box.make_network("short")
        first = box.start("busybox", FOREVER, network="short")
        server = server_of(made)
    finally:
        box.close()
    assert not is_there(made)
    assert soon(lambda: not is_alive(first.pid) and not is_alive(server))


def test_where_the_agent_was_killed_the_next_one_takes_its_networks_away() -> None:
    box = lab.start()
    try:
        made = box.make_network("left")
        os.kill(box.agent, signal.SIGKILL)
        assert soon(lambda: not is_alive(box.agent))
    finally:
        box.close()
    assert is_there(made)
    lab.start().close()
    assert not is_there(made)


def test_where_the_notebook_was_killed_the_agent_takes_its_networks_away() -> None:
    script = (
        "from kernelbox import lab\n"
        "box = lab.start()\n"
        "made = box.make_network('orphan')\n"
        f"box.start('busybox', '{FOREVER}', network='orphan')\n"
        "print(made.bridge, flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as notebook:
        assert notebook.stdout is not None
        link = Path("/sys/class/net", notebook.stdout.readline().strip())
        assert link.exists()
        notebook.kill()
    assert soon(lambda: not link.exists())


def test_a_reset_from_a_terminal_takes_a_notebooks_network_as_well(
    box: Lab, kernelbox: Kernelbox
) -> None:
    made = box.make_network("reset")
    kernelbox.ok("reset")
    assert not is_there(made)
    made.remove()


def test_a_network_of_a_name_that_the_notebook_has_used_takes_its_place(
    box: Lab, web: Network
) -> None:
    came, joined = (box.start("busybox", FOREVER, network=one) for one in ("web", "bridge"))
    web.connect(joined)
    again = box.make_network("web")
    assert soon(lambda: not is_alive(came.pid))
    assert is_alive(joined.pid)
    assert list(joined.inspect()["NetworkSettings"]["Networks"]) == ["bridge"]
    assert is_there(again)


def test_a_network_from_a_terminal_is_nobodys_to_replace_or_remove(
    box: Lab, kernelbox: Kernelbox
) -> None:
    kernelbox.ok("network", "create", "theirs")
    with pytest.raises(LabError, match="theirs"):
        box.make_network("theirs")
    with pytest.raises(LabError, match="was not made in a notebook"):
        box.call("remove_network", network="theirs")
    assert "theirs" in kernelbox.ok("network", "ls", "-q").split()
    kernelbox.ok("network", "rm", "theirs")


def test_a_container_of_a_name_that_the_notebook_has_used_takes_its_place(box: Lab) -> None:
    first = box.start("busybox", FOREVER, name="same", network="none")
    second = box.start("busybox", FOREVER, name="same", network="none")
    assert soon(lambda: not is_alive(first.pid))
    assert is_alive(second.pid)


def test_who_joins_has_a_link_and_a_name_and_who_leaves_has_neither(box: Lab, web: Network) -> None:
    app = box.start("busybox", FOREVER, network="web")
    guest = box.start("busybox", FOREVER)
    trace = web.connect(guest, "visitor", ip=f"{web.gateway.rpartition('.')[0]}.77")
    assert "ip link add" in repr(trace)
    assert address(guest, "web").endswith(".77")
    assert pings(app, "visitor")
    web.disconnect(guest)
    assert not pings(app, "visitor")
    assert "eth1" not in guest.exec("ip link", quiet=True).stdout
    with pytest.raises(LabError, match="is not on a network 'web'"):
        web.disconnect(guest)
    with pytest.raises(LabError, match="cannot be an alias"):
        web.connect(guest, "not a name")


def test_the_grid_says_what_packets_say_and_names_the_rule_that_stops_them(
    box: Lab, web: Network
) -> None:
    inner = box.make_network("inner", internal=True)
    app = box.start("busybox", FOREVER, name="app", network="web")
    db = box.start("busybox", FOREVER, name="db", network="web")
    inner.connect(db)
    safe = box.start("busybox", FOREVER, name="safe", network="inner")
    plain = box.start("busybox", FOREVER, name="plain")
    all_of_them = {"app": app, "db": db, "safe": safe, "plain": plain}
    reach = box.reach(*all_of_them.values())
    for (one, first), (other, second) in itertools.permutations(all_of_them.items(), 2):
        networks = second.inspect()["NetworkSettings"]["Networks"]
        really = any(pings(first, network["IPAddress"]) for network in networks.values())
        assert reach(one, other) == really, (one, other, reach.why(one, other))
    assert reach("app", "db") and not reach("app", "safe")
    assert f'oifname "{inner.bridge}" drop' in reach.why("app", "safe")
    assert repr(reach).splitlines()[0].split() == ["from", "\\", "to", "host", *all_of_them]
    assert "What stops the others" in reach._repr_html_()
    with pytest.raises(LabError, match="no way from 'app' to 'nobody'"):
        reach("app", "nobody")
    inner.remove()


def test_next_door_there_is_another_machine_as_long_as_its_process_lives(box: Lab) -> None:
    plain = box.start("busybox", FOREVER, name="plain")
    before = set(os.listdir("/sys/class/net"))
    there = box.next_door()
    [cable] = set(os.listdir("/sys/class/net")) - before
    assert looking.namespace(there.pid, "net") != looking.namespace("self", "net")
    assert there.shell(f"busybox ping -c 1 -W 2 {there.host} >/dev/null") == 0
    assert pings(plain, there.address)  # out into the world it may
    reach = box.reach()
    assert reach("plain", "next door") and not reach("next door", "plain")
    assert there.shell(f"busybox ping -c 1 -W 1 {address(plain)} >/dev/null") == 1
    there.end()
    assert soon(lambda: not Path("/sys/class/net", cable).exists())


def test_only_a_process_of_the_labs_that_has_left_the_hosts_network_moves_next_door(
    box: Lab,
) -> None:
    with pytest.raises(LabError, match="is on the host's network"):
        box.call("move_next_door", pid=box.hold().pid)
    with pytest.raises(LabError, match="is none of this lab's"):
        box.call("move_next_door", pid=os.getpid())


def test_a_lab_that_closes_counts_the_links_that_are_left_bridges_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clean, "_PATIENCE", 0.1)
    box = lab.start()
    box.make_network("counted")
    box.bridges.add("lo")  # one that stays
    assert clean.clean(box).links == 1
