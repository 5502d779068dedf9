"""The OCI runtime: its verbs, and what of config.json becomes of a container.

Each test of a MUST names the section of the runtime-spec that it is from. What a container has is
read from outside, in /proc and cgroupfs, or told by its own program.
"""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kernelbox.oci import checking
from tests import looking
from tests.command import Kernelbox
from tests.engine import CONFIG, RUNTIME, Engine, gone


def test_create_and_start_are_two_acts(engine: Engine) -> None:
    """runtime.md, "Create" and "Start": nothing of the program runs before `start`."""
    engine.config["process"]["args"] = ["sleep", "1000"]
    pid = engine.create("two")
    assert engine.groups("two")
    told = json.loads(engine.ok("state", "two"))
    assert (told["status"], told["pid"], told["id"]) == ("created", pid, "two")
    assert (told["ociVersion"], told["bundle"]) == ("1.2.0", str(engine.bundle))
    assert Path(f"/proc/{pid}/cmdline").read_bytes() != b"sleep\x001000\x00"
    for kind in ("pid", "net", "ipc", "uts", "mnt"):
        assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"), kind
    engine.ok("start", "two")
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x001000\x00"
    assert engine.status("two") == "running"
    engine.ok("kill", "two", "KILL")
    looking.soon(lambda: gone(pid))
    assert engine.status("two") == "stopped"
    engine.ok("delete", "two")
    assert engine.left() == engine.groups("two") == []


def test_what_the_spec_forbids_is_an_error_and_changes_nothing(engine: Engine) -> None:
    """runtime.md, "Create", "Start", "Kill", "Delete": each error that it wants."""
    engine.config["process"]["args"] = ["sleep", "1000"]
    pid = engine.create("one")
    assert "already exists" in engine.refused("create", "--bundle", engine.bundle, "one")
    assert "not stopped" in engine.refused("delete", "one")
    engine.ok("start", "one")
    assert "running" in engine.refused("start", "one")
    assert "not stopped" in engine.refused("delete", "one")
    assert "unknown signal" in engine.refused("kill", "one", "NONSENSE")
    engine.ok("kill", "one", "0")  # kill(2): only asks
    assert not gone(pid)
    engine.ok("kill", "one", "9")
    looking.soon(lambda: gone(pid))
    for name in ("TERM", "KILL", "0"):
        assert "not running" in engine.refused("kill", "one", name)
    assert "stopped" in engine.refused("start", "one")
    assert "not running" in engine.refused("exec", "one", "true")
    engine.ok("delete", "one")
    for verb in ("state", "start", "delete", "kill"):
        assert "does not exist" in engine.refused(verb, "one")
    engine.ok("delete", "--force", "one")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\nb", "x" * 129])
def test_an_id_is_no_path(engine: Engine, name: str) -> None:
    assert "cannot be the id" in engine.refused("create", "--bundle", engine.bundle, name)
    assert engine.left() == []


def test_an_error_is_in_the_log_however_early(engine: Engine) -> None:
    log = engine.log
    for words in (["nonsense"], ["--systemd-cgroup", "list"], ["state", "nobody"], ["kill"]):
        log.unlink(missing_ok=True)
        done = engine("--log", log, "--log-format", "json", *words)
        assert done.returncode != 0
        line = json.loads(log.read_text())
        assert line["level"] == "error" and line["msg"] in done.stderr, done


def test_the_program_has_what_its_bundle_says(engine: Engine) -> None:
    """config.md, "Process", "User", "Linux Process"; config-linux.md."""
    process = engine.config["process"]
    process["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [7, 8], "umask": 0o77}
    process["capabilities"] = {
        **{one: ["CAP_KILL", "CAP_CHOWN"] for one in ("bounding", "permitted", "inheritable")},
        "effective": ["CAP_KILL"],
        "ambient": ["CAP_KILL"],
    }
    process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 300, "hard": 400}]
    process["oomScoreAdj"] = 321
    process["noNewPrivileges"] = True
    process["cwd"] = "/made/for/it"
    script = (
        "id -u; id -g; id -G; umask; ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; pwd; "
        "hostname; ls /proc/self/fd | cat; grep -E '^(Cap|NoNew)' /proc/self/status"
    )
    seen = engine.sh(script).split("\n")
    assert seen[:9] == ["1000", "1001", "1001 7 8", "0077", "300", "400", "321", "/made/for/it",
                        "bundle"]  # fmt: skip
    assert seen[9:13] == ["0", "1", "2", "3"]  # the last is of `ls` itself
    masks = {line.split(":\t")[0]: line.split(":\t")[1] for line in seen[13:]}
    kill, chown = 1 << 5, 1 << 0
    wanted = {"CapInh": kill | chown, "CapPrm": kill, "CapEff": kill, "CapAmb": kill}
    # The shell is no program with capabilities of its own: of another user it keeps the ambient.
    assert {name: int(masks[name], 16) for name in wanted} == wanted
    assert int(masks["CapBnd"], 16) == kill | chown and masks["NoNewPrivs"] == "1"


def test_paths_are_hidden_and_kept_from_being_written_to(engine: Engine) -> None:
    """config-linux.md, "Masked Paths", "Readonly Paths"; config.md, "Root"."""
    engine.config["root"]["readonly"] = True
    engine.config["linux"]["maskedPaths"].append("/proc/is/not/there")
    script = "cat /proc/keys; ls /proc/acpi; echo x >/proc/sys/kernel/domainname; touch /new; true"
    done = engine("run", "--bundle", engine.bundle, "box", stdin=subprocess.DEVNULL)
    assert done.returncode == 0
    engine.config["process"]["args"] = ["sh", "-c", script]
    done = engine("run", "--bundle", engine.bundle, "box")
    assert done.stdout == "" and done.stderr.count("Read-only file system") == 2, done


def test_memory_has_the_mode_of_what_it_covers(engine: Engine) -> None:
    """runc, "tmpfs mount mode= inherit"; where nothing was, it is as the kernel has it."""
    (engine.bundle / "rootfs/kept").mkdir(exist_ok=True)
    (engine.bundle / "rootfs/kept").chmod(0o710)
    for place, options in (("/kept", []), ("/new", []), ("/etc", ["mode=1500"])):
        engine.config["mounts"].append(
            {"destination": place, "type": "tmpfs", "source": "tmpfs", "options": options}
        )
    assert engine.sh("stat -c %a /kept /new /etc").split() == ["710", "1777", "1500"]


def test_a_dev_that_is_read_only_has_all_that_it_should(engine: Engine) -> None:
    engine.config["mounts"][1]["options"].append("ro")
    script = "echo x >/dev/null; ls /dev/pts/ptmx /dev/fd/0; touch /dev/x 2>/dev/null || echo kept"
    assert engine.sh(script).split() == ["/dev/fd/0", "/dev/pts/ptmx", "kept"]


def test_a_mount_has_its_options(engine: Engine, tmp_path: Path) -> None:
    """config.md, "Mounts": in order, with each option; a relative source is the bundle's."""
    (tmp_path / "below").mkdir()
    (tmp_path / "below/note").write_text("a note")
    (engine.bundle / "beside").write_text("beside")
    (engine.bundle / "rootfs/kept").mkdir(exist_ok=True)
    (engine.bundle / "rootfs/kept/file").write_text("of the image")
    engine.config["mounts"] += [
        {"destination": "/data", "source": str(tmp_path), "options": ["rbind", "ro", "nosuid"]},
        {"destination": "/etc/beside", "source": "beside", "type": "bind"},
        {
            "destination": "/kept",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["tmpcopyup", "noexec", "noatime", "size=1m"],
        },
    ]
    seen = engine.sh(
        "cat /data/below/note /etc/beside /kept/file; echo; "
        "grep -E ' /(data|kept|etc/beside) ' /proc/self/mountinfo; "
        "touch /data/x 2>/dev/null || echo no"
    ).split("\n")
    assert seen[0] == "a notebesideof the image"
    options = {line.split()[4]: set(line.split()[5].split(",")) for line in seen[1:4]}
    assert {"ro", "nosuid"} <= options["/data"] and "rw" in options["/etc/beside"]
    assert {"noexec", "noatime"} <= options["/kept"]
    assert seen[4] == "no"


def test_a_bind_with_attributes_has_no_others(engine: Engine) -> None:
    """runc, mounts_sshfs.bats: those of its source stay if none is named, or for other users."""
    (engine.bundle / "source").mkdir()
    its = "ro,nosuid,nodev,noexec,nosymfollow,noatime"
    script = f'mount -t tmpfs -o {its} tmpfs "$0"; exec "$@"'
    engine.runtime = [
        "unshare",
        "--mount",
        "sh",
        "-ec",
        script,
        str(engine.bundle / "source"),
        *RUNTIME,
    ]
    ids = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    for words, wanted, of_others in (
        (["bind"], its, its),
        (["rbind", "rprivate"], its, its),
        (["bind", "nosuid"], "rw,nosuid,noatime", "ro,nosuid,nodev,noexec,noatime"),
        (["bind", "ro"], "ro,noatime", "ro,nosuid,nodev,noexec,noatime"),
        (["bind", "rw"], "rw,noatime", "rw,nosuid,nodev,noexec,noatime"),
        (["bind", "exec", "atime"], "rw,relatime", "ro,nosuid,nodev,relatime"),
    ):
        for users, expected in (([], wanted), ([{"type": "user"}], of_others)):
            engine.renew()
            mount = {"destination": "/kept", "type": "bind", "source": "source", "options": words}
            engine.config["mounts"].append(mount)
            engine.config["linux"]["namespaces"] += users
            if users:
                engine.config["linux"] |= {"uidMappings": ids, "gidMappings": ids}
            line = engine.sh("grep ' /kept ' /proc/self/mountinfo")
            assert set(line.split()[5].split(",")) == set(expected.split(",")), (words, users)


def test_a_mount_may_show_other_owners(engine: Engine, tmp_path: Path) -> None:
    """config.md, "Linux mount options": idmap and ridmap, with maps of its own."""
    (tmp_path / "note").write_text("a note")
    tmp_path.chmod(0o755)
    ids = [{"containerID": 0, "hostID": 5000, "size": 10}]
    engine.config["mounts"].append(
        {
            "destination": "/data",
            "source": str(tmp_path),
            "type": "bind",
            "options": ["rbind", "ridmap"],
            "uidMappings": ids,
            "gidMappings": ids,
        }
    )
    assert engine.sh("stat -c %u:%g /data/note") == "5000:5000"
    assert (tmp_path / "note").stat().st_uid == 0
    engine.config["mounts"][-1].update(uidMappings=[], gidMappings=[])
    assert "no maps" in engine.refused("run", "--bundle", engine.bundle, "box")
    engine.config["mounts"][-1] = {"destination": "/x", "type": "tmpfs", "options": ["idmap"]}
    assert "no bind" in engine.refused("run", "--bundle", engine.bundle, "box")


def test_a_device_is_made_below_the_root_wherever_dev_leads(engine: Engine, tmp_path: Path) -> None:
    """CVE-2026-41579 and its kin: rootfs/dev is a link to a directory of the host's."""
    outside = tmp_path / "outside"
    outside.mkdir()
    rootfs = engine.bundle / "rootfs"
    (rootfs / "dev").rmdir()
    (rootfs / "dev").symlink_to(outside)
    engine.config["mounts"] = engine.config["mounts"][:1]
    engine.config["linux"]["devices"] = [
        {"path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 5}
    ]
    try:
        seen = engine.sh("stat -c '%a %u %t:%T' /dev/mine; head -c 2 /dev/zero | cat -v")
        assert seen == "640 5 1:5\n^@^@"
        assert os.listdir(outside) == []
    finally:
        (rootfs / "dev").unlink()
        (rootfs / "dev").mkdir()


def test_proc_is_no_link_and_nothing_covers_it(engine: Engine) -> None:
    """CVE-2019-19921, CVE-2019-16884: whoever forges /proc would be believed."""
    rootfs = engine.bundle / "rootfs"
    (rootfs / "proc").rmdir()
    (rootfs / "proc").symlink_to("tmp")
    try:
        assert "symbolic link" in engine.refused("run", "--bundle", engine.bundle, "box")
    finally:
        (rootfs / "proc").unlink()
        (rootfs / "proc").mkdir()
    forged = {"destination": "/proc/self/attr", "type": "tmpfs", "source": "tmpfs"}
    engine.config["mounts"].append(forged)
    assert "/proc" in engine.refused("run", "--bundle", engine.bundle, "box")
    assert engine.left() == []


def test_a_working_directory_leads_nowhere_else(engine: Engine) -> None:
    """CVE-2024-21626: a descriptor of the host's as the working directory."""
    for number in (3, 5, 7, 9, 11):
        engine.config["process"]["cwd"] = f"/proc/self/fd/{number}"
        assert engine.refused("run", "--bundle", engine.bundle, "box")
    assert engine.left() == []


def test_the_pid_file_is_complete_and_the_terminal_sent_before_start(engine: Engine) -> None:
    """runtime.md, "Create"; config.md, "Process", terminal and consoleSize."""
    process = engine.config["process"]
    process.update(terminal=True, consoleSize={"height": 33, "width": 101})
    process["args"] = ["sh", "-c", "tty; stty size; sleep 1000"]
    assert "--console-socket" in engine.refused("create", "--bundle", engine.bundle, "tty")
    (engine.bundle / "rootfs/bin/stty").symlink_to("busybox")
    path = engine.bundle / "console"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        engine.create("tty", "--console-socket", path)
        connection, _ = listener.accept()
    with connection:
        _, ancillary, _, _ = connection.recvmsg(100, socket.CMSG_SPACE(4))
    (master,) = array.array("i", ancillary[0][2])
    engine.ok("start", "tty")
    said = b""
    while said.count(b"\n") < 2:
        said += os.read(master, 1000)
    os.close(master)
    assert said == b"/dev/pts/0\r\n33 101\r\n"


def test_hooks_of_six_kinds_in_order(engine: Engine) -> None:
    """config.md, "POSIX-platform Hooks"; runtime.md, "Lifecycle"."""
    seen = engine.bundle / "rootfs/tmp/seen"
    seen.unlink(missing_ok=True)
    hook = engine.bundle / "rootfs/bin/hook"
    hook.write_text('#!/bin/sh\nread -r state\necho "$1 $KIND $state" >>$FILE\n')
    hook.chmod(0o755)
    kinds = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart",
             "poststop")  # fmt: skip
    engine.config["hooks"] = {
        kind: [
            {
                "path": "/bin/hook" if kind == "startContainer" else str(hook),
                "args": ["hook", kind],
                "env": [
                    f"FILE={'/tmp/seen' if kind == 'startContainer' else seen}",
                    f"KIND={kind}",
                    "PATH=/bin:/usr/bin",
                ],
            }
        ]
        for kind in kinds
    }
    engine.ok("run", "--bundle", engine.bundle, "hooked")
    told = [line.split(" ", 2) for line in seen.read_text().splitlines()]
    assert [one[0] for one in told] == [one[1] for one in told] == list(kinds)
    states = [json.loads(one[2]) for one in told]
    assert {one["id"] for one in states} == {"hooked"}
    assert states[0]["status"] == states[1]["status"] == states[2]["status"] == "created"
    assert states[0]["pid"] == states[2]["pid"] > 0 and states[5]["status"] == "stopped"


def test_where_hooks_run(engine: Engine) -> None:
    """The spec leaves it open; as runc 1.1 has it, whose createContainer ones see the mounts."""
    here, rootfs = engine.bundle / "here", engine.bundle / "rootfs"
    host = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    engine.config["hooks"] = {
        one: [{"path": "/bin/sh", "args": ["sh", "-c", f"echo {one} $(/bin/pwd) >>{here}"]}]
        for one in host
    }
    mounted = {"path": "/bin/sh", "args": ["sh", "-c", "test -e proc/self && test -e bin/busybox"]}
    engine.config["hooks"]["createContainer"].append(mounted)
    inside = {"path": "/bin/sh", "args": ["sh", "-c", "test $PWD = /"], "env": ["PWD=/"]}
    engine.config["hooks"]["startContainer"] = [inside]
    engine.ok("run", "--bundle", engine.bundle, "hooked")
    told = dict(line.split() for line in here.read_text().splitlines())
    assert told == {one: str(engine.bundle) for one in host} | {"createContainer": str(rootfs)}


def test_a_poststart_hook_that_fails_ends_the_container(engine: Engine) -> None:
    """runtime.md, "Lifecycle", 9."""
    engine.config["process"]["args"] = ["sleep", "1000"]
    engine.config["hooks"] = {"poststart": [{"path": "/bin/false"}]}
    pid = engine.create("ended")
    assert "poststart hook #0: /bin/false: " in engine.refused("start", "ended")
    looking.soon(lambda: gone(pid))
    assert engine.status("ended") == "stopped"
    # That is told where the program has ended by itself meanwhile, too.
    engine.config["process"]["args"] = ["true"]
    script = (
        """pid=$(sed 's/.*"pid": *//; s/[^0-9].*//'); """
        "while ! grep -q '^State:.Z' /proc/$pid/status; do sleep 0.01; done; exit 3"
    )
    hook = {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]}
    engine.config["hooks"] = {"poststart": [hook]}
    said = engine.refused("run", "--bundle", engine.bundle, "brief")
    assert "error running poststart hook #0: /bin/sh: exit status 3" in said
    assert engine.left() == ["ended"]


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer", "startContainer"])
def test_a_hook_that_fails_ends_the_container(engine: Engine, kind: str) -> None:
    """runtime.md, "Lifecycle", 4 to 8."""
    failing = engine.bundle / "rootfs/bin/failing"
    failing.write_text("#!/bin/sh\necho because >&2; exit 3\n")
    failing.chmod(0o755)
    path = "/bin/failing" if kind == "startContainer" else str(failing)
    engine.config["hooks"] = {kind: [{"path": path, "env": ["PATH=/bin"]}]}
    said = engine.refused("run", "--bundle", engine.bundle, "hooked")
    assert f"error running {kind} hook #0: " in said and "exit status 3: because" in said
    assert engine.left() == []


def test_a_hook_has_its_time(engine: Engine) -> None:
    engine.config["hooks"] = {
        "createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}]
    }
    assert "longer than 1 second" in engine.refused("run", "--bundle", engine.bundle, "hooked")


def test_a_container_in_a_user_namespace(engine: Engine) -> None:
    """config-linux.md, "User namespace mappings"."""
    linux = engine.config["linux"]
    linux["namespaces"] += [{"type": "user"}, {"type": "cgroup"}]
    ids = [{"containerID": 0, "hostID": 100_000, "size": 65_536}]
    linux["uidMappings"] = linux["gidMappings"] = ids
    rootfs = engine.bundle / "rootfs"
    os.chown(rootfs, 100_000, 100_000)
    for place in rootfs.iterdir():
        os.chown(place, 100_000, 100_000)
    os.chmod(engine.bundle.parent, 0o755)
    try:
        seen = engine.sh("cat /proc/self/uid_map; id -u; echo >/dev/null && echo writable")
    finally:
        os.chown(rootfs, 0, 0)
    assert seen.split() == ["0", "100000", "65536", "0", "writable"]


def test_exec_adds_a_program_with_a_description_of_its_own(engine: Engine) -> None:
    """runc, `exec --process`, as Podman and Docker call it."""
    engine.config["process"]["args"] = ["sleep", "1000"]
    pid = engine.create("one")
    engine.ok("start", "one")
    description = engine.bundle / "process.json"
    what = {
        "args": ["sh", "-c", "id -u; hostname; grep -c . /proc/1/cmdline; exit 5"],
        "cwd": "/",
        "env": ["PATH=/bin"],
        "user": {"uid": 77, "gid": 77},
    }
    description.write_text(json.dumps(what))
    done = engine("exec", "--process", description, "one")
    assert (done.returncode, done.stdout) == (5, "77\nbundle\n1\n"), done
    what["args"] = ["sleep", "999"]
    description.write_text(json.dumps(what))
    file = engine.bundle / "exec.pid"
    words = ("--process", description, "--detach", "--pid-file", file)
    engine.ok("exec", *words, "one", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    added = int(file.read_text())
    assert os.readlink(f"/proc/{added}/ns/pid") == os.readlink(f"/proc/{pid}/ns/pid")
    assert sorted(json.loads(engine.ok("ps", "--format", "json", "one"))) == sorted([pid, added])
    assert "not found" in engine.refused("exec", "one", "nonsense")
    assert "no directory /is/missing" in engine.refused("exec", "--cwd", "/is/missing", "one", "id")
    assert not (engine.bundle / "rootfs/is").exists()
    what["user"] = {"uid": 2**32 - 1}
    description.write_text(json.dumps(what))
    assert "uid" in engine.refused("exec", "--process", description, "one")
    engine.ok("delete", "--force", "one")
    looking.soon(lambda: gone(added))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"ociVersion": "2.0.0"}, "version"),
        ({"ociVersion": ""}, "ociVersion"),
        ({"ociVersion": None}, "ociVersion"),
        ({"process": []}, "process"),
        ({"root": {"path": "nowhere"}}, "nowhere"),
        ({"root": None}, "root.path"),
        ({"root": {"path": ""}}, "root.path"),
        ({"mounts": [{"destination": "/x", "type": "tmpfs", "options": "ro"}]}, "options"),
        ({"mounts": [{"destination": "/x", "type": "bind", "source": "/no/such"}]}, "/no/such"),
        ({"hostname": "h" * 65}, "hostname"),
        ({"linux": {"namespaces": []}}, "namespace"),
        ({"linux": {"namespaces": [{"type": "mount"}, {"type": "mount"}]}}, "once"),
        ({"linux": {"namespaces": [{"type": "planet"}]}}, "type"),
        ({"linux": {"intelRdt": {"closID": "x"}}}, "intelRdt"),
        ({"hooks": {"poststop": [{"path": "relative"}]}}, "path"),
    ],
)
def test_a_bundle_against_the_spec_is_refused_by_the_field(
    engine: Engine, change: dict[str, Any], word: str
) -> None:
    """config.md, "Valid values": an error, before anything is made."""
    engine.config.update(change)
    engine.config["annotations"] = {"org.example": "kept"}
    assert word in engine.refused("create", "--bundle", engine.bundle, "bad")
    assert engine.left() == []


def test_what_is_no_config_is_said_to_be_none(engine: Engine, tmp_path: Path) -> None:
    for text in ("", "[]", "{", "[" * 100_000, '{"ociVersion": "1.0.0", "x": "\\u0000"}'):
        (tmp_path / "config.json").write_text(text)
        assert engine.refused("create", "--bundle", tmp_path, "bad")
    (tmp_path / "config.json").unlink()
    assert "cannot read" in engine.refused("create", "--bundle", tmp_path, "bad")
    os.mkfifo(tmp_path / "config.json")
    assert "no file" in engine.refused("create", "--bundle", tmp_path, "bad")
    assert engine.left() == []


def test_unknown_fields_and_later_minor_versions_are_passed_over(engine: Engine) -> None:
    """config.md, "Extensibility" and "Specification version"."""
    engine.config.update(ociVersion="1.99.0", unheard={"of": 1})
    engine.config["process"]["unheard"] = True
    engine.config["process"]["capabilities"]["bounding"].append("CAP_OF_TOMORROW")
    log = engine.log
    log.unlink(missing_ok=True)
    words = ("--log", log, "--log-format", "json", "run", "--bundle", engine.bundle, "box")
    assert engine.ok(*words) == "hello\n"
    line = json.loads(log.read_text())
    assert line["level"] == "warning" and "CAP_OF_TOMORROW" in line["msg"]


def test_a_state_that_a_power_cut_has_torn_is_deleted_by_force(engine: Engine) -> None:
    for number, text in enumerate((None, "", "{", "[]", '{"id": "x"}')):
        directory = engine.root / f"torn{number}"
        directory.mkdir(parents=True)
        if text is not None:
            (directory / "state.json").write_text(text)
        assert "damaged" in engine.refused("state", f"torn{number}")
        engine.ok("delete", "--force", f"torn{number}")
    assert engine.left() == []
    assert engine.ok("list", "--quiet") == ""


def test_a_runtime_that_is_killed_leaves_what_delete_takes_away(engine: Engine) -> None:
    """Whatever request it is killed at: init goes with it, until it waits at its gate."""
    script = "from kernelbox.cli.runtime import main; main()"
    for number in (3, 12, 20, 30):
        words = ["--root", str(engine.root), "create", "--bundle", str(engine.bundle), "cut"]
        done = subprocess.run(
            [sys.executable, "-c", script, *words],
            env={**os.environ, "KERNELBOX_BREAK": f"runtime:{number}:SIGKILL"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode in (-signal.SIGKILL, 0), number
        engine.ok("delete", "--force", "cut")
        assert engine.left() == []


def test_what_it_can_do_is_told(engine: Engine) -> None:
    """features.md."""
    told = json.loads(engine.ok("features"))
    assert told["ociVersionMin"] == "1.0.0" and "tmpcopyup" in told["mountOptions"]
    assert "time" in told["linux"]["namespaces"] and told["linux"]["seccomp"]["enabled"]
    assert engine.ok("--version").splitlines()[1].startswith("spec: 1.")


def test_a_config_to_begin_with_is_as_the_spec_wants_it(engine: Engine, tmp_path: Path) -> None:
    """The schemas are the spec's own; what `spec`, `state` and `features` say is by them, too."""
    engine.ok("spec", "--bundle", tmp_path)
    assert "exists" in engine.refused("spec", "--bundle", tmp_path)
    assert "as the spec wants it" in engine.ok("spec", "--check", "--bundle", tmp_path)
    assert checking.problems(CONFIG) == []
    assert checking.problems(json.loads(engine.ok("features")), "features") == []
    engine.config["process"]["args"] = ["true"]
    engine.create("told")
    assert checking.problems(json.loads(engine.ok("state", "told")), "state") == []
    config = json.loads((tmp_path / "config.json").read_text())
    config["mounts"][0]["destination"] = 7
    config["process"]["cwd"] = None
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = engine("spec", "--check", "--bundle", tmp_path)
    assert done.returncode == 1
    assert "mounts[0].destination: 7" in done.stdout and "process.cwd: None" in done.stdout
    config = {**CONFIG, "linux": {**CONFIG["linux"], "intelRdt": {"closID": "x"}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert "intelRdt" in engine.refused("spec", "--check", "--bundle", tmp_path)


def test_a_terminal_in_the_foreground_is_shown_in_ours(engine: Engine) -> None:
    """runc, `run` without --detach: the size, what is typed, and the exit status."""
    engine.config["process"].update(terminal=True, args=["sh", "-c", "tty; read -r word; exit 6"])
    (engine.bundle / "config.json").write_text(json.dumps(engine.config))
    words = ["--root", str(engine.root), "run", "--bundle", str(engine.bundle), "shown"]
    with looking.Terminal([*RUNTIME, *words], dict(os.environ), (24, 80)) as terminal:
        terminal.read("/dev/pts/0")
        terminal.type("word\n")
        assert terminal.end() == 6
    assert engine.left() == []


@pytest.mark.alone  # other tests reset, and read what that says
def test_a_reset_leaves_an_engines_containers_alone_and_says_so(
    engine: Engine, tmp_path: Path
) -> None:
    command = Kernelbox(tmp_path / "root")
    assert command.ok("reset") == "clean: nothing of kernelbox's is left on this host\n"
    engine.config["process"]["args"] = ["sleep", "1000"]
    engine.root = Path("/run/kernelbox-oci")  # as an engine has it that says nothing else
    pid = engine.create("somebodys")
    try:
        said = command.ok("reset")
        assert said.startswith("clean, but for one container of bundles"), said
        assert "kernelbox oci delete --force somebodys" in said
        assert engine.status("somebodys") == "created" and not gone(pid)
    finally:
        engine.ok("delete", "--force", "somebodys")
    assert gone(pid)
