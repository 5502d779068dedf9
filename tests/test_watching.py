"""What the lab shows of itself: live views of real containers, and births that are stepped through.

What a view says is compared with what this process reads in /proc, in control groups and on disk.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kernelbox import lab
from kernelbox.kernel.errors import KernelboxError
from kernelbox.lab import Lab, LabError
from kernelbox.lab.live import Eye, Scene
from kernelbox.observe import Snapshot
from kernelbox.observe.updates import Listener, Teller
from kernelbox.plumbing.channel import disclose, enclose
from kernelbox.widgets import Recording
from kernelbox.widgets.base import View
from tests import looking, worlds
from tests.looking import is_alive, namespace, soon
from tests.test_lab import Notebook

PARTS = frozenset({"processes"})
VIEWS = ("processes", "mounts", "network", "resources")


@pytest.fixture
def doomed(environment: dict[str, str]) -> Iterator[Notebook]:
    """A Jupyter kernel that a test may end."""
    made = Notebook(environment)
    made.ok("box = lab.start()")
    yield made
    made.close()


def start(box: Lab, name: str, command: str = "sleep 1000", **options: Any) -> lab.Container:
    return box.start("busybox", command, name=name, **{"network": "none", **options})


def picture(view: View) -> dict[str, Any]:
    found: dict[str, Any] = view.now["picture"]
    return found


def refreshed(view: View) -> dict[str, Any]:
    view.refresh()
    return picture(view)


# --- what they show -------------------------------------------------------------------------------


def test_a_lab_that_shows_nothing_loads_no_library_for_it() -> None:
    program = (
        "import sys\n"
        "from kernelbox import lab\n"
        "lab.start().close()\n"
        "print(*{'anywidget', 'ipywidgets', 'matplotlib', 'IPython'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.split() == []


def test_a_process_of_a_container_is_shown_with_both_its_pids(box: Lab) -> None:
    one, other = start(box, "one"), start(box, "other")
    rows = picture(box.processes())["rows"]
    assert {str(one.pid), str(other.pid), str(box.agent)} <= rows.keys()
    shown = rows[str(one.pid)]
    assert (shown["inside"], shown["container"]) == (1, one.id)
    for kind, inode in shown["inodes"].items():
        assert f"{kind}:[{inode}]" == namespace(one.pid, kind)


@pytest.mark.parametrize("how", ["itself", "name", "id", "short id"])
def test_a_container_is_chosen_by_itself_its_name_or_its_id(box: Lab, how: str) -> None:
    one, other = start(box, "one"), start(box, "other")
    chosen = {"itself": one, "name": "one", "id": one.id, "short id": one.id[:6]}[how]
    rows = picture(box.processes(chosen))["rows"]
    assert str(one.pid) in rows
    assert str(other.pid) not in rows


def test_capabilities_are_those_of_proc_and_count_where_it_says(box: Lab) -> None:
    plain, mapped = start(box, "plain", cap_add=["NET_ADMIN"]), start(box, "mapped", userns="auto")
    rows = picture(box.capabilities())["rows"]
    for one in (plain, mapped):
        shown = rows[str(one.pid)]
        assert int(shown["set"], 16) == int(looking.status(one.pid)["CapEff"], 16)
        assert shown["uid"] == int(looking.status(one.pid)["Uid"].split()[1])
        own = namespace(one.pid, "user") != namespace(box.agent, "user")
        assert own == (shown["where"] != "H") == (one is mapped)
    assert rows[str(mapped.pid)]["may"] == "Docker's 14"


def test_mounts_are_those_of_the_container(box: Lab) -> None:
    one = start(box, "one")
    shown = picture(box.mounts(one))
    assert shown["namespaces"][shown["left"]]["pids"] == [str(one.pid)]
    points = {row["point"] for row in shown["rows"].values() if shown["left"] in row["in"]}
    assert points == {mount.point for mount in looking.mounts(one.pid)}


def test_the_mounts_of_two_containers_are_compared(box: Lab, tmp_path: Path) -> None:
    one, other = start(box, "one"), start(box, "other", volume=[f"{tmp_path}:/extra"])
    shown = picture(box.mounts(one, other))
    assert (shown["left"], shown["right"]) == (str(one.pid), str(other.pid))
    extra = next(row for row in shown["rows"].values() if row["point"] == "/extra")
    assert [*extra["in"]] == [str(other.pid)]


def test_layers_show_what_is_written_and_what_the_container_sees(box: Lab) -> None:
    one = start(box, "one")
    view = box.layers(one)
    assert picture(view)["upper"] == {}
    one.exec("sh -c 'echo hello > /new; rm /bin/vi'")
    shown = refreshed(view)
    assert shown["upper"]["/new"]["what"] == "added"
    assert {"/bin/sh", "/new"} <= shown["merged"].keys()
    inside = looking.inside(one.pid, "/")
    assert {f"/{name.name}" for name in inside.iterdir()} >= {
        path for path in shown["merged"] if path.count("/") == 1
    }


def test_the_network_shows_a_cable_into_each_container(box: Lab) -> None:
    one = start(box, "one", network="bridge")
    shown = picture(box.network())
    inode = namespace(one.pid, "net").partition("[")[2][:-1]
    links = shown["namespaces"][inode]["links"].values()
    assert {link["name"] for link in links} == {"lo", "eth0"}
    assert shown["namespaces"][inode]["label"] == "one"
    assert shown["cables"]


def test_resources_show_a_limit_and_that_it_was_hit(box: Lab) -> None:
    one = start(box, "one", memory="16m")
    view = box.resources(one)
    one.exec(["sh", "-c", "head -c 64m /dev/zero | tail"], quiet=True)
    (shown,) = refreshed(view)["containers"].values()
    assert shown["name"] == "one"
    assert shown["limits"]["memory"] == 16 << 20
    assert shown["kills"] >= 1


def test_what_a_held_process_unshares_is_shown_although_it_sleeps_again(box: Lab) -> None:
    p = box.hold()
    view = box.processes()
    for _ in range(2):  # the second look remembers the first
        assert refreshed(view)["rows"][str(p.pid)]["letters"]["uts"] == "H"
    p.unshare("uts")
    row = refreshed(view)["rows"][str(p.pid)]
    assert row["letters"]["uts"] != "H"
    assert f"uts:[{row['inodes']['uts']}]" == namespace(p.pid, "uts")


def test_one_container_has_one_letter_in_every_view(box: Lab) -> None:
    one, two = start(box, "one", network="bridge"), start(box, "two", network="bridge")
    tree, table = picture(box.processes(two)), picture(box.capabilities(two))
    network, graph = picture(box.network()), picture(box.resources(two))
    assert tree["rows"][str(two.pid)]["letters"]["uts"] == "B"
    assert table["rows"][str(two.pid)]["where"] == "H"
    boxes = {each["container"]: each["letter"] for each in network["namespaces"].values()}
    assert (boxes[one.id], boxes[two.id]) == ("A", "B")
    assert graph["containers"][two.id]["letter"] == "B"
    born = box.birth("busybox", "sleep 1000", network="none")
    born.to("execve")
    assert born.container
    rows = picture(box.processes(born.container))["rows"]
    assert rows[str(born.container.pid)]["letters"]["uts"] == "C"
    one.remove()
    again = picture(box.processes())["rows"][str(two.pid)]["letters"]
    assert again["uts"] == "B", "it keeps its letter"


# --- what goes away -------------------------------------------------------------------------------


def test_a_container_that_dies_while_it_is_watched_is_gone_and_the_views_go_on(box: Lab) -> None:
    one = start(box, "one", network="bridge")
    views = [box.processes(one), box.mounts(one), box.layers(one), box.network()]
    views.append(box.resources(one))
    one.remove()
    notes = [refreshed(view)["note"] for view in views]
    assert str(one.pid) not in picture(views[0])["rows"]
    assert notes[2] == "no layers to be seen"
    assert len(picture(views[3])["namespaces"]) == 1
    assert notes[4] == "one: no control group any more"
    assert not any("cannot look" in note for note in notes)
    new = start(box, "one")
    everything = box.processes()
    assert str(new.pid) in picture(everything)["rows"]


@pytest.mark.parametrize("view", ["processes", "mounts", "layers", "resources"])
def test_an_unknown_container_is_one_clear_error(box: Lab, view: str) -> None:
    with pytest.raises(LabError, match="no such container: nobody") as refusal:
        getattr(box, view)("nobody")
    assert "\n" not in str(refusal.value)


def test_a_view_says_that_the_lab_is_closed_and_a_new_one_is_refused(box: Lab) -> None:
    view = box.processes()
    view.start()
    box.close()
    assert not view.watching
    assert "the lab is closed" in picture(view)["note"]
    view.refresh()
    assert picture(view)["rows"], "what was seen last stays"
    for name in VIEWS:
        with pytest.raises(LabError, match=r"the lab is closed|the process is gone"):
            getattr(box, name)()


def test_a_view_outlives_an_agent_that_is_killed(box: Lab) -> None:
    view = box.processes(interval=0.05)
    view.start()
    os.kill(box.agent, signal.SIGKILL)
    assert soon(lambda: "the lab is closed" in picture(view)["note"])
    with pytest.raises(LabError):
        box.hold()
    assert not view.watching


def test_a_part_that_there_is_not_is_refused(box: Lab) -> None:
    with pytest.raises(LabError, match="a snapshot has no part 'weather'"):
        Scene(box._agent.snapshot, None).look(frozenset({"weather"}))
    with pytest.raises(LabError, match="the agent failed"):
        box._agent.conversation.ask("snapshot", scene=1, known=0, nonsense=1)
    assert box.hold().pid


# --- how often ------------------------------------------------------------------------------------


def test_many_views_of_the_same_cost_one_snapshot_each_time() -> None:
    asked = []

    def ask(**what: Any) -> dict[str, Any]:
        asked.append(what)
        snapshot = Snapshot(float(len(asked)))
        told = Teller().tell(snapshot, 0)
        return {"fds": [enclose(told, "snapshot")]}

    scene = Scene(ask, None)
    eyes = [Eye(scene, PARTS, 60.0) for _ in range(5)]

    def look() -> list[float]:
        seen: list[float] = []
        with_pool = [threading.Thread(target=lambda e=e: seen.append(e().time)) for e in eyes]
        for one in with_pool:
            one.start()
            one.join()
        return seen

    assert look() == [1.0] * 5
    assert look() == [2.0] * 5
    assert eyes[0]().time == 3.0, "what a cell asks for is new"
    assert eyes[0]().time == 4.0


def test_views_that_show_different_parts_look_together() -> None:
    asked: list[list[str]] = []

    def ask(**what: Any) -> dict[str, Any]:
        asked.append(what["parts"])
        return {"fds": [enclose(Teller().tell(Snapshot(1.0), 0), "snapshot")]}

    scene = Scene(ask, None)
    one, other = Eye(scene, frozenset({"mounts"}), 60.0), Eye(scene, frozenset({"usage"}), 60.0)
    one(), other(), one()
    assert asked == [["mounts"], ["mounts", "usage"], ["mounts", "usage"]]


def test_a_view_that_is_stopped_asks_the_agent_nothing_more(box: Lab) -> None:
    def asked() -> int:
        return int(looking.status(box.agent)["voluntary_ctxt_switches"])

    view = box.processes(interval=0.05)
    before = asked()
    view.start()
    assert soon(lambda: asked() > before + 3)
    view.close()
    after = asked()
    time.sleep(0.5)
    assert asked() <= after + 1


def test_a_lab_works_while_it_is_watched(box: Lab) -> None:
    views = [getattr(box, name)(interval=0.05) for name in VIEWS]
    for view in views:
        view.start()
    for _ in range(5):
        assert box.run("busybox", "true", network="none").code == 0
        p = box.hold()
        p.unshare("uts")
        p.end()
    assert not [picture(view)["note"] for view in views if "cannot" in picture(view)["note"]]
    assert all(view.watching for view in views)


# --- what is told ---------------------------------------------------------------------------------


def test_who_listens_gets_the_snapshots_that_were_taken() -> None:
    teller, listener = Teller(), Listener()
    busy, empty = worlds.world(), Snapshot(1.0)
    for world in (busy, worlds.world(1), empty, worlds.crowd(3), busy):
        told = json.loads(json.dumps(teller.tell(world, listener.number)))
        assert listener.hear(told) == world


def test_nothing_is_told_of_what_is_as_it_was() -> None:
    teller, listener = Teller(), Listener()
    first = listener.hear(teller.tell(worlds.world(), 0))
    again = teller.tell(worlds.world(), listener.number)
    assert again["news"] == {}
    second = listener.hear(again)
    for field in dataclasses.fields(Snapshot):
        if field.name != "time":
            assert getattr(second, field.name) is getattr(first, field.name)


def test_one_process_more_is_all_that_is_told() -> None:
    teller, listener = Teller(), Listener()
    before = worlds.world()
    listener.hear(teller.tell(before, 0))
    new = dataclasses.replace(before.processes[-1], pid=999_999)
    after = dataclasses.replace(before, processes=(*before.processes, new))
    told = teller.tell(after, listener.number)
    assert [*told["news"]] == ["processes"]
    assert [*told["news"]["processes"]["new"]] == ["999999"]
    assert listener.hear(told) == after


def test_after_an_answer_that_was_lost_everything_is_told() -> None:
    teller, listener = Teller(), Listener()
    listener.hear(teller.tell(Snapshot(1.0), 0))
    teller.tell(worlds.world(), listener.number)  # an interrupt: nobody heard this
    assert listener.hear(teller.tell(worlds.world(), listener.number)) == worlds.world()


def test_a_document_of_any_size_travels_as_a_file() -> None:
    document = {"text": "x" * (1 << 20)}
    fd = enclose(document, "test")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        socket.send_fds(ours, [b"."], [fd])
        os.close(fd)
        _, (received,), _, _ = socket.recv_fds(theirs, 1, 1)
    assert disclose(received) == document
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(received)


# --- a birth --------------------------------------------------------------------------------------


def until(birth: Any, request: str, side: str = "") -> None:
    """Step until the request that comes next is this one, of this side if there is one named."""
    while not birth._pending.request.startswith(request) or side not in birth._pending.side:
        birth.step()


def half_born(birth: Any) -> int:
    """Return the pid of the container's init, which is no program yet."""
    (found,) = [one for one in birth.snapshot.processes if one.side == "container"]
    return int(found.pid)


@pytest.mark.outside("test_observe.py takes the same steps")
def test_a_step_is_one_request_by_the_real_container(box: Lab, tests_root: Path) -> None:
    birth = box.birth("busybox", "sleep 1000", network="none")
    assert [one.name for one in (tests_root / "containers").iterdir()] == [birth.id]
    assert not [one for one in looking.cgroups() if one.name == birth.id]
    birth.step()
    assert len(birth.recording.events) == 1
    assert [one for one in looking.cgroups() if one.name == birth.id], "and it has made a group"

    until(birth, "sethostname")
    pid = half_born(birth)
    ours = looking.enter(pid, "--uts", "uname", "-n")
    birth.step()
    assert birth.event is not None
    assert birth.event.request.startswith("sethostname")
    assert looking.enter(pid, "--uts", "uname", "-n") == f"{birth.id}\n" != ours


def test_back_and_forth_moves_the_picture_and_not_the_container(box: Lab) -> None:
    birth = box.birth("busybox", "sleep 1000", network="none")
    until(birth, "mount", "container")
    pid = half_born(birth)
    before = len(looking.mounts(pid))
    birth.step(3)
    mounted = [(one.point, one.kind) for one in looking.mounts(pid)]
    now = birth.snapshot.mounts
    assert len(mounted) > before
    birth.back(2)
    assert len(birth.snapshot.mounts[pid]) < len(now[pid])
    assert [(one.point, one.kind) for one in looking.mounts(pid)] == mounted
    birth.step(2)
    assert birth.snapshot.mounts == now
    assert [(one.point, one.kind) for one in looking.mounts(pid)] == mounted


def test_a_birth_goes_to_a_request_whether_it_is_made_already_or_yet_to_come(box: Lab) -> None:
    birth = box.birth("busybox", "sleep 1000", network="none")
    birth.to("sethostname")
    pid = half_born(birth)
    assert looking.enter(pid, "--uts", "uname", "-n") == f"{birth.id}\n"
    made = len(birth.recording.events)
    birth.to("clone3")
    assert (birth.moment < made, len(birth.recording.events)) == (True, made)
    birth.to("execve")
    assert birth.container is not None
    with pytest.raises(LabError, match="in this birth there is no reboot"):
        birth.to("reboot")
    assert is_alive(pid)


def test_the_container_of_a_finished_birth_runs_on_and_can_be_removed(box: Lab) -> None:
    birth = box.birth("busybox", "sleep 1000", name="born")
    birth._pause = 0
    birth.run()
    assert birth.doing == "over"
    made = birth.container
    assert made is not None
    birth.close()
    assert is_alive(made.pid)
    assert made.exec("hostname", quiet=True).stdout == f"{made.id[:12]}\n"
    assert [one["Name"] for one in box.containers()] == ["born"]
    made.remove()
    assert not is_alive(made.pid)
    assert not box.containers(every=True)


def test_a_container_that_was_born_ends_although_nobody_says_go(box: Lab, tests_root: Path) -> None:
    birth = box.birth("busybox", "sleep 0.1", network="none")
    birth._pause = 0
    birth.run()
    assert soon(lambda: not list((tests_root / "containers").iterdir()))
    assert birth.container is not None
    assert birth.container.wait() == 0


def test_all_requests_of_a_birth_are_in_its_recording_and_it_can_be_kept(
    box: Lab, tmp_path: Path
) -> None:
    plain = box.start("busybox", "sleep 1000", network="none", trace=True)
    birth = box.birth("busybox", "sleep 1000", network="none")
    birth._pause = 0
    birth.run()
    names = [one.request.partition("(")[0] for one in birth.recording.events]
    assert sorted(names) == sorted(one.request.partition("(")[0] for one in plain.trace)
    assert names[-1] == "execve"
    birth.recording.save(tmp_path / "birth.json")
    assert Recording.load(tmp_path / "birth.json") == birth.recording


MOMENTS = ("mkdir", "clone3", "mount", "pivot_root", "execve")


@pytest.mark.parametrize("network", ["none", "bridge"])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("way", ["birth closed", "removed", "lab closed"])
def test_a_birth_that_is_not_finished_leaves_nothing(
    box: Lab, tests_root: Path, way: str, moment: str, network: str
) -> None:
    birth = box.birth("busybox", "sleep 1000", network=network)
    until(birth, moment)
    {"birth closed": birth.close, "removed": birth.remove, "lab closed": box.close}[way]()
    assert not list((tests_root / "containers").iterdir())
    assert birth.container is None
    assert birth.doing == "over"
    assert birth.step() is None, "there is nothing to go on with"
    birth.close()


@pytest.mark.outside("how Jupyter's kernels end is the same")
@pytest.mark.parametrize("way", ["killed", "restarted", "interrupted", "lab started again"])
def test_a_birth_in_a_notebook_that_ends_leaves_nothing(
    doomed: Notebook, tests_root: Path, way: str
) -> None:
    doomed.ok("birth = box.birth('busybox', 'sleep 1000'); birth.step(40)")
    (container,) = (tests_root / "containers").iterdir()
    if way == "killed":
        os.kill(doomed.pid, signal.SIGKILL)
    elif way == "restarted":
        doomed.restart(now=True)
    elif way == "lab started again":
        doomed.ok("box = lab.start()")
    else:
        cell = doomed.begin("print('running', flush=True); birth._pause = 1000; birth.run()")
        assert soon(
            lambda: "running\n" in doomed.client.get_iopub_msg(timeout=20)["content"].values()
        )
        time.sleep(0.3)
        doomed.manager.interrupt_kernel()
        assert doomed.end(cell).failure["ename"] == "KeyboardInterrupt"
        assert "birth was interrupted" in doomed.ok("print(birth.now['picture']['note'])")
    assert soon(lambda: not container.exists())
    assert soon(lambda: not [one for one in looking.cgroups() if one.name == container.name])


def test_a_birth_that_fails_says_why_and_leaves_nothing(box: Lab, tests_root: Path) -> None:
    birth = box.birth("busybox", "/no/such/program", network="none")
    birth._pause = 0
    with pytest.raises(KernelboxError, match="'/no/such/program': no such file"):
        birth.run()
    assert "no such file" in picture(birth)["note"]
    assert any(one.failed for one in birth.recording.events)
    assert birth.doing == "over"
    assert not list((tests_root / "containers").iterdir())


@pytest.mark.parametrize(
    ("begin", "words"),
    [
        (lambda box: box.birth("nothing"), 'no image "nothing:latest"'),
        (lambda box: box.birth("busybox", "true", color="red"), "no option 'color'"),
        (lambda box: box.birth("busybox", "true", name="taken"), "the name 'taken' is in use"),
    ],
)
def test_a_birth_that_cannot_begin_is_one_clear_error(
    box: Lab, begin: Callable[[Lab], object], words: str
) -> None:
    start(box, "taken")
    with pytest.raises(LabError, match=words):
        begin(box)


def test_two_births_go_on_in_turns(box: Lab) -> None:
    births = [box.birth("busybox", "sleep 1000", name=name) for name in ("one", "two")]
    for _ in range(30):
        for birth in births:
            birth.step()
    pids = [half_born(birth) for birth in births]
    assert len({namespace(pid, "mnt") for pid in pids}) == 2
