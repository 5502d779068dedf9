"""`events`: what happens to containers, told as it happens and later, also what the kernel does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kernelbox import cgroup
from kernelbox.cgroup.events import Watch
from kernelbox.container import events
from tests.command import Kernelbox
from tests.looking import soon
from tests.test_limits import FOREVER

ALONE = ("--network", "none")
TIGHT = ("--memory", "16m", "--memory-swap", "16m", *ALONE)
BURN = "while :; do :; done"


class Stream:
    """A reader of events in the background, and what it has told so far."""

    def __init__(self, kernelbox: Kernelbox, *words: str) -> None:
        self._told = os.memfd_create("told")
        self.command = kernelbox.popen("events", "--format", "json", *words, stdout=self._told)

        def is_listening() -> bool:
            kernelbox.ok("run", "--rm", *ALONE, "busybox", "true")
            return self.text() != ""

        assert soon(is_listening)

    def text(self) -> str:
        return os.pread(self._told, 1 << 20, 0).decode()

    def of(self, container: str) -> list[str]:
        return [one["Action"] for one in self.told() if one["Actor"]["ID"] == container]

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines(keepends=True) if "\n" in line]

    def tells(self, container: str, *actions: str) -> bool:
        return soon(lambda: self.of(container) == list(actions))

    def end(self) -> None:
        self.command.kill()
        self.command.communicate()
        os.close(self._told)


@pytest.fixture
def stream(kernelbox: Kernelbox) -> Iterator[Stream]:
    one = Stream(kernelbox)
    yield one
    one.end()


def test_a_life_is_told_in_order_with_names_and_in_dockers_form(
    kernelbox: Kernelbox, stream: Stream
) -> None:
    container = kernelbox.start("--name", "told", *FOREVER)
    kernelbox.ok("pause", "told")
    kernelbox.ok("unpause", "told")
    kernelbox.ok("exec", "told", "true")
    kernelbox.ok("update", "--pids-limit", "9", "told")
    kernelbox.ok("kill", "told")
    kernelbox.ok("rm", "told")
    life = [
        "create",
        "start",
        "pause",
        "unpause",
        "exec_create",
        "update",
        "kill",
        "die",
        "destroy",
    ]
    assert stream.tells(container, *life), stream.of(container)
    ours = [one for one in stream.told() if one["Actor"]["ID"] == container]
    for one in ours:
        assert one.keys() == {"Type", "Action", "Actor", "scope", "time", "timeNano"}
        assert one["Actor"]["Attributes"]["name"] == "told"
        assert one["Actor"]["Attributes"]["image"] == "busybox"
    assert ours[-2]["Actor"]["Attributes"]["exitCode"] == "137"
    times = [one["timeNano"] for one in ours]
    assert times == sorted(times)


def test_an_oom_kill_is_told_while_the_container_lives_and_once(
    kernelbox: Kernelbox, stream: Stream
) -> None:
    container = kernelbox.start(*TIGHT, "busybox", "sh", "-c", "tail /dev/zero; sleep infinity")
    assert stream.tells(container, "create", "start", "oom")
    kernelbox.ok("stop", "-t", "0", container)
    assert stream.tells(container, "create", "start", "oom", "kill", "die")


def test_an_oom_kill_that_ends_the_container_is_told_before_its_death(
    kernelbox: Kernelbox, stream: Stream
) -> None:
    container = kernelbox.start(*TIGHT, "busybox", "tail", "/dev/zero")
    kernelbox.ok("wait", container)
    assert stream.tells(container, "create", "start", "oom", "die")


def test_throttling_is_told_once_when_it_begins(kernelbox: Kernelbox, stream: Stream) -> None:
    # Less, and in an emulated machine its start alone would take minutes.
    container = kernelbox.start("--cpus", "0.25", *ALONE, "busybox", "sh", "-c", BURN)
    assert stream.tells(container, "create", "start", "throttled")
    kernelbox.ok("rm", "-f", container)
    assert soon(lambda: stream.of(container)[-1] == "destroy")


def test_a_container_whose_monitor_was_killed_is_told_to_have_died(
    kernelbox: Kernelbox, stream: Stream
) -> None:
    container = kernelbox.start(*FOREVER)
    words = (kernelbox.root / "containers" / container / "lock").read_text().split()
    os.kill(int(words[0]), signal.SIGKILL)
    assert stream.tells(container, "create", "start", "die")


def test_what_was_before_is_told_and_filtered(kernelbox: Kernelbox) -> None:
    before = time.time()
    container = kernelbox.start(*TIGHT, "--name", "earlier", "busybox", "tail", "/dev/zero")
    kernelbox.ok("wait", container)
    words = ("--since", f"{before:.3f}", "--until", "0s")

    def told(*more: str) -> list[str]:
        lines = kernelbox.ok("events", *words, *more).splitlines()
        return [line.split()[2] for line in lines if line.split()[3] == container]

    assert told() == ["create", "start", "oom", "die"]
    assert told("--filter", "event=die", "--filter", "event=oom") == ["oom", "die"]
    assert told("-f", "container=earlier", "-f", "event=start") == ["start"]
    assert told("-f", f"container={container[:6]}") == ["create", "start", "oom", "die"]
    assert told("-f", "container=another") == []
    assert told("-f", "image=another") == []
    assert not kernelbox.ok("events", "--since", "0s", "--until", "0s")
    assert container in kernelbox.ok("events", "--since", "1h30m", "--until", "0s")
    assert container in kernelbox.ok("events", "--since", "2001-01-01T00:00:00Z", "--until", "0s")


def test_a_command_of_several_lines_is_told_in_one(kernelbox: Kernelbox) -> None:
    container = kernelbox.start(*FOREVER)
    kernelbox.ok("exec", container, "sh", "-c", ":\n: '\x1b[2J'")
    told = kernelbox.ok("events", "--since", "1h", "--until", "0s", "-f", f"container={container}")
    assert [line.split()[2] for line in told.splitlines()] == ["create", "start", "exec_create"]
    assert r"sh -c :\n: '\x1b[2J'" in told


@pytest.mark.parametrize("words", [("--since", "yesterday"), ("-f", "x=y"), ("-f", "event")])
def test_a_time_or_filter_that_is_none_is_refused(
    kernelbox: Kernelbox, words: tuple[str, str]
) -> None:
    kernelbox.refused("events", *words)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_reader_that_is_ended_leaves_nothing(kernelbox: Kernelbox, number: int) -> None:
    container = kernelbox.start(*FOREVER)
    stream = Stream(kernelbox)
    files = sorted(path.name for path in kernelbox.root.iterdir())
    stream.command.send_signal(number)
    _, complaint = stream.command.communicate(timeout=300)
    assert complaint == ""
    stream.end()
    assert sorted(path.name for path in kernelbox.root.iterdir()) == files
    assert kernelbox.inspect(container)["State"]["Running"]


def test_a_reader_whose_reader_is_gone_ends(kernelbox: Kernelbox) -> None:
    reader = subprocess.Popen(
        [*kernelbox.command, "events"], env=kernelbox.environment, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None
    reader.stdout.close()

    def has_ended() -> bool:
        kernelbox.ok("run", "--rm", *ALONE, "busybox", "true")
        return reader.poll() is not None

    assert soon(has_ended)
    assert reader.returncode == 1


def test_too_many_events_are_put_aside_and_none_that_a_reader_waits_for_is_lost(
    kernelbox: Kernelbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_LIMIT", 2000)
    kernelbox.start("--name", "many", *FOREVER)
    reader = events.Reader(from_now=True)
    found: list[str] = []
    for number in range(100):
        events.record("update", "000000000000", number=number)
        if number % 7 == 0:  # fewer than the file holds
            found += [one.attributes["number"] for one in reader.read()]
    found += [one.attributes["number"] for one in reader.read()]
    reader.close()
    assert found == [str(number) for number in range(100)]
    for path in kernelbox.root.glob("events*"):
        assert path.stat().st_size < 2500
    assert (kernelbox.root / "events.old").exists()
    (kernelbox.root / "events.old").unlink()


def test_half_a_line_hides_no_other(kernelbox: Kernelbox) -> None:
    kernelbox.start(*FOREVER)
    file = kernelbox.root / "events"
    with file.open("a") as out:
        out.write('{"time": 1, "act\n[]\n{"time": 2}\n')
    reader = events.Reader(from_now=False)
    assert [one.action for one in reader.read()][-1] == "start"
    events.record("update", "000000000000")
    assert [one.action for one in reader.read()] == ["update"]
    reader.close()


def test_a_watch_counts_what_the_kernel_does_to_a_group_by_hand() -> None:
    with cgroup.of(f"test-{os.getpid()}-watched") as group:
        group.set("pids.max", 3)
        group.set("cpu.max", "2000 20000")
        watch = Watch(group)
        assert watch.look() == {}
        script = "(sleep 9 & sleep 9 & sleep 9 & sleep 9 &) 2>/dev/null; while :; do :; done"
        burner = subprocess.Popen(["sh", "-c", f"read x; {script}"], stdin=subprocess.PIPE)
        group.add(burner.pid)
        assert burner.stdin is not None
        burner.stdin.write(b"go\n")
        burner.stdin.flush()
        seen: dict[str, int] = {}

        def both() -> bool:
            for kind, number in watch.look().items():
                seen[kind] = seen.get(kind, 0) + number
            return {"throttled", "forks"} <= seen.keys()

        assert soon(both), seen
        assert "oom" not in seen
        group.kill()
        burner.wait()
        burner.stdin.close()
    assert watch.look() == {}
