"""What a start needs of the standard library, without what that brings along.

Of `contextlib`, `functools` and `importlib` a command wants five small things, and of `signal` and
`struct` what is in C. For them Python loads `collections`, `types`, `enum` and more: a tenth of a
start. A type checker sees the originals, whose names and meaning these have; `_signal` is `signal`
without its enumerations, so a number is a number.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as signal
    import struct as struct
    from contextlib import closing as closing
    from contextlib import contextmanager as contextmanager
    from contextlib import suppress as suppress
    from functools import cache as cache
    from importlib import import_module as import_module
else:
    import _signal as signal  # noqa: F401 (for others)
    import _struct as struct  # noqa: F401 (likewise)
    import sys

    def import_module(name):
        """Return a module, imported now."""
        __import__(name)
        return sys.modules[name]

    class suppress:
        """Leave the block at an error of these kinds, and go on behind it."""

        def __init__(self, *kinds):
            self._kinds = kinds

        def __enter__(self):
            pass

        def __exit__(self, kind, error, trace):
            return kind is not None and issubclass(kind, self._kinds)

    class closing:
        """Close something at the end of the block, however it ends."""

        def __init__(self, thing):
            self._thing = thing

        def __enter__(self):
            return self._thing

        def __exit__(self, kind, error, trace):
            self._thing.close()

    class _Managed:
        def __init__(self, steps):
            self._steps = steps

        def __enter__(self):
            return next(self._steps)

        def __exit__(self, kind, error, trace):
            if error is None:
                for _ in self._steps:
                    raise RuntimeError("it yields more than once")
                return False
            try:
                self._steps.throw(error)
            except StopIteration:
                return True  # it has dealt with the error
            except BaseException as raised:
                if raised is error or (raised.__cause__ is error and type(error) is StopIteration):
                    return False
                raise
            raise RuntimeError("it yields again after an error")

    def contextmanager(function):
        """Make a context of a generator that yields once."""

        def made(*values, **named):
            return _Managed(function(*values, **named))

        made.__name__, made.__doc__ = function.__name__, function.__doc__
        made.__wrapped__ = function
        return made

    def cache(function):
        """Let a function work out each answer once."""
        known = {}

        def asked(*values):
            if values not in known:
                known[values] = function(*values)
            return known[values]

        asked.__name__, asked.__doc__ = function.__name__, function.__doc__
        asked.__wrapped__ = function
        asked.cache_clear = known.clear
        return asked
