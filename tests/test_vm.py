"""The lab VM's own programs, as far as they can be tried without a boot; and one boot.

`make vm-test` boots the two that count: they share the tests that they run inside.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import importlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import looking

TOP = Path(__file__).resolve().parent.parent
LABS_VM = TOP / "labs-vm"
TOOLS = ("mmdebstrap", "qemu-img", "mkfs.ext4", "sfdisk", "cpio")


@pytest.fixture(scope="module")
def run() -> Iterator[SimpleNamespace]:
    """The rooms of labs-vm/run."""
    sys.path.insert(0, str(LABS_VM))
    names = ("needs", "disks", "machine")
    yield SimpleNamespace(**{name: importlib.import_module(f"lib.{name}") for name in names})
    sys.path.remove(str(LABS_VM))


def shell(
    *command: str | Path, directory: Path = TOP, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what an image is made from."""
    copy = tmp_path / "checkout"
    for name in ("labs-vm", "kernelbox/lab/jupyter"):
        shutil.copytree(TOP / name, copy / name)
    for name in ("requirements.lock", "pyproject.toml", "Makefile"):
        shutil.copy(TOP / name, copy / name)
    return copy


def program(directory: Path, name: str, text: str) -> Path:
    """Write a shell script to be found before the real program."""
    file = directory / name
    file.write_text(f"#!/bin/bash\n{text}\n")
    file.chmod(0o755)
    return file


# --- the recipes ----------------------------------------------------------------------------------


def test_every_script_passes_shellcheck() -> None:
    files = [*LABS_VM.iterdir(), *(LABS_VM / "guest").iterdir(), *(TOP / ".ci").iterdir()]
    scripts = [
        one
        for one in files
        if one.is_file()
        and re.match(r"#!.*\bsh$|#!.*bash|.*\n?# shellcheck shell", one.read_text()[:400], re.S)
    ]
    assert LABS_VM / "build" in scripts
    done = shell("shellcheck", "-x", *scripts)
    assert done.returncode == 0, done.stdout


def test_every_unit_is_one_that_systemd_knows(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("no systemd here")
    for unit in (LABS_VM / "units").iterdir():
        # What a unit starts lies elsewhere here.
        text = re.sub(r"(?m)^(Exec\w+=\+?)/opt/kernelbox\S*", r"\1/bin/true", unit.read_text())
        (tmp_path / unit.name).write_text(text)
    done = shell(verify, "verify", "--man=no", *sorted(tmp_path.iterdir()))
    ours = [line for line in done.stderr.splitlines() if "kernelbox" in line]
    assert not [line for line in ours if "Unknown" in line or "ignoring" in line], done.stderr


def test_an_unknown_purpose_is_named(checkout: Path) -> None:
    done = shell(checkout / "labs-vm/provision.sh", "names", "for", "flying")
    assert done.returncode == 1
    assert done.stderr.startswith("kernelbox: provision.sh knows no purpose flying. There are: ")


def test_what_tests_need_is_what_everybody_needs_and_more(checkout: Path) -> None:
    provision = checkout / "labs-vm/provision.sh"
    usual = shell(provision, "names").stdout.split()
    tests = shell(provision, "names", "for", "test").stdout.split()
    assert "nftables" in usual
    assert set(usual) < set(tests)


def test_the_workbook_is_delivered_and_the_token_stays(tmp_path: Path, checkout: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (checkout / ".venv").symlink_to(TOP / ".venv")
    deliver = checkout / "labs-vm/guest/deliver"
    tokens = []
    for _ in range(2):
        done = shell(deliver, HOME=str(home))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"{home}/kernelbox-lab\n"
        tokens.append((home / ".kernelbox/token").read_text())
    assert (home / "kernelbox-lab/README.ipynb").exists()
    assert (home / ".kernelbox/token").stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"JUPYTER_TOKEN=[0-9a-f]{48}\n", tokens[0])
    assert tokens[0] == tokens[1]


# --- build ----------------------------------------------------------------------------------------


def test_an_image_is_known_by_its_inputs_and_by_nothing_else(checkout: Path) -> None:
    build = checkout / "labs-vm/build"

    def where() -> str:
        done = shell(build, "--where", XDG_CACHE_HOME="/nowhere")
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = where()
    assert first.startswith("/nowhere/kernelbox/vm/")
    (checkout / "kernelbox/new.py").write_text("")
    (checkout / "labs-vm/README.md").write_text("")
    assert where() == first
    with (checkout / "requirements.lock").open("a") as lock:
        lock.write("# newer\n")
    second = where()
    assert second != first
    (checkout / "labs-vm/units/kernelbox-lab.service").write_text("")
    assert where() not in (first, second)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A directory with all programs that an image is made with; the first of them fails."""
    directory = tmp_path / "tools"
    directory.mkdir()
    for name in TOOLS:
        program(directory, name, "echo 'E: the mirror is away' >&2; exit 7")
    return directory


def start_build(checkout: Path, tools: Path, cache: Path) -> subprocess.Popen[str]:
    """Start build in a process group of its own, as a shell with job control does."""
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(cache),
    }
    return subprocess.Popen(
        [checkout / "labs-vm/build"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def room_for_an_image(directory: Path) -> None:
    free = shutil.disk_usage(directory).free
    if free < 6 << 30:
        pytest.skip("less than 6 GiB are free here: nothing is begun")


def test_a_build_that_fails_says_why_and_leaves_nothing_half(
    checkout: Path, tools: Path, tmp_path: Path
) -> None:
    room_for_an_image(tmp_path)
    build = start_build(checkout, tools, tmp_path / "cache")
    said, errors = build.communicate()
    assert build.returncode == 7
    assert not said
    assert errors.splitlines()[-1].startswith(
        "kernelbox: the image could not be made: E: the mirror is away. "
    )
    kept = {one.name for one in (tmp_path / "cache/kernelbox/vm").iterdir()}
    assert kept == {".lock", "build.log"}


def test_a_build_that_is_interrupted_leaves_nothing_half(
    checkout: Path, tools: Path, tmp_path: Path
) -> None:
    room_for_an_image(tmp_path)
    begun = tmp_path / "begun"
    program(tools, "mmdebstrap", f": >{begun}; exec sleep 1000")  # no child that outlives Ctrl-C
    cache = tmp_path / "cache"
    (cache / "kernelbox/vm/.making.earlier").mkdir(parents=True)  # of one that was killed
    build = start_build(checkout, tools, cache)
    assert looking.soon(begun.exists)
    os.killpg(build.pid, signal.SIGINT)
    _, errors = build.communicate()
    assert build.returncode == 130
    assert errors.splitlines()[-1] == "kernelbox: interrupted: nothing was kept"
    assert {one.name for one in (cache / "kernelbox/vm").iterdir()} == {".lock", "build.log"}


def test_a_disk_that_is_too_small_is_named_before_anything_is_made(
    checkout: Path, tools: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "small"
    cache.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", cache], check=True)
    try:
        build = start_build(checkout, tools, cache)
        _, errors = build.communicate()
    finally:
        subprocess.run(["umount", cache], check=True)
    assert build.returncode == 1
    assert re.fullmatch(
        r"kernelbox: \S+ has 0 GiB free, and making the image takes 6\. .*\n", errors
    )


def test_a_tool_that_is_missing_is_named(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "env", "dirname", "readlink", "id", "sha256sum", "find", "sort", "cut"):
        (tools / name).symlink_to(shutil.which(name) or name)
    for name in ("mkdir", "flock", "stat", "git", "rm", "printf"):
        (tools / name).symlink_to(shutil.which(name) or name)
    text = (checkout / "labs-vm/begin.sh").read_text().replace(":/usr/sbin:/sbin", "")
    (checkout / "labs-vm/begin.sh").write_text(text)
    done = shell(
        checkout / "labs-vm/build", PATH=str(tools), XDG_CACHE_HOME=str(tmp_path / "cache")
    )
    assert done.returncode == 1
    assert done.stderr.startswith("kernelbox: an image is not made without mmdebstrap. ")


# --- run ------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_named(run: SimpleNamespace) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(run.needs.Trouble, match=rf"port {port} is taken .* --port {port + 1}"):
            run.needs.check_port(port)
    run.needs.check_port(port)


def test_no_room_is_named(run: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(run.needs.Trouble, match=r"MiB free, and the lab VM wants"):
        run.needs.check_room(tmp_path, 1 << 60)


def test_no_qemu_is_named_with_how_to_get_it() -> None:
    done = shell(sys.executable, LABS_VM / "run", PATH="/nowhere")
    assert done.returncode == 125
    assert "kernelbox: there is no qemu-system-x86_64 here. Install it: " in done.stderr
    assert len(done.stderr.splitlines()) == 1


def image_of(directory: Path) -> Path:
    """Make what looks like an image."""
    directory.mkdir()
    sums = ""
    for name in ("disk.qcow2", "kernel", "initrd"):
        (directory / name).write_text(name)
        sums += f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n"
    (directory / "sums").write_text(sums)
    return directory


def test_a_damaged_file_of_the_image_is_found(run: SimpleNamespace, tmp_path: Path) -> None:
    image = image_of(tmp_path / "image")
    assert run.needs.damage(image) == ""
    (image / "kernel").write_text("kernel!")
    assert run.needs.damage(image) == "kernel"
    (image / "kernel").unlink()
    with pytest.raises(run.needs.Trouble, match=r"has no kernel\. Remove that directory"):
        run.needs.find_image(str(image))


def test_the_checkout_travels_as_it_is_now(
    run: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "tree"
    made = (".venv/b", "build/vm/junit.xml", "kernelbox/__pycache__/a.pyc", "lab.box")
    for name in ("kernelbox/a.py", "labs run", *made):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    (tree / "labs run").chmod(0o755)
    monkeypatch.setattr(run.needs, "TOP", tree)

    def travelling() -> list[str]:
        run.disks.checkout_tar(tmp_path / "out.tar", "echo the job\n")
        with tarfile.open(tmp_path / "out.tar") as tar:
            assert tar.getmember("labs run").mode & 0o777 == 0o755
            job = tar.extractfile(".job")
            assert job is not None
            assert job.read() == b"echo the job\n"
            return sorted(tar.getnames())

    assert travelling() == [".job", "kernelbox/a.py", "labs run"]  # without git
    git = ("git", "-C", tree, "-c", "user.name=a", "-c", "user.email=a@b")
    (tree / ".gitignore").write_text(".venv\n__pycache__\n/build/\n*.box\n")
    for words in (["init", "-q"], ["add", "labs run"], ["commit", "-qm", "one"]):
        assert shell(*git, *words).returncode == 0
    assert travelling() == [".gitignore", ".job", "kernelbox/a.py", "labs run"]
    (tree / "kernelbox/a.py").unlink()
    assert travelling() == [".gitignore", ".job", "labs run"]


def test_an_environment_that_is_a_link_to_another_does_not_travel(
    run: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine has one of its own: a link in its place kept the checkout from being unpacked."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / ".gitignore").write_text((run.needs.TOP / ".gitignore").read_text())
    (tree / ".venv").symlink_to(tmp_path)
    assert shell("git", "init", "-q", tree).returncode == 0
    monkeypatch.setattr(run.needs, "TOP", tree)
    run.disks.checkout_tar(tmp_path / "out.tar", "")
    with tarfile.open(tmp_path / "out.tar") as tar:
        assert tar.getnames() == [".gitignore"]


def test_results_come_back_with_how_the_job_ended(run: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "status").write_text("3\n")
    (tmp_path / "junit.xml").write_text("<xml/>")
    disk = tmp_path / "disk"
    with tarfile.open(disk, "w") as tar:
        for name in ("status", "junit.xml"):
            tar.add(tmp_path / name, name)
        tar.add(tmp_path / "junit.xml", "../../outside")
    os.truncate(disk, 1 << 20)
    into = tmp_path / "a/b/into"
    assert run.disks.take_results(disk, into) == 3
    assert (into / "junit.xml").read_text() == "<xml/>"
    assert {one.name for one in into.iterdir()} == {"status", "junit.xml", "outside"}
    assert not list(tmp_path.glob("a/outside"))


def test_a_disk_without_results_is_no_success(run: SimpleNamespace, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20))
    with pytest.raises(run.needs.Trouble, match="no results that can be read"):
        run.disks.take_results(disk, tmp_path / "into")


@pytest.mark.parametrize(
    ("guest", "found"),
    [("echo kernelbox-vm: alive", True), ("echo no such accelerator; exit 1", False)],
)
def test_an_accelerator_counts_only_if_a_guest_was_alive(
    run: SimpleNamespace, tmp_path: Path, guest: str, found: bool
) -> None:
    qemu = program(tmp_path, "qemu", guest)
    assert run.machine.runs(str(qemu), tmp_path, "kvm") is found


def test_a_guest_that_hangs_is_given_up(
    run: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run.machine, "PROBE_LIMIT", 0.2)
    qemu = program(tmp_path, "qemu", "exec sleep 1000")
    assert run.machine.runs(str(qemu), tmp_path, "kvm") is False


# --- a boot ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def image() -> Path:
    """The image, if it has been made. One that `make vm-test` is making meanwhile is waited for."""
    found = Path(shell(LABS_VM / "build", "--where").stdout.strip())
    with contextlib.suppress(FileNotFoundError), (found.parent / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
    if shutil.which("qemu-system-x86_64") is None or not found.is_dir():
        pytest.skip("the lab VM's image has not been made here: make vm-test makes it")
    return found


@pytest.fixture
def lab_vm(image: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [LABS_VM / "run", "--image", image, "--home", tmp_path, "--port", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as started:
        yield started
        started.kill()


def test_the_lab_vm_serves_jupyterlab_to_this_machine_and_powers_off(
    lab_vm: subprocess.Popen[str],
) -> None:
    assert lab_vm.stdout is not None
    seen = []
    for line in lab_vm.stdout:
        seen.append(line)
        if line.startswith("http://"):
            break
    found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/lab\?token=([0-9a-f]+)\n", seen[-1])
    assert found, "".join(seen)
    port, token = int(found[1]), found[2]

    def get(path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content

    assert get("/api/contents/", {})[0] == 403
    status, content = get("/api/contents/", {"Authorization": f"token {token}"})
    assert status == 200
    names = {one["name"] for one in json.loads(content)["content"]}
    assert names >= {"README.ipynb"} | {one.name for one in (TOP / "notebooks").glob("*.ipynb")}

    lab_vm.send_signal(signal.SIGINT)
    rest = lab_vm.stdout.read()
    assert lab_vm.wait() == 0, rest
    assert "powering off" in rest
