"""A profile recorded from a run: strace saw the same calls, and the same run works behind it."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
from pathlib import Path
from typing import Any

import pytest

from kernelbox.kernel.errors import UsageError
from kernelbox.seccomp import decision, machines, profile, recording
from tests.command import Kernelbox
from tests.looking import descendants, is_alive, soon, status
from tests.test_ordinary_work import TOOLS, WEB
from tests.test_seccomp import run

ALONE = ("--network", "none")
HERE = machines.this()
KEPT_WHOLE = {"clone3"}  # it is refused with an answer of its own: ENOSYS
# What a container's first process calls on its way from the filter to the program.
START = {
    "access", "capset", "close", "dup2", "execve", "execveat", "fcntl", "getpid", "newfstatat",
    "prctl", "readlink", "rt_sigaction", "rt_sigprocmask", "sendto", "setresuid", "umask", "write",
}  # fmt: skip
FAMILY = """
use threads;
mkdir "/made" or die $!;
if (!fork) { symlink "/made", "/child" or die $!; exit 0 }
wait;
system("/bin/sh", "-c", "chmod 711 /made; ln /etc/passwd /made/of-a-grandchild");
threads->create(sub { rename "/child", "/thread" or die $! })->join;
print -l "/thread" ? "renamed\\n" : "no\\n";
"""


def allowed(file: Path) -> set[str]:
    """Return the calls that a recorded profile lets through, with tests or without."""
    return {
        name
        for rule in json.loads(file.read_text())["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW"
        for name in rule["names"]
    }


def recorder_of(kernelbox: Kernelbox, container: str) -> tuple[int, int]:
    """Return the pids of a container's monitor and of the recorder."""
    monitor = int(status(kernelbox.pid(container))["PPid"])
    (found,) = [one for one in descendants(monitor) if status(one)["Name"] == "recorder"]
    return monitor, found


def test_it_has_the_calls_that_strace_sees_of_children_and_threads_too(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    program = (*TOOLS, "busybox", "/usr/bin/perl", "-e", FAMILY)
    file = tmp_path / "profile"
    assert kernelbox.ok("run", "--rm", *ALONE, "--record-seccomp", file, *program) == "renamed\n"
    seen = tmp_path / "seen"
    seen.mkdir()
    strace = ("/usr/bin/strace", "-f", "-qq", "-o", "/seen/trace")
    words = (*program[:-3], *strace, *program[-3:])
    assert kernelbox.ok("run", "--rm", *ALONE, "-v", f"{seen}:/seen", *words) == "renamed\n"
    trace = (seen / "trace").read_text()
    called = set(re.findall(r"^\d+ +(?:<\.\.\. )?([a-z_0-9]+)(?:\(| resumed)", trace, re.MULTILINE))
    recorded = allowed(file)
    assert called - recorded <= KEPT_WHOLE
    assert {"fchmodat", "linkat"} <= called & recorded  # the grandchildren's
    assert recorded - called <= START | recording.BY_CHANCE


def test_the_same_run_works_behind_it_and_another_does_not(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    file = tmp_path / "profile"
    web = (*TOOLS, "busybox", "/usr/bin/python3", "-c", WEB)
    assert kernelbox.ok("run", "--rm", *ALONE, "--record-seccomp", file, *web) == "20 pages\n"
    behind = ("run", "--rm", *ALONE, "--security-opt", f"seccomp={file}")
    for _ in range(3):
        assert kernelbox.ok(*behind, *web) == "20 pages\n"
    done = kernelbox(*behind, "busybox", "mkdir", "/x")
    assert (done.returncode, "Operation not permitted" in done.stderr) == (1, True)
    found = json.loads(file.read_text())
    assert found["defaultAction"] == "SCMP_ACT_ERRNO"
    assert found["architectures"] == [HERE.oci]
    said = kernelbox.ok("seccomp", "explain", file, "clone", "CLONE_NEWUSER")
    assert said == "clone fails with EPERM: no rule's tests hold, so the default counts\n"
    said = kernelbox.ok("seccomp", "explain", file, "clone3")
    assert said == "clone3 fails with ENOSYS: a rule names it\n"
    assert (
        kernelbox.ok("seccomp", "explain", file, "listen") == "listen is allowed: a rule names it\n"
    )
    assert "fails with EPERM" in kernelbox.ok("seccomp", "explain", file, "unshare")


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--init",),
        ("-u", "1000"),
        ("--userns", "auto"),
        ("--security-opt", "no-new-privileges", "-u", "1000"),
        ("--security-opt", "seccomp=unconfined"),
        ("--privileged",),
    ],
    ids=" ".join,
)
def test_it_is_recorded_with_whatever_a_container_has(
    kernelbox: Kernelbox, tmp_path: Path, options: tuple[str, ...]
) -> None:
    file = tmp_path / "profile"
    run = ("run", "--rm", *ALONE, *options)
    shell = ("busybox", "sh", "-c", "unshare -U true 2>/dev/null && echo new; ls / | wc -l")
    first = kernelbox(*run, "--record-seccomp", file, *shell)
    again = kernelbox(*run, "--security-opt", f"seccomp={file}", *shell)
    assert (first.returncode, again.returncode) == (0, 0)
    assert first.stdout == again.stdout
    # What was refused in the run is not in the profile, whatever it tried.
    assert ("unshare" in allowed(file)) == ("new" in first.stdout)
    assert ("new" in first.stdout) == (options[-1:] in [("seccomp=unconfined",), ("--privileged",)])


def test_a_program_of_exec_is_recorded_too(kernelbox: Kernelbox, tmp_path: Path) -> None:
    file = tmp_path / "profile"
    container = kernelbox.start(
        *ALONE, "--record-seccomp", file, "--health-cmd", "sync", "--health-interval", "100ms",
        "busybox", "sleep", "infinity",
    )  # fmt: skip
    assert kernelbox.ok("exec", container, "sh", "-c", "mkdir /a; ln -s /a /b; echo $?") == "0\n"
    _, recorder = recorder_of(kernelbox, container)
    assert os.sched_getscheduler(recorder) == os.SCHED_FIFO  # a call waits for it
    assert soon(lambda: kernelbox.inspect(container)["State"]["Health"]["Status"] == "healthy")
    assert not file.exists()
    kernelbox.ok("stop", "-t", "0", container)
    assert {"mkdir", "symlink", "sync", "clock_nanosleep"} <= allowed(file)
    assert soon(lambda: not is_alive(recorder))
    # Another life is not recorded, and has the filter of every container.
    before = file.read_bytes()
    kernelbox.ok("start", container)
    kernelbox.ok("exec", container, "rmdir", "/a")
    kernelbox.ok("stop", "-t", "0", container)
    assert file.read_bytes() == before


def test_nothing_is_left_when_it_is_killed(kernelbox: Kernelbox, tmp_path: Path) -> None:
    file = tmp_path / "profile"
    file.write_text("mine")
    container = kernelbox.start(*ALONE, "--record-seccomp", file, "busybox", "sleep", "infinity")
    pid = kernelbox.pid(container)
    monitor, recorder = recorder_of(kernelbox, container)
    os.kill(monitor, signal.SIGKILL)
    assert soon(lambda: not (is_alive(pid) or is_alive(recorder)))
    assert (os.listdir(tmp_path), file.read_text()) == (["profile"], "mine")


def test_a_recorder_that_is_killed_says_so_and_writes_nothing(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    file = tmp_path / "profile"
    file.write_text("mine")
    shell = ("sh", "-c", "while :; do true; done")
    run = kernelbox.popen(
        "run", "--name", "seen", *ALONE, "--record-seccomp", file, "busybox", *shell
    )
    assert soon(lambda: kernelbox("inspect", "-f", "{{.State.Pid}}", "seen").stdout.strip() > "0")
    os.kill(recorder_of(kernelbox, "seen")[1], signal.SIGKILL)
    kernelbox.ok("kill", "seen")
    _, said = run.communicate()
    assert run.returncode == 125
    assert re.fullmatch(r"kernelbox: the program ended with \d+, but the recorder .+\. .+\n", said)
    assert (os.listdir(tmp_path), file.read_text()) == (["profile"], "mine")
    kernelbox.ok("rm", "seen")


def test_a_file_that_is_there_is_replaced_whole_and_keeps_its_mode(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    file, link = tmp_path / "profile", tmp_path / "link"
    file.write_text("mine")
    file.chmod(0o640)
    link.symlink_to("profile")
    with file.open() as before:
        kernelbox.ok("run", "--rm", *ALONE, "--record-seccomp", link, "busybox", "true")
        assert before.read() == "mine"  # not written into
    assert link.is_symlink() and "execve" in allowed(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["link", "profile"]


def test_where_it_cannot_be_written_nothing_is_run(kernelbox: Kernelbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "fifo")
    for target, reason in (
        (tmp_path, "is no file"),
        ("/dev/null", "is no file"),
        (tmp_path / "fifo", "is no file"),
        (tmp_path / "none" / "profile", "no such file or directory"),
        (tmp_path / "file" / "profile", "not a directory"),
    ):
        run = ("run", "--rm", *ALONE, "--record-seccomp", target, "busybox", "echo", "ran")
        assert reason in kernelbox.refused(*run)
    read_only = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs -o ro none "$0" && exec "$@"')
    run = ("run", "--rm", *ALONE, "--record-seccomp", tmp_path / "profile", "busybox", "true")
    said = kernelbox.refused(*run, prefix=(*read_only, str(tmp_path)))
    assert "read-only file system" in said


def test_a_directory_that_has_gone_meanwhile_is_said_in_the_end(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    away = tmp_path / "away"
    away.mkdir()
    run = ("run", "--rm", *ALONE, "-v", f"{tmp_path}:/t", "--record-seccomp", away / "profile")
    said = kernelbox.refused(*run, "busybox", "rmdir", "/t/away")
    complaint = "the program ended with 0, but cannot write --record-seccomp"
    assert complaint in said
    # Where nobody waited for its end, it is told to whoever asks.
    away.mkdir()
    run = ("run", "-d", *run[2:])
    container = kernelbox.ok(*run, "busybox", "sh", "-c", "echo went; rmdir /t/away").strip()
    assert kernelbox.ok("wait", container) == "0\n"
    done = kernelbox("logs", container)
    assert (done.returncode, done.stdout) == (0, "went\n")
    assert done.stderr.startswith(f"kernelbox: {complaint}") and done.stderr.count("\n") == 1
    assert complaint in kernelbox.inspect(container)["State"]["Error"]
    events = kernelbox.ok("events", "--since", "1h", "--until", "0s", "--filter", "event=die")
    assert complaint in events
    # A life that nothing was wrong with has nothing to tell.
    kernelbox.ok("start", container)
    kernelbox.ok("wait", container)
    assert kernelbox.inspect(container)["State"]["Error"] == ""
    kernelbox.ok("rm", container)


def test_a_profile_that_allows_what_it_does_not_name_is_not_narrowed(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    file = tmp_path / "open"
    file.write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    run = ("run", "--rm", *ALONE, "--security-opt", f"seccomp={file}", "--record-seccomp")
    said = kernelbox.refused(*run, tmp_path / "profile", "busybox", "true")
    assert "cannot be narrowed" in said
    assert os.listdir(tmp_path) == ["open"]


def test_what_is_recorded_allows_nothing_that_was_not_allowed() -> None:
    tests = [{"index": 0, "op": "SCMP_CMP_EQ", "value": 7}]
    rules: list[dict[str, Any]] = [
        {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": tests},
        {"names": ["getpid"], "action": "SCMP_ACT_LOG"},
        {"names": ["ptrace"], "action": "SCMP_ACT_KILL_PROCESS"},
        {"names": ["kcmp"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
    ]
    plain = {"defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": rules}
    made = [HERE.numbers[name] for name in ("read", "socket", "getpid")] + [4000]
    recorded = recording.narrowed(plain, made, HERE)
    before = decision.Decisions(profile.read(plain, HERE), HERE)
    after = decision.Decisions(profile.read(recorded, HERE), HERE)
    allowing = (profile.ALLOW, profile.LOG)
    for name, number in HERE.numbers.items():
        for arguments in ((0,) * 6, (7,) * 6):
            was, now = before.of(number, arguments).action, after.of(number, arguments).action
            assert now == was or (was in allowing and now == profile.KILL_PROCESS), name
    assert after.of(HERE.numbers["write"]).action == profile.KILL_PROCESS
    assert after.of(HERE.numbers["socket"], (7,) * 6).action == profile.ALLOW
    assert after.of(HERE.numbers["getpid"]).action == profile.LOG
    for default in ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG"):
        with pytest.raises(UsageError, match="cannot be narrowed"):
            recording.check({"defaultAction": default})


def test_asked_is_about_what_is_allowed_but_not_about_what_each_profile_has() -> None:
    tests = [{"index": 0, "op": "SCMP_CMP_EQ", "value": 7}]
    rules: list[dict[str, Any]] = [
        {"names": ["read", "futex"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["mmap", "socket"], "action": "SCMP_ACT_LOG", "args": tests},
        {"names": ["ptrace", "brk"], "action": "SCMP_ACT_TRAP"},
    ]
    plain = {
        "defaultAction": "SCMP_ACT_KILL_PROCESS",
        "syscalls": rules,
        "flags": ["SECCOMP_FILTER_FLAG_TSYNC"],
    }
    asked = 0x7FC00000
    for wanted, answers in (
        (plain, {
            "read": asked, "futex": profile.ALLOW, "mmap": profile.LOG, "socket": asked,
            "ptrace": profile.TRAP, "brk": profile.TRAP, "listen": profile.KILL_PROCESS,
        }),
        (None, {"read": asked, "futex": profile.ALLOW, "mmap": profile.ALLOW, "listen": asked}),
    ):  # fmt: skip
        program, flags = recording.watched(wanted, HERE)
        assert flags == profile.FLAGS["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]  # and no TSYNC
        for name, answer in answers.items():
            assert run(program, HERE.numbers[name], HERE.audit, (7,) * 6) == answer, name
