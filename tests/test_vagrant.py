"""What can be seen of Vagrant's part without a virtual machine; `make vagrant-test` starts one.

The check before a boot meets its troubles for real: a port that is taken, a disk that is full, a
box that is damaged. What another computer would be like is said on its command line.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
LABS_VM = TOP / "labs-vm"
RUBY_FILES = [LABS_VM / "Vagrantfile", *sorted((LABS_VM / "lib").glob("*.rb"))]

# The lab VM itself has neither.
pytestmark = pytest.mark.skipif(not shutil.which("vagrant"), reason="there is no Vagrant here")


def call(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=LABS_VM,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ruby(*lines: str) -> str:
    """Return what a program prints that has the three files loaded."""
    required = [f"-r./lib/{name}" for name in ("boxes", "checkout", "preflight")]
    done = call("ruby", "-w", *required, *(word for line in lines for word in ("-e", line)))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def trouble(*options: str | Path) -> str:
    """Return the one line with which the check ends, without its start; empty if all is well."""
    done = call("ruby", "-w", "lib/preflight.rb", *options)
    assert done.stdout == ""
    if not done.stderr:
        assert done.returncode == 0
        return ""
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("kernelbox: ").rstrip()


# --- the files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", RUBY_FILES, ids=lambda file: file.name)
def test_ruby_has_no_complaint_about_a_file(file: Path) -> None:
    done = call("ruby", "-wc", file)
    assert (done.stdout, done.stderr) == ("Syntax OK\n", "")


def test_vagrant_takes_the_vagrantfile_and_writes_nothing_beside_it(tmp_path: Path) -> None:
    before = sorted(os.listdir(LABS_VM))
    done = call(
        *("vagrant", "validate", "--ignore-provider"),
        VAGRANT_HOME=str(tmp_path / "home"),
        VAGRANT_DOTFILE_PATH=str(tmp_path / "dot"),
    )
    assert "Vagrantfile validated successfully." in done.stdout, done.stdout + done.stderr
    assert sorted(os.listdir(LABS_VM)) == before


READ = """
require "json"
require "vagrant"
environment = Vagrant::Environment.new(cwd: ".", ui_class: Vagrant::UI::Silent)
vm = environment.vagrantfile.machine_config(:default, ARGV[0].to_sym, nil, nil, false)[:config].vm
puts JSON.generate(
  box: vm.box, version: vm.box_version, networks: vm.networks.map(&:last),
  folders: vm.synced_folders.reject { |_, folder| folder[:disabled] }.keys,
  last: vm.provisioners.last.config.args,
)
"""


@pytest.mark.parametrize(
    ("provider", "box", "forwards"),
    [("virtualbox", "bento/debian-13", True), ("hyperv", "generic/debian12", False)],
)
def test_a_provider_gets_a_pinned_box_no_folder_and_a_port_for_this_computer_only(
    tmp_path: Path, provider: str, box: str, forwards: bool
) -> None:
    done = call(
        *("ruby", "-e", READ, provider),
        VAGRANT_HOME=str(tmp_path / "home"),
        VAGRANT_DOTFILE_PATH=str(tmp_path / "dot"),
        KERNELBOX_PORT="9123",
    )
    read = json.loads(done.stdout)
    assert (read["box"], read["folders"]) == (box, [])
    assert read["version"]
    (network,) = [network for network in read["networks"] if network["id"] == "lab"]
    assert (network["host_ip"], network["host"]) == ("127.0.0.1", 9123)
    assert network.get("disabled", False) != forwards
    assert read["last"] == (["9123"] if forwards else ["9123", "tunnel"])


# --- the check before a boot ----------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_is_told_with_another_to_take_and_a_free_one_is_not(address: str) -> None:
    with socket.create_server((address, 0)) as server:
        port = server.getsockname()[1]
        line = trouble("--port", str(port))
        assert line.startswith(f"Port {port} of 127.0.0.1 is taken.")
        assert line.endswith(f"KERNELBOX_PORT={port + 1} vagrant up")
    assert trouble("--port", str(port)) == ""


@pytest.fixture
def nearly_full(tmp_path: Path) -> Iterator[list[str]]:
    """The start of a command that has a file system of 8 MiB at `full`, in mounts of its own."""
    full = tmp_path / "full"
    full.mkdir()
    mount = f"mount -t tmpfs -o size=8m tmpfs {full}"
    yield ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh"]


def test_a_full_disk_is_told_even_where_the_directory_is_still_to_come(
    nearly_full: list[str], tmp_path: Path
) -> None:
    for directory in (tmp_path / "full", tmp_path / "full" / "of" / "boxes"):
        done = call(*nearly_full, "ruby", "lib/preflight.rb", "--disk", directory)
        assert done.returncode == 1
        assert done.stderr.startswith(
            f"kernelbox: {directory} has 8 MiB free, and the lab VM takes"
        )


def test_a_machine_that_runs_without_its_port_is_told_as_half_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ruby(f"p Preflight.half_started({port}, 'virtualbox', 'id')") == "nil\n"
    assert "vagrant halt --force, then vagrant up" in ruby(
        f"puts Preflight.half_started({port}, 'virtualbox', 'id')"
    )


def test_a_disk_with_room_is_not_complained_of(tmp_path: Path) -> None:
    enough = "p Preflight.disk(ARGV.first || '/', 1)"
    assert ruby(enough) == "nil\n"


def test_too_little_memory_is_told_with_the_way_to_take_less() -> None:
    assert trouble("--memory", "1") == ""
    line = trouble("--memory", "100000000")
    assert line.startswith("There are ")
    assert line.endswith("KERNELBOX_MEMORY=1024 vagrant up")


@pytest.mark.parametrize(
    ("version", "architecture", "old"),
    [
        ("2.2.19", "x86_64", True),
        ("2.3.4", "x86_64", False),
        ("2.10.0", "x86_64", False),
        ("2.3.7", "arm64", True),
        ("2.4.0", "arm64", False),
    ],
)
def test_an_old_vagrant_is_told(version: str, architecture: str, old: bool) -> None:
    line = ruby(f"puts Preflight.vagrant('{version}', '{architecture}')")
    assert (f"Vagrant {version} is too old" in line) == old


@pytest.mark.parametrize("system", ["linux", "macos", "windows"])
@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_without_a_provider_the_one_to_install_is_named(system: str, architecture: str) -> None:
    line = ruby(f"puts Preflight.provider([], '{system}', '{architecture}')")
    assert line.startswith("Vagrant finds nothing here to run a VM with. ")
    assert "VirtualBox" in line
    assert line.count("\n") == 1
    assert ruby(f"p Preflight.provider(['libvirt'], '{system}', '{architecture}')") == "nil\n"


def test_a_port_that_is_no_number_is_told_in_one_line(tmp_path: Path) -> None:
    done = call(
        *("vagrant", "validate", "--ignore-provider"),
        VAGRANT_HOME=str(tmp_path / "home"),
        VAGRANT_DOTFILE_PATH=str(tmp_path / "dot"),
        KERNELBOX_PORT="eighty",
    )
    assert done.returncode == 1
    assert done.stderr.strip().count("\n") == 0
    assert done.stderr.startswith('kernelbox: KERNELBOX_PORT is no number: "eighty"')


def test_hyper_v_in_the_way_of_virtualbox_is_told_with_both_ways_out() -> None:
    line = ruby("puts Preflight.hyperv(true)")
    assert "vagrant up --provider hyperv" in line
    assert "bcdedit" in line
    assert ruby("p Preflight.hyperv(false)") == "nil\n"


def test_a_virtualbox_that_cannot_run_arm64_is_told_there_only() -> None:
    assert "7.1.6 or newer" in ruby("puts Preflight.virtualbox('7.1.4', 'arm64')")
    assert ruby("p Preflight.virtualbox('7.1.10', 'arm64')") == "nil\n"
    assert ruby("p Preflight.virtualbox('6.1.0', 'x86_64')") == "nil\n"


def test_a_damaged_box_is_told_and_the_whole_one_is_taken(tmp_path: Path) -> None:
    box = tmp_path / "lab.box"
    box.write_bytes(b"a box")
    Path(f"{box}.sha256").write_text(f"{hashlib.sha256(b'a box').hexdigest()}  lab.box\n")
    assert trouble("--box", box) == ""
    box.write_bytes(b"a bo")
    assert trouble("--box", box).startswith(f"The box {box} is damaged")
    box.write_bytes(b"a box")
    assert trouble("--box", box) == ""
    box.unlink()
    assert trouble("--box", box).startswith(f"There is no box at {box}")


# --- the boxes ------------------------------------------------------------------------------------


def test_every_box_that_is_not_our_own_is_pinned_by_a_version() -> None:
    rows = ruby("Boxes::PLAIN.each { |of, box| puts [*of, *box].join(' ') }").splitlines()
    assert len(rows) >= 8
    for row in rows:
        _provider, architecture, name, version = row.split()
        assert architecture in ("x86_64", "arm64")
        assert "/" in name
        assert version[0].isdigit()


def test_our_own_box_goes_before_a_plain_one_and_a_new_build_is_another_box(tmp_path: Path) -> None:
    of = f"'libvirt', 'x86_64', '{tmp_path}', {{}}"
    assert ruby(f"puts Boxes.for({of}).name") == "debian/trixie64\n"
    box = tmp_path / "lab-libvirt-x86_64.box"
    box.write_bytes(b"")
    names = set()
    for build in "ab":
        Path(f"{box}.sha256").write_text(build * 64)
        names.add(ruby(f"puts Boxes.for({of}).name"))
    assert names == {f"kernelbox/lab-{'a' * 12}\n", f"kernelbox/lab-{'b' * 12}\n"}


def test_a_processor_without_a_box_is_told_the_providers_that_have_one() -> None:
    line = ruby("puts Preflight.choice('hyperv', 'arm64', Boxes.for('hyperv', 'arm64', '/', {}))")
    assert line.startswith("There is no box for hyperv on arm64. Take one of: ")
    assert "vagrant up --provider virtualbox" in line
    assert line.count("\n") == 1


# --- the checkout ---------------------------------------------------------------------------------


def packed(into: Path) -> Path:
    ruby(f"Checkout.pack('{TOP}', '{into}')")
    return into


def test_the_checkout_is_carried_whole_and_nothing_made_in_it(tmp_path: Path) -> None:
    carried = call("tar", "--list", "--file", packed(tmp_path / "checkout.tar")).stdout.split("\n")
    tracked = call("git", "-C", TOP, "ls-files").stdout.split("\n")
    assert {name for name in tracked if not name.startswith(".") and "/." not in name} <= set(
        carried
    )
    assert not [name for name in carried if "/." in name or name.endswith((".pyc", ".box"))]


def test_unpacking_touches_only_what_is_different(tmp_path: Path) -> None:
    tar, top = tmp_path / "checkout.tar", tmp_path / "opt"
    call("lib/unpack", packed(tar), top)
    assert not tar.exists()
    assert os.access(top / "labs-vm" / "provision.sh", os.X_OK)
    same, changed, gone = top / "LICENSE", top / "README.md", top / "kernelbox" / "gone.py"
    changed.write_text("something else")
    gone.write_text("")
    (top / ".venv").mkdir()
    (top / ".venv" / "kept").write_text("")
    os.utime(same, (0, 0))
    done = call("lib/unpack", packed(tar), top)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert same.stat().st_mtime == 0
    assert changed.read_text() == (TOP / "README.md").read_text()
    assert not gone.exists()
    assert (top / ".venv" / "kept").exists()
