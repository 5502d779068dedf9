"""`kernelbox oci` and `kernelbox-runtime`: an OCI runtime's command line, as runc has it.

Global options come before the verb. What fails is said on standard error, and in the log that an
engine reads, however early it failed. The exit status is then runc's: 1, or 255 of `exec`, whose
program's own it is otherwise. Why it failed an engine finds in the words.

Source: runc(8); runc, fatalWithCode; OCI runtime-tools, "Command Line Interface".
"""

from __future__ import annotations

import gc
import os
import sys

from kernelbox.kernel.errors import KernelboxError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from kernelbox.oci.log import Log

_OPTIONS = {  # name: whether a value follows
    "--root": True,
    "--log": True,
    "--log-format": True,
    "--debug": False,
    "--systemd-cgroup": False,
    "--cgroup-manager": True,
    "--rootless": True,
    "--criu": True,
}


def main() -> NoReturn:
    """Be `kernelbox-runtime`: run the command line in `sys.argv`, and end with its exit status."""
    from kernelbox.cli import _open_missing_streams

    _open_missing_streams()
    status = command_oci(sys.argv[1:], "kernelbox-runtime")
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = 1
    os._exit(status)


def command_oci(argv: list[str], called: str = "kernelbox oci") -> int:
    """Do one of an OCI runtime's verbs.

    Args:
        argv: What follows the name.
        called: That name, for messages.
    """
    gc.disable()  # nothing that is being imported is garbage
    from kernelbox.cli import oci
    from kernelbox.oci.log import Log

    log, failed = Log(), 1
    try:
        given, rest = _read(argv)
        form, debug = given.get("--log-format", "text"), "--debug" in given
        log = Log(given.get("--log", ""), form, debug=debug)
        _check(given)
        if not rest or rest[0] in ("-h", "--help", "help"):
            print(oci.usage(called))
            return 0
        if rest[0] in ("-v", "--version"):
            print(oci.version(called))
            return 0
        if rest[0] in ("checkpoint", "restore"):
            raise UsageError(f"{rest[0]} is not done: it takes CRIU", "Use another runtime for it")
        if rest[0] not in oci.VERBS:
            raise UsageError(f"no command {rest[0]!r:.40}", f"See which there are: {called} --help")
        failed = 255 if rest[0] == "exec" else failed
        _show_requests(log)
        where = oci.Surroundings(given.get("--root", ""), log, given.get("--rootless", "auto"))
        return oci.run(rest[0], rest[1:], where)
    except KernelboxError as error:
        return _complain(log, called, str(error), failed)
    except SystemExit as end:  # argparse has shown its help
        return int(end.code or 0)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return failed
    except OSError as error:
        words = f"{error.filename or 'the system'}: {(error.strerror or str(error)).lower()}"
        return _complain(log, called, words, failed)
    except Exception as error:
        if os.environ.get("KERNELBOX_DEBUG"):
            raise
        text = f"{type(error).__name__}: {error}. This is a bug: KERNELBOX_DEBUG=1 shows more"
        return _complain(log, called, text, failed)


def _read(argv: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return the global options, and what comes after them.

    Raises:
        UsageError: One is unknown, or lacks its value.
    """
    given, rest = dict[str, str](), list(argv)
    while rest and rest[0].startswith("-") and rest[0] not in ("-h", "--help", "-v", "--version"):
        name, equals, value = rest.pop(0).partition("=")
        name = name if name.startswith("--") else f"-{name}"
        if name not in _OPTIONS:
            raise UsageError(f"no global option {name!r:.40}", "See --help")
        if _OPTIONS[name] and not equals:
            if not rest:
                raise UsageError(f"{name} needs a value", "See --help")
            value = rest.pop(0)
        given[name] = value or "true"
    return given, rest


def _check(given: dict[str, str]) -> None:
    manager = given.get("--cgroup-manager", "cgroupfs")
    if given.get("--systemd-cgroup", "false") != "false" or manager == "systemd":
        raise UsageError(
            "control groups by systemd are not done here",
            "Let the engine use cgroupfs: podman --cgroup-manager cgroupfs",
        )
    if manager != "cgroupfs":
        raise UsageError(f"--cgroup-manager {manager!r:.40} is not done", "Use cgroupfs")
    if (word := given.get("--rootless", "auto")) not in ("auto", "true", "false"):
        raise UsageError(f"--rootless {word!r:.40} is none of auto, true and false", "See --help")


def _show_requests(log: Log) -> None:
    """With --debug, write each request to the kernel into the log."""
    if not log.debug:
        return
    from kernelbox.kernel import door

    def show(event: door.Event) -> None:
        log.write(
            "debug", f"{event.side} {event.request} = {event.result} <{event.microseconds}us>"
        )

    door.sink = show


def _complain(log: Log, called: str, text: str, code: int) -> int:
    log.write("error", text)
    print(f"{called}: {text}", file=sys.stderr)
    return code
