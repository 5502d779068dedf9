"""The command line: `kernelbox COMMAND ...`, with Docker's names, options and exit codes.

    parser.py         one table of options per command, read in two ways
    table.py          columns that line up, sizes and durations in words
    actions.py        a command that is several; asking before one acts
    template.py       templates of --format
    cidfile.py        the id of a new container, in a file
    orderly.py        ending in order, for commands that leave something half done
    each.py           one command for several things
    progress_bars.py  how far the layers of an image are
    terminal.py       what happens at the terminal while a container runs
    run_table.py      the options of run, create and exec
    starting.py       start, restart, attach
    listing.py        ps
    inspecting.py     inspect
    containers.py     port, stop, kill, pause, unpause, rm, rename, wait
    update.py         update
    output.py         logs, top
    stats.py          stats
    events.py         events
    pull.py           what pull and run show of it
    archives.py       save, load, import, commit, diff, cp
    host.py           doctor, reset, lab, workbook
    course.py         course: for teachers
    networks.py       network
    volumes.py        volume
    seccomp.py        seccomp
    audit.py          audit
    oci.py            the verbs of an OCI runtime
    run.py            run, create, exec
    build.py          build
    images.py         images, tag, rmi, history, prune
    registries.py     pull, push, login, logout
    oci_making.py     create and run
    oci_living.py     start, state, kill, delete, pause, resume
    oci_more.py       exec and update
    oci_told.py       ps, list, events, features, spec
    runtime.py        oci, and kernelbox-runtime: what comes before the verbs
    system.py         version, info, system df
    completion.py     completion

A command is imported when it is called: starting a container should not pay for the others.
"""

from __future__ import annotations

import gc
import io
import os
import sys

from kernelbox.kernel.errors import KernelboxError
from kernelbox.plumbing.light import import_module, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

# command: (module, what it does)
COMMANDS = {
    "run": ("run", "Make a container and run a program in it"),
    "create": ("run", "Make a container, to be started later"),
    "start": ("starting", "Start containers that do not run"),
    "restart": ("starting", "Stop containers, and start them again"),
    "attach": ("starting", "Be at the streams of a container that runs"),
    "exec": ("run", "Run one more program in a running container"),
    "ps": ("listing", "List containers"),
    "port": ("containers", "List the published ports of a container"),
    "stop": ("containers", "Ask containers to end, then make them"),
    "kill": ("containers", "Send a signal to containers"),
    "pause": ("containers", "Let containers stand still"),
    "unpause": ("containers", "Let paused containers run again"),
    "update": ("update", "Give running containers other limits"),
    "rm": ("containers", "Remove containers"),
    "rename": ("containers", "Give a container another name"),
    "wait": ("containers", "Wait until containers do not run; print their exit codes"),
    "inspect": ("inspecting", "Show all about containers or images, as JSON"),
    "logs": ("output", "Show what a container printed"),
    "top": ("output", "Show the processes of a container"),
    "stats": ("stats", "Show what containers use, live"),
    "events": ("events", "Tell what happens to containers, as it happens"),
    "build": ("build", "Build an image of a Containerfile"),
    "images": ("images", "List the images of this host"),
    "pull": ("registries", "Fetch an image from its registry"),
    "push": ("registries", "Send an image to its registry"),
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
    "login": ("registries", "Remember a password for a registry"),
    "logout": ("registries", "Forget it"),
    "network": ("networks", "Make networks, list them, remove them ..."),
    "volume": ("volumes", "Make volumes, list them, remove them ..."),
    "audit": ("audit", "Say what holds a container, and what each of it stops"),
    "seccomp": ("seccomp", "Say what a profile of system calls allows, and why"),
    "oci": ("runtime", "Be an OCI runtime: create, start, state, kill, delete ... a bundle"),
    "system": ("system", "Say how much of the disk is used"),
    "info": ("system", "Tell what there is on this host"),
    "version": ("system", "Tell the versions of kernelbox, Python and the kernel"),
    "completion": ("completion", "Print a script with which a shell completes all this"),
    "doctor": ("host", "Check this host, and say what is missing"),
    "reset": ("host", "Remove everything kernelbox owns"),
    "lab": ("host", "Open your own copy of the notebooks in JupyterLab"),
    "workbook": ("host", "Bring your own copy of the notebooks up to date"),
    "course": ("course", "For teachers: a course folder for nbgrader, plan, key, report ..."),
}

_HALF_DONE = ("commit", "cp", "save")  # what a signal would leave so: a pause, a partial file


def main() -> NoReturn:
    """Run the command line in `sys.argv`, and end the process with its exit status."""
    _open_missing_streams()
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Output(1, "w", closefd=False)),
        sys.stdout.encoding, sys.stdout.errors, line_buffering=bool(sys.stdout.line_buffering),
    )  # fmt: skip
    status = _guarded(sys.argv[1:])
    with suppress(OSError):
        sys.stderr.flush()
    # What is left of this process needs no tidying: the kernel does that, and faster.
    os._exit(status)


class _Output(io.FileIO):
    """Standard output: whoever cannot write to it shall not be taken for a full disk of ours."""

    def write(self, data: Any) -> int:
        """Write some of it. Raises KernelboxError, or BrokenPipeError as any file does."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            from kernelbox.kernel.explain import output_error

            raise output_error("stdout", error.errno or 0) from error


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
        return _run(argv)
    try:
        return _run(argv)
    except KernelboxError as error:
        return _complain(str(error), error.code)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    except OSError as error:
        from kernelbox.kernel.explain import disk_error

        failure = disk_error(error)
        return _complain(str(failure), failure.code)
    except Exception as error:
        hint = "This is a bug: KERNELBOX_DEBUG=1 shows the traceback"
        failure = KernelboxError(f"{type(error).__name__}: {error}", hint)
        return _complain(str(failure), failure.code)


def _complain(text: str, code: int) -> int:
    with suppress(OSError):  # then nobody hears it
        print(f"kernelbox: {text}", file=sys.stderr)
    return code


def _run(argv: list[str]) -> int:
    """Run a command until all it prints is written; return its exit status."""
    try:
        status = _dispatch(argv)
    except SystemExit as end:  # argparse has shown its help
        status = int(end.code or 0)
    sys.stdout.flush()
    return status


def _dispatch(argv: list[str]) -> int:
    if dream := os.environ.pop("KERNELBOX_DREAM", ""):  # see container/monitor/dozing.py
        from kernelbox.container.monitor import monitor

        monitor.wake(dream)
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
    module = import_module(f"kernelbox.cli.{COMMANDS[command][0]}")
    gc.freeze()
    gc.enable()
    run: Callable[[list[str]], int] = getattr(module, f"command_{command}")
    if command in _HALF_DONE:
        from kernelbox.cli.orderly import orderly

        with orderly():
            return run(argv[1:])
    return run(argv[1:])


def _usage() -> str:
    lines = [f"  {name:10} {summary}" for name, (_, summary) in COMMANDS.items()]
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
