"""Hooks: programs of the bundle's that are run at moments of a container's life.

    prestart, createRuntime   once its namespaces and mounts are there, from outside
    createContainer           then, from inside its namespaces, before its root is its own
    startContainer            after `start`, inside, before the program
    poststart                 after the program has begun, from outside
    poststop                  after `delete`, from outside

Each gets the container's state as JSON on its standard input. From the first on that is `created`,
since `creating` is step 2 of a container's life, and hooks begin with step 3. One that fails ends
the container; but of poststop ones, which are too late for that, a failure is only told. The spec
does not say in which directory they run: as with runc that is the bundle's, but createContainer
ones run in the root that is about to be the container's, and startContainer ones in that.

These are programs of the image's, and no more may be theirs than is the container's own program's:
they are its user, with its capabilities and its filter, they step on the same stone, and without
variables of their own they have its. The filter has nobody to ask in them: what it leaves to others
is ENOSYS.

Source: OCI runtime-spec, config.md, "POSIX-platform Hooks"; runtime.md, "Lifecycle"; runc,
linuxStandardInit; CVE-2019-5736.
"""

from __future__ import annotations

import os
import sys

from kernelbox.kernel import process
from kernelbox.kernel.errors import KernelboxError, printable
from kernelbox.plumbing import documents
from kernelbox.plumbing.light import signal, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from kernelbox.oci.config import Hook
    from kernelbox.oci.document import Part

    Hooks = dict[str, tuple[Hook, ...]]  # by kind
    # Of the image's: path, words, its own variables, and where to say why it cannot be executed.
    Within = Callable[[str, list[str], dict[str, str], int], None]

_LONGEST_SAID = 300  # characters of what a hook complains that are repeated


def read(document: Part) -> Hooks:
    """Return the hooks of a config.json.

    Raises:
        UsageError: They are against the spec.
    """
    part = document.part("hooks")
    if not part.plain:
        return {}
    from kernelbox.oci.config import HOOKS  # `start` and `delete` of most containers need none

    return {kind: tuple(map(_read, part.parts(kind))) for kind in HOOKS if part.has(kind)}


def _read(part: Part) -> Hook:
    from kernelbox.oci.config import Hook  # likewise

    path = part.text("path", None)
    if not path.startswith("/"):
        raise part.wrong("path", "an absolute path")
    timeout = part.plain.get("timeout")
    return Hook(
        path=path,
        args=tuple(part.texts("args")),
        env=tuple(part.texts("env")),
        timeout=None if timeout is None else part.number("timeout", None, 1, 1 << 31),
    )


def run(
    hooks: Hooks,
    kind: str,
    state: dict[str, Any],
    within: Within | None = None,
    *,
    directory: str | None = None,
) -> None:
    """Run the hooks of a kind, in order.

    Args:
        hooks: The container's.
        kind: `prestart` and its kin.
        state: What they are told.
        within: Makes the calling process one of the image's; None for the host's.
        directory: Where they run; None for the bundle's.

    Raises:
        KernelboxError: One failed, or took too long; those after it are not run.
    """
    for number, hook in enumerate(hooks.get(kind, ())):
        if failure := _run(hook, state, within, directory):
            raise KernelboxError(
                f"error running {kind} hook #{number}: {hook.path:.100}: {failure}",
                "It is in the bundle's config.json, under hooks",
            )


def run_all(hooks: Hooks, kind: str, state: dict[str, Any]) -> list[str]:
    """Run the hooks of a kind, whatever becomes of each; return what failed.

    Source: OCI runtime-spec, runtime.md, "Lifecycle", 13: log a warning, and go on.
    """
    problems = []
    for hook in hooks.get(kind, ()):
        if failure := _run(hook, state):
            problems.append(f"{kind} hook {hook.path:.100} failed: {failure}")
    return problems


def _run(
    hook: Hook, state: dict[str, Any], within: Within | None = None, directory: str | None = None
) -> str:
    """Run a hook; return how it failed, empty if it did not. Arguments: see `run`."""
    told = os.memfd_create("state", os.MFD_CLOEXEC)
    os.write(told, documents.dumps(state).encode())
    os.lseek(told, 0, os.SEEK_SET)
    said = os.memfd_create("said", os.MFD_CLOEXEC)
    heard, refusals = os.pipe()
    try:
        pid, pidfd = process.clone3(0)
        if pid == 0:
            _become(hook, told, said, refusals, directory or state["bundle"], within)
        os.close(refusals)
        try:
            in_time = process.wait_until_gone(pidfd, _seconds(hook))
            if not in_time:
                process.pidfd_send_signal(pidfd, 9)
            code = process.wait_exit(pid)
        finally:
            os.close(pidfd)
        if not in_time:
            return f"it took longer than {hook.timeout} seconds"
        if code == 0:
            return ""
        if refusal := os.read(heard, 1):
            return f"it cannot be executed: {os.strerror(refusal[0]).lower()}"
        size = os.fstat(said).st_size
        text = os.pread(said, _LONGEST_SAID, max(0, size - _LONGEST_SAID)).decode(
            "utf-8", "replace"
        )
        words = printable(" ".join(text.split()))
        killed = signal.strsignal(code - 128) if code > 128 else None
        signalled = f" (signal: {killed.lower()})" if killed else ""
        return f"exit status {code}{signalled}" + (f": {words}" if words else "")
    finally:
        for fd in (told, said, heard):
            os.close(fd)


def _seconds(hook: Hook) -> float:
    return float(sys.maxsize) if hook.timeout is None else hook.timeout


def _become(
    hook: Hook, told: int, said: int, refusals: int, directory: str, within: Within | None
) -> NoReturn:
    """Be the hook: its standard input is the state, and what it prints is kept for an error."""
    try:
        for wanted, fd in ((0, told), (1, said), (2, said)):
            os.dup2(fd, wanted)
        words = list(hook.args) or [hook.path]
        environment = dict(one.partition("=")[::2] for one in hook.env)
        if within is not None:
            within(hook.path, words, environment, refusals)
        process.close_all_but(())
        process.default_signals()
        with suppress(OSError):  # a bundle that is gone is no reason to fail
            os.chdir(directory)
        process.execve(hook.path, words, environment)
    except BaseException as error:
        os.write(2, f"{hook.path}: {error}".encode()[:_LONGEST_SAID])
    finally:
        os._exit(127)
