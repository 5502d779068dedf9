"""The OCI runtime of whoever has no power over the host, in three situations.

    inside     root of a user namespace, as whose an engine calls its runtime
    ordinary   a user that calls the runtime itself, for a bundle with a user namespace
    podman     Podman of such a user

What a container has is read in /proc of the host, by root. The user is one that this host does not
know: its files are in a directory that is its own.

Source: runc, docs on rootless containers; tests/integration, `requires rootless`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import looking
from tests.engine import RUNTIME, Engine, RealEngine, gone, lay_root, settings_of_podman

USER = 64_321
LENT = 3_000_000_000  # the first of ids that are lent to it
AS_USER = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups"]
WAITS = ["sleep", "1000"]

pytestmark = pytest.mark.skipif(
    subprocess.run(
        [*AS_USER, "unshare", "--user", "--map-root-user", sys.executable, "-c", "import tests"],
        cwd=Path(__file__).resolve().parent.parent,
        stderr=subprocess.DEVNULL,
        check=False,
    ).returncode
    != 0,
    reason="only root may read this checkout, or make a user namespace",
)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A directory that an ordinary user can reach: pytest's own are root's.

    Its path is short: one of more than 50 bytes is too long for Podman, of which its cleaner says
    nothing to anybody.
    """
    made = Path(tempfile.mkdtemp(prefix="kb-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def give(directory: Path) -> None:
    """Give a directory, with all in it, to the user."""
    subprocess.run(["chown", "-R", f"{USER}:{USER}", str(directory)], check=True)


@contextlib.contextmanager
def holding(*words: str, script: str = "echo ready; read -r never") -> Iterator[int]:
    """Yield the pid of a process that was started so, and stays as it is until the end."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([*words, "sh", "-c", script], text=True, **pipes) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "ready\n"
            yield holder.pid
        finally:
            holder.kill()


def engine_at(directory: Path) -> Engine:
    directory.mkdir()
    made = Engine(directory)
    (directory / "kept").mkdir()
    give(directory)
    return made


def emptied(engine: Engine) -> Iterator[Engine]:
    engine.renew()
    yield engine
    for container in engine.left():
        engine.ok("delete", "--force", container)


@pytest.fixture(scope="module")
def one_inside(home: Path) -> Iterator[Engine]:
    made = engine_at(home / "inside")
    # A mount whose words are locked for who comes into a user namespace later.
    locked = (
        f"mount --bind {home}/inside/kept {home}/inside/kept; "
        f'mount -o remount,bind,ro,nosuid,nodev {home}/inside/kept; exec "$@"'
    )
    outside = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", locked, "-"]
    within = ["unshare", "--user", "--map-root-user", "--mount"]
    with holding(*outside, *AS_USER, *within) as pid:
        made.runtime = [
            *AS_USER, "nsenter", "--target", str(pid), "--user", "--mount",
            "--preserve-credentials", *RUNTIME,
        ]  # fmt: skip
        yield made


@pytest.fixture
def inside(one_inside: Engine) -> Iterator[Engine]:
    """An engine that is root of a user namespace."""
    yield from emptied(one_inside)


@pytest.fixture(scope="module")
def one_ordinary(home: Path) -> Engine:
    made = engine_at(home / "ordinary")
    made.runtime = [*AS_USER, *RUNTIME]
    return made


@pytest.fixture
def ordinary(one_ordinary: Engine) -> Iterator[Engine]:
    """An engine that is an ordinary user, whose bundles map its own id alone."""
    one_ordinary.renew()
    for engine in emptied(one_ordinary):
        map_ids(engine, (0, USER, 1))
        yield engine


def map_ids(engine: Engine, *lines: tuple[int, int, int]) -> None:
    linux = engine.config["linux"]
    if {"type": "user"} not in linux["namespaces"]:
        linux["namespaces"].append({"type": "user"})
    for key in ("uidMappings", "gidMappings"):
        linux[key] = [
            dict(zip(("containerID", "hostID", "size"), line, strict=True)) for line in lines
        ]


def mounted(pid: int) -> dict[str, looking.Mount]:
    """Return what is mounted in a container, by place; the last counts."""
    return {one.point: one for one in looking.mounts(pid)}


def groups_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text()


def refused(engine: Engine, *words: str | Path) -> str:
    """Run what is refused, in one line; nothing is left of it."""
    before = engine.left()
    told = engine.refused(*words)
    assert engine.left() == before
    return told


def run(engine: Engine) -> str:
    return engine.ok("run", "--bundle", engine.bundle, "box").strip()


def test_what_is_refused_inside_a_user_namespace_has_something_in_its_place(inside: Engine) -> None:
    process, linux = inside.config["process"], inside.config["linux"]
    process.update(args=WAITS, oomScoreAdj=-900)
    process["user"]["additionalGids"] = [7]
    linux["namespaces"] = [one for one in linux["namespaces"] if one["type"] != "network"]
    linux["resources"] = {"devices": [{"allow": False, "access": "rwm"}], "memory": {"limit": 0}}
    inside.config["mounts"][2]["options"].append("gid=5")
    inside.config["mounts"] += [
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "rw"]},
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["rw"]},
    ]
    pid = inside.create("box")
    inside.ok("start", "box")
    assert groups_of(pid) == groups_of(os.getpid())
    there = mounted(pid)
    assert there["/dev/null"].kind == "devtmpfs" and there["/dev/pts"].kind == "devpts"
    assert os.stat(f"/proc/{pid}/root/dev/null").st_rdev == os.stat("/dev/null").st_rdev
    assert "gid=" not in there["/dev/pts"].super_options
    assert there["/sys"].kind == "sysfs" and "ro" in there["/sys"].options
    assert "ro" in there["/sys/fs/cgroup"].options
    own = Path("/proc/self/oom_score_adj").read_text()
    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == own
    assert Path(f"/proc/{pid}/setgroups").read_text() == "deny\n"
    assert os.stat(f"/proc/{pid}").st_uid == USER


def test_a_life_without_a_control_group(inside: Engine) -> None:
    """`ps`, `kill` and `delete` find who is in it; what only a group can do is a line."""
    inside.config["process"]["args"] = ["sh", "-c", "sleep 999 & exec sleep 1000"]
    pid = inside.create("box")
    assert inside.ok("exec", "box", "id", "-u") == "0\n"  # the runtime may look into what it made
    inside.ok("start", "box")
    number = inside.bundle / "exec-pid"
    lost = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    inside.ok("exec", "--detach", "--pid-file", number, "box", "sleep", "998", **lost)
    assert looking.soon(lambda: len(json.loads(inside.ok("ps", "--format", "json", "box"))) == 3)
    seen = json.loads(inside.ok("ps", "--format", "json", "box"))
    assert {pid, int(number.read_text())} < set(seen)
    assert len({os.readlink(f"/proc/{one}/ns/pid") for one in seen}) == 1
    for verb, *rest in (("pause",), ("update", "--memory", "9000000"), ("events", "--stats")):
        assert "control group" in (told := inside.refused(verb, *rest, "box")) or "cgroup" in told
    assert inside.status("box") == "running"
    inside.ok("kill", "--all", "box", "KILL")
    assert inside.ok("ps", "--format", "json", "box") == "[]\n"
    assert inside.status("box") == "stopped" and all(gone(one) for one in seen)
    inside.ok("delete", "box")
    assert inside.left() == []


@pytest.mark.parametrize("end", ["kill box KILL", "kill --all box KILL", "delete --force box"])
def test_without_a_pid_namespace_its_processes_are_found(inside: Engine, end: str) -> None:
    """Also one that has lost its parent."""
    linux = inside.config["linux"]
    linux["namespaces"] = [one for one in linux["namespaces"] if one["type"] != "pid"]
    inside.config["mounts"] = inside.config["mounts"][1:]  # its /proc would be another's
    linux["maskedPaths"] = linux["readonlyPaths"] = []
    inside.config["process"]["args"] = ["sh", "-c", "(sleep 998 &); sleep 999 & sleep 1000"]
    pid = inside.create("box")
    inside.ok("start", "box")
    assert looking.soon(lambda: len(json.loads(inside.ok("ps", "--format", "json", "box"))) == 3)
    seen = json.loads(inside.ok("ps", "--format", "json", "box"))
    inside.ok(*end.split())
    assert pid in seen and all(gone(one) for one in seen)


@pytest.mark.vm
@pytest.mark.parametrize(
    ("resources", "named"),
    [
        ({"memory": {"limit": 1 << 26}}, "cannot set memory limit"),
        ({"pids": {"limit": 10}}, "cannot set pids limit"),
        ({"cpu": {"quota": 1000}}, "cannot set cpu limit"),
    ],
)
def test_a_limit_without_a_control_group_is_named(
    inside: Engine, resources: dict[str, Any], named: str
) -> None:
    """runc, "runc create (limits + no cgrouppath + no permission on the cgroup dir) fails"."""
    inside.config["linux"]["resources"] = resources
    told = refused(inside, "create", "--bundle", inside.bundle, "box")
    assert f"{named}: container could not join or create cgroup" in told


def test_a_group_that_is_asked_for_is_no_wish(inside: Engine) -> None:
    """runc, "(no limits + cgrouppath + no permission on the cgroup dir) fails"; `--rootless`."""
    assert run(inside) == "hello"
    words = ("run", "--bundle", inside.bundle, "box")
    assert "none of auto" in refused(inside, "--rootless", "perhaps", *words)
    assert "EACCES" in refused(inside, "--rootless", "false", *words)
    assert inside.ok("--rootless", "true", *words) == "hello\n"
    inside.config["linux"]["cgroupsPath"] = "/of/somebody"
    assert "EACCES" in refused(inside, *words)


def test_a_mount_keeps_the_words_that_are_locked(inside: Engine) -> None:
    """mount_namespaces(7), "Restrictions ..."; runc, "cannot clear locked flags"."""
    kept = str(inside.bundle.parent / "kept")
    bind: dict[str, Any] = {"destination": "/kept", "type": "bind", "source": kept}
    inside.config["process"]["args"] = WAITS
    inside.config["mounts"].append({**bind, "options": ["rbind", "noexec", "relatime"]})
    pid = inside.create("box")
    assert mounted(pid)["/kept"].options >= {"ro", "nosuid", "nodev", "noexec"}
    inside.ok("delete", "--force", "box")
    inside.config["mounts"][-1] = {**bind, "options": ["rbind", "rw", "dev"]}
    told = refused(inside, "create", "--bundle", inside.bundle, "box")
    assert "EPERM" in told and "it is ro, nodev, and so it stays" in told


def test_namespaces_of_another_container_are_joined_for_good(inside: Engine) -> None:
    """As in a pod: whoever is in there does not come back, and need not."""
    inside.config["process"]["args"] = WAITS
    first = inside.create("first")
    for one in inside.config["linux"]["namespaces"]:
        if one["type"] in ("network", "ipc", "uts"):
            name = {"network": "net"}.get(one["type"], one["type"])
            one["path"] = f"/proc/{first}/ns/{name}"
    del inside.config["hostname"]
    inside.config["linux"]["namespaces"].append({"type": "time"})
    inside.config["linux"]["timeOffsets"] = {"boottime": {"secs": 5000}}
    second = inside.create("second")
    for kind, same in (("net", 1), ("ipc", 1), ("uts", 1), ("mnt", 2), ("pid", 2), ("time", 2)):
        assert len({os.readlink(f"/proc/{pid}/ns/{kind}") for pid in (first, second)}) == same, kind
    inside.ok("start", "second")
    assert inside.ok("exec", "second", "hostname") == "bundle\n"


def test_an_ordinary_users_container(ordinary: Engine) -> None:
    """Its whole life, without root anywhere on the way."""
    process = ordinary.config["process"]
    process.update(args=["sh", "-c", "echo begun >/begun; exec sleep 1000"])
    pid = ordinary.create("box")
    assert ordinary.status("box") == "created"
    assert Path(f"/proc/{pid}/uid_map").read_text().split() == ["0", str(USER), "1"]
    assert groups_of(pid) == groups_of(os.getpid()) and ordinary.groups("box") == []
    for kind in ("user", "pid", "net", "ipc", "uts", "mnt"):
        assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"), kind
    assert not (ordinary.bundle / "rootfs/begun").exists()
    assert ordinary.ok("exec", "box", "sh", "-c", "id -u; hostname") == "0\nbundle\n"
    # Who waits has all capabilities there, and shows nothing to who has fewer.
    look = "cat /proc/1/environ || cat /proc/1/exe || cat /proc/1/fd/0 || echo hidden"
    assert ordinary.ok("exec", "box", "sh", "-c", f"({look}) 2>/dev/null") == "hidden\n"
    ptrace = ("exec", "--cap", "CAP_SYS_PTRACE", "box", "true")
    assert "waits for its start" in ordinary.refused(*ptrace)
    assert ordinary.status("box") == "created"
    ordinary.ok("start", "box")
    begun = ordinary.bundle / "rootfs/begun"
    assert looking.soon(begun.exists)
    assert begun.stat().st_uid == os.stat(f"/proc/{pid}").st_uid == USER
    assert ordinary.ok("exec", "box", "sh", "-c", "id -u; hostname") == "0\nbundle\n"
    assert ordinary.ok("exec", "--tty", "box", "tty").strip() == "/dev/pts/0"
    assert json.loads(ordinary.ok("ps", "--format", "json", "box")) == [pid]
    assert [one["id"] for one in json.loads(ordinary.ok("list", "--format", "json"))] == ["box"]
    ordinary.ok("kill", "box", "TERM")  # the first of a PID namespace hears none that it can miss
    ordinary.ok("kill", "box", "KILL")
    assert looking.soon(lambda: gone(pid))
    assert ordinary.status("box") == "stopped"
    ordinary.ok("delete", "box")
    assert ordinary.left() == []


def test_where_no_control_groups_are_to_be_seen_there_is_none(ordinary: Engine) -> None:
    """As in many a container: nothing is mounted at /sys/fs/cgroup."""
    hidden = ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
              'umount -R -l /sys/fs/cgroup; exec "$@"', "-"]  # fmt: skip
    plain, ordinary.runtime = ordinary.runtime, [*hidden, *ordinary.runtime]
    try:
        assert run(ordinary) == "hello"
        ordinary.config["linux"]["resources"] = {"pids": {"limit": 10}}
        assert "cannot set pids limit" in refused(ordinary, "run", "-b", ordinary.bundle, "box")
    finally:
        ordinary.runtime = plain


def two_that_share(engine: Engine, *kinds: str) -> tuple[int, int]:
    """Start `first`, and `second` in namespaces of its; return the pids of both."""
    engine.config["process"]["args"] = WAITS
    first = engine.create("first")
    engine.ok("start", "first")
    linux = engine.config["linux"]
    for one in linux["namespaces"]:
        if one["type"] in kinds:
            one["path"] = f"/proc/{first}/ns/{one['type'].removesuffix('work')}"
    del linux["uidMappings"], linux["gidMappings"]
    second = engine.create("second")
    if {"user", "pid"} & {*kinds}:
        assert "waits for its start" in engine.refused("exec", "second", "true")
    engine.ok("start", "second")
    return first, second


@pytest.mark.parametrize(
    "end", ["kill second KILL", "kill --all second KILL", "delete --force second"]
)
def test_the_end_of_one_container_of_a_pod_is_not_that_of_another(
    ordinary: Engine, end: str
) -> None:
    """They share a PID namespace: who is in it may be anybody's."""
    first, second = two_that_share(ordinary, "pid", "user")
    number = ordinary.bundle / "exec-pid"
    lost = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    ordinary.ok("exec", "--detach", "--pid-file", number, "second", *WAITS, **lost)
    added = int(number.read_text())
    assert json.loads(ordinary.ok("ps", "--format", "json", "second")) == sorted([second, added])
    ordinary.ok(*end.split())
    assert looking.soon(lambda: gone(second)) and looking.soon(lambda: gone(added))
    assert ordinary.status("first") == "running" and not gone(first)


def test_an_ordinary_user_joins_what_is_its_own(ordinary: Engine) -> None:
    first, second = two_that_share(ordinary, "network", "user")
    for kind, same in (("user", 1), ("net", 1), ("mnt", 2), ("pid", 2)):
        assert len({os.readlink(f"/proc/{pid}/ns/{kind}") for pid in (first, second)}) == same, kind
    assert ordinary.ok("exec", "second", "id", "-u") == "0\n"


def test_a_users_own_files_are_its_roots_and_others_are_nobodys(ordinary: Engine) -> None:
    kept = ordinary.bundle.parent / "kept"
    for name, owner in (("mine", USER), ("roots", 0)):
        (kept / name).write_text(name)
        (kept / name).chmod(0o600)
        os.chown(kept / name, owner, owner)
    ordinary.config["mounts"].append(
        {"destination": "/kept", "type": "bind", "source": str(kept), "options": ["rbind"]}
    )
    ordinary.config["process"]["args"] = ["sh", "-c", "cat /kept/*; stat -c %u /kept/*"]
    done = ordinary("run", "--bundle", ordinary.bundle, "box")
    assert done.stdout.split() == ["mine0", "65534"] and "ermission denied" in done.stderr


def test_hooks_of_the_runtime_are_in_its_namespaces(ordinary: Engine) -> None:
    """config.md, "POSIX-platform Hooks": the user is no root there, and inside its root is."""
    told = ordinary.bundle / "told"
    told.mkdir()
    give(told)
    script = "readlink /proc/self/ns/user /proc/self/ns/mnt >{}"
    ordinary.config["hooks"] = {
        kind: [{"path": "/bin/sh", "args": ["sh", "-c", script.format(told / kind)],
                "env": ["PATH=/usr/bin:/bin"]}]
        for kind in ("createRuntime", "createContainer", "poststop")
    }  # fmt: skip
    ordinary.config["process"]["args"] = WAITS
    pid = ordinary.create("box")

    def of(process: object) -> list[str]:
        return [os.readlink(f"/proc/{process}/ns/{kind}") for kind in ("user", "mnt")]

    assert (told / "createRuntime").read_text().split() == of("self")
    assert (told / "createContainer").read_text().split() == of(pid)
    ordinary.ok("delete", "--force", "box")
    assert (told / "poststop").read_text().split() == of("self")


def test_the_config_to_begin_with_runs(ordinary: Engine) -> None:
    """`spec --rootless`; runc, specconv.ToRootless()."""
    path = ordinary.bundle / "config.json"
    ordinary.ok("features")  # writes the one that is there
    path.unlink()
    give(ordinary.bundle)
    words = [*ordinary.runtime, "spec", "--bundle", str(ordinary.bundle)]
    subprocess.run([*words, "--rootless"], check=True)
    subprocess.run([*words, "--check"], check=True, stdout=subprocess.DEVNULL)
    ordinary.config = json.loads(path.read_text())
    ordinary.config["process"].update(terminal=False, args=["sh", "-c", "id -u; ls /sys/class/net"])
    assert run(ordinary).split() == ["0", *sorted(os.listdir("/sys/class/net"))]


@pytest.mark.parametrize("what", ["user namespace", "additionalGids", "clocks", "idmap"])
def test_what_an_ordinary_user_cannot_have_is_said(ordinary: Engine, what: str) -> None:
    linux = ordinary.config["linux"]
    if what == "user namespace":
        linux["namespaces"] = [one for one in linux["namespaces"] if one["type"] != "user"]
        del linux["uidMappings"], linux["gidMappings"]
    elif what == "additionalGids":
        ordinary.config["process"]["user"]["additionalGids"] = [7]
    elif what == "clocks":
        linux["namespaces"].append({"type": "time"})
    else:
        ordinary.config["mounts"].append(
            {"destination": "/kept", "type": "bind", "source": "../kept", "options": ["idmap"]}
        )
    told = refused(ordinary, "create", "--bundle", ordinary.bundle, "box")
    assert what in told


def test_what_stands_in_for_a_device_is_that_device(ordinary: Engine) -> None:
    device = {"path": "/etc/hostname", "type": "c", "major": 1, "minor": 3}
    ordinary.config["linux"]["devices"] = [device]
    told = refused(ordinary, "run", "--bundle", ordinary.bundle, "box")
    assert "/etc/hostname of this host is not the device 1:3" in told
    device.update(path="/dev/zero")
    assert "not the device" in refused(ordinary, "run", "--bundle", ordinary.bundle, "box")


def test_an_id_without_a_map_is_said_to_be_one(ordinary: Engine) -> None:
    ordinary.config["process"]["user"] = {"uid": 5, "gid": 0}
    told = refused(ordinary, "run", "--bundle", ordinary.bundle, "box")
    assert "no uid 5 in the container's user namespace" in told


@pytest.mark.skipif(not shutil.which("newuidmap"), reason="uidmap is not installed")
def test_ids_that_root_has_lent_are_mapped(ordinary: Engine, tmp_path: Path) -> None:
    """newuidmap(1), subuid(5): for a name, which only a mount namespace of this test's knows."""
    (tmp_path / "passwd").write_text(f"ann:x:{USER}:{USER}::/:/bin/sh\n")
    for file in ("subuid", "subgid"):
        (tmp_path / file).write_text(f"ann:{LENT}:1000\n")
    binds = "; ".join(
        f"touch /etc/{file}; mount --bind {tmp_path}/{file} /etc/{file}"
        for file in ("passwd", "subuid", "subgid")
    )
    private = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", f'{binds}; exec "$@"',
               "-"]  # fmt: skip
    plain = ordinary.runtime
    ordinary.runtime = [*private, *plain]
    try:
        map_ids(ordinary, (0, USER, 1), (1, LENT, 999))
        ordinary.config["process"].update(args=WAITS)
        ordinary.config["process"]["user"] = {"uid": 5, "gid": 6, "additionalGids": [7]}
        pid = ordinary.create("box")
        ordinary.ok("start", "box")
        assert Path(f"/proc/{pid}/uid_map").read_text().split()[3:] == ["1", str(LENT), "999"]
        found = os.stat(f"/proc/{pid}")
        assert (found.st_uid, found.st_gid) == (LENT + 4, LENT + 5)
        status = Path(f"/proc/{pid}/status").read_text()
        assert f"Groups:\t{LENT + 6} \n" in status
        assert ordinary.ok("exec", "box", "id", "-u") == "5\n"
        ordinary.ok("kill", "box", "KILL")
        looking.soon(lambda: gone(pid))
        ordinary.ok("delete", "box")
        # Its root may be somebody else, who may not come to the bundle.
        map_ids(ordinary, (0, LENT, 1000))
        ordinary.bundle.chmod(0o700)
        ordinary.config["process"].update(args=["id", "-u"], user={"uid": 0, "gid": 0})
        assert run(ordinary) == "0"
        map_ids(ordinary, (0, LENT + 5000, 1000))
        told = refused(ordinary, "run", "--bundle", ordinary.bundle, "box")
        assert "newuidmap refuses the map" in told and "/etc/subuid" in told
    finally:
        ordinary.bundle.chmod(0o755)
        ordinary.runtime = plain


def test_a_missing_newuidmap_is_said_to_be_missing(ordinary: Engine) -> None:
    map_ids(ordinary, (0, USER, 1), (1, LENT, 999))
    told = _without_path(ordinary)
    assert "newuidmap" in told and "apt-get install uidmap" in told
    assert ordinary.left() == []


def _without_path(engine: Engine) -> str:
    runtime = engine.runtime
    engine.runtime = [*AS_USER, "env", f"PATH={engine.bundle}", *RUNTIME]
    try:
        return engine.refused("run", "--bundle", engine.bundle, "box")
    finally:
        engine.runtime = runtime


def test_a_users_states_are_its_own(ordinary: Engine) -> None:
    """runc, shouldHonorXDGRuntimeDir()."""
    own = ordinary.bundle.parent / "run"
    own.mkdir()
    give(own)
    ordinary.config["process"]["args"] = WAITS
    ordinary.ok("features")
    words = [*AS_USER, "env", f"XDG_RUNTIME_DIR={own}", *RUNTIME]
    lost: dict[str, Any] = {"stdout": subprocess.DEVNULL, "check": True}
    subprocess.run([*words, "create", "--bundle", str(ordinary.bundle), "box"], **lost)
    assert os.listdir(own / "kernelbox-oci") == ["box"]
    assert (own / "kernelbox-oci").stat().st_mode & 0o777 == 0o700
    subprocess.run([*words, "delete", "--force", "box"], **lost)
    assert os.listdir(own / "kernelbox-oci") == []


@pytest.mark.parametrize(("owner", "mode"), [(0, 0o755), (USER, 0o777), (USER, 0o770)])
def test_states_are_nowhere_where_others_may_write(ordinary: Engine, owner: int, mode: int) -> None:
    """What is known of a container names hooks: whoever exchanges it is the user."""
    shared = ordinary.bundle.parent / f"shared-{owner}-{mode:o}"
    shared.mkdir()
    shared.chmod(mode)
    os.chown(shared, owner, owner)
    (shared / "kernelbox-oci").mkdir(0o777)
    words = [*AS_USER, "env", f"XDG_RUNTIME_DIR={shared}", *RUNTIME, "list"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "is not yours alone" in done.stderr


def test_who_has_no_place_for_states_is_told_so(ordinary: Engine) -> None:
    """XDG Base Directory Specification: what is not set names nothing; /run is root's."""
    bare = [*AS_USER, "env", "-u", "XDG_RUNTIME_DIR", *RUNTIME]
    for words in (["list"], ["state", "box"], ["create", "--bundle", str(ordinary.bundle), "box"]):
        done = subprocess.run([*bare, *words], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert "XDG_RUNTIME_DIR is not set" in done.stderr and done.stderr.count("\n") == 1
    place = ordinary.bundle.parent
    for closed in ("roots", "roots/box"):
        (place / "roots/box").mkdir(parents=True, exist_ok=True)
        (place / "roots/box/state.json").write_text("{}")
        (place / closed).chmod(0o700)
        for words in (["list"], ["state", "box"]):
            asked = [*AS_USER, *RUNTIME, "--root", str(place / "roots"), *words]
            done = subprocess.run(asked, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout) == (1, ""), done
            assert f"may not look into {place / closed}: permission denied" in done.stderr
            assert done.stderr.count("\n") == 1
        (place / closed).chmod(0o755)


class Podman(RealEngine):
    """Podman of an ordinary user, in namespaces that end with this: also its own process does."""

    def __init__(self, home: Path, holder: int) -> None:
        self.root = Path(f"/proc/{holder}/root")
        home.mkdir()
        settings = settings_of_podman(home)
        (home / "run").mkdir(0o700)
        lay_root(home / "rootfs")
        give(home)
        self.command = [
            "nsenter", f"--mount=/proc/{holder}/ns/mnt",
            f"--pid=/proc/{holder}/ns/pid_for_children", *AS_USER, "env",
            "USER=ann", f"HOME={home}", f"XDG_RUNTIME_DIR={home}/run",
            f"CONTAINERS_CONF={settings}", "podman", "--storage-driver", "vfs",
        ]  # fmt: skip
        packed = ["tar", "-C", str(home / "rootfs"), "--owner", "0", "--group", "0", "-c", "."]
        image = subprocess.run(packed, stdout=subprocess.PIPE, check=True).stdout
        done = self.call("import", "--quiet", "-", "box:1", input=image)
        assert done.returncode == 0, done

    def call(self, *words: str, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*self.command, *words], input=input, capture_output=True, timeout=120, check=False,
            cwd="/",
        )  # fmt: skip

    def proc(self, container: str) -> Path:
        """Return the directory in /proc of a container's first process."""
        pid = self.ok("inspect", container, "--format", "{{.State.Pid}}")
        return self.root / "proc" / pid


@pytest.fixture(scope="module")
def one_podman(home: Path) -> Iterator[Podman]:
    words = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
             "--mount-proc")  # fmt: skip
    # The first of a PID namespace has to ask for the end of orphans, as of conmon.
    reaps = (
        "sleep infinity & until read -r name </proc/$!/comm && [ $name = sleep ]; do :; done; "
        "echo ready; wait"
    )
    with holding(*words, script=reaps) as holder:
        yield Podman(home / "podman", holder)


@pytest.fixture
def podman(one_podman: Podman) -> Iterator[Podman]:
    """Podman, and after the test no container."""
    yield one_podman
    one_podman.ok("rm", "--all", "--force", "--time", "0")


needs_podman = pytest.mark.skipif(not shutil.which("podman"), reason="podman is not installed")


@needs_podman
def test_podman_of_an_ordinary_user(podman: Podman) -> None:
    status, out, err = podman("run", "--rm", "box:1", "sh", "-c", "id -u; exit 7")
    assert (status, out) == (7, "0"), err
    assert podman.ok("run", "--rm", "--tty", "box:1", "tty") == "/dev/pts/0"
    assert podman("run", "--rm", "box:1", "nonsense")[0] == 127
    waits = "echo begun; trap 'exit 3' TERM; while :; do sleep 0.1; done"
    check = ("--health-cmd", "echo fine", "--health-interval", "disable")
    podman.ok("run", "--detach", "--name", "life", *check, "box:1", "sh", "-c", waits)
    found = podman.proc("life")
    assert os.stat(found).st_uid == USER
    assert (found / "uid_map").read_text().split() == ["0", str(USER), "1"]
    assert os.readlink(found / "ns/user") != os.readlink("/proc/self/ns/user")
    assert looking.soon(lambda: podman.ok("logs", "life") == "begun")
    assert podman("exec", "life", "sh", "-c", "exit 4")[0] == 4
    assert podman.ok("exec", "--tty", "life", "tty").startswith("/dev/pts/")
    podman.ok("healthcheck", "run", "life")
    assert "sleep" in podman.ok("top", "life")
    podman.ok("kill", "--signal", "TERM", "life")
    assert podman.ok("wait", "life") == "3"


@needs_podman
def test_podman_of_an_ordinary_user_has_pods_and_volumes(podman: Podman, home: Path) -> None:
    options = ("--read-only", "--tmpfs", "/tmp", "--hostname", "named", "--user", "0",
               "--cap-drop", "all", "--volume", f"{home}/podman/rootfs:/kept:ro")  # fmt: skip
    script = "hostname; touch /tmp/x /kept/x; ls /kept/bin/busybox; grep CapEff /proc/self/status"
    out = podman.ok("run", "--rm", *options, "box:1", "sh", "-c", f"{script}; true").split()
    assert out == ["named", "/kept/bin/busybox", "CapEff:", f"{0:016x}"]
    podman.ok("pod", "create", "--name", "pod", "--network", "none", "--infra-image", "box:1",
              "--infra-command", "sleep 1000")  # fmt: skip
    try:
        for name in ("one", "two"):
            podman.ok("run", "--detach", "--pod", "pod", "--name", name, "box:1", *WAITS)
        both = podman.proc("one"), podman.proc("two")
        for kind, number in (("net", 1), ("ipc", 1), ("uts", 1), ("mnt", 2)):
            assert len({os.readlink(one / "ns" / kind) for one in both}) == number, kind
    finally:
        podman.ok("pod", "rm", "--force", "--time", "0", "pod")
