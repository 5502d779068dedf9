"""C's types and functions: of `ctypes`, loaded when something of it is first asked for.

A small command, such as `start` of the OCI runtime, asks the kernel for nothing that Python has not
itself. Whoever makes a container has asked for `clone3` before they
leave the host's files: nothing is loaded behind that.

PyDLL keeps the interpreter lock: a caller of these rooms is a process with a single thread (the
agent, the command line, a container's init), and clone3 must not return without the lock.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes as ctypes

    libc: ctypes.PyDLL
else:
    from kernelbox.plumbing.light import import_module

    class _Later:
        """Has what something has that is made only when it is asked for that."""

        def __init__(self, make):
            self._make = make

        def __getattr__(self, name):
            value = getattr(self._make(), name)
            setattr(self, name, value)
            return value

    ctypes = _Later(lambda: import_module("kernelbox.kernel.c_types"))
    libc = _Later(lambda: ctypes.PyDLL(None, use_errno=True))
