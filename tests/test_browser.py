"""The views in real JupyterLab, in a real browser: what a reader sees, clicks and types.

What the kernel has is read from outside, in /proc and in cgroupfs, and compared with the page. The
pictures of every test are kept where `KERNELBOX_ARTEFACTS` says, else beside pytest's own files.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Locator, expect

from kernelbox.lab.exporting import PageAlone
from kernelbox.widgets import MountTree, NetworkMap, ProcessTree, Timeline, palette
from kernelbox.widgets.resource_graph import HUES
from tests import looking, worlds
from tests.browser import PATIENCE, SIZE, JupyterLab, Notebook, Server, pale, pixels, violations
from tests.command import Kernelbox

# Counts the screen's frames for some seconds; events that are answered slowly are noted from then.
FRAMES = """async () => {
    window.slowest ??= [];
    new PerformanceObserver((list) => slowest.push(...list.getEntries().map((one) => one.duration)))
        .observe({ type: "event", durationThreshold: 16 });
    const gaps = [], begun = performance.now();
    for (let last = begun; last - begun < 2000; ) {
        const now = await new Promise(requestAnimationFrame);
        gaps.push(now - last);
        last = now;
    }
    return [Math.round(gaps.length / 2), Math.round(Math.max(...gaps))];
}"""
SHOWN = "() => { document.dispatchEvent(new Event('visibilitychange')); }"
TOP = Path(__file__).resolve().parent.parent
THEMES = ("Dark", "Light")
PROCESSES = "Processes and their namespaces"
BIRTH = "The birth of a container"
# Two times it takes more memory than it may have, a little at a time, as soon as there is a file.
EATER = """
until [ -e /go ]; do sleep 0.1; done
for i in 1 2; do
    while dd if=/dev/zero bs=512k count=1; do sleep 0.02; done 2>/dev/null | tail -c 1000000000
done
exec sleep infinity
"""
# Puts the focus just before an output, as if somebody had come there with the Tab key.
BEFORE = """(output) => {
    const place = document.createElement("span");
    place.tabIndex = -1;
    output.prepend(place);
    output.scrollIntoView();
    place.focus();
}"""
# What a screen reader calls an element, as far as the views give names.
NAME = """(one) => one.getAttribute("aria-label")
    ?? ([...(one.labels ?? [])].map((label) => label.firstChild.data).join() || one.innerText)"""
FOCUSED = f"() => ({NAME})(document.activeElement)"
NAMES = f"(every) => every.map({NAME})"
LEFT_OF = "(one) => getComputedStyle(one).marginLeft"
PICTURES = ".jp-OutputArea-output .kb-picture"
CONTROLS = ", ".join(f"{one}:visible" for one in ("button", "select", "input", "[tabindex='0']"))
LAB = "from kernelbox import lab\nbox = lab.start()"
# Every view of a world that is made up, so that the pictures are the same in every run.
GALLERY = {
    "processes": "ProcessTree(worlds.world())",
    "capabilities": "CapabilityTable(worlds.world())",
    "mounts": "MountTree(worlds.world())",
    "mounts-compared": "MountTree(worlds.world(), pid=4182, other=1)",
    "layers": "LayerStack(worlds.world())",
    "network": "NetworkMap(worlds.world())",
    "resources": "graph(worlds.world())",
    "birth": "birth = timeline(worlds.world()); birth.moment = 14; birth",
}
QUESTION = "question('What is `it`?', wrong('a machine', 'No.'), right('a process', 'Yes.'))"
FORMS = {
    "guess": "forms.guess(number('n', 'How many processes?', 'processes'), str)",
    "guess-choice": "forms.guess(choice('c', 'Which one?', 'this', 'that'), str)",
    "guess-text": "forms.guess(text('t', 'Who is it?'), str)",
    "quiz": f"forms.quiz(({QUESTION},), print)",
    "inventory": "inventory.ask('before')",
    "gain": "Picture([Gain('all wrong answers', 2, 2, 1), Gain('LIGHT-VM', 2, 2, 1)])",
    "passed": "verdict.passed('it is so')",
    "not-yet": "verdict.failed('it is so', 'it is otherwise')",
}
MADE_UP = """
from kernelbox.lab import inventory
from kernelbox.lab.exercises import forms, verdict
from kernelbox.lab.exercises.predictions import choice, number, text
from kernelbox.lab.exercises.questions import question, right, wrong
from kernelbox.lab.inventory.gains import Gain
from kernelbox.lab.inventory.picture import Picture
from kernelbox.widgets import *
from tests import worlds
from tests.test_widgets import graph, timeline
"""


@pytest.fixture(scope="module")
def jupyterlab(tests_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    """JupyterLab, whose kernels use the tests' root. It ends with this module: see Playwright."""
    environment = {
        **os.environ,
        "KERNELBOX_ROOT": str(tests_root),
        looking.MARK: str(os.getpid()),
    }
    with contextlib.ExitStack() as ending:  # of both, even if Ctrl-C is pressed in the middle
        server = Server(tmp_path_factory.mktemp("jupyter"), environment)
        ending.callback(server.close)
        made = JupyterLab(server)
        ending.callback(made.close)
        made.start()
        yield made


@pytest.fixture
def open_notebook(
    jupyterlab: JupyterLab, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Notebook]]:
    """Open a notebook of these cells, or this one; afterwards it is closed. Nobody complained."""
    opened: list[Notebook] = []

    def open_one(*cells: str | Path) -> Notebook:
        name = re.sub(r"\W+", "-", request.node.name)
        opened.append(jupyterlab.open(f"{name}.ipynb", *cells))
        return opened[0]

    jupyterlab.complaints.clear()
    yield open_one
    jupyterlab.theme("Light")
    for notebook in opened:
        notebook.close()
    assert jupyterlab.complaints == []


@pytest.fixture(scope="module")
def opened_gallery(jupyterlab: JupyterLab) -> Iterator[Notebook]:
    """A notebook of every view, and then every form, which has been run."""
    notebook = jupyterlab.open("gallery.ipynb", MADE_UP, *GALLERY.values(), *FORMS.values())
    notebook.run()
    jupyterlab.kept.append(notebook.name)
    yield notebook
    jupyterlab.bring(notebook.name)
    notebook.close()


@pytest.fixture
def gallery(jupyterlab: JupyterLab, opened_gallery: Notebook) -> Iterator[Notebook]:
    """The same, in front, for a test that changes nothing in it. Nobody complained."""
    jupyterlab.complaints.clear()
    jupyterlab.bring(opened_gallery.name)
    yield opened_gallery
    jupyterlab.theme("Light")
    assert jupyterlab.complaints == []


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures are kept."""
    named = os.environ.get("KERNELBOX_ARTEFACTS")
    path = Path(named) if named else tmp_path_factory.mktemp("artefacts")
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture
def photograph(jupyterlab: JupyterLab, artefacts: Path) -> Callable[..., None]:
    """Keep a picture of the page, with this view in it, on dark and on light paper."""

    def take(view: Locator, name: str, *themes: str) -> None:
        for theme in themes or THEMES:
            jupyterlab.theme(theme)
            view.evaluate("(view) => view.scrollIntoView({ block: 'nearest' })")
            jupyterlab.page.mouse.move(640, 5)
            jupyterlab.page.screenshot(
                path=artefacts / f"{name}-{theme.lower()}.png", animations="disabled"
            )

    return take


def details(view: Locator) -> dict[str, str]:
    """Return what a view says of what is chosen in it."""
    names, texts = view.locator(".kb-detail").evaluate(
        """(one) => ["dt", "dd"].map((tag) =>
            [...one.querySelectorAll(tag)].map((each) => each.innerText))"""
    )
    return dict(zip(names, texts, strict=True))


def row(view: Locator, pid: int) -> Locator:
    return view.locator(f'tr[data-row="{pid}"]')


# --- looking at processes -------------------------------------------------------------------------


def test_a_process_that_is_clicked_shows_what_proc_says_of_it(
    open_notebook: Callable[..., Notebook],
    kernelbox: Kernelbox,
    photograph: Callable[..., None],
) -> None:
    one = kernelbox.start("--name", "web", "busybox", "sh", "-c", "sleep 1000 & sleep 2000; true")
    kernelbox.start("--name", "db", "--network", "none", "busybox", "sleep", "infinity")
    pid = kernelbox.pid(one)
    notebook = open_notebook(LAB, "box.processes()")
    notebook.run()
    view = notebook.view(PROCESSES)
    assert row(view, pid).locator("td").nth(2).inner_text() == "1"
    row(view, pid).click()
    expect(view.locator(".kb-detail")).to_contain_text(one)
    said = details(view)
    assert said["command"] == "sh -c sleep 1000 & sleep 2000; true"
    assert said["control group"] in Path(f"/proc/{pid}/cgroup").read_text()
    assert f"(0x{int(looking.status(pid)['CapEff'], 16):x})" in said["capabilities"]
    for kind in ("mnt", "net", "pid", "uts"):
        assert looking.namespace(pid, kind) in said["namespaces"]
    photograph(view, "processes-real", "Light")
    row(view, pid).click()
    expect(view.locator(".kb-detail")).to_be_empty()


def test_a_process_comes_and_goes_on_the_page_as_it_does_in_proc(
    open_notebook: Callable[..., Notebook], kernelbox: Kernelbox
) -> None:
    container = kernelbox.start("--network", "none", "busybox", "sleep", "infinity")
    notebook = open_notebook(LAB, "box.processes()")
    notebook.run()
    view = notebook.view(PROCESSES)
    first = kernelbox.pid(container)
    expect(row(view, first)).to_be_visible()
    with kernelbox.popen("exec", container, "sleep", "54321") as command:
        added = view.get_by_role("row", name=re.compile("sleep 54321"))
        expect(added).to_be_visible()
        pid = int(added.get_attribute("data-row") or 0)
        assert looking.namespace(pid, "uts") == looking.namespace(first, "uts")
        os.kill(pid, 9)
        command.wait(PATIENCE)
    expect(added).to_have_count(0)
    kernelbox.ok("rm", "-f", container)
    expect(row(view, first)).to_have_count(0)
    # It goes on looking: the next container is seen as well.
    other = kernelbox.start("--network", "none", "busybox", "sleep", "infinity")
    expect(row(view, kernelbox.pid(other))).to_be_visible()


def test_a_page_that_is_opened_later_shows_the_same_view_and_both_go_on(
    open_notebook: Callable[..., Notebook], jupyterlab: JupyterLab, kernelbox: Kernelbox
) -> None:
    before = kernelbox.start("--network", "none", "busybox", "sleep", "infinity")
    notebook = open_notebook(LAB, "box.processes()")
    notebook.run()
    view = notebook.view(PROCESSES)
    expect(row(view, kernelbox.pid(before))).to_be_visible()
    with jupyterlab.window() as window:
        page = window.new_page()
        page.goto(notebook.saved())
        later = page.get_by_role("region", name=PROCESSES)
        expect(row(later, kernelbox.pid(before))).to_be_visible()
        after = kernelbox.start("--network", "none", "busybox", "sleep", "infinity")
        for one in (view, later):
            expect(row(one, kernelbox.pid(after))).to_be_visible()


# --- resources ------------------------------------------------------------------------------------


def test_a_memory_limit_that_is_hit_is_marked(
    open_notebook: Callable[..., Notebook],
    kernelbox: Kernelbox,
    photograph: Callable[..., None],
) -> None:
    container = kernelbox.start(
        *("--memory", "32m", "--pids-limit", "20", "--network", "none"),
        "busybox",
        "sh",
        "-c",
        EATER,
    )
    pid = kernelbox.pid(container)
    counters = looking.cgroup_file(pid, "memory", "memory.oom_control", "memory.events")

    def kills() -> int:
        return int(dict(map(str.split, counters.read_text().splitlines()))["oom_kill"])

    notebook = open_notebook(LAB, f"box.resources({container!r}, window=20)")
    notebook.run()
    view = notebook.view("Resources")
    expect(view).to_contain_text("of 32.0 MiB")
    assert kills() == 0
    expect(view).not_to_contain_text("OOM")
    looking.inside(pid, "/go").touch()
    expect(view).to_contain_text("✕ 1 OOM")
    assert kills() >= 1
    assert looking.soon(lambda: kills() == 2, PATIENCE)
    expect(view).to_contain_text("✕ 2 OOM")
    memory = view.get_by_role("img", name=re.compile("^memory"))
    expect(memory).to_have_attribute("aria-label", re.compile("KiB|MiB"))
    photograph(view, "memory-limit", "Light")
    kernelbox.ok("rm", "-f", container)
    expect(view.get_by_role("status")).to_contain_text("no control group any more")


# --- a birth --------------------------------------------------------------------------------------


def test_a_birth_is_stepped_forward_and_looked_back_at(
    open_notebook: Callable[..., Notebook],
    kernelbox: Kernelbox,
    photograph: Callable[..., None],
) -> None:
    notebook = open_notebook(
        LAB,
        "birth = box.birth('busybox', 'sleep 4321', network='none')\nbirth",
        "while birth.container is None: birth.step()",
        "birth.remove()",
    )
    notebook.run(0, 1)
    view = notebook.view("The birth of busybox sleep 4321")
    stepper = Stepping(view)
    while "sethostname(" not in stepper.request.inner_text():
        stepper.forward()
    # It is half-built now: a process in namespaces of its own, and all else is as on the host.
    pid = stepper.newborn()
    assert looking.status(pid)["NSpid"].split()[1:] == ["1"]
    assert hostname(pid) == os.uname().nodename
    assert not overlays(pid)

    stepper.forward()
    expect(stepper.request).to_contain_text("sethostname(")
    named = hostname(pid)
    assert re.fullmatch("[0-9a-f]{12}", named)
    assert not overlays(pid)
    first = stepper.made
    stepper.forward()
    expect(stepper.request).to_contain_text("umask(")
    stepper.forward()
    expect(stepper.request).to_contain_text("MS_REC|MS_PRIVATE")
    assert "shared:" not in Path(f"/proc/{pid}/mountinfo").read_text()
    assert not overlays(pid)
    stepper.forward()
    expect(stepper.request).to_contain_text('mount("overlay"')
    assert overlays(pid)
    expect(stepper.changes).to_contain_text(re.compile("mount .*/merged"))
    expect(stepper.overlay).to_have_count(1)
    expect(stepper.mounts.locator(".kb-appeared")).to_have_count(1)  # nothing else is new
    photograph(view, "birth-real", "Light")

    stepper.back()
    expect(stepper.overlay).to_have_count(0)
    stepper.back()
    stepper.back()
    assert stepper.made == first
    expect(stepper.request).to_contain_text("sethostname(")
    assert overlays(pid), "looking back changes nothing"
    for _ in range(3):
        stepper.forward()
    expect(stepper.overlay).to_have_count(1)
    expect(stepper.slider).to_have_attribute("max", str(first + 3))  # nothing was made twice

    view.get_by_role("button", name="Run").click()
    assert looking.soon(lambda: stepper.made > first + 5, PATIENCE)
    view.get_by_role("button", name="Pause").click()
    expect(view.get_by_role("button", name="Run")).to_have_attribute("aria-disabled", "false")
    assert not (proc := Path(f"/proc/{pid}/cmdline").read_text()).startswith("sleep"), proc
    notebook.run(2)
    expect(stepper.step).to_have_attribute("aria-disabled", "true")
    expect(stepper.request).to_contain_text("execve(")
    assert Path(f"/proc/{pid}/cmdline").read_text() == "sleep\x004321\0"
    assert kernelbox.ok("ps", "-q").strip() == named
    notebook.run(3)
    assert not looking.is_alive(pid)


def test_a_step_and_all_that_it_brings_are_on_one_screen(
    open_notebook: Callable[..., Notebook], jupyterlab: JupyterLab, artefacts: Path
) -> None:
    notebook = open_notebook(MADE_UP, GALLERY["birth"])
    notebook.run()
    view = notebook.view(BIRTH)
    view.evaluate("(view) => view.scrollIntoView({ block: 'start' })")
    stepper = Stepping(view)
    parts = [stepper.step, stepper.slider, stepper.request, view.locator(".kb-panels")]
    for _ in range(3):
        stepper.forward()
        for part in parts:
            expect(part).to_be_in_viewport(ratio=1)
    jupyterlab.page.screenshot(path=artefacts / "one-screen.png")
    # What is seen is where something has changed, until the reader chooses; the list is whole.
    changed = view.get_by_role("button", name=re.compile("~"))
    expect(changed).to_have_attribute("aria-pressed", "true")
    view.get_by_role("button", name="Network").click()
    stepper.back()
    expect(view.get_by_role("region", name="Network namespaces and cables")).to_be_visible()
    many = re.search(r"\((\d+)\)", view.locator(".kb-effect h5").first.inner_text())
    expect(stepper.changes.get_by_role("listitem")).to_have_count(int(many[1]) if many else 0)


class Stepping:
    """What a reader has in hand and in view during a birth."""

    def __init__(self, view: Locator) -> None:
        self.view = view
        self.step = view.get_by_role("button", name="Step")
        self.slider = view.get_by_role("slider", name="requests made")
        self.request = view.locator(".kb-request")
        self.changes = view.get_by_role("list", name="what has changed")
        self.mounts = view.get_by_role("region", name="Mounts")
        self.overlay = self.mounts.get_by_role("row", name=re.compile("overlay"))

    @property
    def made(self) -> int:
        """How many requests had been made at the slider's moment."""
        return int(self.slider.input_value())

    def forward(self) -> None:
        expected = self.made + 1
        self.step.click()
        expect(self.slider).to_have_value(str(expected))
        expect(self.step).to_have_attribute("aria-disabled", "false")

    def back(self) -> None:
        expected = self.made - 1
        self.view.get_by_role("button", name="Back").click()
        expect(self.slider).to_have_value(str(expected))

    def newborn(self) -> int:
        """The pid of who is the first in its own namespace, as the page says it."""
        first = self.view.locator("tr[data-row]").filter(
            has=self.view.page.locator("td:nth-child(3)", has_text=re.compile("^1$"))
        )
        return int(first.get_attribute("data-row") or 0)


def hostname(pid: int) -> str:
    return looking.enter(pid, "--uts", "uname", "-n").strip()


def overlays(pid: int) -> list[looking.Mount]:
    """Return the overlays that a process has mounted below kernelbox's own directories."""
    return [one for one in looking.mounts(pid) if one.kind == "overlay" and "merged" in one.point]


# --- fifty containers -----------------------------------------------------------------------------


@pytest.mark.alone  # it prints how fast the page is
def test_fifty_containers_are_followed_by_differences_and_the_page_still_answers(
    open_notebook: Callable[..., Notebook],
    jupyterlab: JupyterLab,
    capsys: pytest.CaptureFixture[str],
) -> None:
    busy = ["sh", "-c", "while :; do sleep 0.15; done"]
    notebook = open_notebook(
        LAB,
        "for _ in range(48): box.start('busybox', 'sleep infinity', network='none')",
        f"for _ in range(2): box.start('busybox', {busy}, network='none')",
        "box.processes()",
        "box.resources()",
    )
    notebook.run(0, 1, 2, 3)
    tree = notebook.view(PROCESSES)
    rows = tree.get_by_role("row", name=re.compile("sleep infinity"))
    expect(rows).to_have_count(48)
    whole = len(tree.inner_text())
    jupyterlab.received.clear()
    found = [f"processes: {measured(jupyterlab)}"]
    rows.nth(20).click()
    expect(tree.locator(".kb-detail")).to_contain_text("sleep infinity")
    changes = [one for one in jupyterlab.received if b'"patch"' in one]
    assert len(changes) >= 5
    assert max(map(len, changes)) < whole, "the world was sent again"
    # What is being read (or copied) stays as it is, however much goes on around it.
    said = tree.locator(".kb-detail dl").element_handle()
    jupyterlab.received.clear()
    measured(jupyterlab)
    assert sum(b'"patch"' in one for one in jupyterlab.received) >= 3
    assert said.evaluate("(dl) => dl.isConnected")

    notebook.run(4)
    graph = notebook.view("Resources")
    expect(graph.locator(".kb-values > span")).to_have_count(50)
    found.append(f"with resources: {measured(jupyterlab)}")
    rows.nth(30).click()
    expect(tree.locator("tr[aria-selected='true']")).to_contain_text("sleep infinity")
    slowest = jupyterlab.page.evaluate("() => Math.max(0, ...slowest)")
    with capsys.disabled():
        print(f"\n50 containers, 5/s: {'; '.join(found)}; a click: {slowest or '< 16'} ms")


def measured(jupyterlab: JupyterLab) -> str:
    frames, longest = jupyterlab.page.evaluate(FRAMES)
    return f"{frames} frames a second, the longest wait for one {longest} ms"


def test_a_view_that_is_closed_makes_the_agent_look_no_more(
    open_notebook: Callable[..., Notebook], jupyterlab: JupyterLab
) -> None:
    notebook = open_notebook(
        LAB,
        "from kernelbox.widgets import base\nprint(box.agent)",
        "view = box.processes()\nview",
        "view.close()",
        "base.SILENCE = 1",
    )
    notebook.run(0, 1)
    agent = int(notebook.said(1))

    def looks() -> bool:
        """Whether the agent reads anything in the time of three looks."""
        read = bytes_read(agent)
        jupyterlab.page.wait_for_timeout(600)
        return bytes_read(agent) > read

    assert looking.soon(lambda: not looks())
    notebook.run(2)
    assert looking.soon(looks)
    jupyterlab.command("notebook:clear-cell-output")
    assert looking.soon(lambda: not looks()), "its output was cleared away"
    notebook.run(2)
    assert looking.soon(looks)
    notebook.run(3)
    assert looking.soon(lambda: not looks()), "it was closed by a cell"

    # A page that is hidden says nothing for long, and one whose notebook is closed cannot.
    notebook.run(2)
    assert looking.soon(looks)
    notebook.run(4)
    assert looking.soon(lambda: not looks()), "no page says a word"
    jupyterlab.page.evaluate(SHOWN)
    assert looking.soon(looks), "the page is seen again"
    notebook.leave()
    assert looking.soon(lambda: not looks()), "the notebook was closed, and its kernel lives on"
    jupyterlab.page.evaluate(SHOWN)
    assert not looks()
    assert looking.is_alive(notebook.kernel)


def bytes_read(pid: int) -> int:
    text = Path(f"/proc/{pid}/io").read_text()
    return int(dict(line.split(": ") for line in text.splitlines())["rchar"])


# --- the README's pictures ------------------------------------------------------------------------


@pytest.mark.alone  # what a neighbour adds to the host's network at that moment is in the picture
def test_two_pictures_for_the_readme_are_taken(
    open_notebook: Callable[..., Notebook], jupyterlab: JupyterLab, artefacts: Path
) -> None:
    notebook = open_notebook(
        LAB,
        "box.start('busybox', ['sh', '-c', 'httpd -f -p 80 & sleep infinity; true'], name='web')\n"
        "box.start('busybox', 'sleep infinity', network='container:web')\n"
        "box.start('busybox', 'sleep infinity', userns='auto')\n"
        "_ = box.hold().unshare('uts')",
        "box.processes()",
        "birth = box.birth('busybox', 'sleep infinity', memory='64m')\nbirth",
        "while not (birth.event and '\"/dev\"' in birth.event.request): birth.step()",
    )
    notebook.run(0, 1, 2)
    expect(notebook.view(PROCESSES).locator("tbody tr")).to_have_count(10)
    notebook.picture(2, artefacts / "readme-processes.png")
    notebook.run(3, 4)
    jupyterlab.page.set_viewport_size({**SIZE, "height": 1400})
    birth = notebook.view(re.compile("^The birth of busybox"))
    expect(birth.locator(".kb-request")).to_contain_text('mount("tmpfs", "/dev"')
    # pivot_root changed two mounts of one name: neither is left in the list.
    expect(birth.locator(".kb-changes li")).to_have_count(1)
    notebook.picture(3, artefacts / "readme-birth.png")
    jupyterlab.page.set_viewport_size(SIZE)


PING = """
from kernelbox.lab import traffic
from kernelbox.lab.neighbours import apart, cable

ann, host, world = (apart(box) for _ in range(3))
host.add_bridge("bridge")
host.set_up("bridge")
cable(ann, "eth0", host, "port1", ("10.1.1.1/24", ""))
host.set_master("port1", "bridge")
host.add_address("bridge", "10.1.1.254/24")
cable(host, "wan", world, "eth0", ("203.0.113.1/24", "203.0.113.2/24"))
ann.add_route("default", via="10.1.1.254")
host.write("/proc/sys/net/ipv4/ip_forward", "1")
host.nft('''table ip house {
    chain postrouting {
        type nat hook postrouting priority 100
        oifname "wan" masquerade
    }
}''')
assert ann.ping("203.0.113.2", 5)
ways = [(ann, "eth0"), (host, "port1"), (host, "bridge"), (host, "wan"), (world, "eth0")]
ears = [one.capture(link) for one, link in ways]
assert ann.ping("203.0.113.2", 5)
hops = traffic.journey(*ears)
"""


def test_a_picture_for_the_readme_is_taken_of_a_ping_on_its_way(
    open_notebook: Callable[..., Notebook], artefacts: Path
) -> None:
    show = "box.network({'ann': ann, 'host': host, 'world': world}, journey=hops)"
    notebook = open_notebook(LAB, PING, show)
    notebook.run()
    view = notebook.view("Network namespaces and cables")
    forward = view.get_by_role("button", name="Forward")
    for number in range(2, 5):
        forward.click()
        expect(view.locator(".kb-journey span")).to_contain_text(f"hop {number} of 10")
    expect(view.locator(".kb-journey span")).to_contain_text("host: wan sends")
    notebook.picture(2, artefacts / "readme-ping.png")


@pytest.mark.parametrize("name", ["processes", "birth", "ping"])
def test_the_readme_shows_a_picture_that_is_small(name: str) -> None:
    kept = TOP / "notebooks/pictures" / f"{name}.png"
    assert kept.read_bytes().startswith(b"\x89PNG"), "take it with make pictures"
    assert kept.stat().st_size < 150_000
    assert f"(notebooks/pictures/{name}.png)" in (TOP / "README.md").read_text()


# --- every view -----------------------------------------------------------------------------------


def test_every_view_is_drawn_in_its_colours_at_once(
    gallery: Notebook, jupyterlab: JupyterLab
) -> None:
    for theme in THEMES:
        jupyterlab.theme(theme)
        gallery.run()
        for number, name in enumerate(GALLERY, 1):
            view = gallery.output(number).locator(".kb-view").first
            view.scroll_into_view_if_needed()
            seen = pixels(view)
            assert_drawn(seen, theme, name)
            for container in (0, 1) if name == "resources" else ():
                line = color(f"line-{HUES[container]}", theme)
                assert seen[line] > 300, f"the line of container {container} in the {theme} theme"


def color(name: str, theme: str) -> tuple[int, ...]:
    """Return one of the views' colours as red, green, blue."""
    shade = palette.colors()[name][THEMES[::-1].index(theme)]
    return tuple(bytes.fromhex(shade[1:]))


def assert_drawn(seen: Counter[tuple[int, int, int]], theme: str, name: str) -> None:
    """Of a picture: it has the theme's paper, something on it, and no colour that nobody chose."""
    paper = color("paper", theme)
    assert max(seen, key=seen.__getitem__) == paper, f"{name}: the paper in the {theme} theme"
    assert seen.total() - seen[paper] > seen.total() / 50, f"{name}: blank in the {theme} theme"
    # The arrow of a select is as black as the browser likes it.
    assert seen[0, 0, 0] < 100, f"{name}: black, as what has no colour, in the {theme} theme"


def test_every_view_can_be_read_on_light_and_on_dark_paper(
    gallery: Notebook,
    jupyterlab: JupyterLab,
    photograph: Callable[..., None],
) -> None:
    for theme in THEMES:
        jupyterlab.theme(theme)
        for number, name in enumerate(GALLERY, 1):
            view = gallery.output(number).locator(".kb-view").first
            photograph(view, name, theme)
            assert pale(view) == [], f"{name} in the {theme} theme"
            assert view.evaluate("(view) => view.scrollWidth <= view.clientWidth"), name


def test_axe_finds_nothing_wrong_with_any_view_or_form(
    gallery: Notebook, jupyterlab: JupyterLab, artefacts: Path
) -> None:
    for theme in THEMES:
        jupyterlab.theme(theme)
        for number, name in enumerate((*GALLERY, *FORMS), 1):
            shown = gallery.output(number).locator(".jp-OutputArea-output").first
            shown.scroll_into_view_if_needed()
            jupyterlab.page.screenshot(path=artefacts / f"axe-{name}-{theme.lower()}.png")
            assert violations(shown) == [], f"{name} in the {theme} theme"


def test_processes_fit_at_one_and_a_half_times_the_size(
    open_notebook: Callable[..., Notebook], jupyterlab: JupyterLab, artefacts: Path
) -> None:
    notebook = open_notebook(MADE_UP, GALLERY["processes"])
    notebook.run()
    view = notebook.view(PROCESSES)
    # A page at 150 % is one of two thirds the width, in CSS pixels.
    jupyterlab.page.set_viewport_size({name: size * 2 // 3 for name, size in SIZE.items()})
    try:
        view.scroll_into_view_if_needed()
        jupyterlab.page.screenshot(path=artefacts / "processes-150-percent.png")
        for place in (view, view.locator(".kb-body")):
            assert place.evaluate("(one) => one.scrollWidth <= one.clientWidth")
    finally:
        jupyterlab.page.set_viewport_size(SIZE)


def test_a_map_of_ten_namespaces_is_readable_on_a_projector(
    open_notebook: Callable[..., Notebook], jupyterlab: JupyterLab, artefacts: Path
) -> None:
    notebook = open_notebook(MADE_UP, "NetworkMap(worlds.networks(6, alone=4))")
    notebook.run()
    view = notebook.view("Network namespaces and cables")
    jupyterlab.page.screenshot(path=artefacts / "ten-namespaces.png")
    letters = view.locator(".kb-map text").evaluate_all(
        """(every) => every.map((one) =>
            parseFloat(getComputedStyle(one).fontSize) * one.getScreenCTM().a)"""
    )
    assert min(letters) >= 12
    assert view.locator(".kb-map [data-row]").count() == 7, "the host, and who has a network"
    expect(view).to_contain_text("and 4 more, with nothing but a loopback interface: held 9000, ")
    assert violations(view) == []


def test_three_namespaces_in_a_row_are_seen_at_once_beside_the_list_of_files(
    open_notebook: Callable[..., Notebook], jupyterlab: JupyterLab, artefacts: Path
) -> None:
    notebook = open_notebook(MADE_UP, "NetworkMap(worlds.street())")
    notebook.run()
    jupyterlab.command("application:toggle-left-area")
    try:
        expect(jupyterlab.page.locator(".jp-DirListing")).to_be_visible()
        view = notebook.view("Network namespaces and cables")
        view.scroll_into_view_if_needed()
        expect(view.locator(".kb-map [data-row]")).to_have_count(3)
        jupyterlab.page.screenshot(path=artefacts / "three-in-a-row.png")
        place = view.locator(".kb-network > div").first
        assert place.evaluate("(one) => one.scrollWidth <= one.clientWidth")
    finally:
        jupyterlab.command("application:toggle-left-area")


def test_the_list_of_files_shows_what_chapters_are_called(
    open_notebook: Callable[..., Notebook], jupyterlab: JupyterLab, artefacts: Path
) -> None:
    open_notebook("")
    chapters = [path.name for path in (TOP / "notebooks").glob("*.ipynb")]
    made = [jupyterlab.server.notebooks / name for name in chapters]
    for path in made:
        path.touch()
    jupyterlab.command("application:toggle-left-area")
    try:
        jupyterlab.command("filebrowser:refresh")
        names = jupyterlab.page.locator(".jp-DirListing-itemName")
        for name in chapters:
            expect(names.filter(has_text=name)).to_be_visible()
        jupyterlab.page.screenshot(path=artefacts / "list-of-files.png")
        texts = jupyterlab.page.locator(".jp-DirListing-itemText")
        shown = texts.evaluate_all(
            """(every) => Object.fromEntries(every.map((one) =>
                [one.innerText, one.clientWidth / one.scrollWidth * one.innerText.length]))"""
        )
        assert all(shown[name] >= len(Path(name).stem) for name in chapters), shown
    finally:
        jupyterlab.command("application:toggle-left-area")
        for path in made:
            path.unlink()


def test_a_ping_is_followed_over_the_map_forward_and_back(
    open_notebook: Callable[..., Notebook], jupyterlab: JupyterLab, artefacts: Path
) -> None:
    hops = "[(5000, 6, 'sends'), (worlds.HOST['net'], 10, 'receives'), (5000, 6, 'receives')]"
    notebook = open_notebook(MADE_UP, f"NetworkMap(worlds.networks(2, alone=0), journey={hops})")
    notebook.run()
    view = notebook.view("Network namespaces and cables")
    said, here = view.locator(".kb-journey span"), view.locator(".kb-here")
    expect(said).to_have_text("hop 1 of 3  web-0: sends")
    back, forward = (view.get_by_role("button", name=name) for name in ("Back", "Forward"))
    expect(back).to_have_attribute("aria-disabled", "true")
    forward.click()
    expect(said).to_have_text("hop 2 of 3  host: receives")
    expect(here).to_have_attribute("data-end", f"{worlds.HOST['net']}/10")
    expect(view.locator(".kb-passed")).to_have_attribute("data-end", "5000/6")
    jupyterlab.page.screenshot(path=artefacts / "journey.png")
    forward.click()
    expect(said).to_have_text("hop 3 of 3  web-0: receives")
    expect(forward).to_have_attribute("aria-disabled", "true")
    back.click()
    expect(said).to_have_text("hop 2 of 3  host: receives")
    assert violations(view) == []


def test_the_keyboard_reaches_every_control_and_each_has_a_name(
    gallery: Notebook, jupyterlab: JupyterLab
) -> None:
    page = jupyterlab.page
    for number, name in enumerate(GALLERY, 1):
        output = gallery.output(number)
        output.evaluate(BEFORE)
        controls = output.locator(CONTROLS)
        reached = []
        for _ in range(controls.count()):
            page.keyboard.press("Tab")
            reached.append(page.evaluate(FOCUSED))
        assert reached == controls.evaluate_all(NAMES), name
        assert all(reached) and (reached or name == "resources"), name  # which is only looked at


def test_a_guess_is_made_without_a_mouse(
    open_notebook: Callable[..., Notebook], jupyterlab: JupyterLab
) -> None:
    notebook = open_notebook(MADE_UP, FORMS["guess-choice"])
    notebook.run()
    output, press = notebook.output(1), jupyterlab.page.keyboard.press
    output.evaluate(BEFORE)
    for key in ("Tab", "ArrowDown", "Tab", "Enter"):
        press(key)
    expect(output.get_by_role("radio", name="that")).to_be_checked()
    expect(output.get_by_role("status")).to_have_text("that")


def test_a_process_is_chosen_without_a_mouse(
    open_notebook: Callable[..., Notebook], jupyterlab: JupyterLab
) -> None:
    notebook = open_notebook(MADE_UP, "view = ProcessTree(worlds.world())\nview", "view.selected")
    notebook.run()
    view, press = notebook.view(PROCESSES), jupyterlab.page.keyboard.press
    notebook.output(1).evaluate(BEFORE)
    press("Tab")
    expect(row(view, 4100)).to_be_focused()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp", "Enter"):
        press(key)
    expect(row(view, 4182)).to_be_focused()
    expect(row(view, 4182)).to_have_attribute("aria-selected", "true")
    expect(view.locator(".kb-detail")).to_contain_text("sh -c httpd; sleep infinity")
    press("End")
    expect(row(view, 4301)).to_be_focused()
    press(" ")
    expect(view.locator(".kb-detail")).not_to_contain_text("httpd")
    press("Escape")
    expect(view.locator(".kb-detail")).to_be_empty()
    press("Tab")
    assert not view.evaluate("(view) => view.contains(document.activeElement)"), "it lets one go on"
    press("Shift+Tab")
    expect(row(view, 4301)).to_be_focused()
    press("Enter")

    def known() -> bool:
        """Whether Python knows of it too: what a page has to say may come after the next cell."""
        notebook.run(2)
        return notebook.said(2).endswith("'4301'")

    assert looking.soon(known)
    # JupyterLab has kept its own keys to itself: nothing was added, deleted or moved.
    assert notebook.panel.locator(".jp-CodeCell").count() == 3


def test_a_slider_follows_the_arrow_keys(
    open_notebook: Callable[..., Notebook], jupyterlab: JupyterLab
) -> None:
    notebook = open_notebook(MADE_UP, GALLERY["birth"])
    notebook.run()
    view, press = notebook.view(BIRTH), jupyterlab.page.keyboard.press
    slider = view.get_by_role("slider", name="requests made")
    slider.focus()
    press("ArrowRight")
    expect(slider).to_have_attribute(
        "aria-valuetext", re.compile("^15 of 25: container: pivot_root")
    )
    press("Home")
    press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^1 of 25: runtime: mkdir"))


# --- the course -----------------------------------------------------------------------------------


def test_a_chapter_runs_from_top_to_bottom_in_jupyterlab(
    open_notebook: Callable[..., Notebook], photograph: Callable[..., None]
) -> None:
    chapter = TOP / "notebooks/01-a-container-is-a-process.ipynb"
    notebook = open_notebook(chapter)
    notebook.run()
    views = notebook.panel.locator(".kb-view:not(.kb-view .kb-view, .kb-form)")
    shown = re.findall(r"(?:box\.(?:processes|birth)|Tree)\(", chapter.read_text())
    for cell in notebook.panel.locator(".jp-Cell").all():  # far away, it is drawn at leisure
        cell.scroll_into_view_if_needed()
    expect(views).to_have_count(len(shown))
    birth = notebook.view("The birth of busybox sleep 1000")
    expect(birth.locator(".kb-request")).to_contain_text("execve(")
    for theme in THEMES:  # not for each view: a theme takes a second to fade in
        for number in range(views.count()):
            photograph(views.nth(number), f"chapter-01-{number}", theme)


# --- where no kernel is ---------------------------------------------------------------------------


def test_the_next_day_every_view_is_seen_as_it_was_stored(
    open_notebook: Callable[..., Notebook], jupyterlab: JupyterLab, artefacts: Path
) -> None:
    notebook = open_notebook(MADE_UP, *GALLERY.values())
    notebook.run()
    with jupyterlab.window() as window:
        page = window.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(notebook.next_day())
        pictures = page.locator(PICTURES)
        outputs = page.locator(".jp-OutputArea-output").filter(has=page.locator(".kb-picture"))
        expect(pictures).to_have_count(len(GALLERY))
        expect(page.locator(".jp-Notebook")).not_to_contain_text("Error displaying widget")
        assert complaints == []
        tables = page.locator(".jp-OutputArea-output table")
        assert {one.evaluate(LEFT_OF) for one in tables.all()} == {"0px"}
        for theme in THEMES:
            jupyterlab.theme(theme, page)
            for number, name in enumerate(GALLERY):
                picture = pictures.nth(number)
                if name == "birth":
                    player = page.frame_locator("iframe").get_by_role("region", name=BIRTH)
                    expect(player).to_be_visible()
                    expect(picture).to_be_hidden()
                    picture = page.locator("iframe")
                picture.scroll_into_view_if_needed()
                assert_drawn(pixels(picture), theme, name)
                assert violations(outputs.nth(number)) == [], f"{name} in the {theme} theme"
                page.screenshot(path=artefacts / f"next-day-{name}-{theme.lower()}.png")


def test_a_page_that_trusts_nobody_shows_every_picture(
    open_notebook: Callable[..., Notebook], jupyterlab: JupyterLab, artefacts: Path
) -> None:
    notebook = open_notebook(MADE_UP, *GALLERY.values())
    notebook.run()
    address = notebook.next_day()
    (file,) = jupyterlab.server.notebooks.glob("test_a_page_that_trusts_nobody*.ipynb")
    # What the server has signed is what it saw come about: it did not see this.
    file.write_text(file.read_text().replace("text/plain", "text/other"))
    with jupyterlab.window() as window:
        page = window.new_page()
        page.goto(address)
        pictures = page.locator(PICTURES)
        expect(pictures).to_have_count(len(GALLERY))
        assert page.locator("iframe").count() == 0, "it is trusted"
        for number, name in enumerate(GALLERY):
            pictures.nth(number).scroll_into_view_if_needed()
            assert_drawn(pixels(pictures.nth(number)), "Light", name)
            page.screenshot(path=artefacts / f"untrusted-{name}.png")


def test_a_box_of_the_map_opens_its_chapter_from_a_page_that_trusts_nobody(
    open_notebook: Callable[..., Notebook], jupyterlab: JupyterLab, artefacts: Path
) -> None:
    chapter = "03-mount-namespaces.ipynb"
    (jupyterlab.server.notebooks / chapter).write_text((TOP / "notebooks" / chapter).read_text())
    notebook = open_notebook("from kernelbox import lab\nlab.course()")
    notebook.run()
    address = notebook.next_day()
    (file,) = jupyterlab.server.notebooks.glob("test_a_box_of_the_map*.ipynb")
    file.write_text(file.read_text().replace("text/plain", "text/other"))  # as above
    with jupyterlab.window() as window:
        page = window.new_page()
        page.goto(address)
        box = page.get_by_role("link", name="03 · Mount namespaces and propagation")
        expect(box).to_have_count(1)
        assert violations(page.locator(".jp-OutputArea-output").first) == []
        page.screenshot(path=artefacts / "map-untrusted.png")
        box.click()
        tab = page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab.lm-mod-current")
        expect(tab).to_have_text(chapter)


def test_an_exported_page_shows_every_picture_and_asks_for_nothing(
    open_notebook: Callable[..., Notebook],
    jupyterlab: JupyterLab,
    tmp_path: Path,
    artefacts: Path,
) -> None:
    notebook = open_notebook(MADE_UP, *GALLERY.values())
    notebook.run()
    notebook.saved()
    (file,) = jupyterlab.server.notebooks.glob("test_an_exported_page*.ipynb")
    asked: set[str] = set()
    for theme in THEMES:
        exported = tmp_path / "exported.html"
        page_of = HTMLExporter(theme=theme.lower(), preprocessors=[PageAlone])
        exported.write_text(page_of.from_filename(str(file))[0])
        others = THEMES[THEMES.index(theme) - 1].lower()  # what the reader's system has
        with jupyterlab.window(offline=True, color_scheme=others) as window:
            page = window.new_page()
            page.on("request", lambda each: asked.add(each.url[:200]))
            page.goto(exported.as_uri())
            pictures = page.locator(".kb-picture:visible")
            expect(pictures).to_have_count(len(GALLERY) - 1)
            for number in range(pictures.count()):
                assert_drawn(pixels(pictures.nth(number)), theme, "an exported view")
            page.screenshot(path=artefacts / f"exported-{theme.lower()}.png", full_page=True)
    assert asked and {urlsplit(url).scheme for url in asked} <= {"file", "blob", "data", "about"}


@pytest.mark.parametrize(
    ("text", "fetches"),
    [("`$HOME`, `$PATH`, and 5 $", False), ("half of it: $n / 2$", True)],
)
def test_an_exported_page_with_a_formula_has_what_draws_it(text: str, fetches: bool) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    page, _ = HTMLExporter(preprocessors=[PageAlone]).from_notebook_node(notebook)
    assert ("/mathjax/" in page) == fetches


# --- a page of its own ----------------------------------------------------------------------------


def test_a_recording_plays_without_a_kernel_and_without_a_network(
    jupyterlab: JupyterLab, tmp_path: Path, artefacts: Path
) -> None:
    player = Timeline(worlds.birth(), [ProcessTree(), MountTree(), NetworkMap()])
    file = tmp_path / "birth.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><title>Birth</title>{player.html()}")
    asked, complaints = [], []
    with jupyterlab.window(offline=True) as window:
        page = window.new_page()
        page.on("request", lambda one: asked.append(urlsplit(one.url).scheme))
        page.on("console", lambda one: complaints.append(one.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(file.as_uri())
        view = page.frame_locator("iframe").get_by_role("region", name=BIRTH)
        for _ in range(4):
            view.get_by_role("button", name="Step").click()
        expect(view.locator(".kb-request")).to_contain_text("clone3(")
        expect(view.get_by_role("row", name=re.compile("4182"))).to_have_count(1)
        view.get_by_role("button", name="Back").click()
        expect(view.get_by_role("row", name=re.compile("4182"))).to_have_count(0)
        page.screenshot(path=artefacts / "recording-offline.png")
    assert set(asked) <= {"file", "blob", "about", "data"}
    assert complaints == []


def test_a_recording_in_a_notebook_follows_its_theme(
    open_notebook: Callable[..., Notebook], jupyterlab: JupyterLab
) -> None:
    cell = "from IPython.display import HTML\nHTML(timeline(worlds.world()).html())"
    notebook = open_notebook(MADE_UP + cell)
    notebook.run()
    view = notebook.output(0).frame_locator("iframe").get_by_role("region", name=BIRTH)
    for theme, paper in (("Dark", "rgb(17, 17, 17)"), ("Light", "rgb(255, 255, 255)")):
        jupyterlab.theme(theme)
        expect(view).to_have_css("background-color", paper)
        assert pale(view) == []


def test_nothing_has_left_this_machine(gallery: Notebook, jupyterlab: JupyterLab) -> None:
    gallery.run()
    asked = {urlsplit(one) for one in jupyterlab.requests}
    assert {one.scheme for one in asked} >= {"http", "ws"}
    assert {one.hostname for one in asked if one.scheme not in ("blob", "data")} == {"127.0.0.1"}
    reached = {one for pid in jupyterlab.processes() for one in looking.peers(pid)}
    assert reached and all(one.is_loopback for one in reached), reached
