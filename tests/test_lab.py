"""The lab in a notebook: real Jupyter kernels, interrupted, restarted and killed; what they show.

A kernel is driven as JupyterLab drives it, by messages. What its cells do to this host is read in
/proc and on disk, by this process.
"""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jupyter_client.manager import KernelManager

from kernelbox import lab
from kernelbox.lab import Held, Lab, LabError, reading, surroundings
from tests import looking
from tests.command import Kernelbox
from tests.looking import is_alive, namespace, soon
from tests.test_agent import children, descendants, sleepers

VOID = {"br", "hr", "img", "input", "link", "meta"}


class Cell(NamedTuple):
    """What a cell printed, displayed, showed as its last expression, and what it failed with."""

    out: str
    err: str
    shown: dict[str, str]
    failure: dict[str, Any]
    displayed: str


class Notebook:
    """A Jupyter kernel."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.manager = KernelManager(kernel_name="python3", shutdown_wait_time=looking.PATIENCE)
        self.environment = environment
        self.manager.start_kernel(env=environment, cwd="/")
        try:
            self.connect()
        except BaseException:
            self.close()
            raise

    def connect(self) -> None:
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=looking.KERNEL_PATIENCE)
        self.ok("import os; from kernelbox import lab")

    @property
    def pid(self) -> int:
        pid = self.manager.provisioner.pid
        assert isinstance(pid, int)
        return pid

    def begin(self, code: str) -> str:
        """Run a cell without waiting for its end; return what names it."""
        return self.client.execute(code)

    def end(self, cell: str) -> Cell:
        """Wait for the end of a cell."""
        text = {"stdout": "", "stderr": ""}
        shown: dict[str, str] = {}
        failure: dict[str, Any] = {}
        displayed: list[str] = []
        while True:
            message = self.client.get_iopub_msg(timeout=looking.KERNEL_PATIENCE)
            if message["parent_header"].get("msg_id") != cell:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                text[content["name"]] += content["text"]
            elif kind == "execute_result":
                shown = content["data"]
            elif kind == "display_data":
                displayed.append(content["data"]["text/plain"])
            elif kind == "error":
                failure = content
            elif kind == "status" and content["execution_state"] == "idle":
                return Cell(text["stdout"], text["stderr"], shown, failure, "\n".join(displayed))

    def run(self, code: str) -> Cell:
        return self.end(self.begin(code))

    def ok(self, code: str) -> str:
        """Run a cell that must not fail; return what it printed."""
        cell = self.run(code)
        assert not cell.failure, "\n".join(cell.failure["traceback"])
        assert not cell.err, cell.err
        return cell.out

    def settle(self) -> None:
        """Wait until the kernel sleeps, as whoever compares processes before and after expects."""
        assert soon(lambda: looking.status(self.pid)["State"][0] == "S")

    def agent(self) -> int:
        return int(self.ok("print(box.agent)"))

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def restart(self, *, now: bool) -> None:
        self.client.stop_channels()
        self.manager.restart_kernel(now=now)
        self.connect()

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=not self.manager.is_alive())
        self.manager.cleanup_resources()


@pytest.fixture(scope="module")
def kernel(environment: dict[str, str]) -> Iterator[Notebook]:
    """A kernel that no test ends."""
    made = Notebook(environment)
    made.settle()
    yield made
    made.close()


@pytest.fixture
def notebook(kernel: Notebook) -> Iterator[Notebook]:
    """The same with a lab of the test's own: `box`, and in it `p`."""
    kernel.ok("box = lab.start(); p = box.hold()")
    yield kernel
    kernel.ok("box.close()")
    kernel.settle()


@pytest.fixture
def doomed(environment: dict[str, str]) -> Iterator[Notebook]:
    """A kernel that a test may end."""
    made = Notebook(environment)
    yield made
    made.close()


# --- cells ----------------------------------------------------------------------------------------


def test_a_process_is_held_by_cells(notebook: Notebook) -> None:
    pid = int(notebook.ok("print(p.pid)"))
    notebook.ok("_ = p.unshare('uts'); _ = p.sethostname('lab')")
    assert namespace(pid, "uts") != namespace(notebook.pid, "uts")
    assert looking.enter(pid, "--uts", "uname", "-n") == "lab\n"
    assert int(looking.status(pid)["PPid"]) == notebook.agent()
    assert len(os.listdir(f"/proc/{notebook.pid}/task")) > 1, "why there is an agent at all"


def test_a_container_runs_in_one_call(notebook: Notebook, tests_root: Path) -> None:
    cell = notebook.run(
        "r = box.run('busybox', ['sh', '-c', 'echo out; echo err >&2; exit 3'], network='none')\nr"
    )
    assert (cell.out, cell.err) == ("out\n", "err\n")
    assert cell.shown["text/plain"] == "exit code 3"
    assert notebook.ok("print(repr(r.stdout), repr(r.stderr), len(r.trace))") == (
        "'out\\n' 'err\\n' 0\n"
    )
    assert not list((tests_root / "containers").iterdir())


def test_a_command_is_run_as_in_a_terminal(notebook: Notebook, tests_root: Path) -> None:
    seen = notebook.run(
        "box.kernelbox('tag busybox lab/named')\nbox.kernelbox('images -q lab/named')"
    )
    terminal = Kernelbox(tests_root).ok("images", "-q", "lab/named")
    assert (seen.out, seen.err, seen.shown["text/plain"]) == (terminal, "", "exit code 0")
    assert notebook.ok("print(box.kernelbox(['rmi', 'lab/named'], quiet=True).stdout)") == (
        "Untagged: lab/named:latest\n\n"
    )


def test_a_command_that_fails_says_so_once(notebook: Notebook) -> None:
    failed = notebook.run("box.kernelbox('rmi lab/nothing')")
    assert (failed.out, failed.err) == ("", "")
    assert failed.failure["traceback"][0].startswith('LabError: no image "lab/nothing:latest"')


def test_an_interrupted_command_ends(notebook: Notebook) -> None:
    before = set(children(notebook.pid))
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a registry that never answers
        image = f"127.0.0.1:{silent.getsockname()[1]}/lab/never"
        cell = notebook.begin(f"box.kernelbox('pull {image}', quiet=True)")
        connection, _ = silent.accept()
        with connection:
            notebook.manager.interrupt_kernel()
            assert notebook.end(cell).failure["ename"] == "KeyboardInterrupt"
    assert set(children(notebook.pid)) == before


def test_a_quiet_run_prints_nothing(notebook: Notebook) -> None:
    code = "r = box.run('busybox', 'echo hello', network='none', quiet=True)"
    assert notebook.ok(f"{code}; print(r.stdout == 'hello\\n')") == "True\n"


def test_a_container_runs_beside_the_cells(notebook: Notebook, tests_root: Path) -> None:
    notebook.ok("c = box.start('busybox', 'sleep 1000', network='none', name='beside')")
    pid = int(notebook.ok("print(c.pid)"))
    assert looking.status(pid)["NSpid"].split()[1:] == ["1"]
    assert notebook.ok("print([one['Name'] for one in box.containers()])") == "['beside']\n"
    assert notebook.ok("r = c.exec('cat /proc/1/comm'); print(r.code)") == "sleep\n0\n"
    assert notebook.ok("c.stop(0); print(c.wait(), c.wait())") == "137 137\n"
    assert not is_alive(pid)
    assert soon(lambda: not list((tests_root / "containers").iterdir()))
    notebook.ok("c.remove(); c.remove()")


def test_a_trace_and_a_look_are_shown_as_tables(notebook: Notebook) -> None:
    trace = notebook.run("p.unshare('uts')").shown
    assert trace["text/plain"] == "held       unshare(CLONE_NEWUTS) = 0   # unshare --uts"
    assert "<table" in trace["text/html"]
    look = notebook.run("p.look()").shown
    assert look["text/plain"].splitlines() == [
        "inside:   the host's pid, uid 0, in /",
        "its own:  uts",
        "shared:   pid mnt net ipc cgroup user time",
    ]
    assert "<table" in look["text/html"]


def test_a_cell_runs_inside_a_held_process(notebook: Notebook) -> None:
    notebook.ok("_ = p.unshare('uts'); _ = p.sethostname('lab')")
    assert notebook.ok("%%inside p\nuname -n; echo $PPID") == notebook.ok("print(f'lab\\n{p.pid}')")
    assert notebook.ok("%%inside p\nexit 3") == "(exit code 3)\n"
    assert notebook.ok("%%inside p --python\nx = os.getpid()\nprint(x)") == notebook.ok(
        "print(p.pid)"
    )
    assert notebook.ok("%%inside --python p\nprint(x == os.getpid())") == "True\n"


def test_a_held_process_answers_with_the_value_of_an_expression(box: Lab) -> None:
    held = box.hold()
    assert held.evaluate("os.getpid()") == held.pid
    held.python("numbers = {1: [2.5, None], 'ü\\n': (b'\\0', True)}")
    assert held.evaluate("numbers") == {1: [2.5, None], "ü\n": (b"\0", True)}
    assert held.evaluate("[one for\n one in {3}] # a list") == [3]
    assert held.evaluate("set()") == set()
    assert len(held.evaluate("'x' * 1_000_000")) == 1_000_000


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("os", "'os' is <module 'os'"),
        ("x = 1", "SyntaxError: "),
        ("1); print(2", "SyntaxError: "),
        ("object()", "which is no plain data"),
    ],
)
def test_what_is_no_expression_or_no_plain_data_is_refused(
    box: Lab, expression: str, complaint: str
) -> None:
    with pytest.raises(LabError, match=re.escape(complaint)):
        box.hold().evaluate(expression)


def test_what_an_expression_prints_is_no_part_of_its_value(
    box: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    assert box.hold().evaluate("print('1') or 2") == 2
    assert capfd.readouterr().out == "1\n"


def test_a_cell_runs_inside_a_container(notebook: Notebook) -> None:
    notebook.ok("c = box.start('busybox', 'sleep 1000', network='none', hostname='inside')")
    assert notebook.ok("%%inside c\nhostname\nexit 4") == "inside\n(exit code 4)\n"


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        (
            "box.run('no-such-image', 'true')",
            'LabError: no image "no-such-image:latest" in the store. Images here: busybox:latest',
        ),
        (
            "box.run('busybox', 'true', nonsense=1)",
            "LabError: no option 'nonsense'. There are: image, command, ",
        ),
        ("box.run('busybox', 'true', env=3.5)", "LabError: 3.5 is no list of texts for env. "),
        ("box.run('busybox', 'true', env=[object()])", "LabError: <object object at 0x"),
        ("box.run('busybox', 'true', hostname=True)", "LabError: True is no text for hostname. "),
        ("box.run('busybox', 'a\\0b')", "LabError: 'a\\x00b' for command has a NUL in it. "),
        ("box.run('busybox', 'true', time_offset='soon')", "LabError: 'soon' is no number of sec"),
        ("box.exec('nobody', 'true')", "LabError: no such container: nobody. "),
        ("box.call('system')", "LabError: the agent knows no call 'system'. There are: "),
        ("p.umount('/')", "LabError: umount would change the host itself: "),
        ("p.mkdir('/proc/x')", 'LabError: mkdir("/proc/x", 0o755): ENOENT (No such file or '),
        ("%%inside nothing\ntrue", "LabError: %%inside nothing: there is no nothing yet"),
        ("%%inside os\ntrue", "LabError: %%inside os: not a held process or a container"),
        ("%%inside p --python\n1 / 0", "LabError: ZeroDivisionError: division by zero"),
        ("p.end(); p.look()", "LabError: the process is gone. "),
    ],
)
def test_a_refusal_is_one_line_in_the_notebook(notebook: Notebook, cell: str, line: str) -> None:
    failure = notebook.run(cell).failure
    assert failure["ename"] == "LabError"
    assert len(failure["traceback"]) == 1
    assert failure["traceback"][0].startswith(line)
    assert "\n" not in failure["traceback"][0]
    assert failure["traceback"][0] == f"LabError: {failure['evalue']}"


def test_options_are_taken_as_python_has_them(notebook: Notebook, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("shared\n")
    tmp_path.chmod(0o755)  # pytest makes it for its user alone
    code = (
        "from pathlib import Path\n"
        "_ = box.run('busybox', ['sh', '-c', 'echo $WHO $(id -u) $(cat /in/given)'], user=1000,\n"
        f"  network='none', volume='{tmp_path}:/in:ro', name=None, memory=None, rm=True,\n"
        "  env={'WHO': 'me'})\n"
        f"_ = box.run('busybox', ['echo', Path('/a'), 7], network='none', rm=True)"
    )
    assert notebook.ok(code) == "me 1000 shared\n/a 7\n"


def test_a_refusal_that_is_expected_is_printed(notebook: Notebook) -> None:
    assert notebook.ok("with lab.refused():\n    p.umount('/')").startswith("refused: umount would")
    failure = notebook.run("with lab.refused():\n    p.look()").failure
    assert failure["ename"] == "AssertionError"


# --- interrupted ----------------------------------------------------------------------------------

LONG = {
    "a run": "box.run('busybox', 'sleep 1000', network='none')",
    "a run on the bridge": "box.run('busybox', 'sleep 1000')",
    "a shell": "p.shell('sleep 1000; true')",
    "a shell cell": "%%inside p\nsleep 1000",
    "an exec": "c.exec('sleep 1000')",
    "a cell in a container": "%%inside c\nexec sleep 1000",
    "a shell that is PID 1's": "child.shell('sleep 1000; true')",
    "a program": "q.exec('/bin/sleep', '1000')",
    "waiting": "c.exec('true'); p.shell('sleep 1000 & wait')",
}


@pytest.mark.parametrize("cell", LONG.values(), ids=LONG)
def test_an_interrupted_cell_ends_and_nothing_else_does(
    notebook: Notebook, tests_root: Path, cell: str
) -> None:
    notebook.ok("q = box.hold(); c = box.start('busybox', 'top', network='none')")
    notebook.ok("_ = q.unshare('pid'); child = q.fork()")
    agent = notebook.agent()
    containers = sorted((tests_root / "containers").iterdir())
    notebook.ok("_ = p.shell('true'), c.exec('true')")
    before = notebook.descriptors()
    running = notebook.begin(cell)
    assert soon(lambda: sleepers(agent))
    notebook.manager.interrupt_kernel()
    assert notebook.end(running).failure["ename"] == "KeyboardInterrupt"
    assert soon(lambda: not sleepers(agent))
    assert notebook.ok("_ = p.shell('echo next')") == "next\n"
    assert notebook.ok("_ = c.exec('echo next')") == "next\n"
    assert notebook.ok("_ = box.run('busybox', 'echo next', network='none')") == "next\n"
    assert notebook.agent() == agent
    assert sorted((tests_root / "containers").iterdir()) == containers
    assert soon(lambda: notebook.descriptors() <= before)


def test_waiting_for_a_container_can_be_interrupted(notebook: Notebook) -> None:
    notebook.ok("c = box.start('busybox', 'sleep 1000', network='none')")
    pid = int(notebook.ok("print(c.pid)"))
    running = notebook.begin("print('waiting'); c.wait()")
    assert soon(lambda: asleep_in_poll(notebook.pid))
    notebook.manager.interrupt_kernel()
    assert notebook.end(running).failure["ename"] == "KeyboardInterrupt"
    assert is_alive(pid)
    assert notebook.ok("print(c.exec('true').code)") == "0\n"


def asleep_in_poll(pid: int) -> bool:
    """Whether the main thread of a process sleeps in poll(2). Source: proc_pid_syscall(5)."""
    return Path(f"/proc/{pid}/syscall").read_text().split()[0] == "7"


# --- ended ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["restarted", "restarted at once", "killed", "ended by itself"])
def test_when_the_kernel_ends_all_that_was_the_notebooks_ends(
    doomed: Notebook, kernelbox: Kernelbox, tests_root: Path, way: str
) -> None:
    detached = kernelbox.start("--network", "none", "busybox", "sleep", "1000")
    others = kernelbox.pid(detached)
    doomed.ok("box = lab.start(); p = box.hold()")
    doomed.ok("_ = p.unshare('pid', 'mount'); child = p.fork(); other = child.fork()")
    doomed.ok("c = box.start('busybox', 'sleep 1000')")
    doomed.ok("program = box.hold(); _ = program.become_user('nobody')")
    doomed.ok("_ = p.shell('sleep 1000 &')")
    agent = doomed.agent()
    running = doomed.begin("box.run('busybox', 'sleep 1000', network='none', rm=True)")
    assert soon(lambda: len(sleepers(agent)) == 3)
    everything = [agent, *descendants(agent)]
    assert len(list((tests_root / "containers").iterdir())) == 3

    if way == "restarted":
        doomed.restart(now=False)
    elif way == "restarted at once":
        doomed.restart(now=True)
    elif way == "killed":
        os.kill(doomed.pid, signal.SIGKILL)
    else:
        doomed.manager.interrupt_kernel()
        assert doomed.end(running).failure["ename"] == "KeyboardInterrupt"
        doomed.begin("exit()")
    assert soon(lambda: not any(map(is_alive, everything)))
    assert soon(lambda: [one.name for one in (tests_root / "containers").iterdir()] == [detached])
    assert is_alive(others)
    if "restarted" not in way:
        doomed.restart(now=True)
    doomed.ok("box = lab.start(); _ = box.hold().shell('true')")
    assert doomed.ok("_ = box.run('busybox', 'echo again', network='none')") == "again\n"
    assert doomed.ok("print([one['Id'] for one in box.containers()])") == f"['{detached}']\n"
    assert is_alive(others)


def test_two_notebooks_do_not_disturb_each_other(notebook: Notebook, doomed: Notebook) -> None:
    doomed.ok("box = lab.start(); p = box.hold()")
    both = (notebook, doomed)
    for one, name in zip(both, ("one", "two"), strict=True):
        one.ok(f"_ = p.unshare('uts'); _ = p.sethostname('{name}')")
        one.ok(f"c = box.start('busybox', 'top', name='{name}')")
    agents = [one.agent() for one in both]
    assert agents[0] != agents[1]
    for one in both:
        assert one.ok("print(sorted(x['Name'] for x in box.containers()))") == "['one', 'two']\n"
    cells = [one.begin("box.run('busybox', 'sleep 1000')") for one in both]
    assert soon(lambda: all(map(sleepers, agents)))
    doomed.manager.interrupt_kernel()
    assert doomed.end(cells[1]).failure["ename"] == "KeyboardInterrupt"
    assert sleepers(agents[0])
    assert doomed.ok("_ = p.shell('uname -n')") == "two\n"
    os.kill(doomed.pid, signal.SIGKILL)
    assert soon(lambda: not is_alive(agents[1]))
    (still,) = sleepers(agents[0])
    os.kill(still, signal.SIGKILL)
    assert notebook.end(cells[0]).shown["text/plain"] == "exit code 137"
    assert notebook.ok("_ = p.shell('uname -n'); _ = c.exec('hostname')").startswith("one\n")


def test_threads_take_turns_in_asking(box: Lab) -> None:
    held = [box.hold(), box.hold()]

    def ask(number: int) -> bool:
        p = held[number % 2]
        return p.look().inside["pid"] == p.pid and box.namespaces(p.pid) == box.namespaces("self")

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(ask, range(120)))


def test_a_lab_started_again_takes_the_place_of_the_first(notebook: Notebook) -> None:
    notebook.ok("c = box.start('busybox', 'sleep 1000', network='none')")
    first = notebook.agent()
    everything = [first, *descendants(first)]
    notebook.ok("box = lab.start()")
    assert not any(map(is_alive, everything))
    assert notebook.agent() != first
    assert [one for one in children(notebook.pid) if is_alive(one)] == [notebook.agent()]


def test_a_reset_ends_what_the_lab_held_and_the_lab_goes_on(
    environment: dict[str, str], tmp_path: Path
) -> None:
    made = Notebook(environment | {"KERNELBOX_ROOT": str(tmp_path / "root")})
    try:
        made.ok(
            "box = lab.start(); p = box.hold(); c = box.start('busybox', 'top', network='none')"
        )
        held = int(made.ok("print(p.pid)"))
        made.ok("box.reset()")
        assert not is_alive(held)
        assert (tmp_path / "root/images").exists()
        made.ok("box.reset(everything=True)")
        assert not (tmp_path / "root").exists()
        assert made.ok("_ = box.run('busybox', 'echo again', network='none')") == "again\n"
        made.ok("box.reset(everything=True); box.close(); box.close()")
        assert made.ok("print(box)") == "<the lab is closed>\n"
    finally:
        made.close()


# --- what is shown --------------------------------------------------------------------------------


def story(box: Lab, directory: Path) -> list[str]:
    """Return the text of what a student would see."""
    p = box.hold()
    seen = [repr(p.look()), repr(p.unshare("mount", "uts", "pid")), repr(p.look())]
    seen += [repr(p.mount(None, "/", None, "rprivate")), repr(p.sethostname("lab"))]
    seen += [repr(p.mount("lab", str(directory), "tmpfs", "size=1m"))]
    child = p.fork()
    seen += [repr(child.look()), repr(child), repr(box)]
    run = box.run("busybox", "true", network="none", trace=True, hostname="lab")
    seen += [repr(run), repr(run.trace.of("pivot_root", "execve", "sethostname"))]
    return [*seen, without_pids(repr(p.trace))]


def without_pids(text: str) -> str:
    """Hide what clone3 and keyctl returned, which no two runs have in common."""
    return re.sub(r"((?:clone3|keyctl)\(.*?\) = )\d+", r"\1NUMBER", text)


def test_text_is_the_same_in_every_run(box: Lab, tmp_path: Path) -> None:
    first = story(box, tmp_path)
    again = lab.start()
    try:
        assert story(again, tmp_path) == first
    finally:
        again.close()
    assert first[6].startswith("inside:   pid 1, uid 0, in /\nits own:  pid mnt uts\n")


def test_a_whole_trace_differs_in_names_and_numbers_only(box: Lab) -> None:
    def told() -> str:
        trace = box.run("busybox", "true", network="none", trace=True).trace
        assert {event.side for event in trace} == {"runtime", "container"}
        return re.sub(r"\b[0-9a-f]{12}\b", "ID", without_pids(repr(trace)))

    assert told() == told()


def test_a_trace_can_be_narrowed_down(box: Lab) -> None:
    trace = box.run("busybox", "true", network="none", trace=True).trace
    assert {event.side for event in trace.on("container")} == {"container"}
    assert [event.request[:10] for event in trace.of("pivot_root")] == ["pivot_root"]
    assert repr(trace.of("nothing")) == "(no request was made)"


class Page(HTMLParser):
    """Reads HTML strictly: what is opened is closed, in order; keeps the text of each cell."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th", "caption"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data.replace("\xa0", " ")


@pytest.fixture
def hostile(box: Lab, tmp_path: Path) -> Held:
    """A process in a directory whose name is markup, on a host whose name is."""
    p = box.hold()
    p.unshare("uts")
    p.sethostname("<i>lab</i>&amp;")
    p.mkdir(f"{tmp_path}/<script>alert('\"')<")
    p.chdir(f"{tmp_path}/<script>alert('\"')<")
    return p


def test_a_trace_as_a_table_is_well_formed_and_escaped(hostile: Held) -> None:
    page = Page(hostile.trace._repr_html_())
    assert page.tags.isdisjoint(("script", "i"))
    for event in hostile.trace:
        assert f"{event.request} = {event.result}" in page.cells
        assert event.shell in page.cells
        assert f"{event.microseconds} µs" in page.cells
    assert any("<script>" in cell for cell in page.cells)


def test_a_look_as_a_table_is_well_formed_and_escaped(hostile: Held) -> None:
    look = hostile.look()
    page = Page(look._repr_html_())
    assert page.tags.isdisjoint(("script", "i"))
    assert "hostname <i>lab</i>&amp;, uid 0" in page.cells[0]
    assert "<script>alert('\"')<" in page.cells[0]
    for kind in look.namespaces:
        row = page.cells.index(kind)
        assert page.cells[row + 1] == namespace(hostile.pid, kind)
        assert page.cells[row + 2] == ("its own" if kind == "uts" else "shared with the host")


@pytest.mark.parametrize(
    ("begun", "wanted"),
    [
        ("box.run('busybox', 'true', mem", "memory="),
        ("box.start('busybox', 'true', netw", "network="),
        ("box.exec('x', 'true', workd", "workdir="),
        ("box.birth('busybox', 'true', user", "userns="),
    ],
)
def test_jupyter_offers_options_by_name(notebook: Notebook, begun: str, wanted: str) -> None:
    answer = notebook.client.complete(begun, len(begun), reply=True, timeout=60)
    assert wanted in answer["content"]["matches"]


def test_exec_adds_to_the_environment_as_the_command_line_does(
    box: Lab, kernelbox: Kernelbox
) -> None:
    container = box.start("busybox", "sleep 300", network="none", env=["KEPT=1", "OTHER=1"])
    script = ["sh", "-c", "echo $KEPT $OTHER $PWD"]
    in_notebook = box.exec(container.id, script, env=["OTHER=2"], workdir="/tmp", quiet=True).stdout
    typed = kernelbox.ok("exec", "-e", "OTHER=2", "-w", "/tmp", container.id, *script)
    assert in_notebook == typed == "1 2 /tmp\n"


def test_a_mistyped_option_of_exec_is_one_line(box: Lab) -> None:
    container = box.start("busybox", "sleep 300", network="none")
    with pytest.raises(LabError, match=r"^no option 'cwd'. There are: env, workdir, user"):
        container.exec("true", cwd="/")  # type: ignore[call-arg]


# --- what a notebook reads, and where it works ----------------------------------------------------


def test_what_a_notebook_reads_is_what_proc_says(
    box: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    p = box.hold()
    assert reading.status(p.pid)["NSpid"] == looking.status(p.pid)["NSpid"]
    assert reading.host_uid(p) == os.geteuid()
    assert reading.mountinfo() == Path("/proc/self/mountinfo").read_text().splitlines()
    assert sorted(reading.children(box.agent)) == sorted(children(box.agent))
    assert reading.children(box.agent)[p.pid].startswith("S")
    points = [one.point for one in looking.mounts(p.pid)]
    assert reading.mount_points(p.pid) == points
    p.keep_capabilities("KILL", "CHOWN")
    capsys.readouterr()
    reading.sets(p, "Eff")
    assert capsys.readouterr().out == "CapEff  CHOWN KILL\n"
    assert reading.alive(p.pid)
    p.end()
    assert reading.until(lambda: not reading.alive(p.pid))
    assert not reading.until(lambda: reading.alive(p.pid), 0)


def test_a_world_has_two_mounts_and_tells_nobody_of_them(
    box: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    before = looking.mounts(box.agent)
    ann = surroundings.world("ann")
    assert [one.point for one in looking.mounts(ann.pid)] == ["/", "/proc"]
    assert looking.status(ann.pid)["Name"] == "ann"
    assert [line.split()[4] for line in surroundings.all_mounts(ann)] == ["/", "/proc"]
    bench = surroundings.workbench("mkdir upper; touch upper/file; mknod upper/gone c 0 0")
    capsys.readouterr()
    surroundings.written(bench)
    assert capsys.readouterr().out == "0 bytes           file\nwhiteout          gone\n"
    hashed = surroundings.fingerprint(bench, "upper")
    bench.shell("touch upper/more")
    assert surroundings.fingerprint(bench, "upper") != hashed
    assert looking.mounts(box.agent) == before
    ann.mount(None, "/", None, "rshared")
    reading.spread(ann)
    assert capsys.readouterr().out == "ann      /          shared:A\nann      /proc      shared:B\n"
