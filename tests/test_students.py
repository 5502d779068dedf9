"""What students hand in that is worse than wrong: checks answer all the same, and the lab goes on.

All of it happens in a real Jupyter kernel, in the notebook's own cells. After each, the next cell
holds a process and runs a container; and nothing is left behind, which every test is held to.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from kernelbox.lab.exercises import registry
from tests.looking import is_alive, soon
from tests.test_exercises import cells_of, instead, kernel, outcome, run
from tests.test_exercises import notebook as fresh
from tests.test_lab import Notebook

__all__ = ["fresh", "kernel"]  # fixtures

CHAPTER = "01"
LONGEST = 2000  # characters: what a page shows of a verdict
IN_TIME = 15.0  # seconds: `registry.exercise`'s own limit for a check
USABLE = """
next_one = box.hold()
_ = next_one.unshare("uts"), next_one.sethostname("next")
print(box.run("busybox", "echo usable", network="none", quiet=True).stdout)
"""


@pytest.fixture
def notebook(fresh: Notebook) -> Iterator[Notebook]:
    """A kernel in which the chapter has begun."""
    run(fresh, CHAPTER, ("open", "ps-outside"))
    yield fresh


def try_out(notebook: Notebook, exercise: str, solution: str) -> str:
    """Run a solution and then its check, both as the notebook has them; return the verdict."""
    solved, check = cells_of(registry.contents(CHAPTER).exercises[exercise])
    notebook.run(instead(solved, solution))
    started = time.monotonic()
    said = outcome(notebook.run(check))
    assert time.monotonic() - started < 2 * IN_TIME
    assert len(said) < LONGEST
    return said


def assert_usable(notebook: Notebook) -> None:
    assert notebook.ok(USABLE) == "usable\n\n"


# --- a function that a check calls ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "observed"),
    [
        ("while True: pass", "pids_of({pid}) did not return within 3 s"),
        (
            "while True:\n    try:\n        time.sleep(1)\n    except BaseException:\n        pass",
            "pids_of({pid}) did not return within 3 s",
        ),
        ("os.system('sleep 1000')", "pids_of({pid}) did not return within 3 s"),
        ("os.system('f() { f | f & }; f; sleep 1000')", "pids_of({pid}) did not return within 3 s"),
        ("while True: os.fork()", "pids_of({pid}) forked more than 100 times, and was killed"),
        ("return pids_of(pid)", "pids_of({pid}) raised RecursionError: "),
        ("raise RuntimeError('x' * 1_000_000)", "pids_of({pid}) raised RuntimeError: xxx"),
        ("print('x' * 1_000_000)", "for this notebook: None"),
        ("os.write(1, b'x' * 1_000_000)", "for this notebook: None"),
        ("return 'x' * 1_000_000", "pids_of({pid}) returned more than 65536 characters"),
        ("return lambda: 1", "which is no plain data"),
        ("raise SystemExit", "pids_of({pid}) raised SystemExit"),
        ("os._exit(0)", "pids_of({pid}) ended its process, or was killed"),
        ("os.kill(os.getpid(), 9)", "pids_of({pid}) ended its process, or was killed"),
        ("os.kill(0, 9)", "pids_of({pid}) ended its process, or was killed"),
        ("box.close()", "for this notebook: "),
        ("return web.exec('ps')", "for this notebook: "),
    ],
)
def test_a_function_may_do_what_it_likes(notebook: Notebook, body: str, observed: str) -> None:
    notebook.ok("import time")
    said = try_out(notebook, "all-its-numbers", body)
    assert said.startswith("not yet: All its numbers")
    assert observed.format(pid=notebook.pid) in said
    assert_usable(notebook)


# --- a cell that does something to the lab --------------------------------------------------------


@pytest.mark.parametrize(
    ("solution", "observed"),
    [
        ("half = box.hold()\nhalf.umount('/proc')", "its PID inside is none"),
        (
            "half = box.hold()\nhalf.unshare('mount')\nhalf.mount(None, '/', None, 'rprivate')\n"
            "half.umount('/proc', lazy=True)",
            "its PID inside is none",
        ),
        ("half = box.hold()\nos.kill(half.pid, 9)", "the process half has ended"),
        ("half = box.hold()\nos.kill(half.pid, 19)", "its PID inside is none"),
        ("half = box.hold()\nhalf.exec('/bin/sh', '-c', 'exit 3')", "the process half has ended"),
        ("half = box.hold()\nhalf.shell('f() { f | f & }; f')", "its PID inside is none"),
        ("half = box.hold()\nhalf.python('while True: os.fork()')", ""),
        ("half = print('x' * 1_000_000)", "half is None"),
        ("half = 'x' * 1_000_000", "half is 'xxx"),
        ("raise RuntimeError", "half is None"),
        ("half = [box.hold() for _ in range(50)]", "half is [<a process"),
    ],
)
def test_a_cell_may_do_what_it_likes(notebook: Notebook, solution: str, observed: str) -> None:
    said = try_out(notebook, "half-a-container", solution)
    assert said.startswith("not yet: ")
    assert observed in said
    assert_usable(notebook)


def test_a_cell_that_hangs_is_interrupted_and_its_check_says_what_is_there(
    notebook: Notebook,
) -> None:
    solved, check = cells_of(registry.contents(CHAPTER).exercises["half-a-container"])
    hangs = "print('begun', flush=True)\nwhile True: half = box.hold(); half.end()"
    cell = notebook.begin(instead(solved, hangs))
    message = notebook.client.get_iopub_msg(timeout=60)
    while message["msg_type"] != "stream":
        message = notebook.client.get_iopub_msg(timeout=60)
    notebook.manager.interrupt_kernel()
    assert notebook.end(cell).failure["ename"] == "KeyboardInterrupt"
    assert "observed: half is " in outcome(notebook.run(check))
    assert_usable(notebook)


def test_whoever_kills_the_agent_is_told_and_starts_the_lab_again(notebook: Notebook) -> None:
    agent = notebook.agent()
    half = "half = box.hold()\nos.kill(box.agent, 9)"
    said = try_out(notebook, "half-a-container", half)
    assert said.startswith("not yet: Half a container")
    assert soon(lambda: not is_alive(agent))
    failure = notebook.run("box.hold()").failure
    assert failure["ename"] == "LabError"
    assert "lab.start()" in "\n".join(failure["traceback"])
    run(notebook, CHAPTER, ("open",))
    assert_usable(notebook)


# --- a check that hangs itself --------------------------------------------------------------------

JUDGED = """
from kernelbox.lab.exercises import checking, registry, verdict

def check(box, function):
    function()
    return verdict.passed("it returned")

exercise = registry.Exercise("x", "01", "X", 1, ("", "", ""), 0.5, check)
print(checking.judge(exercise, box, {"function": function}))
"""


@pytest.mark.parametrize(
    ("body", "observed"),
    [
        ("while True: pass", "no answer within 0.5 s"),
        ("while True:\n  try: time.sleep(1)\n  except KeyboardInterrupt: pass", "no answer within"),
        ("box.run('busybox', 'sleep 1000', network='none')", "no answer within 0.5 s"),
        ("p.exec('/bin/sleep', '1000')", "no answer within 0.5 s"),
        ("p.python('while True: pass')", "no answer within 0.5 s"),
        ("p.shell('sleep 1000')", "no answer within 0.5 s"),
        ("print('x' * 1_000_000)", "it returned"),
        ("raise ValueError('x' * 1_000_000)", "while the check was looking: ValueError: xxx"),
        ("raise SystemExit(3)", "while the check was looking: SystemExit: 3"),
        ("p.end(); p.unshare('uts')", "while the check was looking, this was refused: "),
        ("p.umount('/')", "this was refused: umount would change the host itself"),
    ],
)
def test_a_check_ends_in_its_time_whatever_it_has_called(
    notebook: Notebook, body: str, observed: str
) -> None:
    lines = body.replace("\n", "\n    ")
    notebook.ok(f"import time\np = box.hold()\ndef function():\n    {lines}")
    said = notebook.ok(JUDGED)
    assert re.match(r"(not yet|passed): X \(1 point\)\nobserved: ", said)
    assert observed in said
    assert len(said) < LONGEST
    assert_usable(notebook)
