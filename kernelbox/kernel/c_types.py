"""What a start needs of `ctypes`: its part in C, without the page of Python around that.

`ctypes` makes a type for all that C has, and functions that nobody here calls: that takes longer
than all else that a container's birth loads of the standard library. A type checker sees the
original, whose names and meaning these have. Machines are those of 64 bits: a long is a pointer's
length.

The functions keep the interpreter's lock: see foreign.py.

Source: CPython, Lib/ctypes/__init__.py.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import PyDLL as PyDLL
else:
    from _ctypes import FUNCFLAG_CDECL, FUNCFLAG_PYTHONAPI, FUNCFLAG_USE_ERRNO, CFuncPtr, dlopen
    from _ctypes import Structure as Structure
    from _ctypes import _SimpleCData as _Simple
    from _ctypes import addressof as addressof
    from _ctypes import byref as byref
    from _ctypes import get_errno as get_errno

    def _simple(name, letter):
        return type(_Simple)(name, (_Simple,), {"_type_": letter})

    c_char, c_void_p = _simple("c_char", "c"), _simple("c_void_p", "P")
    c_ubyte, c_ushort = _simple("c_ubyte", "B"), _simple("c_ushort", "H")
    c_int, c_uint = _simple("c_int", "i"), _simple("c_uint", "I")
    c_long, c_ulong = _simple("c_long", "l"), _simple("c_ulong", "L")
    c_uint32, c_uint64, c_size_t = c_uint, c_ulong, c_ulong

    def create_string_buffer(text, size=None):
        """Return an array of characters that begins with a text; by itself that has a NUL more."""
        made = (c_char * (len(text) + 1 if size is None else size))()
        made.value = text
        return made

    class _Function(CFuncPtr):
        _flags_ = FUNCFLAG_CDECL | FUNCFLAG_PYTHONAPI | FUNCFLAG_USE_ERRNO
        _restype_ = c_int

    class PyDLL:
        """The functions of a library, by their names; each sets what `get_errno` returns."""

        def __init__(self, name, use_errno):
            self._handle = dlopen(name, 0)

        def __getattr__(self, name):
            found = _Function((name, self))
            setattr(self, name, found)
            return found
