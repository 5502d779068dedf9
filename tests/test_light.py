"""What stands in for parts of the standard library, beside the parts themselves."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbox.plumbing import documents, light, sockets

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
        "kernelbox.cli.run, kernelbox.container.run_options, kernelbox.container.monitor",
        "kernelbox.cli.runtime, kernelbox.cli.oci_making, kernelbox.oci.foreground",
        "kernelbox.cli.oci_living, kernelbox.oci.starting, kernelbox.cgroup.v1",
    ],
)
def test_a_start_loads_nothing_heavy(rooms: str) -> None:
    """Neither a command nor a monitor: that is what ours are for."""
    heavy = {"contextlib", "functools", "collections", "enum", "re", "json", "socket", "signal"}
    heavy |= {"selectors", "copy", "typing", "dataclasses", "inspect", "pathlib"}
    look = f"print({heavy} & sys.modules.keys())"
    code = f"import sys; sys.path += {sys.path}\nimport {rooms}\n{look}"
    loaded = subprocess.check_output([sys.executable, "-I", "-S", "-c", code], text=True)
    assert loaded == "set()\n"
