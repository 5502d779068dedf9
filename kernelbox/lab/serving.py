"""Serving the workbook in JupyterLab: on this machine alone, with the address as the last word.

JupyterLab gets a token of ours, so that it need not print one, and the first port that is free, or
the one that was asked for. What it says goes into a file: most of that is for whoever develops
Jupyter. A kernel is spoken to through sockets that are files, which nobody else can listen to.

Source: Jupyter Server, "Security in the Jupyter Server", JUPYTER_TOKEN; jupyter_client,
KernelManager.transport.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox.kernel import flags as k
from kernelbox.kernel import syscalls
from kernelbox.kernel.errors import KernelboxError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_PORT = 8888
_PORTS = 50  # to be tried from there
_PATIENCE = 120.0  # seconds until it answers
_HOST = "127.0.0.1"


def serve(
    directory: Path, page: str, own: Path, port: int | None, say: Callable[[str], None]
) -> int:
    """Serve a directory until JupyterLab ends; return its exit code.

    Args:
        directory: What it shows.
        page: What it opens first, below `directory`.
        own: A directory for its log, and for which pages are open.
        port: Of this machine; None for the first that is free.
        say: Shows a line to whoever waits.

    Raises:
        UsageError: The port is taken.
        KernelboxError: JupyterLab is not installed, or ended before it answered.
    """
    port = _free(port)
    token = secrets.token_hex(24)
    say("starting JupyterLab ...")
    own.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    log = own / "jupyterlab.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            _command(directory, page, own, port),
            env={**os.environ, "JUPYTER_TOKEN": token, "JUPYTER_PREFER_ENV_PATH": "1"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent,  # nobody else knows its token
        )
    try:
        _wait_until_it_answers(process, port, log)
        address = f"http://{_HOST}:{port}/lab/tree/{page}?token={token}"
        say(f"Ctrl-C ends it; what you have written stays. Its log: {log}")
        for line in boxed(address):
            say(line)
        _open(address)
        return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _end(process)


def boxed(text: str) -> list[str]:
    """Return a text in a frame, as lines."""
    rule = "─" * (len(text) + 2)
    return [f"┌{rule}┐", f"│ {text} │", f"└{rule}┘"]


def _free(asked: int | None) -> int:
    ports = [asked] if asked else range(FIRST_PORT, FIRST_PORT + _PORTS)
    for port in ports:
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError, OverflowError):
                one.bind((_HOST, port))
                return port
    taken = f"port {asked} is taken" if asked else f"ports {ports[0]} to {ports[-1]} are taken"
    raise UsageError(taken, "Choose another: make lab PORT=9000, or kernelbox lab --port 9000")


def _command(directory: Path, page: str, own: Path, port: int) -> list[str]:
    program = Path(sys.executable).with_name("jupyter-lab")
    if not program.exists():
        raise KernelboxError(
            f"there is no JupyterLab beside {sys.executable}", "Install it: pip install jupyterlab"
        )
    return [
        str(program),
        "--no-browser",  # the address is opened when it answers, and not before
        "--allow-root",  # as whom a lab has to run where sudo asks for a password
        f"--ServerApp.ip={_HOST}",
        "--ServerApp.base_url=/",  # whatever a server of this machine's is configured for
        "--ServerApp.certfile=",
        "--ServerApp.keyfile=",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={directory}",
        f"--LabApp.default_url=/lab/tree/{page}",
        # Which pages were open: another list for another first page.
        f"--LabApp.workspaces_dir={own / 'workspaces' / Path(page).parent.name}",
        "--KernelManager.transport=ipc",
        "--HTMLExporter.embed_images=True",  # a page that is saved elsewhere keeps its pictures
        "--HTMLExporter.preprocessors=kernelbox.lab.exporting.PageAlone",  # ... in its own theme
    ]


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""]
            raise KernelboxError(
                f"JupyterLab ended with {process.returncode}: {said[-1][:200]}",
                f"All that it said: {log}",
            )
        with suppress(urllib.error.URLError, OSError):
            direct.open(f"http://{_HOST}:{port}/api", timeout=5).close()
            return
        time.sleep(0.1)
    raise KernelboxError(f"JupyterLab has not answered for {_PATIENCE:g} s", "Try again")


def _open(address: str) -> None:
    """Open the address in a browser, where somebody sees a screen."""
    on_a_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if on_a_screen and not os.environ.get("CI") and os.geteuid() != 0:
        import webbrowser

        webbrowser.open(address)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _die_with_parent() -> None:
    syscalls.prctl(k.PR_SET_PDEATHSIG, signal.SIGTERM, argument_name="SIGTERM")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End JupyterLab and its kernels, without the question that Ctrl-C would make it ask."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
