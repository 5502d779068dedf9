"""The views: what they say in words, how they stand on paper, and what they send to a page.

A page is played by a real Jupyter client that speaks to a real kernel. How the views look in a
browser is for the browser's tests.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jupyter_client.manager import KernelManager

from kernelbox.kernel.door import Event
from kernelbox.kernel.errors import KernelboxError
from kernelbox.observe.model import Snapshot
from kernelbox.widgets import (
    CapabilityTable,
    LayerStack,
    MountTree,
    NetworkMap,
    ProcessTree,
    Recording,
    ResourceGraph,
    Step,
    Stepper,
    Timeline,
    palette,
)
from kernelbox.widgets.base import View
from kernelbox.widgets.effects import effects
from kernelbox.widgets.patch import difference, merge
from tests import looking, worlds

TOP = Path(__file__).resolve().parent.parent
WIDGETS = TOP / "kernelbox" / "widgets"
SVG = "{http://www.w3.org/2000/svg}"


def comparing(source: Snapshot | None = None) -> MountTree:
    return MountTree(source, pid=4182, other=1)


def graph(source: Snapshot | None = None) -> ResourceGraph:
    """Return a graph that has been watching for half a minute."""
    view = ResourceGraph(names={worlds.WEB: "web", worlds.DB: "db"})
    if source is not None:
        for at in range(150):
            view.show(worlds.world(at))
    return view


def timeline(source: Snapshot | None = None) -> Timeline:
    recording = worlds.birth() if source else Recording((), (Snapshot(worlds.NOON),))
    return Timeline(recording, [ProcessTree(), comparing(), NetworkMap()])


VIEWS = [
    *(ProcessTree, CapabilityTable, MountTree, comparing),
    *(LayerStack, NetworkMap, graph, timeline),
]
every_view = pytest.mark.parametrize("make", VIEWS)


def without_what_varies(text: str) -> str:
    """Return a still picture as nbval compares it: see tests/nbval-sanitize.cfg."""
    text = re.sub(r"(?s)<(svg|div)[^>]*kb-moving.*</\1>", "", text)
    return re.sub(r'(<[^>]*class="(?:[^"]* )?varies"[^>]*>)[^<]*', r"\1", text)


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Views change nothing on the host, so there is nothing of it to compare; but threads."""
    yield
    assert not [one for one in threading.enumerate() if one.name.startswith("kernelbox")]


# -- in words and on paper -----------------------------------------------------------------------


@pytest.mark.parametrize("make", [ProcessTree, CapabilityTable, MountTree, LayerStack, NetworkMap])
def test_the_same_world_in_another_run_looks_the_same(make: Any) -> None:
    one, other = make(worlds.world()), make(worlds.another_run(worlds.world()))
    assert one.text() == other.text()
    assert without_what_varies(one.svg()) == without_what_varies(other.svg())
    assert without_what_varies(one.table()) == without_what_varies(other.table())
    assert one.now != other.now


@every_view
def test_the_same_snapshot_gives_the_same_bytes(make: Any) -> None:
    one, other = make(worlds.world()), make(worlds.world())
    assert (one.text(), one.svg(), one.html()) == (other.text(), other.svg(), other.html())


@every_view
@pytest.mark.parametrize("world", [worlds.world(), Snapshot(worlds.NOON), None])
def test_an_image_is_well_formed_and_says_what_it_shows(make: Any, world: Any) -> None:
    image = ElementTree.fromstring(make(world).svg())
    assert image.tag == f"{SVG}svg"
    assert image.get("role") == "img"
    title, description = image[0], image[1]
    assert (title.tag, description.tag) == (f"{SVG}title", f"{SVG}desc")
    assert title.text and description.text


@every_view
def test_a_table_has_a_caption_and_says_what_heads_what(make: Any) -> None:
    view = make(worlds.world())
    tables = list(ElementTree.fromstring(f"<div>{view.table()}</div>").iter("table"))
    assert tables
    for table in tables:
        caption = table.find("caption")
        assert caption is not None and caption.text
        assert all(head.get("scope") in ("col", "row") for head in table.iter("th"))
        assert len(list(table.iter("tr"))) > 1


@every_view
def test_a_colour_never_says_something_alone(make: Any) -> None:
    image = ElementTree.fromstring(make(worlds.world()).svg())
    chips = [one for one in image.iter(f"{SVG}rect") if "chip" in one.get("style", "")]
    letters = [one for one in image.iter(f"{SVG}text") if "chip" in one.get("class", "").split()]
    assert len(letters) >= len(chips)
    assert all(one.text for one in letters)


@every_view
def test_a_view_of_nothing_says_so(make: Any) -> None:
    for world in (None, Snapshot(worlds.NOON)):
        text = make(world).text()
        assert "no" in text.lower()
        assert text == repr(make(world))


def test_processes_are_told_with_the_letters_of_their_namespaces() -> None:
    assert ProcessTree(worlds.world()).text().splitlines() == [
        "process                  inside  pid    mnt    net    uts    ipc    user   cgroup time",
        "python3                       -  H      H      H      H      H      H      H      H",
        "├─ python3                    -  H      H      H      H      H      H      H      H",
        "│  └─ sh                      1  A      A      A      A      A      H      A      H",
        "│     ├─ httpd                7  A      A      A      A      A      H      A      H",
        "│     └─ sleep                8  A      A      A      A      A      H      A      H",
        "├─ python3                    -  H      H      H      H      H      H      H      H",
        "│  └─ redis-server            1  B      B      A      B      B      B      B      H",
        "└─ python3                    -  H      H      H      C      H      H      H      H",
    ]


def test_ancestors_are_shown_when_asked_for() -> None:
    assert "systemd" not in ProcessTree(worlds.world()).text()
    assert ProcessTree(worlds.world(), ancestors=True).text().splitlines()[1].startswith("systemd")


def test_on_paper_nothing_says_where_the_hosts_programs_are_installed() -> None:
    python = ("/home/ann/venv/bin/python", "-m", "kernelbox.agent")
    agent = worlds.process(4100, 1, "python", command=python)
    newborn = worlds.process(
        4182, 4100, "python", command=python, side="container", container=worlds.WEB
    )
    program = worlds.contained(4183, 4182, 2, "/bin/sleep 9", worlds.HOST, worlds.WEB)
    table = ProcessTree(Snapshot(worlds.NOON, (agent, newborn, program))).table()
    assert "/home/ann" not in table
    assert table.count("python -m kernelbox.agent") == 2
    assert "/bin/sleep 9" in table
    assert "kernelbox.agent" not in without_what_varies(table)


def test_the_hosts_namespaces_are_known_though_its_first_process_hides_them() -> None:
    first, *others = worlds.processes()
    hidden = replace(first, namespaces={})
    view = ProcessTree(Snapshot(worlds.NOON, (hidden, *others)))
    assert view.text() == ProcessTree(worlds.world()).text()


EVERY = worlds.process(1, 0, "all").capabilities


def powers(*sets: int, **more: object) -> list[str]:
    """Return what the table says of an agent and its descendants, each the child of the last."""
    chain = [
        worlds.process(4100 + at, 4099 + at, f"p{at}", capabilities=bits, **(more if at else {}))
        for at, bits in enumerate(sets)
    ]
    lines = CapabilityTable(Snapshot(worlds.NOON, tuple(chain))).text().splitlines()
    return [" ".join(line.partition("p")[2].split()) for line in lines[1:]]


def test_capabilities_are_told_with_the_namespace_they_count_in() -> None:
    assert CapabilityTable(worlds.world()).text().splitlines() == [
        "process                  in  may                              beside the one above",
        "python3                  H   what the lab may",
        "├─ python3               H   what the lab may",
        "│  └─ sh                 H   Docker's 14",
        "│     ├─ httpd           H   Docker's 14                      the same",
        "│     └─ sleep           H   Docker's 14                      the same",
        "├─ python3               H   what the lab may",
        "│  └─ redis-server       A   Docker's 14                      counts in A, not in H",
        "└─ python3               H   what the lab may",
    ]


def test_a_set_is_told_by_name_where_few_are_in_it_or_lack() -> None:
    kill, both = 1 << 5, 1 << 5 | 1 << 7
    time, new = 1 << 25, 1 << 41
    assert powers(EVERY & ~1, both, kill | 1 << 21, 0, 0xFF, EVERY, EVERY & ~time, EVERY | new) == [
        "0 H what the lab may",
        "1 H KILL SETUID",
        "2 H KILL SYS_ADMIN with SYS_ADMIN, without SETUID",
        "3 H nothing without KILL SYS_ADMIN",
        "4 H 8 capabilities with 8 capabilities",
        "5 H all but 41 with 33 capabilities",
        "6 H all but SYS_TIME 41 without SYS_TIME",
        "7 H everything with SYS_TIME 41",
    ]


def test_sets_of_two_user_namespaces_are_not_compared() -> None:
    inner = {"namespaces": worlds.namespaces(300, "user")}
    assert powers(EVERY, 1 << 5, **inner)[1] == "1 A KILL counts in A, not in H"


def test_what_the_lab_itself_may_is_not_the_same_on_every_host() -> None:
    """An outer container may withhold some of root's capabilities."""
    withheld = replace(
        worlds.world(),
        processes=tuple(
            replace(one, capabilities=one.capabilities & ~(1 << 24))
            for one in worlds.world().processes
        ),
    )
    here, there = CapabilityTable(worlds.world()), CapabilityTable(withheld)
    assert here.text() == there.text()
    assert "all but SYS_RESOURCE" in there.table() and "everything" in here.table()
    assert without_what_varies(here.table()) == without_what_varies(there.table())


def test_a_zombies_capabilities_count_nowhere() -> None:
    assert powers(EVERY, 0, namespaces={})[1] == "1 nothing"


def test_what_lies_under_another_mount_is_called_hidden() -> None:
    hidden = [line for line in str(MountTree(worlds.world(), pid=1)).splitlines() if "hid" in line]
    assert len(hidden) == 1
    assert "/mnt/usb (hidden)" in hidden[0]


def test_any_process_of_a_mount_namespace_stands_for_it() -> None:
    assert str(MountTree(worlds.world(), pid=4191)) == str(MountTree(worlds.world(), pid=4182))


def test_two_mount_namespaces_are_compared_place_by_place() -> None:
    lines = str(comparing(worlds.world())).splitlines()
    signs = {line[2:].strip("│├└─ ").split()[0]: line[0] for line in lines[1:]}
    assert signs["/proc"] == "~"  # the same file system, but shared there and private here
    assert signs["/srv/www"] == "−"  # noqa: RUF001 (a minus: only in the first)
    assert signs["/mnt/usb"] == "+"
    assert lines[0] == "Mounts of sh and of the host"


def test_peer_groups_have_the_same_letter_in_both_namespaces() -> None:
    text = str(comparing(worlds.world()))
    (slave,) = re.findall(r"/srv/www .* slave (\w)", text)
    assert f"shared {slave}" not in text  # the host's root is told as the container's here
    both = MountTree(worlds.world(), pid=1, other=4182)
    (shared,) = re.findall(r"^~ / .* shared (\w)", str(both), re.MULTILINE)
    assert re.findall(r"/srv/www .* slave (\w)", str(both)) == [shared]


def test_each_entry_of_an_upperdir_says_what_it_does() -> None:
    lines = str(LayerStack(worlds.world())).splitlines()
    assert "  C /etc/passwd" in lines
    assert "  W /usr/share/doc/" in lines
    assert "  O /srv/" in lines
    assert "  A /etc/motd" in lines
    assert not any(line.strip() == "/usr/" for line in lines)  # only there for what is in it


def test_the_grid_names_what_is_in_the_way() -> None:
    lines = str(NetworkMap(worlds.world())).splitlines()
    assert "A reaches H:yes B:no C:no" in lines
    assert "A -> B: host drops it: ip kernelbox forward: oifname kernelbox0 drop" in lines
    assert "cable: A eth0 -- H kernelbox0" in lines


def test_of_the_hosts_links_only_those_are_drawn_that_lead_somewhere() -> None:
    def names(view: NetworkMap) -> list[str]:
        namespaces = view.now["picture"]["namespaces"]
        return [one["name"] for one in namespaces[str(worlds.HOST["net"])]["links"].values()]

    some, every = NetworkMap(worlds.world()), NetworkMap(worlds.world(), every=True)
    assert names(some) == ["eth0", "kernelbox0", "veth860a099", "veth1f5c2d9"]
    assert names(every) == ["lo", "eth0", "docker0", "kernelbox0", "veth860a099", "veth1f5c2d9"]


def test_what_stands_on_a_link_is_drawn_on_it() -> None:
    """A macvlan network has no bridge: its containers are on a link of the host's."""
    view, host = NetworkMap(worlds.wire()), worlds.HOST["net"]
    picture = view.now["picture"]
    assert picture["cables"] == {
        f"{host}/3": "5002/2", "5000/4": f"{host}/3", "5001/5": f"{host}/3"
    }  # fmt: skip
    drawn = picture["namespaces"][str(host)]["links"].values()
    assert [one["name"] for one in drawn] == ["wire"]
    lines = str(view).splitlines()
    assert {"macvlan: A eth0 stands on H wire", "macvlan: B eth0 stands on H wire"} <= {*lines}
    assert sum(line.startswith("cable: ") for line in lines) == 1
    rows = re.findall(r"<tr>(.*?)</tr>", view.table(), re.S)
    ends = {tuple(re.findall(r">([^<>]+)<", row))[1::5] for row in rows if "macvlan" in row}
    assert ends == {("eth0", "H wire")}
    assert ">wire<" in view.svg()


HOPS = [
    (5000, 6, "eth0 sends  a ping"),
    (worlds.HOST["net"], 10, "veth receives  a ping"),
    (worlds.HOST["net"], 5, "kernelbox0 receives  a ping"),
    (5001, 7, "of a link that is not there"),
    (5001, 6, "eth0 receives  a ping"),
]


def test_a_ping_goes_over_the_map_hop_by_hop() -> None:
    names = {worlds.HOST["net"]: "router", 5000: "ann", 5001: "bob"}
    view = NetworkMap(worlds.networks(3, alone=4), names=names, journey=HOPS)
    said = [
        "1. ann: eth0 sends  a ping",
        "2. router: veth receives  a ping",
        "3. router: kernelbox0 receives  a ping",
        "4. bob: eth0 receives  a ping",
    ]
    assert str(view).splitlines()[-4:] == said
    assert [hop["end"] for hop in view.now["picture"]["hops"]][:2] == [
        "5000/6", f"{worlds.HOST['net']}/10"
    ]  # fmt: skip
    assert all(f">{line.replace('  ', ' ')}<" in view.svg().replace("  ", " ") for line in said)
    assert "The way of a ping" in view.table() and ">bob<" in view.table()
    assert NetworkMap(worlds.world()).now["picture"]["hops"] == []
    assert "The way of a ping" not in NetworkMap(worlds.world()).table()


def test_a_map_of_namespaces_by_name_has_these_alone() -> None:
    names = {5001: "bob", worlds.HOST["net"]: "router"}
    view = NetworkMap(worlds.networks(3, alone=4), names=names)
    picture = view.now["picture"]
    assert [one["label"] for one in picture["namespaces"].values()] == ["router", "bob"]
    assert picture["reach"].keys() == {"router -> bob", "bob -> router"}
    assert picture["folded"] == {} and "web-" not in str(view)


def test_without_graphviz_the_map_says_so_and_the_grid_stays(monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    image = NetworkMap(worlds.world()).svg()
    assert "apt-get install graphviz" in image
    assert "pings from" in image


def test_a_graph_tells_limits_throttling_and_kills() -> None:
    assert str(graph(worlds.world())).splitlines() == [
        "A web: cpu up to 0.5; memory up to 64.0 MiB; pids up to 100; throttled; OOM kills: 1",
        "B db: no limit",
        "counted by this host: cpu, memory, pids, io, pressure",
    ]


def test_a_graph_is_a_matplotlib_figure_with_one_time_axis() -> None:
    axes = graph(worlds.world()).figure().axes
    assert len(axes) == 5
    assert len({ax.get_xlim() for ax in axes}) == 1


def test_what_the_host_does_not_count_is_left_out() -> None:
    view = ResourceGraph()
    for at in range(3):
        one = replace(worlds.usage(at), pressure=None, cpu_usec=None, memory_limit=None)
        view.show(Snapshot(one.time, usage=(one,)))
    assert str(view).splitlines()[-1] == "counted by this host: memory, pids, io"
    assert len(view.figure().axes) == 3


def test_a_graph_drops_what_is_older_than_its_window() -> None:
    view = ResourceGraph(window=4)
    for at in range(100):
        view.show(worlds.world(at))
    times = [one["time"] for one in view.now["picture"]["samples"].values()]
    assert max(times) - min(times) == pytest.approx(4)


def test_a_look_that_follows_at_once_is_neither_a_spike_nor_a_gap() -> None:
    view = ResourceGraph()
    for at in (0, 1, 2):
        view.show(worlds.world(at))
    usual = [one["of"][worlds.WEB].get("io") for one in view.now["picture"]["samples"].values()]
    late = replace(worlds.usage(2), time=worlds.usage(2).time + 0.001, pids=77)
    view.show(Snapshot(late.time, usage=(late,)))
    samples = list(view.now["picture"]["samples"].values())
    assert samples[-1]["of"][worlds.WEB]["pids"] == 77, "it is what is known last"
    rates = [one["of"][worlds.WEB].get("io") for one in samples]
    assert rates[1:] == pytest.approx([*usual[1:], usual[-1]], rel=0.01)


def test_a_line_at_its_chart_s_top_is_drawn_whole() -> None:
    view = ResourceGraph()
    for at in range(3):
        view.show(Snapshot(worlds.usage(at).time, usage=(replace(worlds.usage(at), pids=5),)))
    pids = view.figure().axes[2]
    assert pids.get_ylim()[0] == 0 and pids.get_ylim()[1] > 5.5


def test_a_timeline_tells_the_sides_and_what_was_refused() -> None:
    view = timeline(worlds.world())
    view.moment = 4
    lines = str(view).splitlines()
    assert lines[1].startswith("runtime:   control groups, mounts, namespaces")
    assert lines[2].startswith("container: users and privileges, namespaces, mounts")
    assert lines[3:] == [
        "refused:   runtime's RTM_NEWROUTE: EEXIST",
        "now:       after runtime's clone3",
    ]


def test_many_namespaces_without_a_network_are_only_named() -> None:
    few, many = NetworkMap(worlds.networks(2, alone=3)), NetworkMap(worlds.networks(2, alone=4))
    assert len(few.now["picture"]["namespaces"]) == 6
    assert len(many.now["picture"]["namespaces"]) == 3
    assert "and 4 more, with nothing but a loopback interface" in many.text()
    assert "and 4 more" in many.svg()
    every = NetworkMap(worlds.networks(2, alone=4), every=True)
    assert len(every.now["picture"]["namespaces"]) == 7


def test_what_others_do_meanwhile_is_no_effect_of_a_request() -> None:
    before = worlds.world()
    (mount, *_), host = worlds.container_mounts(), before.mounts[1]
    theirs = replace(host[0], id=901, point="/media/usb")
    asked = replace(host[0], id=902, point="/srv/data")
    systemd = next(one for one in before.processes if one.side == "host")
    after = replace(
        before,
        processes=(*before.processes, replace(systemd, pid=4999, name="cron")),
        mounts={
            1: (*host, theirs, asked),
            4182: (*before.mounts[4182], replace(mount, id=903, point="/x")),
        },
    )
    event = Event("runtime", 1, 'mount("none", "/srv/data", "tmpfs", 0, "")', "0", 1, "")
    found = [one.name for one in effects(event, before, after)]
    assert [name.partition(" ")[0] for name in found] == ["/srv/data", "/x"]


def test_of_a_graph_and_a_live_birth_only_the_words_are_compared() -> None:
    views: list[View] = [graph(worlds.world()), Birth().stepper()]
    views[1].step()  # type: ignore[attr-defined]
    for view in views:
        assert without_what_varies(view.svg()) == without_what_varies(view.html()) == ""
        assert without_what_varies(view.text()) == view.text()


# -- colours -------------------------------------------------------------------------------------


def luminance(color: str) -> float:
    """Source: WCAG 2.2, "relative luminance"."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_colour_can_be_read_on_its_paper(theme: int) -> None:
    colors = {name: pair[theme] for name, pair in palette.colors().items()}
    for paper in (colors["paper"], colors["band"]):
        for name in ("ink", "muted", *(f"line-{number}" for number in range(palette.HUES))):
            assert contrast(colors[name], paper) >= 4.5, name
        assert contrast(colors["edge"], paper) >= 3
    for number in range(palette.HUES):
        assert contrast(colors[f"on-{number}"], colors[f"chip-{number}"]) >= 4.5


def test_the_colours_of_paper_and_page_are_the_same_file() -> None:
    assert (WIDGETS / "static/theme.css").read_text() == (WIDGETS / "src/theme.css").read_text()


# -- differences ---------------------------------------------------------------------------------

EXAMPLES = [
    ({"a": "b"}, {"a": "c"}),
    ({"a": "b"}, {"a": "b", "b": "c"}),
    ({"a": "b", "b": "c"}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}),
    ({"a": {"b": "c", "d": 1}}, {"a": {"b": "d"}}),
    ({"a": {"b": "c"}}, {"a": {}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}),
    ({"a": 1}, {}),
    ({}, {"a": {"b": {"c": {}}}}),
]


@pytest.mark.parametrize(("before", "after"), EXAMPLES)
def test_a_difference_leads_from_one_document_to_the_other(before: Any, after: Any) -> None:
    assert merge(before, difference(before, after)) == after
    assert difference(after, after) == {}


class Page:
    """What a page would have of a view: the first picture, and every difference folded in."""

    def __init__(self, view: View) -> None:
        self.world = json.loads(json.dumps(view.now))
        self.messages: list[str] = []
        view.observe(self.hear, "patch")

    def hear(self, change: Any) -> None:
        patch = json.loads(json.dumps(change["new"]))
        self.messages.append(json.dumps(patch))
        assert patch["number"] == self.world["number"] + 1
        picture = merge(self.world["picture"], patch["change"])
        self.world = {"number": patch["number"], "picture": picture}


@pytest.mark.parametrize(
    "make", [ProcessTree, CapabilityTable, comparing, LayerStack, NetworkMap, ResourceGraph]
)
def test_differences_add_up_to_the_picture(make: Any) -> None:
    view = make()
    page = Page(view)
    snapshots = worlds.birth().snapshots
    for number, snapshot in enumerate((*snapshots, worlds.world(3), worlds.world(4))):
        view.show(snapshot, snapshots[number - 1] if 0 < number < len(snapshots) else None)
        assert page.world == view.now


def test_a_page_is_sent_what_has_changed_and_not_the_world() -> None:
    view = ProcessTree(worlds.crowd(50))
    page = Page(view)
    view.show(worlds.crowd(50, 1))
    (message,) = page.messages
    patch = json.loads(message)["change"]
    assert patch["rows"].keys() == {"9000", "9001"}  # one has come, one has gone
    assert patch["rows"]["9000"] is None
    assert patch.keys() == {"rows"}
    assert len(message) < len(json.dumps(view.now)) / 50


def test_a_world_that_stays_as_it_is_is_not_sent_at_all() -> None:
    view = ProcessTree(worlds.crowd(50))
    page = Page(view)
    view.show(worlds.crowd(50))
    assert page.messages == []


def test_what_has_changed_since_the_moment_before_is_marked() -> None:
    before, after = worlds.birth().snapshots[3:5]
    view = ProcessTree()
    view.show(after, before)
    marks = {key: one.get("mark") for key, one in view.now["picture"]["rows"].items()}
    assert marks == {"4100": None, "4180": None, "4182": "appeared"}
    view.show(before, after)
    assert view.now["picture"]["rows"]["4182"]["mark"] == "gone"


def test_a_place_is_marked_only_in_the_namespace_where_it_changed() -> None:
    recording = worlds.birth()
    private = next(n for n, one in enumerate(recording.events, 1) if "MS_PRIVATE" in one.request)
    view = comparing()
    view.show(recording.snapshots[private], recording.snapshots[private - 1])
    proc = view.now["picture"]["rows"]["/proc"]["in"]
    assert proc["4182"]["mark"] == "changed"
    assert "mark" not in proc["1"]


# -- looking again and again ---------------------------------------------------------------------


def test_a_source_that_fails_leaves_the_picture_and_says_why() -> None:
    answers: list[Any] = [worlds.world(), KernelboxError("the container has ended"), worlds.world()]

    def source() -> Snapshot:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    view = ProcessTree(source)
    text = view.text()
    view.refresh()
    assert view.now["picture"]["note"] == "cannot look any more: the container has ended"
    assert view.text() == text
    view.refresh()
    assert view.now["picture"]["note"] == ""


def test_a_container_that_ends_while_it_is_watched_is_told_as_gone() -> None:
    view = ResourceGraph(worlds.world(0), names={worlds.DB: "db"})
    one = worlds.world(1)
    view.show(Snapshot(one.time, usage=one.usage[:1]))
    assert view.now["picture"]["note"] == "db: no control group any more"
    ElementTree.fromstring(view.svg())


def test_a_view_looks_in_one_thread_until_it_is_told_to_stop() -> None:
    looks = threading.Semaphore(0)

    def source() -> Snapshot:
        looks.release()
        return worlds.world()

    view = ProcessTree(source, interval=0.05)
    before = threading.active_count()
    view.start()
    view.start()
    for _ in range(4):
        assert looks.acquire(timeout=looking.PATIENCE)
    assert threading.active_count() == before + 1
    view.stop()
    view.stop()
    assert threading.active_count() == before
    assert not view.watching


def test_a_view_that_was_closed_looks_no_more() -> None:
    view = ProcessTree(worlds.world, interval=0.05)
    view.start()
    view.close()
    view.close()
    assert not view.watching


def test_a_view_of_a_snapshot_has_nothing_to_look_at() -> None:
    view = ProcessTree(worlds.world())
    view.start()
    assert not view.watching


# -- a real kernel, and a client that plays the page ---------------------------------------------

SETUP = f"""
import sys, threading
sys.path.insert(0, {str(TOP)!r})
from tests import worlds
from kernelbox.widgets import *
at = 0
def source():
    global at
    at += 1
    return worlds.crowd(50, at)
view = ProcessTree(source, interval=0.05)
"""


class Notebook:
    """A kernel, and the messages it sends to its pages."""

    def __init__(self) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd="/")
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        try:
            self.client.wait_for_ready(timeout=looking.KERNEL_PATIENCE)
        except BaseException:
            self.end()
            raise
        self.comms: list[dict[str, Any]] = []

    def run(self, code: str) -> dict[str, Any]:
        """Run a cell; return what its last expression is shown as."""
        shown: dict[str, Any] = {}

        def hear(message: dict[str, Any]) -> None:
            kind, content = message["header"]["msg_type"], message["content"]
            if kind.startswith("comm_"):
                self.comms.append(content)
            elif kind == "execute_result":
                shown.update(content["data"])
            elif kind == "error":
                raise AssertionError("\n".join(content["traceback"]))

        self.client.execute_interactive(code, timeout=60, output_hook=hear)
        return shown

    def say(self, comm: str, content: dict[str, Any]) -> None:
        """Send what the page sends when a view's JavaScript calls `model.send`."""
        data = {"comm_id": comm, "data": {"method": "custom", "content": content}}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", data))

    def close_comm(self, comm: str) -> None:
        data = {"comm_id": comm, "data": {}}
        self.client.shell_channel.send(self.client.session.msg("comm_close", data))

    def states(self, comm: str, name: str, count: int) -> list[dict[str, Any]]:
        """Wait until so many values of a trait were sent; return them."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            message = self.client.get_iopub_msg(timeout=looking.PATIENCE)
            content = message["content"]
            if message["header"]["msg_type"] == "comm_msg" and content["comm_id"] == comm:
                state = content["data"].get("state", {})
                found += [state[name]] if name in state else []
        return found

    def end(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel()


@pytest.fixture(scope="module")
def kernel() -> Iterator[Notebook]:
    found = Notebook()
    yield found
    found.end()


@pytest.fixture
def notebook(kernel: Notebook) -> Iterator[Notebook]:
    """A kernel with a view that nobody looks at yet."""
    kernel.comms.clear()
    kernel.run(SETUP)
    yield kernel
    kernel.run("view.close()")


def watching(notebook: Notebook) -> bool:
    threads = notebook.run("[one.name for one in threading.enumerate()]")["text/plain"]
    return "kernelbox view" in threads


def test_a_page_gets_the_picture_once_and_then_what_changes(notebook: Notebook) -> None:
    shown = notebook.run("view")
    comm = shown["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert shown["text/plain"].startswith("process ")
    assert shown["image/svg+xml"].startswith("<svg ")
    assert "<caption" in shown["text/html"]
    (opened,) = [one for one in notebook.comms if one["comm_id"] == comm and "target_name" in one]
    whole = opened["data"]["state"]["state"]
    assert len(whole["picture"]["rows"]) == 102
    patches = notebook.states(comm, "patch", 5)
    assert all(len(one["change"]["rows"]) <= 2 for one in patches)
    numbers = [one["number"] for one in patches]
    assert numbers == list(range(numbers[0], numbers[0] + 5))


def test_a_view_that_is_closed_on_the_page_looks_no_more(notebook: Notebook) -> None:
    comm = notebook.run("view")["application/vnd.jupyter.widget-view+json"]["model_id"]
    notebook.say(comm, {"do": "opened", "page": "one"})
    notebook.say(comm, {"do": "opened", "page": "other"})
    notebook.say(comm, {"do": "closed", "page": "one"})
    assert watching(notebook)
    notebook.say(comm, {"do": "closed", "page": "other"})
    assert not watching(notebook)
    notebook.say(comm, {"do": "opened", "page": "third"})
    assert watching(notebook)
    notebook.close_comm(comm)
    assert not watching(notebook)


def test_a_view_that_was_stopped_is_not_started_again_by_its_page(notebook: Notebook) -> None:
    comm = notebook.run("view")["application/vnd.jupyter.widget-view+json"]["model_id"]
    notebook.run("view.stop()")
    notebook.say(comm, {"do": "opened", "page": "one"})
    notebook.say(comm, {"do": "here", "page": "one"})
    assert not watching(notebook)


def test_a_page_is_taken_for_closed_when_it_is_silent_and_could_have_been_heard(
    notebook: Notebook,
) -> None:
    threads = Path(f"/proc/{notebook.manager.provisioner.pid}/task")
    notebook.run("from kernelbox.widgets import base; base.SILENCE = 0.3; view")
    # In a cell no page is heard, however long it takes.
    notebook.run("import time; time.sleep(1); assert view.watching")
    looking_on = len(list(threads.iterdir()))
    assert looking.soon(lambda: len(list(threads.iterdir())) < looking_on)
    notebook.run("assert not view.watching; base.SILENCE = 25.0")


def test_a_page_that_lost_a_difference_can_have_the_whole(notebook: Notebook) -> None:
    comm = notebook.run("view")
    comm = comm["application/vnd.jupyter.widget-view+json"]["model_id"]
    notebook.run("view.stop()")
    notebook.say(comm, {"do": "whole"})
    whole = notebook.states(comm, "state", 1)
    assert len(whole[0]["picture"]["rows"]) == 102


def test_a_kernel_ends_although_a_view_is_being_watched() -> None:
    notebook = Notebook()
    notebook.run(SETUP + "view")
    assert watching(notebook)
    process = notebook.manager.provisioner.process
    notebook.client.shutdown()
    assert looking.soon(lambda: process.poll() is not None)
    notebook.end()


# -- a birth, live -------------------------------------------------------------------------------


class Birth:
    """What a Stepper is given by the lab: a container that makes a request when it is told to."""

    def __init__(self) -> None:
        self.whole = worlds.birth()
        self.made = 0
        self.threads: set[str] = set()

    def stepper(self, **options: Any) -> Stepper:
        first, pending = self.whole.snapshots[0], self.whole.events[0]
        return Stepper(first, self.go_on, pending=pending, pause=0, **options)

    def go_on(self) -> Step | None:
        self.threads.add(threading.current_thread().name)
        self.made += 1
        events: tuple[Event | None, ...] = (*self.whole.events, None)
        event = events[self.made - 1]
        assert event is not None
        return Step(event, self.whole.snapshots[self.made], events[self.made])


def test_what_is_sent_of_a_birth_adds_up_to_it() -> None:
    birth = Birth()
    view = birth.stepper(panels=[ProcessTree(), comparing(), NetworkMap()])
    page = Page(view)
    view.run()
    assert page.world == json.loads(json.dumps(view.now))
    assert birth.made == len(birth.whole.events)


def test_step_lets_the_container_go_on_and_back_only_looks() -> None:
    birth = Birth()
    view = birth.stepper()
    view.step(3)
    view.back(2)
    assert (birth.made, view.moment) == (3, 1)
    view.step()
    assert (birth.made, view.moment) == (3, 2)
    view.step(2)
    assert (birth.made, view.moment) == (4, 4)
    assert view.event == birth.whole.events[3]
    assert view.snapshot == birth.whole.snapshots[4]


def test_a_birth_that_ran_to_its_end_is_the_recording_of_it() -> None:
    birth = Birth()
    view = birth.stepper()
    page = Page(view)
    view.run()
    assert view.doing == "over"
    assert view.recording == birth.whole
    assert page.world == view.now
    view.step()
    assert birth.made == len(birth.whole.events)


def test_a_step_is_sent_without_the_steps_before_it() -> None:
    view = Birth().stepper(panels=[ProcessTree(), comparing()])
    page = Page(view)
    view.run()
    assert max(map(len, page.messages)) < 8000
    assert len(page.messages[-2]) < 2000


def test_the_buttons_of_a_page_work_in_another_thread() -> None:
    birth = Birth()
    view = birth.stepper()
    view._handle_custom_msg({"do": "step"}, [])
    assert looking.soon(lambda: view.moment == 1)
    view._handle_custom_msg({"do": "run"}, [])
    assert looking.soon(lambda: view.doing == "over")
    assert birth.threads == {"kernelbox stepper"}
    assert view.moment == len(birth.whole.events)
    view.close()
    assert "kernelbox stepper" not in {one.name for one in threading.enumerate()}


def test_a_run_stops_when_it_is_paused() -> None:
    birth = Birth()
    view = birth.stepper()

    def pause(_change: Any) -> None:
        if view.moment == 5:
            view.pause()

    view.observe(pause, "moment")
    view.run()
    assert (birth.made, view.doing) == (5, "ready")


def test_a_container_that_cannot_go_on_ends_the_birth_and_says_why() -> None:
    def fail() -> Step:
        raise KernelboxError("the container was killed")

    view = Stepper(Snapshot(worlds.NOON), fail)
    with pytest.raises(KernelboxError):
        view.step()
    assert view.doing == "over"
    assert view.now["picture"]["note"] == "the birth has ended: the container was killed"
    view.step()  # there is nothing more to happen


def test_linked_views_show_the_moment_of_the_slider() -> None:
    view, tree = timeline(worlds.world()), ProcessTree()
    view.link(tree)
    assert "4182" not in tree.now["picture"]["rows"]
    view.moment = 4
    assert tree.now["picture"]["rows"]["4182"]["mark"] == "appeared"
    view.moment = 5
    assert "mark" not in tree.now["picture"]["rows"]["4182"]
    view.moment = 10_000  # a page may say anything
    assert view.event == view.recording.events[-1]


def test_a_panels_frames_add_up_to_what_the_panel_draws_at_each_moment() -> None:
    recording = worlds.birth()
    panel = Timeline(recording, [comparing()]).now["picture"]["panels"]["0"]
    alone, world = comparing(), {}
    for moment, snapshot in enumerate(recording.snapshots):
        world = merge(world, json.loads(panel["frames"][str(moment)]))
        before = recording.snapshots[moment - 1] if moment else None
        assert world == alone.draw(snapshot, before)


# -- recordings ----------------------------------------------------------------------------------


def test_a_recording_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    whole = worlds.world(7)
    events = worlds.events()[:2]
    recording = Recording(
        events, (Snapshot(worlds.NOON), whole, worlds.another_run(whole)), "Ünder"
    )
    for one in (worlds.birth(), recording):
        one.save(tmp_path / "birth.json")
        assert Recording.load(tmp_path / "birth.json") == one


def test_a_recording_keeps_differences() -> None:
    crowd = Recording(
        worlds.events()[:3], tuple(worlds.crowd(50, at) for at in range(4)), "a crowd"
    )
    first, *others = crowd.to_text().partition('"snapshots"')[2].splitlines()[1:5]
    assert all(len(one) < len(first) / 25 for one in others)


DAMAGE = {
    "empty": "",
    "cut off": worlds.birth().to_text()[:-500],
    "no object": "[1, 2]",
    "something else": '{"cells": [], "nbformat": 4}',
    "no version": '{"kernelbox": "recording"}',
    "a strange version": '{"kernelbox": "recording", "version": "one"}',
    "no snapshots": '{"kernelbox": "recording", "version": 1, "title": "", "events": []}',
    "too few snapshots": re.sub(r"\n.*\n\]}\n$", "\n]}\n", worlds.birth().to_text()),
    "an event of wrong kind": worlds.birth().to_text().replace('"number":1,', '"number":"x",', 1),
    "an unknown field": worlds.birth().to_text().replace('"inside_pid"', '"outside_pid"'),
    "an order of nothing": worlds.birth().to_text().replace('"order":[1,', '"order":[77,'),
}  # fmt: skip


@pytest.mark.parametrize("text", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_recording_is_one_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "birth.json").write_text(text)
    with pytest.raises(KernelboxError, match=r"birth\.json") as caught:
        Recording.load(tmp_path / "birth.json")
    assert "\n" not in str(caught.value)
    assert "damaged" in caught.value.hint


def test_bytes_that_are_no_text_are_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "birth.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(KernelboxError, match="cannot read"):
        Recording.load(tmp_path / "birth.json")


def test_a_recording_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(KernelboxError, match="there is no recording"):
        Recording.load(tmp_path / "birth.json")


def test_a_newer_recording_says_that_kernelbox_is_too_old(tmp_path: Path) -> None:
    newer = worlds.birth().to_text().replace('"version": 1', '"version": 2')
    (tmp_path / "birth.json").write_text(newer)
    with pytest.raises(KernelboxError, match="newer kernelbox") as caught:
        Recording.load(tmp_path / "birth.json")
    assert caught.value.hint == "Update kernelbox"


def test_a_recording_is_read_where_there_is_no_linux(tmp_path: Path) -> None:
    worlds.birth().save(tmp_path / "birth.json")
    code = (
        "import sys\n"
        "sys.platform = 'darwin'\n"
        "for name in ('ctypes', 'anywidget', 'fcntl'): sys.modules[name] = None\n"
        "from kernelbox.widgets import Recording\n"
        "print(len(Recording.load(sys.argv[1]).events))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "birth.json")]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True)
    assert done.stdout == f"{len(worlds.events())}\n"


def test_a_timeline_is_played_by_a_page_that_asks_nobody() -> None:
    html = timeline(worlds.world()).html()
    frame = ElementTree.fromstring(f"<div>{html}</div>").find("iframe")
    assert frame is not None and frame.get("title")
    page = frame.get("srcdoc", "")
    assert "clone3" in page
    assert not re.search(r"""(src|href)=["']|@import|url\(["']?http""", page)
    assert set(re.findall(r"https?://[\w.]+", page)) <= {"http://www.w3.org"}


# -- what is shipped -----------------------------------------------------------------------------

BUNDLES = sorted((WIDGETS / "static").glob("*.js"))


def test_the_bundles_are_of_these_sources() -> None:
    """Made as src/build.mjs makes it; `make widgets` mends it."""
    names = [f"src/{one.name}" for one in (WIDGETS / "src").iterdir()]
    total = hashlib.sha256()
    for name in sorted([*names, "package.json", "package-lock.json"]):
        total.update(name.encode() + b"\0" + (WIDGETS / name).read_bytes() + b"\0")
    assert (WIDGETS / "static/SOURCES").read_text().strip() == total.hexdigest()


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.stem)
def test_a_bundle_is_small_and_needs_nothing_else(bundle: Path) -> None:
    text = bundle.read_text()
    assert len(text) < 100_000
    assert set(re.findall(r"https?://[\w.]+", text)) <= {"http://www.w3.org"}
    assert not re.search(
        r"\bimport\s*[({\"'*]|\bimport\s+\w+\s+from|\bfetch\(|XMLHttpRequest", text
    )


def test_each_view_has_its_bundle() -> None:
    kinds = [
        *(ProcessTree, CapabilityTable, MountTree, LayerStack),
        *(NetworkMap, ResourceGraph, Timeline),
    ]
    assert [one.stem for one in BUNDLES] == sorted(["form", *(kind.script for kind in kinds)])


def test_the_lock_names_no_registry() -> None:
    assert "://" not in (WIDGETS / "package-lock.json").read_text()


def test_the_wheel_brings_the_bundles(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=TOP, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {path.name for path in (WIDGETS / "static").iterdir()}
    assert {f"kernelbox/widgets/static/{name}" for name in shipped} <= names
    assert not any("node_modules" in name for name in names)
