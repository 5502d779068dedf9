"""An OCI runtime whose hooks call it, whose disk is full, whose files are not as it left them."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import looking
from tests.engine import RUNTIME, Engine, gone


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    place = tmp_path / "full"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "full", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def fill(place: Path, free: int) -> None:
    """Leave so many pages of it."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while file.write(bytes(4096)):
            pass
    os.truncate(ballast, ballast.stat().st_size - free * 4096)


def calling(engine: Engine, kind: str, verb: str) -> Path:
    """Let a hook call the runtime on its own container; return where the answer will be."""
    answer = engine.bundle / "answer"
    words = shlex.join([*RUNTIME, "--root", str(engine.root), *verb.split()])
    script = f"{words} >{answer}.new 2>&1 </dev/null; echo $? >>{answer}.new"
    script += f"; mv {answer}.new {answer}"
    environment = ["PATH=/bin:/usr/bin", f"PYTHONPATH={os.getcwd()}"]
    hook = {"path": "/bin/sh", "args": ["sh", "-c", script], "env": environment}
    engine.config["hooks"] = {kind: [hook]}
    engine.config["process"]["args"] = ["sleep", "1000"]
    return answer


@pytest.mark.parametrize("kind", ["prestart", "createRuntime"])
@pytest.mark.parametrize("verb", ["start x", "exec x true", "pause x"])
def test_a_hook_of_create_cannot_wait_for_what_waits_for_it(
    engine: Engine, kind: str, verb: str
) -> None:
    """Its init is not at the gate yet, and will not be before the hook has ended."""
    answer = calling(engine, kind, verb)
    engine.create("x")
    assert "is being created" in answer.read_text()
    assert engine.status("x") == "created"
    engine.ok("delete", "--force", "x")


def test_a_hook_that_deletes_its_container_is_heard_once(engine: Engine) -> None:
    """runtime.md, "Lifecycle", 12 and 13: poststop hooks come once it is deleted."""
    answer = calling(engine, "poststop", "delete --force x")
    pid = engine.create("x")
    engine.ok("delete", "--force", "x")
    assert answer.read_text() == "0\n" and gone(pid)
    assert engine.left() == engine.groups("x") == []


def test_a_poststop_hook_may_make_the_next_of_its_name(engine: Engine) -> None:
    calling(engine, "poststop", f"create --bundle {engine.bundle} x")
    first = engine.create("x")
    engine.ok("delete", "--force", "x")
    assert gone(first) and engine.status("x") == "created"
    engine.config["hooks"] = {}
    (engine.root / "x/config.json").write_text(json.dumps(engine.config))
    engine.ok("delete", "--force", "x")
    assert engine.left() == engine.groups("x") == []


def test_a_container_is_deleted_while_it_is_being_created(engine: Engine) -> None:
    """Whoever creates it clears up; whoever deletes it waits for that."""
    here = engine.bundle / "here"
    script = f"touch {here}; while test -e {here}; do sleep 0.05; done"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]}
    engine.config["hooks"] = {"prestart": [hook]}
    (engine.bundle / "config.json").write_text(json.dumps(engine.config))
    lost = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    words = [*RUNTIME, "--root", str(engine.root)]
    bundle = str(engine.bundle)
    with subprocess.Popen([*words, "create", "--bundle", bundle, "x"], text=True, **lost) as maker:  # type: ignore[call-overload]
        looking.soon(here.exists)
        pid = json.loads(engine.ok("state", "x"))["pid"]
        with subprocess.Popen([*words, "delete", "--force", "x"], text=True, **lost) as other:  # type: ignore[call-overload]
            looking.soon(lambda: gone(pid))
            here.unlink()
            assert other.communicate()[1] == "" and other.returncode == 0
        said = maker.communicate()[1]
        assert maker.returncode == 1 and said.count("\n") == 1 and "first process died" in said
    assert engine.left() == engine.groups("x") == []


def test_who_deletes_what_another_has_deleted_leaves_the_next_alone(engine: Engine) -> None:
    """Its id is another's by then, and its group too."""
    engine.config["process"]["args"] = ["sleep", "1000"]
    engine.create("x")
    engine.ok("start", "x")
    lost: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    words = [*RUNTIME, "--root", str(engine.root), "delete", "--force", "x"]
    several = [subprocess.Popen(words, **lost) for _ in range(4)]
    for one in several:
        assert (one.communicate()[1], one.returncode) == ("", 0)
    assert engine.left() == engine.groups("x") == []


@pytest.mark.alone  # it mounts where others look
@pytest.mark.parametrize("free", [0, 1, 2, 3])
def test_a_full_disk_leaves_no_half_of_a_container(engine: Engine, full: Path, free: int) -> None:
    engine.root = full / "states"
    engine.root.mkdir()
    fill(full, free)
    engine.config["process"]["args"] = ["true"]
    done = engine("run", "--bundle", engine.bundle, "x")
    if done.returncode:
        assert "no space left" in done.stderr and str(full) in done.stderr, done
        assert done.stderr.count("\n") == 1
    assert engine.left() == engine.groups("x") == []


@pytest.mark.alone  # it mounts where others look
def test_a_pid_file_that_does_not_fit_leaves_nothing(engine: Engine, full: Path) -> None:
    fill(full, 0)
    words = ("create", "--bundle", engine.bundle, "--pid-file", full / "pid", "x")
    assert f"{full}/pid" in engine.refused(*words)
    assert os.listdir(full) == ["ballast"]
    assert engine.left() == engine.groups("x") == []


@pytest.mark.parametrize("value", ["x", -1, None, 1e300])
def test_a_state_of_other_types_is_damaged(engine: Engine, value: object) -> None:
    engine.config["process"]["args"] = ["sleep", "1000"]
    engine.create("x")
    path = engine.root / "x/state.json"
    whole = json.loads(path.read_text())
    for key in whole:
        path.write_text(json.dumps({**whole, key: value}))
        done = engine("state", "x")
        assert "bug" not in done.stderr and done.stderr.count("\n") <= 1, (key, done)
    assert engine("list").returncode == 0
    path.write_text(json.dumps(whole))
    engine.ok("delete", "--force", "x")


def test_what_runs_in_a_damaged_container_is_not_passed_over(engine: Engine) -> None:
    """`delete --force` says that it is still there, and does not kill what may be another's."""
    engine.config["process"]["args"] = ["sleep", "1000"]
    pid = engine.create("x")
    (engine.root / "x/state.json").write_text("")
    said = engine.refused("delete", "--force", "x")
    assert "damaged" in said and f"kill them first: {pid}" in said
    assert engine.left() == ["x"] and not gone(pid)
    os.kill(pid, signal.SIGKILL)
    looking.soon(lambda: gone(pid))
    looking.soon(lambda: engine("delete", "--force", "x").returncode == 0)
    assert engine.left() == engine.groups("x") == []


@pytest.mark.parametrize("place", ["domainname", "root", "args", "env", "cpus"])
def test_half_a_character_is_no_text(engine: Engine, place: str) -> None:
    """RFC 8259, section 8.2: JSON has a form for half a surrogate pair; UTF-8 has none."""
    process, half = engine.config["process"], "\ud800"
    match place:
        case "domainname":
            engine.config["domainname"] = half
        case "root":
            engine.config["root"]["path"] = half
        case "args":
            process["args"] = ["echo", half]
        case "env":
            process["env"].append(f"A={half}")
        case "cpus":
            engine.config["linux"]["resources"] = {"cpu": {"cpus": half}}
    assert "text" in engine.refused("run", "--bundle", engine.bundle, "x")
    assert engine.left() == engine.groups("x") == []


def test_a_pid_file_follows_no_link_that_somebody_has_laid(engine: Engine, tmp_path: Path) -> None:
    """Its directory may be another's, and the runtime is root."""
    kept = tmp_path / "kept"
    kept.write_text("as it was")
    for name in ("number", "number.new"):
        (tmp_path / name).symlink_to(kept)
    engine.ok("run", "--pid-file", tmp_path / "number", "--bundle", engine.bundle, "box")
    assert kept.read_text() == "as it was"
    assert (tmp_path / "number").read_text().isdecimal()
    assert sorted(os.listdir(tmp_path)) == ["kept", "number"]


def test_a_link_is_no_container(engine: Engine, tmp_path: Path) -> None:
    """To take away what is left of it would be to take away what is anybody's."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    engine.root.mkdir(exist_ok=True)
    link = engine.root / "box"
    link.symlink_to(kept)
    assert "does not exist" in engine.refused("state", "box")
    engine.ok("delete", "--force", "box")
    assert (kept / "file").exists()
    link.unlink()
