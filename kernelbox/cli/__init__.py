"""The command line: `kernelbox COMMAND ...`, with Docker's names, options and exit codes.

    parser.py      argparse, with errors of one line
    each.py        one command for several things
    run.py         run, exec
    front.py       what happens at the terminal while a container runs
    containers.py  ps, stop, kill, rm, wait, inspect
    output.py      logs, top, stats
    pulling.py     what pull and run show of it
    build.py       build
    images.py      pull, push, images, tag, rmi, history, prune, login, logout
    archives.py    save, load, import, commit, diff, cp
    host.py        doctor, reset, course

A command is imported when it is called: starting a container should not pay for the others.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys

from kernelbox.kernel.errors import KernelboxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# command: (module, what it does)
COMMANDS = {
    "run": ("run", "Make a container and run a program in it"),
    "exec": ("run", "Run one more program in a running container"),
    "ps": ("containers", "List containers"),
    "stop": ("containers", "Ask containers to end, then make them"),
    "kill": ("containers", "Send a signal to containers"),
    "rm": ("containers", "Remove containers"),
    "wait": ("containers", "Wait until containers have ended; print their exit codes"),
    "inspect": ("containers", "Show all about containers or images, as JSON"),
    "logs": ("output", "Show what a container printed"),
    "top": ("output", "Show the processes of a container"),
    "stats": ("output", "Show what containers use, live"),
    "build": ("build", "Build an image of a Containerfile"),
    "images": ("images", "List the images of this host"),
    "pull": ("images", "Fetch an image from its registry"),
    "push": ("images", "Send an image to its registry"),
    "tag": ("images", "Give an image one more name"),
    "rmi": ("images", "Remove images"),
    "history": ("images", "Show how an image was made"),
    "save": ("archives", "Write images into a file"),
    "load": ("archives", "Read images from a file"),
    "import": ("archives", "Make an image of a tar of files"),
    "commit": ("archives", "Make an image of a container"),
    "diff": ("archives", "Show what a container has changed"),
    "cp": ("archives", "Copy files into or out of a container"),
    "prune": ("images", "Remove images that nobody needs"),
    "login": ("images", "Remember a password for a registry"),
    "logout": ("images", "Forget it"),
    "doctor": ("host", "Check this host, and say what is missing"),
    "reset": ("host", "Remove everything kernelbox owns"),
    "course": ("host", "Make a course folder for nbgrader out of the notebooks"),
}


def main() -> NoReturn:
    """Run the command line in `sys.argv`, and end the process with its exit status."""
    _open_missing_streams()
    status = _guarded(sys.argv[1:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        status = status or 1
    # What is left of this process needs no tidying: the kernel does that, and faster.
    os._exit(status)


def _open_missing_streams() -> None:
    """See to it that 0, 1 and 2 are open, or the next socket would be taken for one of them."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    # Where a stream was closed Python has none; these descriptors are open now, and stay so.
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def _guarded(argv: list[str]) -> int:
    """Run a command; turn every failure into one line and an exit status."""
    if os.environ.get("KERNELBOX_DEBUG"):
        return _dispatch(argv)
    try:
        return _dispatch(argv)
    except KernelboxError as error:
        return _complain(str(error), error.code)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    except OSError as error:
        from kernelbox import state

        failure = state.disk_error(error)
        return _complain(str(failure), failure.code)
    except Exception as error:
        hint = "This is a bug: KERNELBOX_DEBUG=1 shows the traceback"
        return _complain(f"{type(error).__name__}: {error}. {hint}", 125)


def _complain(text: str, code: int) -> int:
    print(f"kernelbox: {text}", file=sys.stderr)
    return code


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_usage())
        return 0
    if argv[0] == "--version":
        import kernelbox

        print(f"kernelbox {kernelbox.__version__}")
        return 0
    command = argv[0]
    if command not in COMMANDS:
        raise KernelboxError(f"no command {command!r}", "See which there are: kernelbox --help")
    # Nothing that is being imported is garbage: looking for some costs a tenth of the start.
    gc.disable()
    module = importlib.import_module(f"kernelbox.cli.{COMMANDS[command][0]}")
    gc.freeze()
    gc.enable()
    status: int = getattr(module, f"command_{command}")(argv[1:])
    return status


def _usage() -> str:
    lines = [f"  {name:8} {summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: kernelbox COMMAND ...",
            "",
            "Real containers, one kernel request at a time.",
            "",
            *lines,
            "",
            "More: kernelbox COMMAND --help. To begin: kernelbox run --trace busybox echo hello",
        ]
    )
