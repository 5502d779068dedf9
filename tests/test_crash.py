"""Die at every request of a start: whatever is killed or refused there, nothing is left behind.

A command is broken before its request number N, for every N there is: how many there are, its own
trace says. Two roots work side by side, one on the odd numbers and one on the even.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from kernelbox import cgroup
from tests import looking
from tests.command import Kernelbox
from tests.sandbox import TAG, Done, Sandbox

Pair = tuple[Sandbox, Sandbox]

LIMITS = ("--memory=64m", "--cpus=0.5", "--cpu-shares=512", "--pids-limit=50")
MORE = (*LIMITS, "-v", "/usr/share:/below/share:ro", "busybox", "true")
ALONE = ("run", "--trace=json", *TAG, "--network=none")
STARTS = {
    "on the bridge": ("run", "--trace=json", *TAG, "--rm", "-p", "127.0.0.1:{port}:80", *MORE),
    "without a network": (*ALONE, "--rm", "--init", "-t", "--read-only", "-u", "1000", *MORE),
    "in a user namespace": (*ALONE, "--rm", "--userns=auto", *MORE),
    "kept": (*ALONE, "busybox", "sh", "-c", "exit 7"),
    "detached": (*ALONE, "-d", "busybox", "sh", "-c", "exit 7"),
}
# The container side is the same with and without a bridge, but slower: every eighth will do there.
SIDES = [
    pytest.param(start, side, step, id=f"{side} side {start}")
    for start, side, step in (
        ("on the bridge", "runtime", 1),
        ("on the bridge", "container", 8),
        ("without a network", "runtime", 1),
        ("without a network", "container", 1),
        ("in a user namespace", "runtime", 1),
        ("in a user namespace", "container", 1),
    )
]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image store that all roots of this file link to: it owns nothing of the kernel's."""
    root = tmp_path_factory.mktemp("store")
    Sandbox(root).ok("images")
    return root / "images"


@pytest.fixture
def sandbox(tmp_path: Path, images: Path) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path / "root", images)
    yield made
    made.reset()


@pytest.fixture
def pair(sandbox: Sandbox, tmp_path: Path, images: Path) -> Iterator[Pair]:
    other = Sandbox(tmp_path / "other", images)
    yield sandbox, other
    other.reset()


def words(start: str, sandbox: Sandbox) -> tuple[str, ...]:
    port = 41001 if sandbox.root.name == "root" else 41002
    return tuple(word.format(port=port) for word in STARTS[start])


def requests(pair: Pair, start: str, side: str) -> list[str]:
    """Return the requests of one side of a start, once bridge and rules are there."""
    for one in (*pair, *pair):
        done = one.run(*words(start, one))
        assert done.err == "", done
        remove_all(one)
        assert one.settled() == []
    return [event["request"] for event in done.trace if event["side"] == side]


def remove_all(sandbox: Sandbox) -> list[str]:
    """Remove the containers that `ps -a` lists; return their exit codes."""
    listed = [json.loads(line) for line in sandbox.ok("ps", "-a", "--format=json").splitlines()]
    if listed:
        sandbox.ok("rm", *[one["Id"] for one in listed])
    return [f"{one['State']['Status']} {one['State']['ExitCode']}" for one in listed]


def at_each(
    numbers: Iterable[int], pair: Pair, attempt: Callable[[Sandbox, int], list[str]]
) -> None:
    """Make the attempt at each number, on two roots at once; fail with all that went wrong."""
    numbered = list(numbers)
    assert numbered

    def half(index: int) -> list[str]:
        return [
            f"{number}: {complaint}"
            for number in numbered[index::2]
            for complaint in attempt(pair[index], number)
        ]

    with ThreadPoolExecutor(2) as both:
        wrong = [complaint for complaints in both.map(half, (0, 1)) for complaint in complaints]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


def left(sandbox: Sandbox) -> list[str]:
    return [f"left {thing}" for thing in sandbox.settled()]


def one_clear_line(done: Done, errno: str) -> list[str]:
    """Return what is wrong with how a refusal was reported."""
    wrong = []
    if done.status not in (125, 126, 127):
        wrong.append(f"exit status {done.status}")
    if not done.err.startswith("kernelbox: ") or done.err.count("\n") != 1:
        wrong.append(f"not one line: {done.err!r}")
    if errno not in done.err or "bug" in done.err:
        wrong.append(f"not clear: {done.err!r}")
    return wrong


# --- starting -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "side", "step"), SIDES)
def test_killed_before_any_request_of_a_start(pair: Pair, start: str, side: str, step: int) -> None:
    last = len(requests(pair, start, side))
    obituary = "monitor was killed" if side == "runtime" else "first process died"

    def attempt(one: Sandbox, number: int) -> list[str]:
        done = one.run(*words(start, one), breaking=f"{side}:{number}:SIGKILL")
        wrong = []
        if number < last or done.status:  # the last is not always needed: links go by themselves
            if done.count(side) != number - 1:
                wrong.append(f"was not killed there: {done}")
            if obituary not in done.err or done.err.count("\n") != 1:
                wrong.append(f"not one line: {done.err!r}")
        if side == "runtime":  # the monitor itself: then the next command cleans up
            wrong += [f"ps lists {container}" for container in remove_all(one)]
        return wrong + left(one)

    at_each(range(1, last + 1, step), pair, attempt)


@pytest.mark.parametrize(("start", "side", "step"), SIDES)
def test_refused_any_request_of_a_start(pair: Pair, start: str, side: str, step: int) -> None:
    made = requests(pair, start, side)

    def attempt(one: Sandbox, number: int) -> list[str]:
        errno = ("ENOSPC", "EPERM")[number // 2 % 2]
        done = one.run(*words(start, one), breaking=f"{side}:{number}:{errno}")
        if done.status == 0 and number == len(made):  # not needed this time
            return left(one)
        wrong = one_clear_line(done, errno)
        if "the program ended with 0" in done.err:  # and then cleaning up was refused
            wrong += [f"ps lists {container}" for container in remove_all(one)]
        return wrong + left(one)

    at_each(range(1, len(made) + 1, step), pair, attempt)


def test_killed_before_any_request_of_a_start_on_a_fresh_host(sandbox: Sandbox) -> None:
    start = words("on the bridge", sandbox)
    forwarding = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    fresh, second = sandbox.run(*start), sandbox.run(*start)
    last = fresh.count("runtime") - second.count("runtime") + 2
    for number in range(1, last + 1):
        sandbox.reset()
        sandbox.run(*start, breaking=f"runtime:{number}:SIGKILL")
        sandbox.reset()
        assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == forwarding, number
        refused = sandbox.run(*start, breaking=f"runtime:{number}:EPERM")
        assert one_clear_line(refused, "EPERM") + left(sandbox) == [], number
        sandbox.run(*start, breaking=f"runtime:{number}:SIGKILL")
        repaired = sandbox.run(*start)
        assert (repaired.status, repaired.err) == (0, ""), number
        assert left(sandbox) == [], number


# --- ending -------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["SIGKILL", "ENOSPC"])
def test_broken_while_cleaning_up_a_container_keeps_its_exit_code(pair: Pair, what: str) -> None:
    made = requests(pair, "kept", "runtime")

    def attempt(one: Sandbox, number: int) -> list[str]:
        done = one.run(*words("kept", one), breaking=f"runtime:{number}:{what}")
        wrong = [] if what == "SIGKILL" else one_clear_line(done, "the program ended with 7")
        codes = remove_all(one)
        if codes != ["exited 7"]:
            wrong.append(f"ps -a says {codes}")
        return wrong + left(one)

    cleaning = [number for number, request in enumerate(made, 1) if request.startswith("rmdir")]
    at_each(cleaning, pair, attempt)


@pytest.mark.parametrize("what", ["SIGKILL", "EPERM"])
def test_broken_with_nobody_in_front(pair: Pair, what: str) -> None:
    last = len(requests(pair, "kept", "runtime"))

    def attempt(one: Sandbox, number: int) -> list[str]:
        done = one.run(*words("detached", one), breaking=f"runtime:{number}:{what}")
        one.wait_alone()
        wrong = one_clear_line(done, what) if done.status and what == "EPERM" else []
        codes = remove_all(one)
        if codes not in ([], ["exited 7"], ["exited 137"]):
            wrong.append(f"ps -a says {codes}")
        return wrong + left(one)

    at_each(range(1, last + 1), pair, attempt)


@pytest.mark.parametrize("command", ["ps", "reset"])
def test_broken_while_cleaning_up_after_a_crash(sandbox: Sandbox, command: str) -> None:
    survived = False
    # The lab VM is asked about its control groups: there, without a network, at every fourth.
    options = ("--network=none",) if looking.IS_EMULATED else ("-p", "127.0.0.1:41001:80")
    for turn, number in enumerate(count(1, 4 if looking.IS_EMULATED else 1)):
        whats = ["EPERM", "SIGKILL"]
        # A new bridge each time is slow, and so is the lab VM: refused and killed in turns.
        if command == "reset" or looking.IS_EMULATED:
            whats = [whats[turn % 2]]
        for what in whats:
            _, init = running(sandbox, "sleep 600", *options)
            os.kill(parent(init), signal.SIGKILL)
            sandbox.wait_alone()
            done = sandbox.run(command, breaking=f"runtime:{number}:{what}")
            # Not every refusal stops it: a signal to a process that has gone, for example.
            survived = what == "SIGKILL" and done.status == 0
            if what == "EPERM" and done.status:
                assert one_clear_line(done, what) == [], number
            sandbox.ok(command)
            assert command == "reset" or remove_all(sandbox) == ["exited 137"]
            assert left(sandbox) == [], number
        if survived:
            break
    assert number > len(cgroup.parents())  # each was a request at least


# --- running ------------------------------------------------------------------------------------


def running(sandbox: Sandbox, script: str, *options: str) -> tuple[str, int]:
    """Start a container in the background; return its id and its init's pid."""
    container = sandbox.ok("run", "-d", *TAG, *options, "busybox", "sh", "-c", script).strip()
    return container, sandbox.pid(container)


def parent(pid: int) -> int:
    return int(looking.status(pid)["PPid"])


def test_a_container_dies_with_its_monitor_and_keeps_its_log(sandbox: Sandbox) -> None:
    container, init = running(sandbox, "echo alive; sleep 600")
    assert looking.soon(lambda: sandbox.ok("logs", container))
    os.kill(parent(init), signal.SIGKILL)
    sandbox.wait_alone()
    sandbox.ok("ps")
    state = sandbox.inspect(container)["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 137)
    assert sandbox.ok("logs", container) == "alive\n"
    assert sandbox.ok("wait", container) == "137\n"
    sandbox.ok("rm", container)
    assert left(sandbox) == []


def test_a_container_lives_on_without_its_front(sandbox: Sandbox) -> None:
    script = "echo one; while test ! -e /enough; do sleep 0.01; done; echo two; exit 7"
    front = sandbox.begin("run", *TAG, "--name=on", "busybox", "sh", "-c", script)
    try:
        assert looking.soon(lambda: sandbox.run("logs", "on").out == "one\n")
    finally:
        front.kill()
    assert "Up " in sandbox.ok("ps")
    sandbox.ok("exec", "on", "touch", "/enough")
    sandbox.finish(front)
    assert sandbox.ok("wait", "on") == "7\n"
    assert sandbox.ok("logs", "on") == "one\ntwo\n"
    sandbox.ok("rm", "on")
    assert left(sandbox) == []


def test_fifty_kills_at_random_moments_of_a_start(pair: Pair) -> None:
    for one in (*pair, pair[0]):
        began = time.monotonic()
        one.ok("run", "--rm", "busybox", "true")
    whole = time.monotonic() - began
    chance = random.Random(50)
    # When, and whom: the front, its monitor, or what the monitor has started (init, or nft).
    moments = [(chance.random() * whole, chance.randrange(3)) for _ in range(50)]

    def attempt(one: Sandbox, number: int) -> list[str]:
        moment, generation = moments[number]
        front = one.begin("run", "--rm", *TAG, "-p", f"{41001 + number}:80", "busybox", "true")
        time.sleep(moment)
        victim = front.pid
        for _ in range(generation):
            victim = next(iter(children(victim)), victim)
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        one.finish(front)
        one.wait_alone()
        return [f"ps lists {container}" for container in remove_all(one)] + left(one)

    at_each(range(50), pair, attempt)


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


# --- exec ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["runtime", "container"])
def test_broken_at_any_request_of_exec_the_container_is_unharmed(pair: Pair, side: str) -> None:
    held = {one.root: running(one, "sleep 600")[0] for one in pair}
    before = {one.root: one.processes() for one in pair}
    traced = pair[0].run("exec", "--trace=json", held[pair[0].root], "true")
    assert traced.status == 0

    def attempt(one: Sandbox, number: int) -> list[str]:
        container, wrong = held[one.root], []
        for what in ("SIGKILL", "EPERM"):
            done = one.run("exec", container, "true", breaking=f"{side}:{number}:{what}")
            if done.status == 0:
                wrong.append(f"{what} was not noticed")
            if what == "EPERM":
                wrong += one_clear_line(done, what)
            if not looking.soon(lambda: one.processes() == before[one.root], 5.0):
                wrong.append(f"{what}: not {before[one.root]}, but {one.processes()}")
        if one.run("exec", container, "echo", "well").out != "well\n":
            wrong.append("no exec any more")
        return wrong

    at_each(range(1, traced.count(side) + 1), pair, attempt)
    for one in pair:
        one.ok("rm", "-f", held[one.root])
        assert left(one) == []


@pytest.mark.parametrize("gone", ["containers", "names", "trash", "host", "merged"])
def test_a_root_that_a_killed_reset_has_left_in_parts_is_made_whole(
    tmp_path: Path, gone: str
) -> None:
    kernelbox = Kernelbox(tmp_path / "root")
    kernelbox.ok("images")
    (kernelbox.root / gone).rmdir()
    kernelbox.ok("run", "--rm", "--network", "none", "busybox", "true")
    assert kernelbox.ok("ps", "-a").count("\n") == 1
    kernelbox.ok("reset")
