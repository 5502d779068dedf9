"""What students hand in that is worse than wrong: checks answer all the same, and the lab goes on.

All of it happens in a real Jupyter kernel, in the notebook's own cells. After each, the next cell
holds a process and runs a container; and nothing is left behind, which every test is held to.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from kernelbox.lab.course.solutions import code, instead, place_of
from tests.looking import is_alive, soon
from tests.test_lab import Cell, Notebook

CHAPTER = "01"
LONGEST = 2000  # characters: what a page shows of a verdict
IN_TIME = 15.0  # seconds: `exercise`'s own limit for a check
USABLE = """
next_one = box.hold()
_ = next_one.unshare("uts"), next_one.sethostname("next")
print(box.run("busybox", "echo usable", network="none", quiet=True).stdout)
"""


@pytest.fixture(scope="module")
def kernel(environment: dict[str, str]) -> Iterator[Notebook]:
    made = Notebook(environment)
    yield made
    made.close()


@pytest.fixture
def notebook(kernel: Notebook) -> Iterator[Notebook]:
    """A kernel in which the chapter has begun; its lab is closed after the test."""
    kernel.settle()
    run(kernel, "open", "ps-outside")
    yield kernel
    kernel.ok("box = lab.start(); box.reset(everything=True); box.close()")
    kernel.ok("get_ipython().run_line_magic('reset', '-f'); import os; from kernelbox import lab")
    kernel.settle()


def run(notebook: Notebook, *ids: str) -> None:
    """Run cells of the chapter's notebook."""
    sources = code(CHAPTER)
    for name in ids:
        cell = notebook.run(sources[name])
        assert not cell.failure, "\n".join(cell.failure["traceback"])


def outcome(cell: Cell) -> str:
    """Return how a check ended: its verdict as shown, whether it passed or not."""
    if cell.failure:
        assert cell.failure["ename"] == "NotYet", "\n".join(cell.failure["traceback"])
        return cell.displayed
    return cell.shown["text/plain"]


def try_out(notebook: Notebook, exercise: str, solution: str) -> str:
    """Run a solution and then its check, both as the notebook has them; return the verdict."""
    solved, check = place_of(exercise, code(CHAPTER))
    notebook.run(instead(solved, solution))
    started = time.monotonic()
    said = outcome(notebook.run(check))
    assert time.monotonic() - started < 2 * 4 * IN_TIME  # four: on a machine that is busy
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
        pytest.param(
            "os.system('f() { f | f & }; (f); exec sleep 1000')",
            "pids_of({pid}) did not return within 3 s",
            marks=pytest.mark.alone,
        ),
        pytest.param(
            "while True: os.fork()",
            "pids_of({pid}) forked more than 100 times, and was killed",
            marks=pytest.mark.alone,
        ),
        # One that leaves parent, session and group behind: that nothing is left shows at the end.
        ("os.system('setsid -f sleep 1000')", "for this notebook: None"),
        ("os.fork() or os.setsid() or os.fork() or time.sleep(1000)", "did not return within 3 s"),
        ("os.kill(os.getppid(), 9); time.sleep(9)", "ended its process, or was killed"),
        ("return pids_of(pid)", "pids_of({pid}) raised RecursionError: "),
        ("return [bytearray(1 << 28) for _ in range(99)]", "pids_of({pid}) raised MemoryError"),
        ("import inspect\nreturn [one[3] for one in inspect.stack()]", "['pids_of', '_child', "),
        ("import signal\nreturn signal.alarm(1) or signal.pause()", "ended its process, or was"),
        ("raise RuntimeError('x' * 1_000_000)", "pids_of({pid}) raised RuntimeError: xxx"),
        ("print('x' * 1_000_000)", "for this notebook: None"),
        ("os.write(1, b'x' * 1_000_000)", "for this notebook: None"),
        ("return 'x' * 1_000_000", "pids_of({pid}) returned more than 65536 characters"),
        ("return lambda: 1", "which is no plain data"),
        ("raise NotImplementedError()", "for this notebook: pids_of is not written yet"),
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
    solved, check = place_of("half-a-container", code(CHAPTER))
    hangs = "print('begun', flush=True)\nwhile True: box.hold().end()"
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
    run(notebook, "open")
    assert_usable(notebook)


# --- what the lab has given -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("then", "observed"),
    [
        (
            "web = box.start('busybox', 'sleep 1', network='none')",
            "`web` is <a container> now, and",
        ),
        ("web = box.hold()", "`web` is <a process under remote control> now, and not what the lab"),
        ("web = None", "`web` is None now, and not what the lab gave: run its cell again"),
        ("web.stop(0)", "`web` has ended: run its cell again"),
        ("web.remove()", "`web` has ended: run its cell again"),
    ],
)
def test_a_check_looks_at_what_was_given_and_at_nothing_else(
    notebook: Notebook, then: str, observed: str
) -> None:
    solution = "return [int(word) for word in status(pid)['NSpid'].split()]"
    said = try_out(notebook, "all-its-numbers", f"{solution}\n\n")
    assert said.startswith("passed: ")
    notebook.ok(then)
    said = try_out(notebook, "all-its-numbers", solution)
    assert said.startswith("not yet: All its numbers") and observed in said


GIVEN = """
from kernelbox.lab.exercises import judge, verdict
from kernelbox.lab.exercises.exercise import Exercise
from kernelbox.lab.exercises.given import Gifts

def check(box, thing):
    return verdict.passed("it was looked at")

exercise, gifts = Exercise("x", "X", 1, ("", "", ""), 5, check), Gifts()
thing = {thing}
gifts.remember("thing", thing, alive={alive})
{then}
print(judge.judge(exercise, box, dict(thing=thing), gifts).observed)
"""


@pytest.mark.parametrize(
    ("thing", "alive", "then", "observed"),
    [
        ("box.hold()", True, "", "it was looked at"),
        ("box.hold()", True, "thing.end()", "`thing` has ended: run its cell again"),
        ("box.hold()", False, "thing.end()", "it was looked at"),
        ("box.hold()", True, "thing = thing.fork()", "`thing` is <a process under remote control>"),
        (
            "dict(a=[1])",
            True,
            "thing['a'].append(2)",
            "`thing` has been changed since the lab gave",
        ),
        ("dict(a=[1])", True, "thing = dict(a=[1])", "`thing` is {'a': [1]} now, and not what"),
        ("[1, 2]", True, "thing.reverse()", "`thing` has been changed since the lab gave it"),
        ("[1, 2]", True, "thing.reverse(); thing.reverse()", "it was looked at"),
        ("'a text'", True, "", "it was looked at"),
        (
            "box.hold()",
            True,
            "thing = box.hold(); gifts.remember('thing', thing, alive=True)",
            "it ",
        ),
    ],
)
def test_what_was_given_is_remembered(
    notebook: Notebook, thing: str, alive: bool, then: str, observed: str
) -> None:
    said = notebook.ok(GIVEN.format(thing=thing, alive=alive, then=then))
    assert said.startswith(observed)


ENDS = """
import time
from kernelbox.lab.exercises import pictures

for _ in range(5):
    one = box.start("busybox", "sleep 1000", network="none")
    pictures.take(one)
    picture = pictures.of(one)
    assert picture.ends.so_far() == []
    host.shell(f"kill -KILL {victim}")
    while one.pid not in picture.ends.so_far():
        time.sleep(0.01)
    print("its parent" if picture.ends.so_far()[0] == picture.parent else "itself", "ended first")
    one.remove()
"""


@pytest.mark.parametrize(
    ("victim", "first"), [("one.pid", "itself"), ("picture.parent", "its parent")]
)
def test_of_what_was_given_it_is_known_who_ended_first(
    notebook: Notebook, victim: str, first: str
) -> None:
    said = notebook.ok(ENDS.replace("{victim}", f"{{{victim}}}"))
    assert said == f"{first} ended first\n" * 5


def test_of_what_was_never_given_there_is_no_picture(notebook: Notebook) -> None:
    said = notebook.ok(
        "from kernelbox.lab.exercises import pictures\n"
        "one = box.hold()\n"
        "print(pictures.of(one))\n"
        "one.end()\n"
        "pictures.take(one), pictures.take('a text')\n"
        "print(pictures.of(one))\n"
    )
    assert said == "None\nNone\n"


# --- a check that hangs itself --------------------------------------------------------------------

JUDGED = """
from kernelbox.lab.exercises import judge, verdict
from kernelbox.lab.exercises.exercise import Exercise
from kernelbox.lab.exercises.given import Gifts

def check(box, function):
    function()
    return verdict.passed("it returned")

exercise = Exercise("x", "X", 1, ("", "", ""), 0.5, check)
print(judge.judge(exercise, box, {"function": function}, Gifts()))
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
        ("open('/proc/999999999/status')", "a process has ended while the check was looking"),
        ("open('/no/such/file')", "while the check was looking: FileNotFoundError: "),
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


def test_nobody_chooses_what_a_check_draws(notebook: Notebook) -> None:
    notebook.ok("import random\ndrawn = []\ndef function():\n    drawn.append(random.random())")
    for _ in range(2):
        notebook.ok("random.seed(1)")
        assert "it returned" in notebook.ok(JUDGED)
    assert notebook.ok("print(len(set(drawn)))") == "2\n"
    # And the student's own sequence goes on as if nobody had looked.
    assert notebook.ok("print(random.random() == random.Random(1).random())") == "True\n"


# --- an answer before the guess -------------------------------------------------------------------


def test_a_cell_that_observes_does_nothing_before_there_is_a_guess(notebook: Notebook) -> None:
    cell = 'measured = len(os.listdir("/proc/self/ns"))\ncourse.observe("pids", 2)'
    refused = notebook.run(cell)
    assert refused.failure["ename"] == "LabError"
    assert "predict('pids')" in refused.failure["evalue"]
    assert notebook.ok('print("measured" in globals())') == "False\n"
    notebook.ok('_ = course.predict("pids", 1)')
    assert notebook.run(cell).shown["text/plain"] == "guessed:  1\nobserved: 2"
    assert notebook.ok('print("measured" in globals())') == "True\n"
