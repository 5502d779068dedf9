"""What a monitor does besides: lives that follow by themselves, guests, and asking how it does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kernelbox.container.options import restarting
from kernelbox.kernel.errors import UsageError
from tests import looking
from tests.command import Kernelbox
from tests.looking import soon

ALONE = ("--network", "none")
FOREVER = ("busybox", "sleep", "infinity")
SHELL = ("busybox", "sh", "-c")
OFTEN = ("--health-interval", "50ms", "--health-timeout", "10s")


def state(kernelbox: Kernelbox, container: str) -> dict[str, Any]:
    found = kernelbox.inspect(container)
    return {**found["State"], "restarts": found["RestartCount"]}


def actions(kernelbox: Kernelbox, container: str) -> list[str]:
    words = ("events", "--since", "5m", "--until", "0s", "--format", "json")
    told = [json.loads(line) for line in kernelbox.ok(*words).splitlines()]
    return [one["Action"] for one in told if one["Actor"]["ID"] == container]


# --- lives that follow ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "code", "restarts", "wants"),
    [
        ("no", 1, 0, False),
        ("on-failure", 0, 0, False),
        ("on-failure", 9, 99, True),
        ("on-failure:3", 1, 2, True),
        ("on-failure:3", 1, 3, False),
        ("always", 0, 99, True),
        ("unless-stopped", 0, 0, True),
    ],
)
def test_who_lives_again(policy: str, code: int, restarts: int, wants: bool) -> None:
    assert restarting.policy(policy).wants(code, restarts) == wants


def test_each_next_life_waits_twice_as_long_up_to_a_minute_and_after_a_long_one_as_the_first() -> (
    None
):
    waits = [0.0]
    for _ in range(12):
        waits.append(restarting.delay(waits[-1], 0.01))
    assert waits[1:5] == [0.1, 0.2, 0.4, 0.8] and waits[-1] == 60.0
    assert restarting.delay(60.0, 10.0) == 0.1


@pytest.mark.parametrize("text", ["sometimes", "always:3", "on-failure:x", "on-failure:-1", "no:1"])
def test_other_policies_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="unknown"):
        restarting.policy(text)


def test_a_failure_is_followed_by_as_many_lives_as_asked_for(kernelbox: Kernelbox) -> None:
    script = "echo x >>/n; wc -l </n; exit 4"
    words = ("run", *ALONE, "--name", "again", "--restart", "on-failure:2", *SHELL, script)
    done = kernelbox(*words)
    assert (done.returncode, done.stdout) == (4, "1\n")  # who has started it sees its first life
    assert soon(lambda: state(kernelbox, "again")["Status"] == "exited")
    assert state(kernelbox, "again")["restarts"] == 2
    assert kernelbox.ok("logs", "again") == "1\n2\n3\n"
    container = kernelbox.inspect("again")["Id"]
    assert actions(kernelbox, container) == ["create", *("start", "die") * 3]
    kernelbox.ok("rm", "again")
    assert "--rm" in kernelbox.refused("run", "--rm", "--restart", "always", *FOREVER)


def test_stop_ends_all_lives_also_between_two(kernelbox: Kernelbox) -> None:
    container = kernelbox.start(*ALONE, "--restart", "always", "busybox", "false")
    assert soon(lambda: state(kernelbox, container)["restarts"] >= 2)
    assert soon(lambda: state(kernelbox, container)["Status"] == "restarting")
    assert soon(lambda: "Restarting (1)" in kernelbox.ok("ps"))
    assert "is running" in kernelbox("rm", container).stderr
    kernelbox.ok("stop", container)
    assert state(kernelbox, container)["Status"] == "exited"
    kernelbox.ok("start", container)
    assert soon(lambda: state(kernelbox, container)["restarts"] >= 1)
    kernelbox.ok("rm", "-f", container)
    assert not [one for one in looking.cgroups() if container in str(one)]


def test_what_is_killed_by_a_stranger_lives_again_and_what_is_stopped_does_not(
    kernelbox: Kernelbox,
) -> None:
    container = kernelbox.start("--restart", "unless-stopped", *FOREVER)
    pid, before = kernelbox.pid(container), kernelbox.inspect(container)["NetworkSettings"]
    os.kill(pid, signal.SIGKILL)
    assert soon(lambda: state(kernelbox, container)["Pid"] not in (0, pid))
    assert kernelbox.inspect(container)["NetworkSettings"] == before
    kernelbox.ok("kill", container)
    assert state(kernelbox, container)["Status"] == "exited"


def test_a_monitor_killed_between_two_lives_leaves_what_can_be_started(
    kernelbox: Kernelbox,
) -> None:
    container = kernelbox.start(*ALONE, "--restart", "always", "busybox", "false")
    lock = kernelbox.root / "containers" / container / "lock"
    assert soon(lambda: state(kernelbox, container)["restarts"] >= 3)
    assert soon(lambda: state(kernelbox, container)["Status"] == "restarting")
    os.kill(int(lock.read_text().split()[0]), signal.SIGKILL)
    assert soon(lambda: state(kernelbox, container)["Status"] == "exited")
    kernelbox.ok("start", container)


# --- guests ---------------------------------------------------------------------------------------


def test_guests_see_what_it_prints_type_and_hear_how_it_ends(kernelbox: Kernelbox) -> None:
    script = "while read x; do echo got $x; [ $x = end ] && exit 5; done"
    container = kernelbox.start("-i", *ALONE, *SHELL, script)
    silent = kernelbox.popen("attach", "--no-stdin", container)
    talker = kernelbox.popen("attach", container, stdin=subprocess.PIPE)
    monitor = int((kernelbox.root / "containers" / container / "lock").read_text().split()[0])
    assert soon(lambda: are_lent(monitor, silent) and are_lent(monitor, talker))
    out, err = talker.communicate("one\nend\n", timeout=60)
    assert (talker.returncode, out, err) == (5, "got one\ngot end\n", "")
    assert silent.communicate(timeout=60) == ("got one\ngot end\n", "") and silent.returncode == 5
    assert "not running" in kernelbox.refused("attach", container)


def are_lent(monitor: int, front: subprocess.Popen[str]) -> bool:
    """Whether a monitor has a front's standard output open."""
    theirs = os.readlink(f"/proc/{front.pid}/fd/1")
    fds = looking.entries(Path(f"/proc/{monitor}/fd"))
    return theirs in [os.readlink(one) for one in fds if os.path.islink(one)]


def test_a_guest_that_goes_takes_nothing_along(kernelbox: Kernelbox) -> None:
    script = "while :; do echo x; sleep 0.01; done"
    container = kernelbox.start(*ALONE, *SHELL, script)
    pid = kernelbox.pid(container)
    guest = kernelbox.popen("attach", "--no-stdin", container)
    assert guest.stdout and guest.stdout.readline() == "x\n"
    guest.kill()
    guest.communicate()
    again = kernelbox.popen("start", "-a", container)  # it runs: that is to attach
    assert again.stdout and again.stdout.readline() == "x\n"
    assert looking.is_alive(pid)
    again.send_signal(signal.SIGTERM)  # which the shell, as PID 1, does not heed
    kernelbox.ok("stop", "-t", "0", container)
    again.communicate(timeout=60)
    assert again.returncode == 137


def test_a_guest_whose_output_nobody_takes_goes_and_the_program_goes_on(
    kernelbox: Kernelbox,
) -> None:
    """`attach | head` ends when head has: before, it stayed for as long as the program ran."""
    script = "while :; do echo tick; sleep 0.05; done"
    container = kernelbox.start(*ALONE, "busybox", "sh", "-c", script)
    guest = kernelbox.popen("attach", "--no-stdin", container)
    assert guest.stdout is not None and guest.stdout.readline() == "tick\n"
    guest.stdout.close()
    assert guest.wait(timeout=60) == 1
    guest.communicate()
    with open("/dev/full", "w") as full:
        other = kernelbox.popen("attach", "--no-stdin", container, stdout=full)
        said = other.communicate(timeout=60)[1]
    assert other.returncode == 125 and "no space left" in said.lower()
    logged = len(kernelbox.ok("logs", container))
    soon(lambda: len(kernelbox.ok("logs", container)) > logged)


def test_two_terminals_at_one_container(kernelbox: Kernelbox) -> None:
    container = kernelbox.start("-it", *ALONE, "busybox", "sh")
    with (
        kernelbox.terminal("attach", container) as one,
        kernelbox.terminal("attach", container) as other,
    ):
        assert soon(lambda: one.is_raw() and other.is_raw())
        one.type("echo a$((40+2))\r")
        one.read("a42")
        other.read("a42")
        one.type("\x10\x11")
        assert one.end() == 0
        other.type("exit 3\r")
        assert other.end() == 3


# --- asking how it does ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", [("interval", "x"), ("timeout", "-1s"), ("start-period", "9"), ("retries", "-1")]
)
def test_an_option_of_health_that_cannot_be_is_refused_where_nothing_is_asked(
    kernelbox: Kernelbox, wrong: tuple[str, str]
) -> None:
    """Before, it was passed over in silence without a --health-cmd."""
    option, value = wrong
    said = kernelbox.refused("run", "--rm", *ALONE, f"--health-{option}", value, "busybox", "true")
    assert value in said


def test_health_is_told_as_it_changes(kernelbox: Kernelbox) -> None:
    words = (*OFTEN, "--health-retries", "2", "--health-cmd", "echo asked; test -e /well")
    container = kernelbox.start(*ALONE, *words, *FOREVER)
    health = lambda: state(kernelbox, container)["Health"]  # noqa: E731
    assert soon(lambda: health()["Status"] == "unhealthy")
    assert health()["FailingStreak"] >= 2
    assert health()["Log"][-1].items() >= {"ExitCode": 1, "Output": "asked\n"}.items()
    assert "(unhealthy)" in kernelbox.ok("ps", "-f", f"id={container}")
    assert kernelbox.ok("ps", "-q", "-f", "health=unhealthy") == f"{container}\n"
    kernelbox.ok("exec", container, "touch", "/well")
    assert soon(lambda: health()["Status"] == "healthy")
    assert health()["FailingStreak"] == 0 and len(health()["Log"]) <= 5
    kernelbox.ok("stop", "-t", "0", container)
    told = [one for one in actions(kernelbox, container) if one.startswith("health")]
    assert told == ["health_status: unhealthy", "health_status: healthy"]
    assert state(kernelbox, container)["Health"] is None


def test_a_probe_that_takes_too_long_is_ended_and_counts(kernelbox: Kernelbox) -> None:
    words = ("--health-interval", "50ms", "--health-timeout", "300ms", "--health-retries", "1")
    container = kernelbox.start(*ALONE, *words, "--health-cmd", "exec sleep 1000", *FOREVER)
    assert soon(lambda: state(kernelbox, container)["Health"]["Status"] == "unhealthy")
    last = state(kernelbox, container)["Health"]["Log"][-1]
    assert last["ExitCode"] == -1 and "exceeded timeout" in last["Output"]
    assert soon(lambda: kernelbox.ok("top", container).count("sleep 1000") <= 1)
    kernelbox.ok("rm", "-f", container)


def test_in_its_first_time_a_failure_does_not_count(kernelbox: Kernelbox) -> None:
    words = ("--health-start-period", "1h", "--health-start-interval", "50ms")
    test = ("--health-retries", "1", "--health-cmd", "test -e /well")
    container = kernelbox.start(*ALONE, *words, *test, *FOREVER)
    assert soon(lambda: len(state(kernelbox, container)["Health"]["Log"]) >= 3)
    assert state(kernelbox, container)["Health"]["Status"] == "starting"
    assert "(health: starting)" in kernelbox.ok("ps", "-f", f"id={container}")


def test_what_the_image_says_is_asked_unless_that_is_not_wished(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    check = 'HEALTHCHECK --interval=50ms CMD ["test", "-d", "/proc"]'
    (tmp_path / "Containerfile").write_text(f"FROM busybox\n{check}\n")
    kernelbox.ok("build", "-q", "-t", "checked", tmp_path)
    try:
        container = kernelbox.start(*ALONE, "checked", "sleep", "infinity")
        assert soon(lambda: state(kernelbox, container)["Health"]["Status"] == "healthy")
        other = kernelbox.start(*ALONE, "--no-healthcheck", "checked", "sleep", "infinity")
        assert "Health" not in state(kernelbox, other)
        kernelbox.ok("rm", "-f", container, other)
    finally:
        kernelbox.ok("rmi", "-f", "checked")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--health-cmd", "x", "--health-interval", "soon"), "no duration"),
        (("--health-cmd", "x", "--health-interval", "1ns"), "too short"),
        (("--health-cmd", "x", "--health-retries", "-1"), "below 0"),
        (("--health-cmd", "x", "--no-healthcheck"), "Choose one"),
    ],
)
def test_how_it_cannot_be_asked(
    kernelbox: Kernelbox, options: tuple[str, ...], reason: str
) -> None:
    assert reason in kernelbox.refused("run", *options, "busybox", "true")
