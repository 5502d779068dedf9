"""What a student's function returns is plain data, whatever kind of it: another is as good."""

from __future__ import annotations

import array
import collections
import enum
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.plain import plain


class Signal(enum.IntEnum):
    TERM = 15


class Word(str):
    pass


class Steps:
    """A sequence of the student's own: an iterator is enough."""

    def __init__(self) -> None:
        self._left = [3, 2, 1]

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        if not self._left:
            raise StopIteration
        return self._left.pop()


KINDS = {
    "a list": ([1, 2], [1, 2]),
    "a tuple": ((1, 2), [1, 2]),
    "a named tuple": (collections.namedtuple("Pair", "one two")(1, 2), [1, 2]),
    "a range": (range(3), [0, 1, 2]),
    "a generator": ((one for one in (1, 2)), [1, 2]),
    "a map": (map(int, "12"), [1, 2]),
    "an iterator of its own": (Steps(), [1, 2, 3]),
    "an array": (array.array("b", [1]), [1]),
    "a deque": (collections.deque([1, 2]), [1, 2]),
    "tuples in a list": ([(1, "a"), (2, "b")], [[1, "a"], [2, "b"]]),
    "a set": ({1, 2}, {1, 2}),
    "a frozenset": (frozenset({1}), {1}),
    "the keys of a dict": ({1: "a", 2: "b"}.keys(), {1, 2}),
    "the items of a dict": ({1: "a"}.items(), {(1, "a")}),
    "a set of tuples": ({(1, 2)}, {(1, 2)}),
    "a set of paths": ({Path("/a")}, {"/a"}),
    "the values of a dict": (iter({1: "a"}.values()), ["a"]),
    "a dict": ({"a": (1,)}, {"a": [1]}),
    "a dict by default": (collections.defaultdict(list, a=[1]), {"a": [1]}),
    "a counter": (collections.Counter("aab"), {"a": 2, "b": 1}),
    "a path": (Path("/mnt/a"), "/mnt/a"),
    "a text of a class of its own": (Word("a"), "a"),
    "bytes": (b"ab", b"ab"),
    "a bytearray": (bytearray(b"ab"), b"ab"),
    "a view of bytes": (memoryview(b"ab"), b"ab"),
    "a number by its name": (Signal.TERM, 15),
    "a yes": (True, True),
    "a fraction": (0.5, 0.5),
    "nothing": (None, None),
}


@pytest.mark.parametrize("name", KINDS)
def test_another_kind_of_the_same_data_is_as_good(name: str) -> None:
    given, expected = KINDS[name]
    made = plain(given)
    assert made == expected
    assert type(made) is type(expected)


def test_numbers_of_numpy_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    for given, expected in (
        (numpy.int64(3), 3),
        (numpy.float32(0.5), 0.5),
        (numpy.bool_(True), True),
        (numpy.array([1, 2]), [1, 2]),
        ([numpy.int32(1)], [1]),
        ({numpy.int64(1)}, {1}),
        ({"a": numpy.uint8(1)}, {"a": 1}),
        (numpy.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (numpy.str_("a"), "a"),
    ):
        made = plain(given)
        assert made == expected
        assert type(made) is type(expected)


def test_of_an_iterator_without_end_there_is_a_beginning() -> None:
    endless = iter(int, 1)
    assert set(plain(endless)) == {0}


# An iterator is used up by the test above.
@pytest.mark.parametrize(
    "name", [name for name, (given, _) in KINDS.items() if not isinstance(given, Iterator)]
)
def test_it_comes_out_of_the_process_in_which_a_function_is_called(name: str) -> None:
    given, expected = KINDS[name]
    assert attempt(lambda: given).value == expected


@pytest.mark.parametrize("thing", [object(), lambda: 1], ids=["an object", "a function"])
def test_what_is_no_plain_data_is_left_as_it_is(thing: Any) -> None:
    assert plain(thing) is thing
