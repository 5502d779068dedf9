"""Docker with kernelbox as its runtime: what dockerd, containerd and their shim really ask.

All of them live in mount, network and PID namespaces of these tests, where /run is a file system in
memory and what they write to /etc is in it, too: with its first process all of that is gone. Rules
of a packet filter are left alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import looking
from tests.engine import RealEngine, lay_root

# labs-vm/provision.sh unpacks the package there where Docker is not installed.
UNPACKED = Path(__file__).parents[1] / ".docker"
WHERE = f"{UNPACKED}/usr/bin:{UNPACKED}/usr/sbin:{os.environ['PATH']}"
DOCKERD = shutil.which("dockerd", path=WHERE)

pytestmark = pytest.mark.skipif(not DOCKERD, reason="dockerd is not there: make setup FOR=test")

PRIVATE = """
mount -t tmpfs tmpfs /run; mkdir /run/lock /run/upper /run/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work /etc
switch=/sys/module/apparmor/parameters/enabled
[ ! -e $switch ] || mount --bind /dev/null $switch  # it would load a profile of its own
ip link set lo up
exec "$@"
"""
# Neither root nor a container may have more than this machine's hard limits.
LIMITS = ("--ulimit", "nofile=1024:1024")


class Docker(RealEngine):
    """dockerd, in namespaces of its own.

    Attributes:
        proc: The /proc that it sees, as a directory here.
    """

    def __init__(self, directory: Path) -> None:
        runtime = directory / "kernelbox-runtime"
        runtime.write_text(f"#!{sys.executable}\nfrom kernelbox.cli.runtime import main\nmain()\n")
        runtime.chmod(0o755)
        words = [
            "--data-root", "/run/data", "--exec-root", "/run/docker", "--pidfile", "/run/pid",
            "--host", "unix:///run/docker.sock", "--storage-driver", "vfs", "--iptables=false",
            "--ip-forward=false", "--userland-proxy=false", "--bip", "172.31.251.1/24",
            "--exec-opt", "native.cgroupdriver=cgroupfs",
            "--cgroup-parent", f"/kernelbox/docker-{os.getpid()}",
            "--init-path", shutil.which("tini-static") or "/usr/bin/tini-static",
            "--add-runtime", f"kernelbox={runtime}", "--default-runtime", "kernelbox",
        ]  # fmt: skip
        self.log = directory / "dockerd.log"
        self.environment = {**os.environ, "PATH": WHERE, "DOCKER_CONFIG": str(directory)}
        with self.log.open("w") as log:
            self.holder = subprocess.Popen(
                ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
                 "--propagation", "private", "sh", "-ec", PRIVATE, "sh", "dockerd", *words],
                env=self.environment, stdout=log, stderr=log,
            )  # fmt: skip
        looking.soon(lambda: "API listen on" in self.log.read_text() or self.holder.poll())
        assert self.holder.poll() is None, self.log.read_text()
        (self.first,) = looking.descendants(self.holder.pid)[:1]
        self.proc = Path(f"/proc/{self.first}/root/proc")
        lay_root(directory / "rootfs")
        packed = subprocess.run(
            ["tar", "-C", directory / "rootfs", "-c", "."], stdout=subprocess.PIPE, check=True
        ).stdout
        done = self.call("import", "-", "box:1", input=packed)
        assert done.returncode == 0, done

    def call(self, *words: str, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["nsenter", f"--mount=/proc/{self.first}/ns/mnt", "docker", *words],
            env=self.environment, input=input, capture_output=True, timeout=120, check=False,
        )  # fmt: skip

    def told(self, container: str, form: str) -> str:
        return self.ok("inspect", "--format", form, container)

    def process(self, container: str) -> Path:
        """Return the directory in /proc of a container's first process."""
        return self.proc / self.told(container, "{{.State.Pid}}")

    def outer(self, container: str) -> int:
        """Return the pid of a container's first process, as the host counts."""
        inner = self.told(container, "{{.State.Pid}}")
        (found,) = [
            pid
            for pid in looking.descendants(self.holder.pid)
            if looking.status(pid)["NSpid"].split()[1:2] == [inner]
        ]
        return found

    def close(self) -> None:
        self.holder.kill()  # and with it, process 1 of the namespace
        self.holder.wait()


def groups_of_docker(container: str) -> list[Path]:
    """Return the control groups of a container, or those that all of them are in."""
    places = (
        Path(one.point) / f"kernelbox/docker-{os.getpid()}/{container}"
        for one in looking.mounts()
        if "cgroup" in one.kind
    )
    return [place for place in places if place.is_dir()]


@pytest.fixture(scope="module")
def one_docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    made = Docker(tmp_path_factory.mktemp("docker"))
    yield made
    made.close()
    assert groups_of_docker("") == []


@pytest.fixture
def docker(one_docker: Docker) -> Iterator[Docker]:
    """Docker, and after the test no container."""
    yield one_docker
    if left := one_docker.ok("ps", "--all", "--quiet").split():
        one_docker.ok("rm", "--force", "--volumes", *left)


def test_a_program_runs_and_its_exit_status_comes_back(docker: Docker) -> None:
    status, out, _ = docker("run", "--rm", *LIMITS, "box:1", "sh", "-c", "echo hello; exit 7")
    assert (status, out) == (7, "hello")
    status, _, err = docker("run", "--rm", *LIMITS, "box:1", "nonsense")
    assert status == 127 and "not found" in err
    status, _, err = docker("run", "--rm", *LIMITS, "box:1", "/etc/hostname")
    assert status == 126 and "permission denied" in err
    status, out, _ = docker("run", "--rm", "--tty", *LIMITS, "box:1", "tty")
    assert (status, out) == (0, "/dev/pts/0")
    done = docker.call("run", "--rm", "--interactive", *LIMITS, "box:1", "cat", input=b"typed")
    assert done.stdout == b"typed", done


def test_a_container_has_what_is_asked_for(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("a note")
    tmp_path.chmod(0o755)
    script = (
        "id; cat /data/note; touch /data/x || touch /kept/x && ls /kept; hostname; pwd; "
        "cat /proc/sys/net/ipv4/ip_forward; ulimit -n; grep -E 'CapBnd|NoNew|Seccomp:' "
        "/proc/self/status; touch /x || touch /tmp/x; stat -c %t:%T /dev/zz"
    )
    options = (
        "--read-only --user 5:6 --group-add 9 --hostname named --ulimit nofile=300:300 "
        "--cap-drop all --cap-add net_raw --security-opt no-new-privileges --tmpfs /tmp "
        "--sysctl net.ipv4.ip_forward=1 --workdir /etc --device /dev/zero:/dev/zz "
        f"--volume {tmp_path}:/data:ro --tmpfs /kept"
    ).split()
    status, out, err = docker("run", "--rm", *options, "box:1", "sh", "-c", script)
    assert status == 0 and err.count("touch:") == 2, (out, err)
    assert re.search(r"uid=5.* gid=6.* groups=.*\b9\b", out)
    words = out.split()
    assert "note" in out and {"named", "300", "/etc", "1:5"} <= set(words)
    assert f"{1 << 13:016x}" in words  # net_raw alone
    assert "NoNewPrivs:\t1" in out and "Seccomp:\t2" in out


def test_a_network_that_a_hook_has_wired(docker: Docker) -> None:
    """Docker moves a cable's end in from a hook; and shares namespaces by bind-mounted files."""
    docker.ok("run", "--detach", "--name", "wired", *LIMITS, "box:1", "sleep", "1000")
    address = docker.told("wired", "{{.NetworkSettings.IPAddress}}")
    table = (docker.process("wired") / "net/fib_trie").read_text()
    assert address and f"|-- {address}\n" in table
    shared = ("--network", "container:wired", "--pid", "container:wired", "--ipc", "host")
    docker.ok("run", "--detach", "--name", "guest", *shared, *LIMITS, "box:1", "sleep", "1000")
    dockers = docker.proc / "1/ns"
    here, there = docker.process("wired") / "ns", docker.process("guest") / "ns"
    assert os.readlink(here / "net") == os.readlink(there / "net")
    assert os.readlink(here / "pid") == os.readlink(there / "pid")
    assert os.readlink(there / "ipc") == os.readlink(dockers / "ipc") != os.readlink(here / "ipc")
    hosts = ("--network", "host", "--pid", "host", "--uts", "host")
    docker.ok("run", "--detach", "--name", "host", *hosts, *LIMITS, "box:1", "sleep", "1000")
    for kind in ("net", "pid", "uts"):
        place = docker.process("host") / "ns" / kind
        assert os.readlink(place) == os.readlink(dockers / kind), kind
    docker.ok("rm", "--force", "guest", "host")
    assert docker.told("wired", "{{.State.Running}}") == "true"


def test_a_life_from_start_to_removal(docker: Docker) -> None:
    waits = "trap 'exit 3' TERM; while :; do sleep 0.1; done"
    health = ("--health-cmd", "test -e /tmp/well", "--health-interval", "1s")
    limits = ("--memory", "50m", "--memory-swap", "60m", "--cpus", "0.5", "--pids-limit", "33")
    words = ("--detach", "--name", "life", *health, *limits, *LIMITS)
    docker.ok("run", *words, "box:1", "sh", "-c", waits)
    place, pid = docker.process("life"), docker.outer("life")

    def limit(controller: str, v1: str, v2: str) -> str:
        return looking.limit_file(pid, controller, v1, v2).read_text().strip()

    assert limit("memory", "memory.limit_in_bytes", "memory.max") == str(50 << 20)
    assert limit("pids", "pids.max", "pids.max") == "33"
    assert docker("exec", "life", "sh", "-c", "exit 4")[0] == 4
    assert docker.ok("exec", "--tty", "life", "tty").startswith("/dev/pts/")
    assert docker.ok("exec", "--user", "12", "--workdir", "/tmp", "life", "sh", "-c",
                     "id -u; pwd").split() == ["12", "/tmp"]  # fmt: skip
    docker.ok("exec", "--detach", "life", "touch", "/tmp/well")
    looking.soon(lambda: docker.told("life", "{{.State.Health.Status}}") == "healthy")
    docker.ok("pause", "life")
    assert docker.told("life", "{{.State.Status}}") == "paused"
    docker.ok("unpause", "life")
    docker.ok("update", "--memory", "40m", "--memory-swap", "60m", "life")
    assert limit("memory", "memory.limit_in_bytes", "memory.max") == str(40 << 20)
    assert waits in docker.ok("top", "life")
    assert "40MiB" in docker.ok("stats", "--no-stream", "--format", "{{.MemUsage}}", "life")
    docker.ok("stop", "--time", "10", "life")
    assert docker.told("life", "{{.State.ExitCode}}") == "3"
    docker.ok("start", "life")
    docker.ok("restart", "--time", "10", "life")
    assert docker.process("life") != place
    docker.ok("kill", "life")
    looking.soon(lambda: docker.told("life", "{{.State.ExitCode}}") == "137")


def test_it_is_started_again_and_has_a_small_init(docker: Docker) -> None:
    again = ("--detach", "--name", "again", "--restart", "on-failure:2")
    docker.ok("run", *again, *LIMITS, "box:1", "sh", "-c", "exit 9")
    form = "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}"
    looking.soon(lambda: docker.told("again", form) == "exited 9 2")
    out = docker.ok("run", "--rm", "--init", *LIMITS, "box:1", "cat", "/proc/1/comm")
    assert out == "docker-init"


def test_what_runs_is_known_to_the_runtime_alone(docker: Docker) -> None:
    """After a container's end nothing of it is left: no state, no group."""
    docker.ok("run", "--detach", "--name", "one", *LIMITS, "box:1", "sleep", "1000")
    container = docker.told("one", "{{.Id}}")
    (state,) = Path(f"/proc/{docker.first}/root/run").glob(f"docker/**/{container}/state.json")
    assert json.loads(state.read_text())["id"] == container
    groups = groups_of_docker(container)
    assert groups
    docker.ok("rm", "--force", "one")
    assert not state.parent.exists() and not any(one.exists() for one in groups)
