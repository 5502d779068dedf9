"""What stands in for parts of the standard library, beside the parts themselves.

And what is loaded when: little at a start, and nothing once a process has left the host's files.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbox.kernel import c_types
from kernelbox.plumbing import documents, light, sockets
from tests import looking
from tests.command import Kernelbox
from tests.engine import Engine

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_a_document_is_written_as_json_writes_it(value: object) -> None:
    assert documents.dumps(value) == json.dumps(value)
    assert documents.loads(documents.dumps(value)) == value


@given(st.text(alphabet='{}[]",:0123456789.eE-+ntfalsrue \n\t\\u\ufeff') | st.text())
def test_a_text_is_read_as_json_reads_it(text: str) -> None:
    try:
        expected = repr(json.loads(text))
    except ValueError:
        with pytest.raises(ValueError):
            documents.loads(text)
    else:
        assert repr(documents.loads(text)) == expected


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "[1e999]", ' {"a": [1, 2.5]}\r\n', "[" * 9])
def test_a_text_at_the_edge_is_read_as_json_reads_it(text: str) -> None:
    test_a_text_is_read_as_json_reads_it.hypothesis.inner_test(text)  # type: ignore[attr-defined]


def test_what_is_no_json_is_told_in_a_process_that_has_not_loaded_it() -> None:
    code = (
        f"import sys; sys.path += {sys.path}\nfrom kernelbox.plumbing import documents\n"
        + """
for text in ('{"a" 1}', "[1] 2", "", "[1,", '"\\ud800'):
    try:
        documents.loads(text)
    except ValueError as error:
        print(error)
"""
    )
    told = subprocess.check_output([sys.executable, "-I", "-S", "-c", code], text=True)
    assert len(told.splitlines()) == 5 and "Expecting ':' delimiter" in told


def test_bytes_are_utf_8() -> None:
    assert documents.loads('"ä"'.encode()) == "ä"
    with pytest.raises(ValueError):
        documents.loads('"ä"'.encode("latin-1"))


def test_what_json_has_no_form_for_is_asked_about() -> None:
    assert documents.dumps({"a": {1}}, sorted) == '{"a": [1]}'
    for write in (documents.dumps, json.dumps):
        with pytest.raises(TypeError):
            write({1})


def test_without_the_part_in_c_json_itself_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_scan", None)
    assert documents.dumps({"a": [1]}) == '{"a": [1]}'
    assert documents.loads(b'{"a": [1]}') == {"a": [1]}


# Each way to leave a context: what the block raises, and what its generator makes of that.
def plain(log: list[str]) -> Iterator[str]:
    log.append("in")
    yield "value"
    log.append("out")


def tidy(log: list[str]) -> Iterator[str]:
    try:
        yield "value"
    finally:
        log.append("tidied")


def forgiving(log: list[str]) -> Iterator[str]:
    try:
        yield "value"
    except ValueError as error:
        log.append(repr(error))


def telling(log: list[str]) -> Iterator[str]:
    try:
        yield "value"
    except ValueError as error:
        raise KeyError("other") from error


def twice(log: list[str]) -> Iterator[str]:
    try:
        yield "value"
    except ValueError:
        log.append("again")
    yield "second"


ERRORS = [None, ValueError("v"), OSError(2, "o"), StopIteration(1), KeyboardInterrupt()]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("steps", [plain, tidy, forgiving, telling, twice])
def test_a_context_is_left_as_contextlib_leaves_it(
    steps: Callable[[list[str]], Iterator[str]], error: BaseException | None
) -> None:
    def outcome(kind: Callable[[Any], Any]) -> tuple[list[str], str]:
        log: list[str] = []
        try:
            with kind(steps)(log) as value:
                log.append(value)
                if error is not None:
                    raise error
        except BaseException as raised:
            # Of a generator that goes on, only that it is wrong is the same.
            return log, type(raised).__name__ if steps is twice else repr(raised)
        return log, "behind"

    assert outcome(light.contextmanager) == outcome(contextlib.contextmanager)


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("kinds", [(), (ValueError,), (OSError, KeyboardInterrupt)])
def test_an_error_is_suppressed_as_contextlib_does_it(
    kinds: tuple[type[BaseException], ...], error: BaseException | None
) -> None:
    def outcome(kind: Callable[..., Any]) -> str:
        try:
            with kind(*kinds):
                if error is not None:
                    raise error
        except BaseException as raised:
            return repr(raised)
        return "behind"

    assert outcome(light.suppress) == outcome(contextlib.suppress)


def test_something_is_closed_however_the_block_ends() -> None:
    ours, theirs = sockets.pair()
    with light.closing(ours), contextlib.suppress(ValueError), light.closing(theirs) as same:
        assert same is theirs
        raise ValueError
    assert ours.fileno() == theirs.fileno() == -1


def test_an_answer_is_worked_out_once() -> None:
    asked: list[tuple[int, ...]] = []

    def answer(*numbers: int) -> int:
        asked.append(numbers)
        return sum(numbers)

    for kind in (light.cache, functools.cache):
        asked.clear()
        found = kind(answer)
        assert [found(1, 2), found(1, 2), found(3), found()] == [3, 3, 3, 0]
        assert asked == [(1, 2), (3,), ()]
        found.cache_clear()
        assert (found(3), asked[-1]) == (3, (3,))


def test_signals_have_the_numbers_that_python_knows() -> None:
    for one in signal.Signals:
        assert getattr(light.signal, one.name) == one
    assert light.signal.valid_signals() == signal.valid_signals()


def test_types_of_c_are_those_of_ctypes() -> None:
    names = [one for one in vars(c_types) if one.startswith("c_")]
    assert len(names) > 10
    for name in names:
        ours, theirs = getattr(c_types, name), getattr(ctypes, name)
        assert ctypes.sizeof(ours) == ctypes.sizeof(theirs)
        assert ours._type_ == theirs._type_
    for words in ((b"a\0b",), (b"a\0b", 3), (b"", 2)):
        ours, theirs = c_types.create_string_buffer(*words), ctypes.create_string_buffer(*words)
        assert bytes(ours) == bytes(theirs)


def test_functions_of_c_are_called_as_ctypes_calls_them() -> None:
    ours, theirs = c_types.PyDLL(None, use_errno=True), ctypes.PyDLL(None, use_errno=True)
    for name, words in (("getppid", ()), ("abs", (-7,)), ("strlen", (b"four",)), ("close", (-1,))):
        found = []
        for one in (ours, theirs):
            ctypes.set_errno(0)
            found.append((getattr(one, name)(*words), c_types.get_errno(), ctypes.get_errno()))
        assert found[0] == found[1]
    with pytest.raises(AttributeError):
        ours.there_is_no_such_function  # noqa: B018 - to ask is what is tried


def test_descriptors_pass_through_a_socket() -> None:
    ours, theirs = sockets.pair()
    with light.closing(ours), light.closing(theirs):
        read, write = os.pipe()
        sockets.send(ours, b"two", [read, write])
        os.close(read)
        payload, fds = sockets.receive(theirs, 8)
        assert (payload, len(fds)) == (b"two", 2)
        os.write(write, b"x")
        assert os.read(fds[0], 1) == b"x"
        sockets.send(theirs, b"none", [])
        assert sockets.receive(ours, 8) == (b"none", [])
        for fd in (write, *fds):
            os.close(fd)


@pytest.mark.parametrize(
    "rooms",
    [
        "kernelbox.cli.run, kernelbox.container.options.run_options, "
        "kernelbox.container.monitor.monitor",
        "kernelbox.cli.runtime, kernelbox.cli.oci_making, kernelbox.oci.foreground",
        "kernelbox.cli.oci_living, kernelbox.oci.starting",
        "kernelbox.cli.oci_living, kernelbox.oci.ending, kernelbox.cgroup.v1",
    ],
)
def test_a_start_loads_nothing_heavy(rooms: str) -> None:
    """Neither a command nor a monitor: that is what ours are for."""
    heavy = {"contextlib", "functools", "collections", "enum", "re", "json", "socket", "signal"}
    heavy |= {"selectors", "copy", "typing", "dataclasses", "inspect", "pathlib", "ctypes"}
    look = f"print({heavy} & sys.modules.keys())"
    code = f"import sys; sys.path += {sys.path}\nimport {rooms}\n{look}"
    loaded = subprocess.check_output([sys.executable, "-I", "-S", "-c", code], text=True)
    assert loaded == "set()\n"


# Whoever has nowhere to import from any more asks for a module all the same: CPython tells of it
# before it looks. A mapping of a file is all that such a process keeps open until its execve.
WATCH = """
import mmap, os, sys
fd = os.open({notes!r}, os.O_RDWR)
notes = mmap.mmap(fd, 0)
os.close(fd)

def note(event, arguments):
    if event == "import" and not sys.meta_path:
        line = (arguments[0] + "\\n").encode()
        begin = notes.find(b"\\0")
        notes[begin : begin + len(line)] = line

sys.addaudithook(note)
from kernelbox.{room} import main
main()
"""


class Notes:
    """What processes without a host's files have asked to import.

    Args:
        path: Of the file that they note it in.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.write_bytes(bytes(1 << 16))

    def command(self, room: str) -> list[str]:
        """Return the words of a command that is watched."""
        return [sys.executable, "-c", WATCH.format(notes=str(self._path), room=room)]

    def read(self) -> list[str]:
        return self._path.read_bytes().rstrip(b"\0").decode().split()


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes")


def test_an_import_behind_the_last_file_is_noted(notes: Notes) -> None:
    code = notes.command("cli")[2].rpartition("from kernelbox")[0]
    code += "sys.meta_path.clear()\ntry:\n    import colorsys\nexcept ImportError:\n    pass\n"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
    assert notes.read() == ["colorsys"]


def test_the_first_process_of_a_bundle_imports_nothing_in_its_container(
    engine: Engine, notes: Notes
) -> None:
    engine.runtime = notes.command("cli.runtime")
    config, process = engine.config, engine.config["process"]
    linux = config["linux"]
    linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    linux["namespaces"] += [{"type": "cgroup"}, {"type": "time"}]
    linux["timeOffsets"] = {"monotonic": {"secs": 100}}
    linux["resources"] = {"pids": {"limit": 50}, "devices": [{"allow": False, "access": "rwm"}]}
    linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    linux["devices"] = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3}]
    hook = {"path": "/bin/true"}
    kinds = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart")
    config["hooks"] = {kind: [hook] for kind in (*kinds, "poststop")}
    config["mounts"] += [
        {"destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]},
        {"destination": "/bound", "source": "/usr", "options": ["rbind", "ro", "rslave"]},
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
    ][::-1]
    process |= {"rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}], "oomScoreAdj": 100}
    process |= {"noNewPrivileges": True, "scheduler": {"policy": "SCHED_BATCH", "nice": 1}}
    process |= {"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4}, "cwd": "/tmp/new"}
    process["user"] = {"uid": 1000, "gid": 1000, "umask": 0o27, "additionalGids": [7]}
    process["args"] = ["sleep", "1000"]
    engine.create("all")
    engine.ok("start", "all")
    engine.ok("exec", "all", "true")
    engine.ok("exec", "--user", "7:7", "--cap", "CAP_KILL", "--cwd", "/bin", "all", "true")
    engine("exec", "all", "nothing-of-this-name")
    engine.ok("delete", "--force", "all")
    # What fails there, and in the words of whom, is no reason either.
    for change in (
        {"args": ["nothing-of-this-name"]}, {"args": ["/etc"]}, {"cwd": "/proc/1/mem"},
        {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1 << 40, "hard": 1 << 40}]},
    ):  # fmt: skip
        engine.renew()
        engine.config["process"] |= change
        engine("run", "--bundle", engine.bundle, "wrong")
    for kind in kinds:
        engine.renew()
        engine.config["hooks"] = {kind: [{"path": "/bin/false"}]}
        engine("run", "--bundle", engine.bundle, "hooked")
    engine.renew()
    engine.config["linux"]["namespaces"].append({"type": "user"})
    maps = [{"containerID": 0, "hostID": 100_000, "size": 65536}]
    engine.config["linux"] |= {"uidMappings": maps, "gidMappings": maps}
    engine.config["process"]["terminal"] = True
    engine("run", "--bundle", engine.bundle, "owned")
    assert notes.read() == []


def test_the_first_process_of_an_image_imports_nothing_in_its_container(
    kernelbox: Kernelbox, notes: Notes, tmp_path: Path
) -> None:
    watched = Kernelbox(kernelbox.root)
    watched.command = notes.command("cli")
    for options in (
        (), ("-i", "--init", "--read-only", "--tmpfs", "/tmp"), ("--userns", "auto"),
        ("-v", f"{tmp_path}:/there", "--device", "/dev/null:/dev/mine", "--ulimit", "core=0"),
        ("--user", "nobody", "--workdir", "/new", "--cap-drop", "ALL"), ("--trace",),
        ("--security-opt", "seccomp=unconfined", "--privileged", "--hostname", "x"),
    ):  # fmt: skip
        done = watched("run", "--rm", "--network", "none", *options, "busybox", "true")
        assert done.returncode == 0, done
    for wrong in (["nothing-of-this-name"], ["/etc"]):
        assert watched("run", "--rm", "--network", "none", "busybox", *wrong).returncode > 100
    watched("run", "--rm", "--network", "none", "--user", "of-no-name", "busybox", "true")
    with watched.terminal("run", "--rm", "-it", "--network", "none", "busybox", "true") as terminal:
        assert terminal.end() == 0
    watched.start("--network", "none", "--name", "entered", "busybox", "sleep", "infinity")
    assert looking.soon(lambda: "entered" in kernelbox.ok("ps"))
    watched.ok("exec", "entered", "true")
    assert watched("exec", "--user", "7", "entered", "nothing-of-this-name").returncode == 127
    watched.ok("rm", "-f", "entered")
    assert notes.read() == []
