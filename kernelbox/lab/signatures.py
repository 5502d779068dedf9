"""Options by name: what Jupyter offers when a student presses Tab between the brackets."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Function = TypeVar("Function", bound=Callable[..., object])


def offering(options: type) -> Callable[[Function], Function]:
    """Let a function with `**options` show each of them in its signature.

    Args:
        options: A TypedDict: its keys are the options.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        *named, rest = signature.parameters.values()
        assert rest.kind is rest.VAR_KEYWORD
        more = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
            for name, kind in inspect.get_annotations(options).items()
        ]
        function.__signature__ = signature.replace(parameters=[*named, *more])  # type: ignore[attr-defined]
        return function

    return decorate
