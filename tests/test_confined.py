"""Containers whose system calls are filtered: what is in force is read in procfs, from outside."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernelbox.kernel import lsm
from kernelbox.root import masks
from tests import looking
from tests.command import Kernelbox
from tests.looking import status

ALONE = ("--network", "none")
UNCONFINED = ("--security-opt", "seccomp=unconfined")
FOREVER = ("busybox", "sleep", "infinity")


def written(path: Path, *rules: dict[str, Any], default: str = "SCMP_ACT_ALLOW") -> str:
    """Write a profile; return the option that asks for it."""
    path.write_text(json.dumps({"defaultAction": default, "syscalls": rules}))
    return f"seccomp={path}"


def rule(*names: str, action: str = "SCMP_ACT_ERRNO", **more: Any) -> dict[str, Any]:
    return {"names": names, "action": action, **more}


def in_force(pid: int) -> tuple[str, str]:
    """Return the mode of seccomp (2 is a filter), and whether privilege can be gained."""
    told = status(pid)
    return told["Seccomp"], told["NoNewPrivs"]


@pytest.mark.parametrize(
    ("options", "held"),
    [
        ((), ("2", "0")),
        (UNCONFINED, ("0", "0")),
        (("--security-opt", "seccomp=default"), ("2", "0")),
        (("--security-opt", "no-new-privileges"), ("2", "1")),
        (("--security-opt", "no-new-privileges:true"), ("2", "1")),
        (("--security-opt", "no-new-privileges=false"), ("2", "0")),
        ((*UNCONFINED, "--security-opt", "no-new-privileges"), ("0", "1")),
        (("-u", "1000"), ("2", "0")),
        (("--userns", "auto"), ("2", "0")),
        (("--init",), ("2", "0")),
        (("--security-opt", "apparmor=unconfined", "--security-opt", "label=disable"), ("2", "0")),
        ((*UNCONFINED, "--security-opt", "seccomp=default"), ("2", "0")),
        (("--security-opt", "seccomp=default", *UNCONFINED), ("0", "0")),
    ],
)
def test_what_was_asked_for_holds_the_program_and_whoever_comes_later(
    kernelbox: Kernelbox, options: tuple[str, ...], held: tuple[str, str]
) -> None:
    container = kernelbox.start(*ALONE, *options, *FOREVER)
    assert in_force(kernelbox.pid(container)) == held
    told = kernelbox.ok(
        "exec", container, "grep", "-E", "^(Seccomp|NoNewPrivs):", "/proc/self/status"
    )
    assert dict(line.split(":\t") for line in told.splitlines()) == {
        "Seccomp": held[0],
        "NoNewPrivs": held[1],
    }
    said = kernelbox.inspect(container)
    assert said["InForce"]["Seccomp"] == held[0] and said["InForce"]["NoNewPrivs"] == held[1]
    assert ("no-new-privileges" in said["HostConfig"]["SecurityOpt"]) == (held[1] == "1")


def test_the_default_profile_keeps_a_container_from_new_namespaces_and_lets_it_work(
    kernelbox: Kernelbox,
) -> None:
    script = """
        unshare -U true; unshare -n true; mount -t tmpfs none /mnt
        mkdir /d && echo text >/d/file && cp -r /d /e && ls /e && ps >/dev/null && id -u
        (sleep 0.1 & wait) && mknod /n c 1 3 && chown 7:7 /n && su nobody -s /bin/sh -c 'id -u'
        adjtimex >/dev/null && date >/dev/null && echo done"""
    done = kernelbox("run", "--rm", *ALONE, "busybox", "sh", "-c", script)
    assert done.stdout.split() == ["file", "0", "65534", "done"], done
    assert (
        done.stderr.count("Operation not permitted") + done.stderr.count("permission denied") == 3
    )
    # With the capability, these calls are its business.
    run = ("run", "--rm", *ALONE, "--cap-add", "SYS_ADMIN", "busybox")
    assert kernelbox.ok(*run, "unshare", "-n", "echo", "new") == "new\n"


@pytest.mark.parametrize("given", [False, True], ids=["the default", "one that is given"])
def test_the_filter_that_is_kept_is_the_profiles_whatever_has_become_of_it(
    kernelbox: Kernelbox, tests_root: Path, tmp_path: Path, given: bool
) -> None:
    """What is kept is no more than a short cut: broken, or of other files, it is made anew."""
    status_of_it = ("busybox", "grep", "^Seccomp:", "/proc/self/status")
    options = ("--cap-add", "SYS_PTRACE")
    if given:
        profile = tmp_path / "profile.json"
        refused = {"names": ["acct"], "action": "SCMP_ACT_ERRNO"}
        profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refused]}))
        options = ("--security-opt", f"seccomp={profile}")
    run = ("run", "--rm", *ALONE, *options, *status_of_it)
    for one in looking.entries(tests_root / "filters"):
        one.unlink()
    kernelbox.ok(*run)
    # Of one that is given it is asked first whether it is the default.
    made = (tests_root / "filters").iterdir()
    (kept,) = [one for one in made if one.name.startswith("given-") == given]
    whole = json.loads(kept.read_text())
    allows_all = struct.pack("=HBBI", 6, 0, 0, 0x7FFF0000).hex()
    stale = {**whole, "program": allows_all, "made_of": {**whole["made_of"], "files": []}}
    for content in ("", "{", "[]", "7", json.dumps(stale)):
        kept.write_text(content)
        assert kernelbox.ok(*run) == "Seccomp:\t2\n"
        assert json.loads(kept.read_text()) == whole
    assert kept.stat().st_mode & 0o777 == 0o600 and kept.parent.stat().st_mode & 0o777 == 0o700


def test_a_step_of_a_build_is_confined_likewise(kernelbox: Kernelbox, tmp_path: Path) -> None:
    (tmp_path / "Containerfile").write_text(
        "FROM busybox\nRUN grep ^Seccomp: /proc/self/status > /mode\n"
        "RUN ! unshare -U true 2>/dev/null\n"
    )
    kernelbox.ok("build", "-t", "confined", str(tmp_path))
    assert kernelbox.ok("run", "--rm", *ALONE, "confined", "cat", "/mode") == "Seccomp:\t2\n"
    kernelbox.ok("rmi", "confined")


def test_who_is_privileged_has_what_others_gave_up_and_it_is_said(kernelbox: Kernelbox) -> None:
    done = kernelbox("run", "-d", *ALONE, "--privileged", *FOREVER)
    container = done.stdout.strip()
    assert done.returncode == 0 and done.stderr.startswith("kernelbox: --privileged gives up: ")
    pid = kernelbox.pid(container)
    assert in_force(pid) == ("0", "0")
    assert status(pid)["CapBnd"] == status("self")["CapPrm"]
    there = {line.split()[4] for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()}
    assert not there & {*masks.MASKED, *masks.READ_ONLY}
    script = """
        mount -t tmpfs none /mnt && sysctl -qw net.ipv4.ip_forward=1 && umount /mnt
        mknod /dev/again c 1 11 && for one in kmsg again; do
            : </dev/$one && echo $one
        done"""
    assert kernelbox.ok("exec", container, "sh", "-c", script) == "kmsg\nagain\n"
    nodes = "cd /dev; for one in *; do test -b $one && stat -c '%n %t:%T' $one; done; true"
    disks = [one for one in Path("/dev").iterdir() if one.is_block_device()]
    numbers = [(one.name, one.stat().st_rdev) for one in disks]
    assert set(kernelbox.ok("exec", container, "sh", "-c", nodes).splitlines()) == {
        f"{name} {os.major(number):x}:{os.minor(number):x}" for name, number in numbers
    }
    assert kernelbox.inspect(container)["HostConfig"]["Privileged"] is True
    lacking = {
        one["name"]
        for one in json.loads(kernelbox.ok("audit", "--format", "json", container))[container]
        if not one["holds"]
    }
    assert {"capabilities", "system call filter", "masked paths", "device list"} <= lacking
    kernelbox.ok("rm", "-f", container)
    line = kernelbox.refused("run", *ALONE, "--privileged", "--userns", "auto", "busybox", "true")
    assert "Leave out --userns auto; or --privileged and --device" in line
    filtered = ("--privileged", "--security-opt", "seccomp=default")
    done = kernelbox("run", "--rm", *ALONE, *filtered, "busybox", "grep", "^Secc", "/proc/1/status")
    assert "Seccomp:\t2" in done.stdout


def test_a_profile_of_ones_own_is_obeyed(kernelbox: Kernelbox, tmp_path: Path) -> None:
    option = written(tmp_path / "no-mkdir", rule("mkdir", "mkdirat", errnoRet=28))
    run = ("run", "--rm", *ALONE, "--security-opt", option, "busybox", "sh", "-c")
    done = kernelbox(*run, "mkdir /here; echo went on")
    assert done.stdout == "went on\n" and "No space left on device" in done.stderr
    killing = written(tmp_path / "kill", rule("mkdir", "mkdirat", action="SCMP_ACT_KILL_PROCESS"))
    run = ("run", "--rm", *ALONE, "--security-opt", killing, "busybox")
    assert kernelbox(*run, "mkdir", "/here").returncode == 128 + 31  # SIGSYS


def test_a_profile_that_forbids_what_a_start_takes_says_so_and_leaves_nothing(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    for names in (("execve", "execveat"), ("capset",), ("setresuid",), ("prctl",)):
        option = written(tmp_path / "none", rule(*names))
        done = kernelbox("run", "--rm", *ALONE, "--security-opt", option, "busybox", "true")
        assert done.returncode in (125, 126), done
        assert done.stderr.count("\n") == 1 and "seccomp profile" in done.stderr, done
    everything = written(tmp_path / "none", default="SCMP_ACT_KILL_PROCESS")
    done = kernelbox("run", "--rm", *ALONE, "--security-opt", everything, "busybox", "true")
    assert done.returncode == 125 and done.stderr.count("\n") == 1, done
    assert "seccomp profile" in done.stderr, done
    assert kernelbox.ok("ps", "-aq") == ""


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("seccomp=/nonesuch", "cannot read the profile '/nonesuch': No such file"),
        ("seccomp=/", "cannot read the profile '/'"),
        ("seccomp=/dev/null", "is no JSON"),
        ("seccomp=", "no security option 'seccomp='"),
        ("seccomp", "no security option 'seccomp'"),
        ("apparmor=", "no security option 'apparmor='"),
        ("apparmor=a\nb", "no AppArmor profile can be called"),
        (f"apparmor={'x' * 4000}", "no AppArmor profile can be called"),
        ("no-new-privileges=maybe", "no security option"),
        ("nonesuch", "no security option 'nonesuch'"),
    ],
)
def test_a_wish_that_cannot_be_is_one_clear_line(
    kernelbox: Kernelbox, option: str, complaint: str
) -> None:
    line = kernelbox.refused("run", "--rm", *ALONE, "--security-opt", option, "busybox", "true")
    assert complaint in line


# --- AppArmor -------------------------------------------------------------------------------------

HAS_APPARMOR = lsm.has_apparmor()
PROFILE = """
profile kernelbox-test flags=(attach_disconnected,mediate_deleted) {
  file,
  capability,
  network,
  signal,
  deny /forbidden w,
}
"""


@pytest.fixture
def profile() -> Iterator[str]:
    """Yield the name of a profile that is loaded: with it nothing is written to /forbidden."""
    for action in ("--replace", "--remove"):
        parser = ["apparmor_parser", "--skip-cache", action]
        subprocess.run(parser, input=PROFILE, text=True, check=True)
        if action == "--replace":
            yield "kernelbox-test"


@pytest.mark.skipif(HAS_APPARMOR, reason="it is in force here")
def test_where_the_kernel_has_no_apparmor_its_profiles_are_refused(kernelbox: Kernelbox) -> None:
    run = ("run", "--rm", *ALONE, "--security-opt", "apparmor=mine", "busybox", "true")
    assert "apparmor=mine: AppArmor is not in force on this host" in kernelbox.refused(*run)
    container = kernelbox.start(*ALONE, "--security-opt", "apparmor=unconfined", *FOREVER)
    assert "Label" not in kernelbox.inspect(container)["InForce"]


@pytest.mark.vm
@pytest.mark.skipif(not HAS_APPARMOR, reason="the kernel has no AppArmor")
@pytest.mark.parametrize(
    "options", [(), ("-u", "1000", "--security-opt", "no-new-privileges"), ("--userns", "auto")]
)
def test_a_profile_of_apparmors_holds_the_program_and_whoever_comes_later(
    kernelbox: Kernelbox, profile: str, options: tuple[str, ...]
) -> None:
    confined = (*ALONE, *options, "--security-opt", f"apparmor={profile}")
    container = kernelbox.start(*confined, "--tmpfs", "/tmp", *FOREVER)
    said = f"{profile} (enforce)"
    current = Path(f"/proc/{kernelbox.pid(container)}/attr/apparmor/current")
    assert current.read_text().strip() == said
    assert kernelbox.ok("exec", container, "cat", "/proc/self/attr/apparmor/current") == f"{said}\n"
    told = kernelbox.inspect(container)
    assert told["InForce"]["Label"] == said
    assert f"apparmor={profile}" in told["HostConfig"]["SecurityOpt"]
    (audited,) = [
        one
        for one in json.loads(kernelbox.ok("audit", "--format", "json", container))[container]
        if one["name"] == "LSM profile"
    ]
    assert (audited["holds"], audited["found"]) == (True, said)
    if not options:  # root, whom no mode of a file would stop
        done = kernelbox("exec", container, "sh", "-c", "echo x >/allowed; echo x >/forbidden")
        assert (done.returncode, "Permission denied" in done.stderr) == (1, True)
        assert kernelbox.ok("exec", container, "cat", "/allowed") == "x\n"


@pytest.mark.vm
@pytest.mark.skipif(not HAS_APPARMOR, reason="the kernel has no AppArmor")
def test_a_profile_that_is_not_loaded_is_one_clear_line(kernelbox: Kernelbox) -> None:
    run = ("run", "--rm", *ALONE, "--security-opt", "apparmor=nonesuch", "busybox", "true")
    assert "apparmor_parser" in kernelbox.refused(*run)
    container = kernelbox.start(*ALONE, "--security-opt", "apparmor=unconfined", *FOREVER)
    assert kernelbox.inspect(container)["InForce"]["Label"] == "unconfined"


# --- kernelbox seccomp ----------------------------------------------------------------------------


def test_a_decision_is_explained(kernelbox: Kernelbox, tmp_path: Path) -> None:
    explain = ("seccomp", "explain")
    assert kernelbox.ok(*explain, "default", "mount").startswith("mount fails with EPERM: no rule")
    allowed = kernelbox.ok(*explain, "--cap-add", "SYS_ADMIN", "default", "mount")
    assert allowed == "mount is allowed: a rule names it\n"
    assert "argument 0 & 0x7e020000 == 0x0" in kernelbox.ok(*explain, "default", "clone", "0x11")
    assert kernelbox.ok(*explain, "default", "clone", "0x10000000").startswith("clone fails with")
    by_name = kernelbox.ok(*explain, "default", "clone", "CLONE_NEWUSER|CLONE_NEWNS")
    assert by_name == kernelbox.ok(*explain, "default", "clone", "0x10020000")
    assert kernelbox.ok(*explain, "default", "socket", "AF_VSOCK").startswith("socket fails with")
    assert kernelbox.ok(*explain, "default", "socket", "AF_UNIX").startswith("socket is allowed")
    assert kernelbox.ok(*explain, "default", "9999").startswith(
        "call 9999 fails with ENOSYS: it is"
    )
    told = kernelbox.ok(*explain, "default")
    assert "1 fails with ENOSYS:\n    clone3\n" in told
    assert "is allowed, or fails with EPERM:" in told
    assert max(map(len, told.splitlines())) <= 120
    profile = tmp_path / "profile"
    written(profile, rule("mkdir", "nonesuch", errnoRet=13))
    done = kernelbox(*explain, str(profile), "mkdir")
    assert done.stdout == "mkdir fails with EACCES: a rule names it\n"
    assert done.stderr == "kernelbox: left out: 1 calls that no machine here has: nonesuch\n"
    for words, complaint in (
        (("default", "nonesuch"), "has no system call 'nonesuch'"),
        (("default", "read", "x"), "'x' is no argument of 64 bits"),
        (("default", "read", "-1"), "'-1' is no argument of 64 bits"),
        (("default", "clone", "CLONE_NEWUSER|"), "'CLONE_NEWUSER|' is no argument of 64 bits"),
        (("default", "clone", "CLONE_NONESUCH"), "is no argument of 64 bits"),
        (("default", "read", "9" * 5000), "is no argument of 64 bits"),
        (("default", "read", *"1234567"), "six arguments at most"),
        (("/nonesuch",), "cannot read the profile"),
        (("mount",), "kernelbox seccomp explain default mount"),
        ((), "arguments are required: PROFILE. See"),
    ):
        assert complaint in kernelbox.refused(*explain, *words)


def test_a_filter_is_listed(kernelbox: Kernelbox) -> None:
    lines = kernelbox.ok("seccomp", "list", "default").splitlines()
    assert lines[0].split() == ["0", "take", "the", "machine"] and len(lines) > 50
    assert "no command 'seccomp nonesuch'" in kernelbox.refused("seccomp", "nonesuch")
