"""Our `NamedTuple` behaves as the one of `typing`, which it stands in for."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import typing
from collections.abc import Callable
from typing import Any

import pytest

from kernelbox.plumbing import records


class Original(typing.NamedTuple):
    """Two fields, one with a default."""

    name: str
    size: int = 3

    @property
    def double(self) -> int:
        """Twice the size."""
        return 2 * self.size


class Ours(records.NamedTuple):
    """The same of ours."""

    name: str
    size: int = 3

    @property
    def double(self) -> int:
        """Twice the size."""
        return 2 * self.size


@pytest.mark.parametrize(
    "use",
    [
        lambda kind: tuple(kind("a")),
        lambda kind: tuple(kind(size=1, name="a")),
        lambda kind: kind("a", 2).size,
        lambda kind: kind("a", 2)[1],
        lambda kind: kind("a", 2).double,
        lambda kind: repr(kind("a'b", 2)).partition("(")[2],
        lambda kind: kind("a")._asdict(),
        lambda kind: kind("a")._replace(size=9)._asdict(),
        lambda kind: kind._fields,
        lambda kind: json.dumps(kind("a")),
        lambda kind: kind("a") == ("a", 3) and hash(kind("a")) == hash(("a", 3)),
        lambda kind: pickle.loads(pickle.dumps(kind("a"))) == copy.copy(kind("a")),
        lambda kind: {kind("a", 1), kind("a", 1)} == {("a", 1)},
    ],
)
def test_what_a_named_tuple_gives(use: Callable[[Any], object]) -> None:
    assert use(Ours) == use(Original)


@pytest.mark.parametrize(
    "misuse",
    [
        lambda kind: kind(),
        lambda kind: kind("a", 1, 2),
        lambda kind: kind("a", name="b"),
        lambda kind: kind("a", colour="red"),
        lambda kind: kind("a", 1, name="b"),
        lambda kind: kind("a", 1, 2, name="b"),
        lambda kind: setattr(kind("a"), "size", 4),
        lambda kind: setattr(kind("a"), "other", 4),
    ],
)
def test_what_a_named_tuple_refuses(misuse: Callable[[Any], object]) -> None:
    for kind in (Original, Ours):
        with pytest.raises((TypeError, AttributeError)):
            misuse(kind)


def test_a_run_loads_no_typing() -> None:
    """Neither the command line nor a monitor: that is what ours is for."""
    code = (
        f"import sys; sys.path += {sys.path}\n"
        "import kernelbox.cli.run, kernelbox.container.options.run_options\n"
        "import kernelbox.container.monitor.monitor\n"
        "print({'typing', 'dataclasses', 'inspect', 'pathlib'} & sys.modules.keys())"
    )
    loaded = subprocess.check_output([sys.executable, "-I", "-S", "-c", code], text=True)
    assert loaded == "set()\n"
