"""The command line: the life of containers, streams, signals, traces, and what `reset` removes.

Exit codes, names and outputs are Docker's. What happens in a terminal is in test_terminal.py, and
what goes wrong in test_bad_input.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from inspect import get_annotations
from pathlib import Path
from typing import Any

import pytest

from kernelbox.cgroup import limits
from kernelbox.cli import run_table
from kernelbox.cli.parser import Command
from kernelbox.container import option_types
from kernelbox.container.options import option_defaults
from kernelbox.container.streams import log
from tests import looking
from tests.command import Kernelbox, Running
from tests.looking import is_alive, is_pending, soon

ALONE = ("--network", "none")
RUN = ("run", "--rm", *ALONE)
FOREVER = ("busybox", "sleep", "infinity")
SHELL = ("busybox", "sh", "-c")


# --- streams --------------------------------------------------------------------------------------


def test_what_is_piped_in_comes_out(kernelbox: Kernelbox, plain: Running) -> None:
    assert kernelbox.ok(*RUN, "-i", "busybox", "cat", input="x\ny") == "x\ny"
    assert kernelbox.ok("exec", "-i", plain.id, "cat", input="x\ny") == "x\ny"


def test_without_i_the_program_has_no_input(kernelbox: Kernelbox) -> None:
    assert kernelbox.ok(*RUN, "busybox", "cat", input="for somebody else\n") == ""


@pytest.mark.parametrize("where", ["run", "exec"])
def test_ten_megabytes_pass_unchanged_in_both_directions(
    kernelbox: Kernelbox, plain: Running, where: str
) -> None:
    data = os.urandom(10 << 20)
    words = (*RUN, "-i", "busybox") if where == "run" else ("exec", "-i", plain.id)
    command = [*kernelbox.command, *words, "cat"]
    done = subprocess.run(
        command, env=kernelbox.environment, input=data, capture_output=True, check=True
    )
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()
    assert done.stderr == b""


def test_stdout_and_stderr_stay_apart(kernelbox: Kernelbox) -> None:
    done = kernelbox(*RUN, *SHELL, "echo out; echo err >&2; echo more; exit 9")
    assert (done.stdout, done.stderr, done.returncode) == ("out\nmore\n", "err\n", 9)


def test_a_reader_that_goes_away_ends_the_program(kernelbox: Kernelbox) -> None:
    command = " ".join([*kernelbox.command, *RUN, "busybox", "yes"])
    shell = ["bash", "-c", f"{command} 2>/dev/null | head -n 1"]
    assert subprocess.check_output(shell, env=kernelbox.environment, text=True) == "y\n"


def test_all_that_was_printed_arrives_however_slow_the_reader(kernelbox: Kernelbox) -> None:
    words = ("run", *ALONE, "--name", "slow", "busybox", "seq", "1", "200000")
    with kernelbox.popen(*words) as process:
        assert process.stdout and process.stdout.readline() == "1\n"
        init = kernelbox.pid("slow")
        assert is_alive(init)  # it waits for its reader
        rest = process.stdout.read()
    assert rest.endswith("\n200000\n")
    assert rest.count("\n") == 199_999
    kernelbox.ok("rm", "slow")


@pytest.mark.parametrize(
    ("closed", "program", "expected"),
    [
        ("<&-", ("echo", "hello"), ("hello\n", "")),
        ("<&-", ("cat",), ("", "")),
        ("2>&-", ("sh", "-c", "echo hello; echo lost >&2"), ("hello\n", "")),
        (">&-", ("sh", "-c", "echo lost; echo hello >&2"), ("", "hello\n")),
    ],
)
def test_a_closed_stream_is_like_one_to_nowhere(
    kernelbox: Kernelbox, closed: str, program: tuple[str, ...], expected: tuple[str, str]
) -> None:
    prefix = ("sh", "-c", f'exec "$@" {closed}', "sh")
    done = kernelbox(*RUN, "-i", "busybox", *program, prefix=prefix)
    assert (done.stdout, done.stderr, done.returncode) == (*expected, 0)


def test_as_many_arguments_as_the_kernel_takes_reach_the_program(
    kernelbox: Kernelbox, plain: Running
) -> None:
    numbers = [str(number) for number in range(50_000)]
    script = ("sh", "-c", "echo $#", "sh", *numbers)
    assert kernelbox.ok(*RUN, "busybox", *script) == "50000\n"
    assert kernelbox.ok("exec", plain.id, *script) == "50000\n"


# --- the life of a container ----------------------------------------------------------------------


def test_a_detached_container_runs_on_and_is_listed(kernelbox: Kernelbox) -> None:
    container = kernelbox.start(*ALONE, "--name", "listed", "busybox", "sleep", "1000")
    assert re.fullmatch("[0-9a-f]{12}", container)
    titles, *rows = kernelbox.ok("ps").splitlines()
    assert titles.split("  ")[0] == "CONTAINER ID"
    (row,) = [row for row in rows if row.startswith(container)]
    assert re.search(r'busybox +"sleep 1000" +.* ago +Up .* +listed$', row)
    assert container in kernelbox.ok("ps", "-q").split()
    described = [json.loads(line) for line in kernelbox.ok("ps", "--format", "json").splitlines()]
    assert "listed" in [one["Name"] for one in described]


def test_one_that_has_exited_keeps_status_and_logs_until_it_is_removed(
    kernelbox: Kernelbox,
) -> None:
    done = kernelbox("run", *ALONE, "--name", "over", *SHELL, "echo last words; exit 3")
    assert done.returncode == 3
    assert "over" not in kernelbox.ok("ps").split()
    (row,) = [row for row in kernelbox.ok("ps", "-a").splitlines() if row.endswith(" over")]
    assert "Exited (3)" in row
    state = kernelbox.inspect("over")["State"]
    assert (state["Status"], state["ExitCode"], state["Pid"]) == ("exited", 3, 0)
    assert kernelbox.ok("logs", "over") == "last words\n"
    assert kernelbox.ok("wait", "over") == "3\n"
    assert kernelbox.ok("rm", "over") == "over\n"
    assert "over" not in kernelbox.ok("ps", "-a").split()


def test_with_rm_nothing_of_it_stays(kernelbox: Kernelbox) -> None:
    def stored() -> list[list[str]]:
        return [sorted(os.listdir(kernelbox.root / part)) for part in ("containers", "names")]

    before = stored()
    assert kernelbox(*RUN, "--name", "gone", *SHELL, "exit 3").returncode == 3
    assert stored() == before


@pytest.mark.parametrize("option", [(), ("--rm",)])
def test_wait_prints_the_exit_code(kernelbox: Kernelbox, option: tuple[str, ...]) -> None:
    script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"
    container = kernelbox.start(*ALONE, *option, *SHELL, script)
    assert soon(lambda: kernelbox.ok("logs", container) == "ready\n")  # else nobody heeds a TERM
    with kernelbox.popen("wait", container) as waiting:
        assert waiting.stdout
        assert soon(lambda: holds_a_pidfd(waiting.pid))
        kernelbox.ok("kill", "-s", "TERM", container)
        assert waiting.stdout.read() == "7\n"


def holds_a_pidfd(pid: int) -> bool:
    """Whether a process has come to waiting for another."""
    fds = looking.entries(Path(f"/proc/{pid}/fd"))
    return any(os.path.islink(fd) and "[pidfd]" in os.readlink(fd) for fd in fds)


def test_a_container_is_found_by_name_id_and_the_start_of_its_id(kernelbox: Kernelbox) -> None:
    container = kernelbox.start(*ALONE, "--name", "found", *FOREVER)
    for reference in ("found", container, container[:8]):
        assert kernelbox.inspect(reference)["Id"] == container


def test_containers_without_a_name_get_different_ones(kernelbox: Kernelbox) -> None:
    ids = [kernelbox.start(*ALONE, *FOREVER) for _ in range(3)]
    assert len({kernelbox.inspect(one)["Name"] for one in ids}) == 3


def test_inspect_says_what_was_asked_for(kernelbox: Kernelbox, tmp_path: Path) -> None:
    options = (
        *("--name", "described", "--hostname", "box", "-e", "A=b", "-w", "/tmp", "-u", "lab"),
        *("-v", f"{tmp_path}:/data:ro", "--memory", "64m", "--cpus", "0.5", "--cpu-shares", "512"),
        *("--pids-limit", "50", "--read-only", "--init", "--cap-drop", "ALL", "--rm", *ALONE),
    )
    container = kernelbox.start(*options, *FOREVER)
    found = kernelbox.inspect("described")
    state, config, host = found["State"], found["Config"], found["HostConfig"]
    assert (found["Id"], found["Name"]) == (container, "described")
    assert (found["Path"], found["Args"]) == ("sleep", ["infinity"])
    assert re.fullmatch("sha256:[0-9a-f]{64}", found["Image"])
    assert (state["Status"], state["Running"], state["OOMKilled"]) == ("running", True, False)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", state["StartedAt"])
    assert Path(f"/proc/{state['Pid']}/cgroup").read_text().count(container) >= 1
    assert (config["Image"], config["Hostname"], config["User"]) == ("busybox", "box", "lab")
    assert config["WorkingDir"] == "/tmp" and "A=b" in config["Env"]
    assert host["Binds"] == [f"{tmp_path}:/data:ro"]
    assert (host["Memory"], host["NanoCpus"], host["CpuShares"]) == (64 << 20, 500_000_000, 512)
    assert (host["PidsLimit"], host["NetworkMode"], host["Capabilities"]) == (50, "none", [])
    assert host["ReadonlyRootfs"] and host["Init"] and host["AutoRemove"]
    assert all(os.path.isdir(directory) for directory in found["Cgroup"])


def test_stop_asks_first(kernelbox: Kernelbox) -> None:
    script = "trap 'echo asked; exit 5' TERM; echo ready; while :; do sleep 0.01; done"
    container = kernelbox.start(*ALONE, *SHELL, script)
    assert soon(lambda: "ready" in kernelbox.ok("logs", container))
    assert kernelbox.ok("stop", container) == f"{container}\n"
    assert kernelbox.ok("logs", container) == "ready\nasked\n"
    assert kernelbox.ok("wait", container) == "5\n"


@pytest.mark.parametrize("name", ["USR1", "sigusr1", "10"])
def test_stop_sends_the_signal_that_run_was_told(kernelbox: Kernelbox, name: str) -> None:
    script = "trap 'exit 7' USR1; trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    container = kernelbox.start("--stop-signal", name, "busybox", "sh", "-c", script)
    assert looking.soon(lambda: "ready" in kernelbox.ok("logs", container))
    kernelbox.ok("stop", container)
    assert kernelbox.inspect(container)["State"]["ExitCode"] == 7


def test_a_stop_signal_that_there_is_not_is_refused(kernelbox: Kernelbox) -> None:
    assert "no signal 'FROB'" in kernelbox.refused(
        "run", "--stop-signal", "FROB", "busybox", "true"
    )


def test_stop_kills_what_does_not_listen(kernelbox: Kernelbox, plain: Running) -> None:
    container = kernelbox.start(*ALONE, *FOREVER)
    kernelbox.ok("stop", "-t", "0.1", container)
    assert kernelbox.ok("wait", container) == "137\n"
    kernelbox.ok("stop", "--timeout", "0", container)  # stopped already: fine
    assert is_alive(plain.pid)


@pytest.mark.parametrize("name", ["USR1", "SIGUSR1", "usr1", str(int(signal.SIGUSR1))])
def test_kill_sends_the_signal_that_was_named(kernelbox: Kernelbox, name: str) -> None:
    script = "trap 'exit 6' USR1; echo ready; while :; do sleep 0.01; done"
    container = kernelbox.start(*ALONE, *SHELL, script)
    assert soon(lambda: "ready" in kernelbox.ok("logs", container))
    kernelbox.ok("kill", "-s", name, container)
    assert kernelbox.ok("wait", container) == "6\n"


def test_kill_without_a_name_is_sigkill_and_has_cleaned_up_when_it_returns(
    kernelbox: Kernelbox,
) -> None:
    container = kernelbox.start(*ALONE, *FOREVER)
    groups = kernelbox.inspect(container)["Cgroup"]
    kernelbox.ok("kill", container)
    assert kernelbox.inspect(container)["State"]["ExitCode"] == 137
    assert not [directory for directory in groups if os.path.exists(directory)]


# --- exec -----------------------------------------------------------------------------------------


def test_exec_joins_every_namespace_and_the_group(kernelbox: Kernelbox, either: Running) -> None:
    container, first = either
    script = "for one in /proc/self/ns/*; do readlink $one; done; echo $PPID"
    kinds = sorted(os.listdir(f"/proc/{first}/ns"))
    expected = [*(looking.namespace(first, kind) for kind in kinds), "0"]
    assert kernelbox.ok("exec", container, "sh", "-c", script).split() == expected
    with kernelbox.popen("exec", "-i", container, "cat", stdin=subprocess.PIPE) as process:
        procs = looking.cgroup_file(first, "pids", "cgroup.procs", "cgroup.procs")
        assert soon(lambda: len(procs.read_text().split()) == 2)
        assert process.stdin
        process.stdin.close()


@pytest.mark.parametrize(
    ("program", "status"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 7"), 7),
        (("sh", "-c", "kill -9 $$"), 137),
        (("nosuchprogram",), 127),
        (("/etc",), 126),
        (("/etc/passwd",), 126),
    ],
)
def test_exec_has_the_programs_exit_code(
    kernelbox: Kernelbox, plain: Running, program: tuple[str, ...], status: int
) -> None:
    assert kernelbox("exec", plain.id, *program).returncode == status


def test_a_failed_exec_leaves_no_zombie(kernelbox: Kernelbox, plain: Running) -> None:
    kernelbox("exec", plain.id, "nosuchprogram")
    kernelbox("exec", "-u", "nobodyatall", plain.id, "true")
    procs = looking.cgroup_file(plain.pid, "pids", "cgroup.procs", "cgroup.procs")
    assert procs.read_text().split() == [str(plain.pid)]


def test_exec_has_its_own_user_directory_and_variables(
    kernelbox: Kernelbox, plain: Running
) -> None:
    options = ("-u", "lab", "-w", "/tmp", "-e", "ONE=1", "-e", "PASSED")
    script = "id -un; pwd; echo $ONE $PASSED $HOSTNAME $HOME"
    told = kernelbox.ok("exec", *options, plain.id, "sh", "-c", script, env={"PASSED": "on"})
    assert told == f"lab\n/tmp\n1 on {plain.id} /home/lab\n"


def test_exec_keeps_what_the_container_was_started_with(kernelbox: Kernelbox) -> None:
    options = ("-u", "lab", "-w", "/tmp", "-e", "ONE=1", "--cap-drop", "ALL")
    container = kernelbox.start(*ALONE, *options, *FOREVER)
    told = kernelbox.ok(
        "exec", container, "sh", "-c", "id -un; pwd; echo $ONE; grep CapBnd /proc/self/status"
    )
    assert told.split() == ["lab", "/tmp", "1", "CapBnd:", "0" * 16]


def test_a_detached_exec_runs_on(kernelbox: Kernelbox) -> None:
    container = kernelbox.start(*ALONE, *FOREVER)
    kernelbox.ok("exec", "-d", container, "sh", "-c", "echo x >/there; exec sleep 1000")
    assert soon(lambda: "sleep 1000" in kernelbox.ok("top", container))
    assert kernelbox.ok("exec", container, "cat", "/there") == "x\n"


def test_a_program_of_exec_ends_with_its_container(kernelbox: Kernelbox) -> None:
    container = kernelbox.start(*ALONE, *FOREVER)
    with kernelbox.popen("exec", container, "sh", "-c", "echo ready; sleep 1000") as process:
        assert process.stdout and process.stdout.readline() == "ready\n"
        kernelbox.ok("kill", container)
        process.stdout.read()
        assert process.wait() == 137


# --- logs, top, stats -----------------------------------------------------------------------------


def test_logs_go_to_the_stream_they_came_from(kernelbox: Kernelbox) -> None:
    kernelbox("run", *ALONE, "--name", "chatty", *SHELL, "echo out; echo err >&2")
    done = kernelbox("logs", "chatty")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")
    stamped = kernelbox("logs", "-t", "chatty").stdout
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ out\n", stamped)
    kernelbox.ok("rm", "chatty")


def test_the_tail_of_the_logs_is_counted_in_lines_however_they_were_written(
    kernelbox: Kernelbox,
) -> None:
    # A line in two pieces, one with a carriage return in it, and one longer than a pipe takes.
    script = "printf 'a'; sleep 0.05; printf 'b\\nc\\rd\\n'; seq -s , 1 5000; printf 'end'"
    kernelbox("run", *ALONE, "--name", "chatty", *SHELL, script)
    long = ",".join(map(str, range(1, 5001)))
    lines = ["ab\n", "c\rd\n", f"{long}\n", "end"]

    def tail(*words: str) -> str:
        command = [*kernelbox.command, "logs", *words, "chatty"]
        return subprocess.check_output(command, env=kernelbox.environment).decode()

    assert tail() == "".join(lines)
    for count in range(5):
        assert tail("--tail", str(count)) == "".join(lines[len(lines) - count :])
    kernelbox.ok("rm", "chatty")


def test_logs_follow_a_container_to_its_end(kernelbox: Kernelbox) -> None:
    script = "echo one; read line </go; echo two $line; exit 4"
    container = kernelbox.start(*ALONE, "busybox", "sh", "-c", f"mkfifo /go; {script}")
    with kernelbox.popen("logs", "-f", container) as following:
        assert following.stdout and following.stdout.readline() == "one\n"
        # The container may end, and this with it, before the shell has noticed that it is done.
        assert kernelbox("exec", container, "sh", "-c", "echo more >/go").returncode in (0, 137)
        assert following.stdout.read() == "two more\n"
        assert following.wait() == 0


@contextlib.contextmanager
def followed(kernelbox: Kernelbox, script: str, *options: str) -> Iterator[tuple[Any, Any]]:
    """A container that runs a script; yield what it reads of, and its log as it is followed."""
    words = ("run", "-i", "--name", "long", "--network", "none", "busybox", "sh", "-c", script)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}
    with kernelbox.popen(*words, **pipes) as running:
        assert soon(lambda: kernelbox("logs", "long").stdout)
        with kernelbox.popen("logs", "-f", *options, "long") as following:
            yield running.stdin, following.stdout
            running.communicate()
            assert following.wait() == 0
    kernelbox.ok("rm", "long")


def test_no_line_is_lost_when_the_log_begins_anew(kernelbox: Kernelbox) -> None:
    """What is followed is complete, and what is left begins with a line, as with Docker."""
    numbered = 'BEGIN { for (i = 1; i <= 200000; i++) printf "%06d %0180d\\n", i, 0 }'
    with followed(kernelbox, f"echo begun; read go; awk '{numbered}'") as (stdin, log):
        stdin.write("go\n")
        stdin.flush()
        printed = log.read()
        kept = kernelbox.ok("logs", "long")
        assert kernelbox.ok("logs", "--tail", "2", "long") == printed[-2 * 188 :]
        assert kernelbox.ok("logs", "--tail", "all", "long") == kept
    first, *lines = printed.splitlines()
    assert [line[:6] for line in lines] == [f"{number:06}" for number in range(1, 200_001)]
    assert first == "begun"
    assert len(kept) < len(printed) and printed.endswith(f"\n{kept}")


def test_a_log_begins_anew_between_two_lines_of_all_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "_LARGEST", 1000)
    path = str(tmp_path / "log")
    pieces = [
        ("stdout", "x" * 900 + "\n"), ("stderr", "asked? "), ("stdout", "one\n"),
        ("stderr", "yes\nno"), ("stdout", "two\nth"), ("stderr", "!\n"), ("stdout", "ree\nfour"),
        ("stdout", "y" * 1900), ("stdout", "z"),
    ]  # fmt: skip
    seen = []
    written = log.Log(path)
    with log.Reader(path) as reader:
        for stream, text in pieces:
            written.add(stream, text.encode())
            seen += reader.read()
    for name in ("stdout", "stderr"):
        read = "".join(one["log"] for one in seen if one["stream"] == name)
        assert read == "".join(text for stream, text in pieces if stream == name)
    with log.Reader(path) as reader:
        left = [(one["stream"], one["log"]) for one in reader.read()]
    assert left == [("stderr", "no"), *pieces[4:]]  # between two lines of both
    assert len(Path(path).read_text().splitlines()) == 1  # and where there is no such place


def test_a_line_that_comes_in_pieces_has_one_time(kernelbox: Kernelbox) -> None:
    with followed(kernelbox, "printf a; read go; echo b; printf c", "-t") as (stdin, log):
        begun = log.read(len("2026-01-01T00:00:00Z a"))
        stdin.write("go\n")
        stdin.flush()
        stamped = begun + log.read()
    assert [line.partition("Z ")[2] for line in stamped.splitlines()] == ["ab", "c"]


def test_logs_keep_every_byte(kernelbox: Kernelbox) -> None:
    octets = "".join(f"\\{number:03o}" for number in range(1, 256))
    kernelbox("run", *ALONE, "--name", "binary", "busybox", "printf", octets)
    command = [*kernelbox.command, "logs", "binary"]
    assert subprocess.check_output(command, env=kernelbox.environment) == bytes(range(1, 256))
    kernelbox.ok("rm", "binary")


def test_top_lists_the_processes_as_the_host_and_as_the_container_count_them(
    kernelbox: Kernelbox,
) -> None:
    def name(pid: str) -> str:
        return looking.status(int(pid))["Name"]

    container = kernelbox.start(*ALONE, *SHELL, "sleep 1000 & sleep 2000; true")
    pid = kernelbox.pid(container)
    procs = looking.cgroup_file(pid, "pids", "cgroup.procs", "cgroup.procs")
    assert soon(lambda: [name(one) for one in procs.read_text().split()].count("sleep") == 2)
    rows = [row.split() for row in kernelbox.ok("top", container).splitlines()[1:]]
    assert {row[1] for row in rows} == set(procs.read_text().split())
    assert [row[3] for row in rows if row[1] == str(pid)] == ["1"]
    assert {" ".join(row[6:]) for row in rows} >= {"sleep 1000", "sleep 2000"}


def test_stats_shows_what_the_group_counts(kernelbox: Kernelbox) -> None:
    limits = ("--memory", "64m", "--name", "counted")
    container = kernelbox.start(*ALONE, *limits, *SHELL, "sleep 1000 & while :; do :; done")
    titles, row = kernelbox.ok("stats", "--no-stream", "counted").splitlines()
    assert titles.split()[:2] == ["CONTAINER", "ID"]
    match = re.fullmatch(
        rf"{container} +counted +([\d.]+)% +([\d.]+[KM]iB) / 64MiB +[\d.]+% +.* / .* +2", row
    )
    assert match, row
    assert float(match[1]) > 1


# --- the front, which may go away -----------------------------------------------------------------


@pytest.mark.parametrize("where", ["run", "exec"])
def test_what_was_started_survives_the_command_that_started_it(
    kernelbox: Kernelbox, where: str
) -> None:
    script = "echo ready; read line </go; echo survived; exec sleep infinity"
    container = kernelbox.start(*ALONE, *SHELL, "mkfifo /go; exec sleep infinity")
    words = ("exec", container, "sh", "-c", script)
    if where == "run":
        words = ("run", *ALONE, "--name", "survivor", *SHELL, f"mkfifo /go; {script}")
    with kernelbox.popen(*words) as front:
        assert front.stdout and front.stdout.readline() == "ready\n"
        front.kill()
        front.wait()
        assert front.stdout.read() == ""  # the end: nobody holds the pipe any more
    if where == "run":
        assert kernelbox.inspect("survivor")["State"]["Running"]
        kernelbox.ok("exec", "survivor", "sh", "-c", "echo >/go")
        assert soon(lambda: kernelbox.ok("logs", "survivor") == "ready\nsurvived\n")
        kernelbox.ok("rm", "-f", "survivor")
    else:
        kernelbox.ok("exec", container, "sh", "-c", "echo >/go")
        assert soon(lambda: kernelbox.ok("top", container).count("sleep infinity") == 2)


@pytest.mark.parametrize("where", ["run", "exec"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2])
def test_a_signal_to_the_command_reaches_the_program(
    kernelbox: Kernelbox, plain: Running, where: str, number: signal.Signals
) -> None:
    words = (*RUN, "busybox") if where == "run" else ("exec", plain.id)
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo got {name}; exit 3' {name}; echo ready; while :; do sleep 0.01; done"
    with kernelbox.popen(*words, "sh", "-c", script) as front:
        assert front.stdout and front.stdout.readline() == "ready\n"
        front.send_signal(number)
        assert front.stdout.read() == f"got {name}\n"
        assert front.wait() == 3


def test_a_third_ctrl_c_kills_what_does_not_listen(kernelbox: Kernelbox) -> None:
    with kernelbox.popen(*RUN, *SHELL, "trap '' INT; echo ready; exec sleep infinity") as front:
        assert front.stdout and front.stdout.readline() == "ready\n"
        for _ in range(3):
            front.send_signal(signal.SIGINT)
            # One at a time: signals that come together are one signal to the kernel.
            assert soon(lambda: not is_pending(front.pid, signal.SIGINT))
        assert front.wait() == 137


# --- the trace ------------------------------------------------------------------------------------

FIELDS = {
    "side": str, "number": int, "request": str, "result": str, "microseconds": int, "shell": str,
}  # fmt: skip


@pytest.mark.parametrize("network", ["none", "bridge"])
def test_the_trace_as_json_has_every_request_of_both_sides(
    kernelbox: Kernelbox, network: str
) -> None:
    run = ("run", "--rm", "--network", network, "--trace=json", "busybox", "echo", "hello")
    done = kernelbox(*run)
    assert (done.stdout, done.returncode) == ("hello\n", 0)
    events = [json.loads(line) for line in done.stderr.splitlines()]
    for event in events:
        assert {name: type(value) for name, value in event.items()} == FIELDS
    for side in ("runtime", "container"):
        numbers = [event["number"] for event in events if event["side"] == side]
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
    results = {event["request"].partition("(")[0]: event["result"] for event in events}
    for call in ("mkdir", "open_tree", "sethostname", "mount", "pivot_root", "capset", "execve"):
        assert call in results
    assert results["pivot_root"] == results["execve"] == "0"
    assert int(results["clone3"]) > 1


def test_the_trace_for_people_is_on_stderr_and_names_the_shells_equivalent(
    kernelbox: Kernelbox, plain: Running
) -> None:
    done = kernelbox(*RUN, "--trace", "busybox", "echo", "hello")
    assert (done.stdout, done.returncode) == ("hello\n", 0)
    lines = done.stderr.splitlines()
    assert all(
        re.match(r"(runtime|container) +\d+  \w+\(.*\) = \w+ <\d+ µs>", line) for line in lines
    )
    (line,) = [line for line in lines if "pivot_root" in line]
    assert re.search(r"# pivot_root \. \.$", line)
    assert "\x1b" not in done.stderr
    entered = kernelbox("exec", "--trace", plain.id, "echo", "hello")
    assert entered.stdout == "hello\n" and "setns(" in entered.stderr


def test_a_failed_start_ends_its_trace_with_the_reason(kernelbox: Kernelbox) -> None:
    done = kernelbox(*RUN, "--trace=json", "busybox", "/etc/passwd")
    *trace, last = done.stderr.splitlines()
    events = [json.loads(line) for line in trace]
    assert [e["result"] for e in events if e["request"].startswith("execve")] == ["EACCES"]
    assert last.startswith("kernelbox: '/etc/passwd'")
    assert done.returncode == 126


# --- reset ----------------------------------------------------------------------------------------


@pytest.fixture
def other(kernelbox: Kernelbox, tmp_path: Path) -> Iterator[Kernelbox]:
    """A root of its own, with the images of the tests' one."""
    kernelbox.ok("images")
    made = Kernelbox(tmp_path / "other")
    made.root.mkdir()
    (made.root / "images").symlink_to(kernelbox.root / "images")
    yield made
    made.ok("reset")


def test_reset_removes_everything_whatever_runs(kernelbox: Kernelbox, other: Kernelbox) -> None:
    before = looking.host({})
    volume = other.root.parent / "volume"
    volume.mkdir()
    (volume / "precious").write_text("x")
    for options in (
        ("-p", "127.0.0.1:48123:80", "--memory", "64m", "-v", f"{volume}:/data"),
        ("--network", "none", "--userns", "auto"),
        ("--network", "host", "--init"),
    ):
        other.ok("run", "-d", *options, *FOREVER)
    other.ok("run", *ALONE, *SHELL, "mkdir -p /a/b/c; chmod 0 /a")
    assert looking.host({}) - before
    assert "clean" in other.ok("reset")
    assert not other.root.exists()
    assert soon(lambda: not looking.host({}) - before)
    assert (volume / "precious").read_text() == "x"
    assert list((kernelbox.root / "images").iterdir())  # a link is removed, not what it leads to
    assert "clean" in other.ok("reset")


def test_reset_leaves_alone_what_is_not_its_own(
    kernelbox: Kernelbox, other: Kernelbox, plain: Running
) -> None:
    other.ok("run", "-d", *FOREVER)
    theirs = {"link kernelbox-mine", "table ip kernelbox_mine"}
    groups = [
        path.parent / "kernelbox-mine" for path in looking.cgroups() if path.name == "kernelbox"
    ]
    groups += [path.parent / "kernelbox/theirs" for path in groups]
    with contextlib.ExitStack() as cleanup:
        for make, unmake in (
            ("ip link add kernelbox-mine type bridge", "ip link del kernelbox-mine"),
            ("nft add table ip kernelbox_mine", "nft delete table ip kernelbox_mine"),
        ):
            subprocess.run(make.split(), check=True)
            cleanup.callback(subprocess.run, unmake.split(), check=True)
        for group in groups:
            group.mkdir()
            cleanup.callback(group.rmdir)
        other.ok("reset")
        assert theirs <= looking.host({})
        assert all(group.is_dir() for group in groups)
    assert is_alive(plain.pid)
    assert kernelbox.ok("exec", plain.id, "cat", "/etc/hostname") == f"{plain.id}\n"


def test_a_cut_off_root_leads_nowhere_else(other: Kernelbox, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    other.ok("run", *ALONE, "--name", "trap", *SHELL, f"ln -s {precious} /link; ln -s / /top")
    (other.root / "containers" / "link").symlink_to(precious)
    other("reset")
    assert (precious / "file").read_text() == "x"
    assert Path("/etc/passwd").exists()


# What the front itself does with a command line; the rest is the container's.
FRONTS_OWN = {
    "cidfile",
    "detach",
    "detach_keys",
    "trace",
    "step",
    "pull",
    "quiet",
    "record_seccomp",
}


@pytest.mark.parametrize(
    ("command", "defaults", "types"),
    [
        (run_table.RUN, option_defaults.RUN_DEFAULTS, option_types.RunOptions),
        (run_table.CREATE, option_defaults.RUN_DEFAULTS, option_types.RunOptions),
        (run_table.EXEC, option_defaults.EXEC_DEFAULTS, option_types.ExecOptions),
    ],
)
def test_command_line_defaults_and_types_have_the_same_options(
    command: Command, defaults: Mapping[str, object], types: type
) -> None:
    typed = {one.key: one.default for one in command.options if one.key not in FRONTS_OWN}
    words = {"image", "command"} & defaults.keys()
    bounds = typed.keys() & {one.option for one in limits.LIMITS}
    assert typed.keys() | words == defaults.keys() | bounds == get_annotations(types).keys()
    for name in typed.keys() - bounds:
        assert (typed[name] or None) == (defaults[name] or None), name
