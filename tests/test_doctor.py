"""The doctor, on this host and on what other hosts look like.

Another host is a directory with the files of its /proc and /sys that matter, and the answers its
programs and its kernel give: the checks themselves run as they are.
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import kernelbox
from kernelbox import cgroup
from kernelbox.lab import doctor
from kernelbox.lab.doctor import Answer, Finding, Host, features, network

REPOSITORY = Path(kernelbox.__file__).parent.parent
MAIN = "import sys; from kernelbox.lab.doctor import main; sys.exit(main(sys.argv[1:]))"

# --- other hosts ----------------------------------------------------------------------------------

V2_MOUNTS = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:21 / /proc rw,nosuid shared:2 - proc proc rw
24 22 0:22 / /sys/fs/cgroup rw,nosuid,nodev,noexec shared:3 - cgroup2 cgroup2 rw,nsdelegate
"""
V1_MOUNTS = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:4 - cgroup cgroup rw,cpu,cpuacct
31 22 0:31 / /sys/fs/cgroup/memory rw,nosuid shared:5 - cgroup cgroup rw,memory
32 22 0:32 / /sys/fs/cgroup/pids rw,nosuid shared:6 - cgroup cgroup rw,pids
33 22 0:33 / /sys/fs/cgroup/blkio rw,nosuid shared:7 - cgroup cgroup rw,blkio
34 22 0:34 / /sys/fs/cgroup/freezer rw,nosuid shared:8 - cgroup cgroup rw,freezer
35 22 0:35 / /sys/fs/cgroup/systemd rw,nosuid shared:9 - cgroup cgroup rw,xattr,name=systemd
36 22 0:37 / /sys/fs/cgroup/cpuset rw,nosuid shared:10 - cgroup cgroup rw,cpuset
"""
UNIFIED = "36 22 0:36 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw\n"
DOCKER_MOUNTS = """\
500 400 0:60 / / rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
501 500 0:61 / /proc rw,nosuid - proc proc rw
502 500 0:28 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate
"""
STATUS = """\
Name:\tpython3
Uid:\t{uid}\t{uid}\t{uid}\t{uid}
CapEff:\t{effective}
CapBnd:\t{bounding}
Seccomp:\t{seccomp}
"""
KINDS = ("mnt", "pid", "net", "uts", "ipc", "cgroup", "user", "time")
EVERY = "000001ffffffffff"
NONE = "0000000000000000"
DOCKER_SET = "00000000a80425fb"  # what /proc/self/status shows in `docker run debian`


def status(
    uid: int = 0, effective: str = EVERY, bounding: str = EVERY, seccomp: int = 0
) -> dict[str, str]:
    text = STATUS.format(uid=uid, effective=effective, bounding=bounding, seccomp=seccomp)
    return {"proc/self/status": text}


DEBIAN_12 = {
    "proc/sys/kernel/osrelease": "6.1.0-25-amd64\n",
    "proc/sys/kernel/seccomp/actions_avail": "kill_process trap errno user_notif trace allow\n",
    "proc/sys/net/ipv4/ip_forward": "1\n",
    "proc/sys/user/max_user_namespaces": "63419\n",
    "proc/self/uid_map": "         0          0 4294967295\n",
    "proc/self/mountinfo": V2_MOUNTS,
    "proc/filesystems": "nodev\tsysfs\nnodev\toverlay\n\text4\n",
    "proc/meminfo": "MemTotal:  4013536 kB\nMemFree:  200000 kB\nMemAvailable:  3013536 kB\n",
    "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    "proc/1/cgroup": "0::/init.scope\n",
    "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc\n",
    "sys/fs/cgroup/cgroup.subtree_control": "cpu memory pids\n",
    "sys/fs/cgroup/cgroup.procs": "1\n2\n",
    "var/lib/dpkg/status": "",
    "usr/sbin/nft": "",
    "usr/sbin/ip": "",
    "usr/sbin/tc": "",
    "usr/bin/tini-static": "",
    "usr/bin/runc": "",
    "usr/bin/strace": "",
    **{f"proc/self/ns/{kind}": "" for kind in KINDS},
    **status(),
}
UBUNTU_24_04 = {
    **DEBIAN_12,
    "proc/sys/kernel/osrelease": "6.8.0-45-generic\n",
    "proc/sys/kernel/unprivileged_userns_clone": "1\n",
    "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
}
WSL_2 = {
    **DEBIAN_12,
    "proc/sys/kernel/osrelease": "5.15.153.1-microsoft-standard-WSL2\n",
    "proc/self/mountinfo": V1_MOUNTS + UNIFIED,
    "sys/fs/cgroup/unified/cgroup.controllers": "",
}
DOCKER = {
    **DEBIAN_12,
    **status(effective=DOCKER_SET, bounding=DOCKER_SET, seccomp=2),
    "proc/self/mountinfo": DOCKER_MOUNTS,
    ".dockerenv": "",
    "sys/fs/cgroup/cgroup.type": "domain\n",
}
PRIVILEGED_DOCKER = {
    **DOCKER,
    **status(),
    "proc/self/mountinfo": DOCKER_MOUNTS.replace("ro,nosuid", "rw,nosuid"),
    "sys/fs/cgroup/cgroup.subtree_control": "",
}


class Elsewhere:
    """Makes hosts out of files and answers below a temporary directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(
        self,
        files: dict[str, str],
        *changes: dict[str, str],
        answers: dict[str, Answer] | None = None,
        errors: dict[int, int] | None = None,
        environ: dict[str, str] | None = None,
    ) -> Host:
        """Make a host: `answers` by a part of the command line, `errors` by system call number."""
        for layer in (files, *changes):
            for name, text in layer.items():
                path = self.directory / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
                path.chmod(0o755)

        def run(command: list[str], directory: str | None) -> Answer:
            line = " ".join(command)
            found = [answer for part, answer in (answers or {}).items() if part in line]
            return found[0] if found else Answer(0, '{"nftables": []}')

        def request(number: int, *arguments: int | None) -> int:
            return (errors or {}).get(number, errno.EINVAL)

        return Host(
            root=str(self.directory),
            system="linux",
            machine="x86_64",
            python=(3, 11),
            environ=environ or {},
            run=run,
            request=request,
        )


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    monkeypatch.delenv("KERNELBOX_ROOT", raising=False)
    return Elsewhere(tmp_path)


def found(host: Host) -> dict[str, Finding]:
    return {finding.name: finding for finding in doctor.examine(host)}


def levels(host: Host) -> dict[str, str]:
    return {name: finding.level for name, finding in found(host).items()}


def test_a_debian_12_host_with_everything_is_ready(elsewhere: Elsewhere) -> None:
    seen = found(elsewhere(DEBIAN_12))
    missing = {name: f for name, f in seen.items() if f.level != "ok" and name != "port"}
    assert list(missing) == ["busybox"]  # its file here is empty, so it is not a static program
    assert seen["cgroup"].observed.startswith("cgroup v2 at /sys/fs/cgroup with cpuset, cpu, io")


def test_ubuntu_24_04_is_ready_and_its_apparmor_restriction_is_explained(
    elsewhere: Elsewhere,
) -> None:
    seen = found(elsewhere(UBUNTU_24_04))
    assert seen["user namespaces"].level == "note"
    assert "AppArmor" in seen["user namespaces"].observed
    assert "apparmor_restrict_unprivileged_userns=0" in seen["user namespaces"].cure
    assert doctor.verdict(list(seen.values())).startswith("ready")


def test_wsl_2_with_cgroup_v1_is_told_how_to_get_v2(elsewhere: Elsewhere) -> None:
    seen = found(elsewhere(WSL_2))
    assert seen["wsl"].level == "note"
    assert "wsl --update" in seen["wsl"].cure
    assert seen["cgroup"].level == "note"
    assert "/sys/fs/cgroup/unified has no controller" in seen["cgroup"].observed


def test_wsl_2_whose_newer_kernel_has_no_v1_memory_controller_is_warned(
    elsewhere: Elsewhere,
) -> None:
    without = "".join(line for line in V1_MOUNTS.splitlines(True) if ",memory" not in line)
    seen = found(elsewhere(WSL_2, {"proc/self/mountinfo": without + UNIFIED}))["cgroup"]
    assert (seen.level, "no memory" in seen.observed) == ("warn", True)


def test_wsl_1_has_no_linux_kernel_and_fails(elsewhere: Elsewhere) -> None:
    release = {"proc/sys/kernel/osrelease": "4.4.0-19041-Microsoft\n"}
    seen = found(elsewhere(DEBIAN_12, release))["wsl"]
    assert (seen.level, "--set-version" in seen.cure) == ("fail", True)


def test_pure_v1_is_used_translated(elsewhere: Elsewhere) -> None:
    seen = found(elsewhere(DEBIAN_12, {"proc/self/mountinfo": V1_MOUNTS}))["cgroup"]
    assert seen.level == "note"
    assert seen.observed.startswith("cpu, memory, pids, blkio, freezer in cgroup v1. ")


@pytest.mark.parametrize("version", [1, 2])
def test_a_missing_controller_of_one_option_is_found_before_the_option_is_used(
    elsewhere: Elsewhere, version: int
) -> None:
    mounts = "".join(line for line in V1_MOUNTS.splitlines(True) if "cpuset" not in line)
    without = {"proc/self/mountinfo": mounts}
    if version == 2:
        without = {"sys/fs/cgroup/cgroup.controllers": "cpu io memory pids\n"}
    seen = found(elsewhere(DEBIAN_12, without))["cgroup"]
    assert (seen.level, "there is no cpuset" in seen.observed) == ("warn", True)
    assert seen.cure


def test_v2_without_nsdelegate_is_told_what_a_container_can_do(elsewhere: Elsewhere) -> None:
    # Source: cgroup-v2.rst, "Delegation Containment".
    mounts = {"proc/self/mountinfo": V2_MOUNTS.replace(",nsdelegate", "")}
    seen = found(elsewhere(DEBIAN_12, mounts))["cgroup"]
    assert seen.level == "warn"
    assert "nsdelegate" in seen.cure


def test_a_host_without_any_cgroup_mount_fails(elsewhere: Elsewhere) -> None:
    mounts = {"proc/self/mountinfo": V2_MOUNTS.splitlines()[0]}
    assert levels(elsewhere(DEBIAN_12, mounts))["cgroup"] == "fail"


def test_a_raspberry_pi_without_the_memory_controller_is_told_of_cmdline_txt(
    elsewhere: Elsewhere,
) -> None:
    controllers = {"sys/fs/cgroup/cgroup.controllers": "cpuset cpu io pids\n"}
    seen = found(elsewhere(DEBIAN_12, controllers))["cgroup"]
    assert (seen.level, "cgroup_enable=memory" in seen.cure) == ("warn", True)


def test_an_ordinary_docker_container_is_recognised_and_told_to_be_privileged(
    elsewhere: Elsewhere,
) -> None:
    seen = found(elsewhere(DOCKER))
    assert seen["privilege"].level == "fail"
    assert "--privileged" in seen["privilege"].cure
    assert seen["container"].level == "warn"
    assert "/.dockerenv" in seen["container"].observed
    assert seen["seccomp"].level == "note"
    assert seen["cgroup"].level == "fail"
    assert "read-only" in seen["cgroup"].observed
    assert seen["overlay"].level == "warn"
    assert "KERNELBOX_ROOT" in seen["overlay"].cure


def test_in_a_privileged_container_overlay_and_the_cgroup_are_what_is_left_to_cure(
    elsewhere: Elsewhere,
) -> None:
    refusal = Answer(32, "mount: merged: wrong fs type.\n  dmesg(1) may have more information.\n")
    seen = found(elsewhere(PRIVILEGED_DOCKER, answers={"mount -t overlay": refusal}))
    assert seen["privilege"].level == "ok"
    assert seen["container"].level == "note"
    assert seen["overlay"].level == "fail"
    assert "lies on overlay" in seen["overlay"].observed
    assert seen["cgroup"].level == "warn"
    assert "EBUSY" in seen["cgroup"].observed
    assert "mkdir init" in seen["cgroup"].cure


@pytest.mark.parametrize(
    ("files", "environ", "sign"),
    [
        ({"run/.containerenv": ""}, {}, "/run/.containerenv"),
        ({"proc/1/environ": "PATH=/bin\0container=lxc\0"}, {}, "container=lxc"),
        ({"proc/1/cgroup": "0::/system.slice/docker-1a2b.scope\n"}, {}, "docker in /proc/1/cgroup"),
        ({}, {"CODESPACES": "true"}, "GitHub Codespaces"),
    ],
)
def test_every_sign_of_a_container_is_named(
    elsewhere: Elsewhere, files: dict[str, str], environ: dict[str, str], sign: str
) -> None:
    seen = found(elsewhere(DEBIAN_12, files, environ=environ))["container"]
    assert (seen.level, sign in seen.observed) == ("note", True)


def test_an_ordinary_user_is_told_to_use_sudo_and_nothing_is_tried(elsewhere: Elsewhere) -> None:
    seen = found(elsewhere(DEBIAN_12, status(uid=1000, effective=NONE)))
    assert seen["privilege"] == Finding(
        "privilege",
        "fail",
        "We are user 1000, without CAP_SYS_ADMIN and CAP_NET_ADMIN: the kernel refuses mounts and "
        "links.",
        "Run the same command with sudo, or as root.",
    )
    untried = ["namespaces", "overlay", "nft", "links", "macvlan", "shaping"]
    assert [seen[name].level for name in untried] == ["note"] * 6
    assert seen["container"].level == "ok"


def test_a_container_is_judged_by_what_sudo_could_give_not_by_who_asks(
    elsewhere: Elsewhere,
) -> None:
    user = status(uid=1000, effective=NONE, bounding=EVERY)
    assert levels(elsewhere(PRIVILEGED_DOCKER, user))["container"] == "note"
    assert (
        levels(elsewhere(DOCKER, status(uid=1000, effective=NONE, bounding=DOCKER_SET)))[
            "container"
        ]
        == "warn"
    )


def test_root_of_a_user_namespace_is_warned(elsewhere: Elsewhere) -> None:
    mapped = {"proc/self/uid_map": "         0       1000          1\n"}
    assert levels(elsewhere(DEBIAN_12, mapped))["privilege"] == "warn"


def test_missing_cap_sys_resource_is_a_note(elsewhere: Elsewhere) -> None:
    seen = found(elsewhere(DEBIAN_12, status(effective="000001fffeffffff")))["privilege"]
    assert (seen.level, "CAP_SYS_RESOURCE" in seen.observed) == ("note", True)


def test_an_old_kernel_is_warned_of_and_its_missing_calls_fail(elsewhere: Elsewhere) -> None:
    release = {"proc/sys/kernel/osrelease": "5.4.0-190-generic\n"}
    errors = {437: errno.ENOSYS, 442: errno.ENOSYS}
    seen = found(elsewhere(DEBIAN_12, release, errors=errors))
    assert (seen["kernel"].level, "5.14" in seen["kernel"].observed) == ("warn", True)
    assert seen["requests"].level == "fail"
    assert seen["requests"].observed == "The kernel says it does not know openat2, mount_setattr."


def test_a_machine_with_unknown_system_call_numbers_fails(elsewhere: Elsewhere) -> None:
    host = elsewhere(DEBIAN_12)
    other = Host(root=host.root, machine="armv7l", run=host.run, request=host.request)
    assert features.kernel(other).level == "fail"


def test_missing_namespace_kinds_fail_or_warn_by_what_needs_them(elsewhere: Elsewhere) -> None:
    host = elsewhere(DEBIAN_12)
    (elsewhere.directory / "proc/self/ns/time").unlink()
    assert features.namespaces(host).level == "warn"
    (elsewhere.directory / "proc/self/ns/pid").unlink()
    assert features.namespaces(host).level == "fail"


@pytest.mark.parametrize(
    ("name", "value", "check", "level"),
    [
        ("proc/sys/user/max_user_namespaces", "0\n", "user namespaces", "warn"),
        ("proc/sys/kernel/unprivileged_userns_clone", "0\n", "user namespaces", "note"),
        ("proc/sys/user/max_net_namespaces", "0\n", "namespaces", "fail"),
        ("proc/sys/kernel/seccomp/actions_avail", "", "seccomp", "fail"),
        ("proc/pressure/memory", "", "pressure", "note"),
        ("proc/sys/net/ipv4/ip_forward", "0\n", "forwarding", "note"),
        ("proc/meminfo", "MemAvailable:  100000 kB\n", "memory", "warn"),
    ],
)
def test_one_setting_changes_one_finding_and_says_what_to_do(
    elsewhere: Elsewhere, name: str, value: str, check: str, level: str
) -> None:
    before = levels(elsewhere(DEBIAN_12))
    after = found(elsewhere(DEBIAN_12, {name: value}))
    assert {n: f.level for n, f in after.items() if f.level != before[n]} == {check: level}
    assert after[check].cure


@pytest.mark.parametrize(
    ("part", "check", "level"),
    [
        ("unshare --fork", "namespaces", "fail"),
        ("unshare --user", "user namespaces", "warn"),
        ("list tables", "nft", "fail"),
        ("masquerade", "nft", "fail"),
        ("type veth", "links", "fail"),
        ("type macvlan", "macvlan", "note"),
        ("type dummy", "macvlan", "note"),
        ("tbf", "shaping", "warn"),
        ("netem", "shaping", "note"),
    ],
)
def test_what_the_kernel_refuses_is_reported_with_a_cure(
    elsewhere: Elsewhere, part: str, check: str, level: str
) -> None:
    before = levels(elsewhere(DEBIAN_12))
    refusal = Answer(1, "first line\nOperation not permitted\n")
    after = found(elsewhere(DEBIAN_12, answers={part: refusal}))
    assert {n: f.level for n, f in after.items() if f.level != before[n]} == {check: level}
    assert after[check].cure


@pytest.mark.parametrize(
    ("program", "check", "package"),
    [
        ("usr/sbin/nft", "nft", "nftables"),
        ("usr/sbin/ip", "links", "iproute2"),
        ("usr/sbin/tc", "shaping", "iproute2"),
        ("usr/bin/tini-static", "tini", "tini"),
        ("usr/bin/runc", "comparison", "runc"),
        ("usr/bin/busybox", "busybox", "busybox-static"),
    ],
)
def test_a_missing_program_is_cured_by_its_package(
    elsewhere: Elsewhere, program: str, check: str, package: str
) -> None:
    host = elsewhere(DEBIAN_12)
    (elsewhere.directory / program).unlink(missing_ok=True)
    assert found(host)[check].cure == f"sudo apt-get install {package}"


def test_a_kernel_without_overlay_is_told_of_the_module(elsewhere: Elsewhere) -> None:
    refusal = Answer(32, "mount: merged: unknown filesystem type 'overlay'.\n")
    files = {"proc/filesystems": "\text4\n"}
    seen = found(elsewhere(DEBIAN_12, files, answers={"mount -t overlay": refusal}))["overlay"]
    assert (seen.level, "modprobe overlay" in seen.cure) == ("fail", True)


def test_the_file_system_of_a_mount_below_another_is_the_inner_one(elsewhere: Elsewhere) -> None:
    shared = "60 22 0:50 / /var/lib/shared\\040folder rw - vboxsf share rw\n"
    host = elsewhere(DEBIAN_12, {"proc/self/mountinfo": V2_MOUNTS + shared})
    assert host.filesystem("/var/lib/shared folder/x") == "vboxsf"
    assert host.filesystem("/var/lib/shared") == "ext4"


def test_another_system_than_linux_gets_only_what_can_be_known_there() -> None:
    seen = doctor.examine(Host(system="darwin", python=(3, 9)))
    assert [(f.name, f.level) for f in seen] == [("linux", "fail"), ("python", "fail")]


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/mountinfo": "not mountinfo at all\n"},
        {"proc/self/status": "CapEff:\tzzzz\n"},
        {"proc/meminfo": "MemAvailable:\n"},
        {"usr/bin/busybox": "\x7fELF\x02"},
    ],
)
def test_odd_input_becomes_a_warning_and_the_other_checks_go_on(
    elsewhere: Elsewhere, files: dict[str, str]
) -> None:
    seen = doctor.examine(elsewhere(DEBIAN_12, files))
    assert len(seen) == len(doctor.CHECKS)
    odd = [f for f in seen if f.observed.startswith("This could not be checked: ")]
    assert odd
    assert {f.level for f in odd} == {"warn"}


def test_a_host_of_which_nothing_is_known_gives_findings_and_no_traceback(
    elsewhere: Elsewhere,
) -> None:
    assert len(doctor.examine(elsewhere({}))) == len(doctor.CHECKS)


# --- this host ------------------------------------------------------------------------------------


def run_doctor(*arguments: str, prefix: tuple[str, ...] = (), **environ: str) -> tuple[int, str]:
    done = subprocess.run(
        [*prefix, sys.executable, "-c", MAIN, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_this_host_is_ready_and_the_facts_are_those_other_tools_tell() -> None:
    code, output = run_doctor("--json")
    told = json.loads(output)
    assert (code, told["ready"]) == (0, True), output
    seen = {finding["name"]: finding for finding in told["findings"]}
    assert os.uname().release in seen["kernel"]["observed"]
    for target in subprocess.run(
        ["findmnt", "--types", "cgroup2", "--noheadings", "--output", "TARGET"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    ).stdout.split():
        assert target in seen["cgroup"]["observed"]


def test_the_cgroup_version_that_is_announced_is_the_one_that_is_used() -> None:
    announced = "v1" if "use v1" in found(Host())["cgroup"].observed else "v2"
    assert announced == f"v{cgroup.find().version}"


def test_examining_leaves_no_mount_link_rule_or_file_behind(tmp_path: Path) -> None:
    # In namespaces of its own the host's other work cannot change what is compared.
    script = """
import os, subprocess, sys
from kernelbox.lab import doctor

def state():
    rules = subprocess.run(["nft", "list", "ruleset"], stdout=subprocess.PIPE, check=True).stdout
    texts = [open(f"/proc/self/{name}").read().split("\\n") for name in ("mountinfo", "cgroup")]
    return rules, texts, os.listdir("/sys/class/net"), os.listdir(os.environ["KERNELBOX_ROOT"])

before = state()
overlay = [f for f in doctor.examine() if f.name == "overlay"][0]
sys.exit(f"{before} became {state()}" if state() != before else overlay.level != "ok")
"""
    done = subprocess.run(
        ["unshare", "--mount", "--net", sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "KERNELBOX_ROOT": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_kernel_refuses_every_request_it_is_asked_for_but_knows_it() -> None:
    host = Host()
    answers = {name: host.request(n, *args) for name, (n, args) in features._CALLS.items()}
    assert set(answers.values()) == {errno.EINVAL}, answers


def test_a_user_without_privilege_is_told_so_without_a_traceback() -> None:
    # The one capability left lets the interpreter be read wherever it is installed.
    user = ("--reuid=65534", "--regid=65534", "--clear-groups")
    reading = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search")
    code, output = run_doctor(prefix=("setpriv", *user, *reading))
    assert code == 1
    assert "FAIL  privilege" in output
    assert "sudo" in output
    assert output.endswith("not ready: privilege\n")
    assert "Traceback" not in output


def test_an_upperdir_on_another_overlay_fails_and_the_cure_names_kernelbox_root(
    tmp_path: Path,
) -> None:
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    script = f'mount -t overlay test -o {options} {tmp_path}/merged && exec "$@"'
    code, output = run_doctor(
        "--json",
        prefix=("unshare", "--mount", "sh", "-c", script, "sh"),
        KERNELBOX_ROOT=f"{tmp_path}/merged/not/yet/there",
    )
    seen = {finding["name"]: finding for finding in json.loads(output)["findings"]}
    assert (code, seen["overlay"]["level"]) == (1, "fail")
    assert "lies on overlay" in seen["overlay"]["observed"]
    assert "KERNELBOX_ROOT" in seen["overlay"]["cure"]
    assert os.listdir(tmp_path / "upper") == []


@pytest.mark.parametrize(("size", "level"), [("50m", "fail"), ("500m", "warn"), ("2g", "ok")])
def test_a_small_disk_is_warned_of_and_a_tiny_one_fails(
    tmp_path: Path, size: str, level: str
) -> None:
    script = f'mount -t tmpfs -o size={size} test {tmp_path} && exec "$@"'
    _, output = run_doctor(
        "--json",
        prefix=("unshare", "--mount", "sh", "-c", script, "sh"),
        KERNELBOX_ROOT=str(tmp_path),
    )
    seen = {finding["name"]: finding for finding in json.loads(output)["findings"]}
    assert (seen["disk"]["level"], seen["overlay"]["level"]) == (level, "ok")


def test_a_foreign_firewall_that_drops_forwarded_packets_is_named_and_the_cure_opens_it() -> None:
    rules = (
        "table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }"
    )
    before = f"nft '{rules}' && exec \"$@\""
    unshare = ("unshare", "--net", "sh", "-c")
    _, output = run_doctor("--json", prefix=(*unshare, before, "sh"))
    seen = {finding["name"]: finding for finding in json.loads(output)["findings"]}
    assert seen["forwarding"]["level"] == "warn"
    assert "ip filter FORWARD" in seen["forwarding"]["observed"]
    cure = seen["forwarding"]["cure"].partition("sudo ")[2]
    _, output = run_doctor("--json", prefix=(*unshare, f"nft '{rules}'; {cure}; exec \"$@\"", "sh"))
    seen = {finding["name"]: finding for finding in json.loads(output)["findings"]}
    assert seen["forwarding"]["level"] != "warn"


def test_a_port_in_use_is_a_note() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        assert network.port(Host(), number).level == "note"
    assert network.port(Host(), number).level == "ok"


def test_an_unknown_option_ends_with_2_and_no_traceback() -> None:
    code, output = run_doctor("--nonsense")
    assert code == 2
    assert "Traceback" not in output


# --- how it is shown ------------------------------------------------------------------------------

FINDINGS = (
    Finding("short", "ok", "All is well."),
    Finding("a longer name", "note", "Good to know.", "Nothing to do."),
    Finding("third", "warn", "A <gap> & more.", "sudo apt-get install a-package-with-hyphens"),
    Finding("fourth", "fail", "Missing.", "Get it."),
)


def test_the_text_is_aligned_and_every_mark_is_a_word() -> None:
    text = doctor.render(FINDINGS)
    assert text == (
        "ok    short          All is well.\n"
        "note  a longer name  Good to know.\n"
        "                     -> Nothing to do.\n"
        "warn  third          A <gap> & more.\n"
        "                     -> sudo apt-get install a-package-with-hyphens\n"
        "FAIL  fourth         Missing.\n"
        "                     -> Get it.\n"
        "\n"
        "not ready: fourth"
    )


def test_colour_only_adds_to_the_text() -> None:
    coloured = doctor.render(FINDINGS, color=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == doctor.render(FINDINGS)
    assert coloured != doctor.render(FINDINGS)


def test_a_narrow_terminal_wraps_between_words_only() -> None:
    text = doctor.render(FINDINGS, width=40)
    assert "a-package-with-hyphens" in text


def test_the_verdict_names_what_is_missing_and_nothing_else() -> None:
    assert doctor.verdict(FINDINGS) == "not ready: fourth"
    assert doctor.verdict(FINDINGS[:3]) == "ready, with gaps: third"
    assert doctor.verdict(FINDINGS[:2]) == "ready: everything the labs need is here"


def test_the_json_holds_every_finding() -> None:
    told = json.loads(doctor.as_json(FINDINGS))
    assert [told["ready"], told["verdict"]] == [False, "not ready: fourth"]
    assert [Finding(**finding) for finding in told["findings"]] == list(FINDINGS)


def test_the_text_of_a_report_is_the_same_on_every_ready_host() -> None:
    assert repr(doctor.Report(FINDINGS[:1])) == repr(doctor.Report(FINDINGS[:2]))
    assert repr(doctor.Report(FINDINGS)).splitlines()[1:] == [
        "  warn  third: sudo apt-get install a-package-with-hyphens",
        "  FAIL  fourth: Get it.",
    ]


def test_two_reports_of_one_host_are_the_same_to_the_letter() -> None:
    first, second = doctor.report(), doctor.report()
    assert first._repr_html_() == second._repr_html_()
    assert first.ready


def test_the_notebook_table_escapes_text_and_names_no_colour() -> None:
    table = doctor.Report(FINDINGS)._repr_html_()
    assert "A &lt;gap&gt; &amp; more." in table
    assert "<strong>FAIL</strong>" in table
    assert set(re.findall(r"(?:color|background)[^;\"]*", table)) == {
        "color:inherit",
        "background:none",
    }
