"""What people get wrong, and what the machine lacks: one line that names cause and cure, no more.

`Kernelbox.refused` checks the shape of every refusal: exit status 2 or 125 to 127, one line on
stderr, nothing on stdout, no traceback. That nothing is left behind is checked after every test.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests import looking
from tests.command import COMMAND, Kernelbox, Running

ALONE = ("--network", "none")
RUN = ("run", "--rm")
TRUE = ("busybox", "true")


@pytest.mark.parametrize(
    ("words", "cause", "cure"),
    [
        (("frobnicate",), "frobnicate", "--help"),
        (("run",), "IMAGE", "--help"),
        (("run", "--rm"), "IMAGE", "--help"),
        (("run", "--frobnicate", *TRUE), "--frobnicate", "--help"),
        (("run", "-x", *TRUE), "-x", "--help"),
        (("run", "--memory"), "--memory", "--help"),
        (("run", "--rm=yes", *TRUE), "--rm", "--help"),
        (("exec",), "CONTAINER", "--help"),
        (("ps", "--frobnicate"), "--frobnicate", "--help"),
        (("stop",), "CONTAINER", "--help"),
        (("stop", "-t", "soon", "x"), "soon", "--help"),
        (("run", "-it", *TRUE), "not a terminal", "-t"),
        (("run", "--pull", "never", "nosuchimage", "true"), "nosuchimage", "busybox"),
        (("run", "--pull=never", "busybox:nosuchtag", "true"), "nosuchtag", "busybox"),
        (("run", "nosuch.invalid/x", "true"), "cannot be pulled: there is no host", "busybox"),
        (("run", "--pull", "often", *TRUE), "often", "missing, always or never"),
        (("run", "../../etc", "true"), "../../etc", "lower-case"),
        (("run", "sha256:0000", "true"), "sha256:0000", "Images here"),
        (("run", "", "true"), "no image", "Images here"),
        ((*RUN, "--entrypoint", "", "busybox"), "no command", "run busybox sh"),
        ((*RUN, *TRUE[:1], "nosuchprogram"), "nosuchprogram", "no such program"),
        ((*RUN, *TRUE[:1], "/nosuch/program"), "/nosuch/program", "no such file"),
        ((*RUN, *TRUE[:1], ""), "''", "no such program"),
        ((*RUN, *TRUE[:1], "/etc"), "/etc", "program in it"),
        ((*RUN, *TRUE[:1], "/etc/passwd"), "/etc/passwd", "chmod +x"),
        ((*RUN, "--name", "../../x", *TRUE), "../../x", "letters"),
        ((*RUN, "--name", ".", *TRUE), "'.'", "letters"),
        ((*RUN, "--name", "a/b", *TRUE), "a/b", "letters"),
        ((*RUN, "--name", "a\nb", *TRUE), "a\\nb", "letters"),
        ((*RUN, "--name", "-a", *TRUE), "-a", "letters"),
        ((*RUN, "--name", "x" * 129, *TRUE), "xxx", "letters"),
        ((*RUN, "--hostname", "two words", *TRUE), "two words", "64"),
        ((*RUN, "--hostname", "h" * 65, *TRUE), "hhh", "64"),
        ((*RUN, "--memory", "1", *TRUE), "6MB", "64m"),
        ((*RUN, "--memory", "lots", *TRUE), "lots", "64m"),
        ((*RUN, "--memory", "-5m", *TRUE), "-5m", "64m"),
        ((*RUN, "--memory", "9" * 30, *TRUE), "than any machine", "no limit"),
        ((*RUN, "--memory", "9" * 400, *TRUE), "than any machine", "no limit"),
        ((*RUN, "--memory", "9" * 5000 + "g", *TRUE), "than any machine", "no limit"),
        ((*RUN, "-u", "9" * 5000, *TRUE), "is not a user id", "a number from 0"),
        ((*RUN, "-u", "0:" + "9" * 5000, *TRUE), "is not a group id", "a number from 0"),
        ((*RUN, "--stop-signal", "9" * 5000, *TRUE), "no signal", "TERM"),
        ((*RUN, "--stop-signal", "RTMIN+" + "9" * 5000, *TRUE), "no signal", "TERM"),
        ((*RUN, "--time-offset", "9" * 400, *TRUE), "no number of seconds", "60"),
        ((*RUN, "--cpus", "-1", *TRUE), "CPUs", "no limit"),
        ((*RUN, "--cpus", "9999", *TRUE), "CPUs", "no limit"),
        ((*RUN, "--cpus", "nan", *TRUE), "CPUs", "no limit"),
        ((*RUN, "--cpus", "many", *TRUE), "many", "--help"),
        ((*RUN, "--cpu-shares", "1", *TRUE), "262144", "1024"),
        ((*RUN, "--cpu-shares", "999999", *TRUE), "262144", "1024"),
        ((*RUN, "--pids-limit", "-2", *TRUE), "-2", "-1"),
        ((*RUN, "--pids-limit", "99999999", *TRUE), "99999999", "-1"),
        ((*RUN, "-v", "/nosuch/source:/x", *TRUE), "/nosuch/source", "mkdir"),
        (("volume", "create", "."), "'.' is not a volume name", "letters"),
        ((*RUN, "-v", "nothing", *TRUE), "nothing", "/on/host:/inside"),
        ((*RUN, "-v", "not/absolute:/x", *TRUE), "not/absolute", "/"),
        ((*RUN, "-v", "/etc:relative", *TRUE), "relative", "/"),
        ((*RUN, "-v", "/etc:/x:rx", *TRUE), "rx", "ro or rw"),
        ((*RUN, "-v", "/etc:/", *TRUE), "root", "below /"),
        ((*RUN, "-v", "/etc:/..", *TRUE), "/..", "below /"),
        ((*RUN, "-v", "/etc:/proc", *TRUE), "/proc", "elsewhere"),
        ((*RUN, "-v", "/etc:/sys/new", *TRUE), "/sys/new", "another path"),
        ((*RUN, "-v", "/etc:/etc/passwd", *TRUE), "/etc/passwd", "another path"),
        ((*RUN, "-v", "/etc/passwd:/etc", *TRUE), "/etc", "another path"),
        ((*RUN, "-v", "/usr:/x:ro", "-v", "/etc:/x/new", *TRUE), "/x/new", "another path"),
        ((*RUN, "-w", "relative", *TRUE), "relative", "/"),
        ((*RUN, "-w", "/etc/passwd", *TRUE), "/etc/passwd", "another path"),
        ((*RUN, "-e", "=x", *TRUE), "=x", "NAME=value"),
        ((*RUN, "-e", "", *TRUE), "''", "NAME=value"),
        ((*RUN, "-u", "nobodyatall", *TRUE), "nobodyatall", "name it has"),
        ((*RUN, "-u", "0:nogroupatall", *TRUE), "nogroupatall", "name it has"),
        ((*RUN, "--userns", "auto", "-u", "70000", *TRUE), "70000", "65536"),
        ((*RUN, "--userns", "mine", *TRUE), "mine", "auto"),
        ((*RUN, "--userns", "auto", "--network", "host", *TRUE), "network", "bridge or none"),
        ((*RUN, "--cap-add", "FLY", *TRUE), "FLY", "capabilities(7)"),
        ((*RUN, "--cap-drop", "CAP_FLY", *TRUE), "CAP_FLY", "capabilities(7)"),
        ((*RUN, "--network", "moon", *TRUE), "moon", "bridge, none"),
        ((*RUN, "--network", "container:nosuch", *TRUE), "nosuch", "ps -a"),
        ((*RUN, *ALONE, "-p", "8080:80", *TRUE), "bridge", "Leave out"),
        ((*RUN, "-p", "80:", *TRUE), "80:", "8080:80"),
        ((*RUN, "-p", "99999:80", *TRUE), "99999", "8080:80"),
        ((*RUN, "-p", "1.2.3:80:80", *TRUE), "1.2.3", "8080:80"),
        ((*RUN, "-p", "192.0.2.1:8080:80", *TRUE), "192.0.2.1", "ip address"),
        ((*RUN, "--time-offset", "-999999999", *TRUE), "999999999", "range"),
        (("exec", "nosuch", "true"), "nosuch", "ps -a"),
        (("exec", "../../etc", "true"), "../../etc", "ps -a"),
        (("logs", "nosuch"), "nosuch", "ps -a"),
        (("inspect", "nosuch"), "nosuch", "ps -a"),
        (("inspect", ""), "no such container", "ps -a"),
        (("inspect", ".."), "no such container", "ps -a"),
        (("top", "nosuch"), "nosuch", "ps -a"),
        (("stats", "--no-stream", "nosuch"), "nosuch", "ps -a"),
        (("wait", "nosuch"), "nosuch", "ps -a"),
        (("kill", "-s", "FROB", "nosuch"), "FROB", "TERM"),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, tuple) else "",
)
def test_a_mistake_is_answered_with_its_cause_and_its_cure(
    kernelbox: Kernelbox, words: tuple[str, ...], cause: str, cure: str
) -> None:
    line = kernelbox.refused(*words)
    assert cause in line
    assert cure in line


@pytest.mark.parametrize("command", ["rm", "stop", "kill"])
def test_of_several_containers_the_good_ones_are_served(kernelbox: Kernelbox, command: str) -> None:
    good = kernelbox.start(*ALONE, "busybox", "sleep", "infinity")
    option = {"rm": ("-f",), "stop": ("-t", "0"), "kill": ()}[command]
    done = kernelbox(command, *option, "nosuch", good)
    assert done.returncode == 1
    assert done.stdout == f"{good}\n"
    assert done.stderr.count("\n") == 1 and "nosuch" in done.stderr
    assert good not in kernelbox.ok("ps", "-q")


def test_a_name_is_given_once(kernelbox: Kernelbox) -> None:
    first = kernelbox.start(*ALONE, "--name", "unique", "busybox", "true")
    line = kernelbox.refused("run", *ALONE, "--name", "unique", *TRUE)
    assert first in line and "kernelbox rm -f unique" in line
    assert kernelbox.inspect("unique")["Id"] == first
    kernelbox.ok("rm", "-f", "unique")
    kernelbox.ok("run", "--rm", *ALONE, "--name", "unique", *TRUE)


def test_a_running_container_is_not_removed_without_force(
    kernelbox: Kernelbox, plain: Running
) -> None:
    done = kernelbox("rm", plain.id)
    assert done.returncode == 1
    assert "running" in done.stderr and "rm -f" in done.stderr
    assert looking.is_alive(plain.pid)


def test_what_needs_a_running_container_says_so(kernelbox: Kernelbox) -> None:
    kernelbox.ok("run", *ALONE, "--name", "over", *TRUE)
    for words in (
        ("exec", "over", "true"),
        ("top", "over"),
        ("stats", "--no-stream", "over"),
        ("run", "--rm", "--network", "container:over", *TRUE),
    ):
        assert "not running" in kernelbox.refused(*words)
    assert kernelbox("kill", "over").returncode == 1
    kernelbox.ok("stop", "over")
    kernelbox.ok("rm", "over")


def test_a_port_in_use_is_refused_with_the_name_of_who_has_it(kernelbox: Kernelbox) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = kernelbox.refused(*RUN, "-p", f"127.0.0.1:{port}:80", *TRUE)
        assert str(port) in line and f"pid {os.getpid()}" in line
        assert "Publish another" in line


# --- what the machine lacks -----------------------------------------------------------------------


# A checkout may lie in a private home, so a stranger may read everything, and nothing more.
READING = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
STRANGER = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *READING)
POWERLESS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
IN_A_SANDBOX = ("unshare", "--user", "--map-root-user")


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        (STRANGER, (*RUN, *TRUE)),
        (STRANGER, ("ps",)),
        (STRANGER, ("rm", "-f", "plain")),
        (STRANGER, ("reset",)),
        (POWERLESS, (*RUN, *TRUE)),
        (POWERLESS, (*RUN, *ALONE, *TRUE)),
        (IN_A_SANDBOX, (*RUN, *TRUE)),
        (IN_A_SANDBOX, (*RUN, *ALONE, *TRUE)),
    ],
)
def test_without_privilege_the_cure_is_to_be_root(
    kernelbox: Kernelbox, plain: Running, prefix: tuple[str, ...], words: tuple[str, ...]
) -> None:
    given = tuple(plain.id if word == "plain" else word for word in words)
    line = kernelbox.refused(*given, prefix=prefix)
    assert "root" in line and "sudo" in line
    assert looking.is_alive(plain.pid)


LIMITS = [f"size={pages * 4}k" for pages in range(1, 14)] + [
    f"nr_inodes={number}" for number in range(4, 26)
]


@pytest.mark.parametrize("limit", LIMITS)
def test_a_full_disk_is_one_line_and_nothing_is_left(
    kernelbox: Kernelbox, tmp_path: Path, limit: str
) -> None:
    done = on_a_small_disk(kernelbox, tmp_path, limit, "true")
    if done.returncode == 0:
        assert done.stderr == ""
    else:
        assert done.returncode == 125
        assert re.fullmatch(r"kernelbox: .*no space left.*\. .+\n", done.stderr, re.IGNORECASE)
    assert done.stdout == "", "the names of what is left"


def on_a_small_disk(
    kernelbox: Kernelbox, tmp_path: Path, limit: str, *program: str
) -> subprocess.CompletedProcess[str]:
    """Run a container on a file system with room for little, and then `reset`.

    What `run` leaves there is listed on stdout.
    """
    kernelbox.ok("images")
    disk = Kernelbox(tmp_path / "root")
    script = """
        limit=$1 disk=$2 images=$3 reset=$4; shift 4
        mount -t tmpfs -o $limit none $disk && mkdir $disk/root && ln -s $images $disk/root || exit
        "$@"; status=$?
        ls -A $disk/root/containers $disk/root/names 2>/dev/null | grep -v :$ | grep .
        $reset >/dev/null; exit $status"""
    words = (limit, str(tmp_path), f"{kernelbox.root}/images", " ".join([*COMMAND, "reset"]))
    return disk(
        *("run", "--rm", *ALONE, "busybox", *program),
        prefix=("unshare", "-m", "sh", "-c", script, "sh", *words),
    )


def test_a_full_disk_does_not_stop_what_runs_or_lose_its_exit_status(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    fill = "dd if=/dev/zero of=/big bs=4k 2>/dev/null; echo full; seq 1 20000 | tail -n 1; exit 5"
    done = on_a_small_disk(kernelbox, tmp_path, "size=200k", "sh", "-c", fill)
    assert (done.stdout, done.stderr, done.returncode) == ("full\n20000\n", "", 5)


@pytest.mark.parametrize("broken", ["state.json", "config.json"])
def test_a_damaged_file_is_named_and_can_be_cleaned_up(kernelbox: Kernelbox, broken: str) -> None:
    whole = kernelbox.start(*ALONE, "busybox", "sleep", "60")
    kernelbox.ok("run", *ALONE, "--name", "spoilt", *TRUE)
    container = kernelbox.inspect("spoilt")["Id"]
    path = kernelbox.root / "containers" / container / broken
    for text in ('{"cut sh', '{"process": 1}', "[]"):
        path.write_text(text)
        assert str(path) in kernelbox.refused("inspect", container)
        for words in (("ps", "-a"), ("stats", "--no-stream")):
            listed = kernelbox(*words)
            assert whole in listed.stdout and container not in listed.stdout
            if listed.returncode or words[0] == "ps":  # that it runs, only its state can say
                assert listed.returncode == 1
                assert re.fullmatch(rf"kernelbox: .*{path}.*rm -f {container}\n", listed.stderr)
    kernelbox.ok("rm", "-f", container)


def test_a_traceback_is_shown_on_request(kernelbox: Kernelbox) -> None:
    done = kernelbox("run", "--pull=never", "nosuchimage", env={"KERNELBOX_DEBUG": "1"})
    assert "Traceback" in done.stderr
    assert done.returncode not in (0, None)


@pytest.mark.outside("it only names options")
def test_help_says_what_there_is(kernelbox: Kernelbox) -> None:
    told = kernelbox.ok("--help")
    commands = "run exec ps stop kill rm wait inspect logs top stats images doctor reset".split()
    for command in commands:
        assert f"  {command} " in told
        assert f"kernelbox {command}" in kernelbox.ok(command, "--help")
    options = (
        "--name --hostname -e -v -w -u --memory --cpus --cpu-shares --pids-limit --network -p "
        "--read-only --cap-add --cap-drop --init --rm --userns --pull --trace --step -d -i -t"
    ).split()
    shown = re.findall(r"(?<![\w-])--?[a-z][a-z-]*", kernelbox.ok("run", "--help"))
    assert set(options) <= set(shown)
    assert subprocess.check_output([*COMMAND], text=True, env=kernelbox.environment) == told


def test_what_cannot_be_printed_is_said_in_one_line(kernelbox: Kernelbox) -> None:
    """As coreutils do ("write error: No space left on device"); 125 is our own failure."""
    box = kernelbox.start("--network", "none", "busybox", "sleep", "infinity")
    kernelbox.ok("exec", box, "sh", "-c", "echo logged > /proc/1/fd/1")
    print_hi = "echo hi; exit $0"
    long = "yes | head -c 1000000; echo $? >&2"
    for words, status in (
        (["ps"], 125), (["images"], 125), (["--help"], 125), (["run", "--help"], 125),
        (["inspect", box], 125), (["save", "busybox"], 125), (["logs", box], 125),
        (["cp", f"{box}:/etc", "-"], 125), (["top", box], 125), (["stats", "--no-stream"], 125),
        (["exec", box, "sh", "-c", print_hi, "0"], 125),
        (["exec", box, "sh", "-c", print_hi, "3"], 3),
        (["run", "--rm", "--network", "none", "busybox", "sh", "-c", long], 125),
    ):  # fmt: skip
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [*kernelbox.command, *words], env=kernelbox.environment, text=True,
                stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
            )  # fmt: skip
        *_, last = done.stderr.splitlines()
        assert done.returncode == status, (words, done)
        assert "cannot write to stdout: no space left on device" in last, (words, done)
        assert "Traceback" not in done.stderr and "KERNELBOX_ROOT" not in done.stderr, done
    with open("/dev/full", "w") as full:
        command = [*kernelbox.command, "nosuch"]
        assert subprocess.run(command, env=kernelbox.environment, stderr=full).returncode == 125


def test_what_a_process_calls_itself_tells_the_terminal_nothing(kernelbox: Kernelbox) -> None:
    """Escape sequences, as terminals have been attacked with: they are shown as what they are."""
    hostile = ": \x1b[2J\r\n\x9b31m\u202e"
    seen = r": \x1b[2J\r\n\x9b31m\u202e"
    box = kernelbox.start(*ALONE, "busybox", "sh", "-c", f"sleep 60; {hostile}")
    _, first, *_ = kernelbox.ok("top", box).splitlines()
    assert first.endswith(f"sh -c sleep 60; {seen}")
    _, *rows = kernelbox.ok("ps", "--no-trunc").splitlines()
    (row,) = (row for row in rows if box in row)
    assert f'"sh -c sleep 60; {seen}"' in row
    for words in (("rm",), ("inspect",), ("run", "--pull", "never"), ("run", "--name")):
        done = kernelbox(*words, hostile, "busybox", "true")
        assert done.returncode in (1, 125), done
        assert all(map(str.isprintable, done.stderr.splitlines())), done


@pytest.mark.outside("nothing is made of it")
def test_an_error_stays_short_however_long_what_was_asked_for(kernelbox: Kernelbox) -> None:
    long = "x" * 100_000
    run = ("run", "--rm", *ALONE)
    for words in (
        (long,), ("rm", long), ("inspect", long), ("stop", "-t", long, "y"), ("pull", long),
        ("tag", "busybox", long), ("rmi", long), ("history", long), ("load", "-i", long),
        ("cp", f"{long}:/x", "."), ("cp", long, f"y:/{long}"), ("build", "-f", long, "/"),
        ("save", "busybox", "-o", f"/{long}/y"), ("kill", "-s", long, "y"), ("logs", long),
        ("run", "--pull", "never", long), (*run, *TRUE[:1], long), (*run, f"--{long}", *TRUE),
        (*run, "-m", long, *TRUE), (*run, "--cpus", long, *TRUE), (*run, "-u", long, *TRUE),
        (*run, "-v", f"/{long}:/x", *TRUE), (*run, "-v", f"/etc:{long}", *TRUE),
        (*run, "-v", f"/etc:/x:{long}", *TRUE), (*run, "-w", f"/{long}", *TRUE),
        (*run, "-e", f"={long}", *TRUE), (*run, "--name", f"/{long}", *TRUE),
        (*run, "--hostname", long, *TRUE), (*run, "--cap-add", long, *TRUE),
        (*run, "--pids-limit", long, *TRUE), ("run", "-p", long, *TRUE),
        ("run", "-p", f"{long}:1:1", *TRUE), ("run", "--network", long, *TRUE),
        (*run, "--userns", long, *TRUE), (*run, "--entrypoint", long, "busybox"),
    ):  # fmt: skip
        done = kernelbox(*words)
        assert done.returncode in (1, 2, 125, 126, 127), (words[:2], done)
        assert len(done.stderr) <= len("kernelbox: ") + 600 + 1, (words[:-1], done.stderr[:900])
        assert done.stderr.count("x") <= 200, (words[:5], done.stderr[:900])
        assert done.stderr.count("\n") == 1, (words, done)
