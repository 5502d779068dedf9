"""Podman with kernelbox as its runtime: what an engine really asks, on an image of busybox.

All that Podman keeps (images, states, locks, its shm mounts) is in file systems in memory that only
a mount namespace of these tests has: when its last process ends, nothing is left of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import looking
from tests.engine import RealEngine, lay_root, settings_of_podman

pytestmark = pytest.mark.skipif(not shutil.which("podman"), reason="podman is not installed")

PRIVATE = """
mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /dev/shm; mkdir /run/cni
[ ! -d /etc/cni/net.d ] || mount --bind /run/cni /etc/cni/net.d
echo ready; exec sleep infinity
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  hostNetwork: true
  restartPolicy: Never
  initContainers:
  - name: first
    image: localhost/box:1
    command: [sh, -c, "echo made >/shared/x"]
    volumeMounts: [{name: both, mountPath: /shared}]
  containers:
  - name: one
    image: localhost/box:1
    command: [sh, -c, "cat /shared/x; sleep 1000"]
    volumeMounts: [{name: both, mountPath: /shared}]
    resources: {limits: {memory: 40Mi}}
    securityContext: {runAsUser: 7, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
  - {name: two, image: "localhost/box:1", command: [sleep, "1000"]}
  volumes: [{name: both, emptyDir: {}}]
"""
POD_AGAIN = """
apiVersion: v1
kind: Pod
metadata: {name: again}
spec:
  hostNetwork: true
  restartPolicy: Always
  containers:
  - {name: one, image: "localhost/box:1", command: [sh, -c, "echo alive; exec sleep 1000"]}
"""


class Podman(RealEngine):
    """Podman, in a mount namespace of its own.

    Attributes:
        settings: The file that tells it of its runtime.
    """

    def __init__(self, directory: Path) -> None:
        init = shutil.which("tini-static")
        more = f'infra_image = "localhost/infra:1"\ninit_path = "{init}"'
        self.settings = settings_of_podman(directory, more)
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-ec", PRIVATE],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.holder.stdout is not None
        assert self.holder.stdout.readline() == "ready\n"
        lay_root(directory / "rootfs")
        packed = subprocess.run(
            ["tar", "-C", directory / "rootfs", "-c", "."], stdout=subprocess.PIPE, check=True
        ).stdout
        for name, *words in (("box:1",), ("infra:1", "--change", 'CMD ["sleep", "1000"]')):
            done = self.call("import", "--quiet", *words, "-", name, input=packed)
            assert done.returncode == 0, done

    def call(self, *words: str, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt",
             "podman", "--root", "/run/images", "--storage-driver", "vfs", *words],
            env={**os.environ, "CONTAINERS_CONF": str(self.settings)},
            input=input, capture_output=True, timeout=120, check=False,
        )  # fmt: skip

    def pid(self, container: str) -> int:
        return int(self.ok("inspect", container, "--format", "{{.State.Pid}}"))

    def close(self) -> None:
        self.holder.kill()
        self.holder.communicate()


def groups_of_podman() -> list[Path]:
    """Return the control groups that Podman has made, the deepest first."""
    tops = [Path(one.point) / "libpod_parent" for one in looking.mounts() if "cgroup" in one.kind]
    return [
        path
        for top in tops
        if top.is_dir()
        for path in sorted([top, *filter(Path.is_dir, top.rglob("*"))], reverse=True)
    ]


@pytest.fixture(scope="module")
def one_podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    before = set(groups_of_podman())
    made = Podman(tmp_path_factory.mktemp("podman"))
    yield made
    made.close()
    left = [path for path in groups_of_podman() if path not in before]
    for path in left:
        with contextlib.suppress(OSError):  # another Podman of this host is in it
            path.rmdir()
    assert not [path for path in left if path.name.startswith("libpod-")]


@pytest.fixture
def podman(one_podman: Podman) -> Iterator[Podman]:
    """Podman, and after the test no container."""
    yield one_podman
    one_podman.ok("rm", "--all", "--force", "--time", "0")
    runtime = one_podman.call("ps", "--all", "--quiet")
    assert runtime.stdout == b""


def test_a_program_runs_and_its_exit_status_comes_back(podman: Podman) -> None:
    status, out, _ = podman("run", "--rm", "box:1", "sh", "-c", "echo hello; exit 7")
    assert (status, out) == (7, "hello")
    status, _, err = podman("run", "--rm", "box:1", "nonsense")
    assert status == 127 and "not found" in err
    status, _, err = podman("run", "--rm", "box:1", "/etc/hostname")
    assert status == 126 and "permission denied" in err.lower()
    status, out, _ = podman("run", "--rm", "--tty", "box:1", "tty")
    assert (status, out) == (0, "/dev/pts/0")


def test_a_container_has_what_is_asked_for(podman: Podman, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("a note")
    tmp_path.chmod(0o755)
    script = (
        "id; cat /data/note; touch /data/x || touch /kept/x && ls /kept; hostname; "
        "cat /proc/sys/net/ipv4/ip_forward; ulimit -n; grep -E 'CapEff|NoNew|Seccomp:' "
        "/proc/self/status; touch /x || touch /tmp/x"
    )
    options = (
        "--read-only --user 5:6 --group-add 9 --hostname named --ulimit nofile=300:300 "
        "--ulimit nproc=300:300 --cap-drop all --cap-add net_raw --security-opt no-new-privileges "
        "--tmpfs /tmp --sysctl net.ipv4.ip_forward=1 --memory 64m --pids-limit 30 "
        f"--volume kept:/kept --volume {tmp_path}:/data:ro"
    ).split()
    status, out, err = podman("run", "--rm", *options, "box:1", "sh", "-c", script)
    podman.ok("volume", "rm", "kept")
    assert status == 0 and err.count("touch:") == 2, (out, err)
    assert re.search(r"uid=5.* gid=6.* groups=.*\b9\b", out)
    words = out.split()
    assert "note" in out and "named" in words and "300" in words
    assert f"{1 << 13:016x}" in words  # net_raw alone
    assert "NoNewPrivs:\t1" in out and "Seccomp:\t2" in out


def test_a_life_from_start_to_removal(podman: Podman) -> None:
    """create, start, exec, pause, kill, delete: the calls that `memory.limit` and `ps` confirm."""
    waits = "trap 'exit 3' TERM; while :; do sleep 0.1; done"
    podman.ok("run", "--detach", "--name", "life", "--memory", "50m", "box:1", "sh", "-c", waits)
    pid = podman.pid("life")
    group = re.search(r":memory:(.*)|^0::(.*)", Path(f"/proc/{pid}/cgroup").read_text(), re.M)
    assert group is not None and "libpod" in group[0]
    switch = Path("/sys/module/apparmor/parameters/enabled")
    if switch.exists() and switch.read_text() == "Y\n":
        confined = Path(f"/proc/{pid}/attr/apparmor/current").read_text()
        assert confined.startswith("containers-default-"), confined  # Podman's own profile
    assert podman("exec", "life", "sh", "-c", "exit 4")[0] == 4
    assert podman.ok("exec", "--tty", "life", "tty").startswith("/dev/pts/")
    podman.ok("pause", "life")
    assert "Paused" in podman.ok(
        "ps", "--all", "--filter", "status=paused", "--format", "{{.Status}}"
    )
    podman.ok("unpause", "life")
    podman.ok("update", "--memory", "60m", "life")
    limits = [one for one in groups_of_podman() if (one / "memory.limit_in_bytes").exists()]
    values = [(one / "memory.limit_in_bytes").read_text().strip() for one in limits]
    assert not limits or str(60 << 20) in values
    podman.ok("stop", "--time", "10", "life")
    assert podman.ok("inspect", "life", "--format", "{{.State.ExitCode}}") == "3"
    podman.ok("start", "life")
    assert podman.pid("life") != pid
    podman.ok("rm", "--force", "--time", "0", "life")


def test_a_pod_shares_namespaces(podman: Podman) -> None:
    podman.ok("pod", "create", "--name", "pod", "--network", "none", "--infra-image", "box:1",
              "--infra-command", "sleep 1000")  # fmt: skip
    try:
        podman.ok("run", "--detach", "--pod", "pod", "--name", "one", "box:1", "sleep", "1000")
        podman.ok("run", "--detach", "--pod", "pod", "--name", "two", "box:1", "sleep", "1000")
        pids = podman.pid("one"), podman.pid("two")
        for kind in ("net", "ipc", "uts"):
            assert len({os.readlink(f"/proc/{pid}/ns/{kind}") for pid in pids}) == 1, kind
        assert len({os.readlink(f"/proc/{pid}/ns/mnt") for pid in pids}) == 2
    finally:
        podman.ok("pod", "rm", "--force", "--time", "0", "pod")


def test_a_health_check_is_a_program_more(podman: Podman) -> None:
    check = ("--health-cmd", "test -e /tmp/well", "--health-interval", "disable")
    podman.ok("run", "--detach", "--name", "ill", *check, "box:1", "sleep", "1000")
    assert podman("healthcheck", "run", "ill")[0] == 1
    podman.ok("exec", "ill", "touch", "/tmp/well")
    assert podman("healthcheck", "run", "ill")[0] == 0


def test_ids_of_a_user_namespace_of_its_own(podman: Podman) -> None:
    maps = ("--uidmap", "0:100000:5000", "--gidmap", "0:100000:5000")
    podman.ok("run", "--detach", "--name", "mapped", *maps, "box:1", "sleep", "1000")
    status = Path(f"/proc/{podman.pid('mapped')}/status").read_text()
    assert re.search(r"^Uid:\t100000\t", status, re.M)
    shared = ("--userns", "container:mapped", "--network", "container:mapped")
    podman.ok("run", "--detach", "--name", "guest", *shared, "box:1", "sleep", "1000")
    for kind in ("user", "net"):
        both = {os.readlink(f"/proc/{podman.pid(one)}/ns/{kind}") for one in ("mapped", "guest")}
        assert len(both) == 1, kind
    podman.ok("rm", "--force", "--time", "0", "guest")


def test_a_pod_that_a_file_describes(podman: Podman, tmp_path: Path) -> None:
    """`podman play kube`: an init container, a volume that is shared, limits, no privilege."""
    described = tmp_path / "pod.yaml"
    described.write_text(POD)
    podman.ok("play", "kube", str(described))
    try:
        looking.soon(lambda: podman.ok("logs", "web-one") == "made")
        asked = "id -u; grep -E 'CapEff|NoNew' /proc/self/status"
        seen = podman.ok("exec", "web-one", "sh", "-c", asked).split()
        assert seen == ["7", "CapEff:", f"{0:016x}", "NoNewPrivs:", "1"]
        limit = looking.limit_file(
            podman.pid("web-one"), "memory", "memory.limit_in_bytes", "memory.max"
        )
        assert limit.read_text() == f"{40 << 20}\n"
        pids = podman.pid("web-one"), podman.pid("web-two")
        assert len({os.readlink(f"/proc/{pid}/ns/ipc") for pid in pids}) == 1
        podman.ok("pod", "pause", "web")
        podman.ok("pod", "unpause", "web")
    finally:
        podman("play", "kube", "--down", str(described))


def test_a_pod_that_is_always_to_be_there_begins_again(podman: Podman, tmp_path: Path) -> None:
    """`restartPolicy: Always`: who cleans up after an end also starts the next life."""
    described = tmp_path / "again.yaml"
    described.write_text(POD_AGAIN)
    podman.ok("play", "kube", str(described))
    try:
        lives = [podman.pid("again-one")]
        for _ in range(2):
            os.kill(lives[-1], signal.SIGKILL)
            assert looking.soon(lambda: podman.pid("again-one") not in (0, *lives)), lives
            lives.append(podman.pid("again-one"))
        assert looking.soon(lambda: podman.ok("logs", "again-one").split() == ["alive"] * 3)
        infra = podman.ok("pod", "inspect", "again", "--format", "{{.InfraContainerID}}")
        both = lives[-1], podman.pid(infra)
        assert len({os.readlink(f"/proc/{pid}/ns/ipc") for pid in both}) == 1
    finally:
        podman("play", "kube", "--down", str(described))


def test_a_secret_and_a_small_init(podman: Podman) -> None:
    assert podman.call("secret", "create", "hush", "-", input=b"quiet").returncode == 0
    words = ("--secret", "hush", "--secret", "hush,type=env,target=HUSH", "--user", "5")
    script = "cat /run/secrets/hush; echo ,$HUSH"
    try:
        assert podman.ok("run", "--rm", *words, "box:1", "sh", "-c", script) == "quiet,quiet"
    finally:
        podman.ok("secret", "rm", "hush")
    seen = podman.ok("run", "--rm", "--init", "box:1", "cat", "/proc/1/comm")
    assert seen == "podman-init"
    assert podman("run", "--rm", "--workdir", "/bin/sh", "box:1", "true")[0] != 0
    podman.ok("run", "--detach", "--name", "one", "box:1", "sleep", "1000")
    status, _, err = podman("exec", "--workdir", "/is/missing", "one", "true")
    assert status == 127 and "no such file or directory" in err.lower()


def test_a_limit_above_the_hosts_own_is_said_to_be_one(podman: Podman) -> None:
    if json.loads(podman.ok("info", "--format", "json"))["host"]["cgroupManager"] != "cgroupfs":
        pytest.fail("these tests are to use cgroupfs")
    holds = int(Path("/proc/self/status").read_text().partition("CapPrm:\t")[2][:16], 16)
    if holds >> 24 & 1:
        pytest.skip("CAP_SYS_RESOURCE may raise every limit")
    words = ("--ulimit", "nofile=900000:900000", "box:1", "true")
    status, _, err = podman("run", "--rm", *words)
    assert status == 126 and "The hard limit here is" in err
