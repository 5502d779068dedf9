"""JupyterLab in a browser, as a reader has it: a server, a Chromium, and notebooks opened in them.

The server runs real kernels with the privilege of whoever runs the tests; Chromium is Debian's.
Both live as long as the tests of one module, and one page of JupyterLab serves them all: a test
opens a notebook of its own in it, and closes it with its kernel; one that many only look at stays
open. What the page asks for, and what it complains about, is noted all the time.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
from PIL import Image
from playwright.sync_api import BrowserContext, Locator, Page, WebSocket, expect, sync_playwright

from tests import looking
from tests.store_notebooks import METADATA

PATIENCE = 60.0  # seconds until what must happen has happened, on a machine that is busy elsewhere
POLLING = 100  # milliseconds between two looks at a page: each frame would be too much for it
SIZE = {"width": 1280, "height": 720}  # the projector's
CHROMIUM = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")

expect.set_options(timeout=PATIENCE * 1000)

_READY = """path => {
    const panel = jupyterapp.shell.currentWidget, context = panel?.context;
    return context?.path === path && context.isReady && context.sessionContext.isReady
        && panel.content.widgets.length > 0
        && context.sessionContext.session?.kernel?.status === "idle"
        && context.sessionContext.session.kernel.connectionStatus === "connected";
}"""
_OPEN = """path => {
    jupyterapp.commands.execute("docmanager:open", { path, factory: "Notebook" });
    jupyterapp.shell.collapseLeft();
}"""
_RUN = """number => {
    const { content } = jupyterapp.shell.currentWidget;
    content.deselectAll();
    content.activeCellIndex = number;
    content.model.cells.get(number).clearExecution();
    jupyterapp.commands.execute("notebook:run-cell");
}"""
# As a reader runs them all: going to each, to run it, costs the page as much as running it.
_RUN_ALL = """() => {
    for (const cell of jupyterapp.shell.currentWidget.content.model.cells)
        if (cell.type === "code") cell.clearExecution();
    jupyterapp.commands.execute("notebook:run-all-cells");
}"""
# What cell `number` has come to: null while it runs, else what it failed with, or nothing.
_RAN = """number => {
    const cell = jupyterapp.shell.currentWidget.content.model.cells.get(number);
    const { execution_count, outputs } = cell.toJSON();
    if (execution_count === null) return null;
    if (cell.executionState && cell.executionState !== "idle") return null;
    return { failure: outputs.filter((one) => one.output_type === "error")
        .map((one) => one.traceback.join("\\n")).join("\\n") };
}"""
_CODE = """() => [...jupyterapp.shell.currentWidget.content.model.cells]
    .flatMap((cell, number) => (cell.type === "code" ? [number] : []))"""
_LOOK_AWAY = "() => { jupyterapp.shell.currentWidget.content.activeCellIndex = 0; }"
_SAVE = """async () => {
    const { context } = jupyterapp.shell.currentWidget;
    await context.save();
    return context.path;
}"""
_SHUT_DOWN = "() => jupyterapp.shell.currentWidget.context.sessionContext.shutdown()"
_SHUT_ALL_DOWN = """async kept => {
    const { sessions } = jupyterapp.serviceManager;
    await sessions.refreshRunning();
    const others = [...sessions.running()].filter(({ path }) => !kept.includes(path));
    await Promise.all(others.map(({ id }) => sessions.shutdown(id)));
}"""
_CLOSE = """async () => {
    const panel = jupyterapp.shell.currentWidget;
    await panel.context.save(); // or it asks
    const closed = new Promise((resolve) => panel.disposed.connect(resolve));
    panel.close();
    await closed;
}"""
# The texts in an element that stand out too little from their ground, with their contrast.
# What is dimmed on purpose (opacity) is left out. Source: WCAG 2.2, 1.4.3 and "contrast ratio".
_PALE = """element => {
    const numbers = (color) => color.match(/[0-9.]+/g).map(Number);
    const light = (color) => {
        const parts = numbers(color).slice(0, 3).map((one) => one / 255)
            .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    const painted = (color) => color.startsWith("rgb") && (numbers(color)[3] ?? 1) === 1;
    const ground = (one) => {
        if (one.localName === "text" && one.previousElementSibling?.localName === "rect") {
            const { fill } = getComputedStyle(one.previousElementSibling);
            if (painted(fill)) return fill;
        }
        for (let up = one; up; up = up.parentElement) {
            const { backgroundColor } = getComputedStyle(up);
            if (painted(backgroundColor)) return backgroundColor;
        }
        return "rgb(255, 255, 255)";
    };
    const faded = (one) => one && (getComputedStyle(one).opacity < 1 || faded(one.parentElement));
    const pale = [];
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode.data.trim();
        const one = walker.currentNode.parentElement;
        if (!text || ["style", "title", "option"].includes(one.localName)) continue;
        if (!one.getClientRects().length || faded(one)) continue;
        const style = getComputedStyle(one);
        const ink = light(one instanceof SVGElement ? style.fill : style.color);
        const paper = light(ground(one));
        const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
        if (contrast < 4.5) pale.push(`${text}: ${contrast.toFixed(1)}`);
    }
    return pale;
}"""
_AXE = """async (element) => {
    const { violations } = await axe.run(element, { resultTypes: ["violations"] });
    return violations.flatMap(({ id, nodes }) =>
        nodes.map((node) => `${id}: ${node.html.slice(0, 200)}`));
}"""


class Server:
    """A Jupyter server of the tests' own, which serves a directory to whoever knows its token.

    Args:
        directory: Where it keeps everything; its notebooks lie in `notebooks`.
        environment: What its kernels get.
    """

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self.notebooks = directory / "notebooks"
        self.notebooks.mkdir(parents=True)
        self.log = directory / "log"
        self.token = secrets.token_hex(16)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
        own = {place: str(directory / place.lower()) for place in places}
        options = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": self.port,
            "ServerApp.port_retries": 0,
            "ServerApp.root_dir": self.notebooks,
            "IdentityProvider.token": self.token,
        }
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser"),
                    "--expose-app-in-browser",
                    *(f"--{name}={value}" for name, value in options.items()),
                ],
                env={**environment, **own, "JUPYTER_PREFER_ENV_PATH": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> None:
        """Wait until it answers."""

        def answers() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            with socket.socket() as one:
                return one.connect_ex(("127.0.0.1", self.port)) == 0

        assert looking.soon(answers, PATIENCE), self.log.read_text()

    def kernels(self) -> list[int]:
        """Return the pids of its kernels, as /proc has them."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split() if looking.is_alive(int(pid))]

    def close(self) -> None:
        """End it, and its kernels with it."""
        self.process.terminate()
        self.process.wait(PATIENCE)


# What it says when a page is left while it still asks that page's kernel for its debugger's state.
_JUPYTERLABS_OWN = "Could not restore the debugger state: Canceled future for debug_request"


class JupyterLab:
    """One page of JupyterLab in a Chromium.

    Attributes:
        requests: The addresses of everything that the page has ever asked for.
        complaints: What stood on the browser's console as an error, and exceptions that nobody
            caught.
        kept: The notebooks that several tests look at: their kernels live on when others end.
        received: The messages of all kernels that have come since it was last cleared.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.kept: list[str] = []
        self.received: list[bytes] = []
        self._playwright = sync_playwright().start()
        self._chromium = self._playwright.chromium.launch(
            executable_path=chromium(),
            args=list(CHROMIUM),
            # Whatever it starts, and ends when it likes, is no leak of a test's.
            env={name: text for name, text in os.environ.items() if name != looking.MARK},
        )
        self.page = self.window().new_page()
        self._note(self.page)

    def window(self, **options: Any) -> BrowserContext:
        """Return a new window, which shares nothing with the others and is closed with them."""
        context = self._chromium.new_context(viewport=SIZE, **options)
        context.set_default_timeout(PATIENCE * 1000)
        return context

    def start(self) -> None:
        """Load JupyterLab, as the address that `make lab` prints does."""
        self.server.wait()
        self.page.goto(self.address())
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell?.currentWidget", polling=POLLING
        )

    def address(self, place: str = "") -> str:
        """Return the address of a fresh page of JupyterLab."""
        return f"http://127.0.0.1:{self.server.port}/lab{place}?reset&token={self.server.token}"

    def open(self, name: str, *cells: str | Path) -> Notebook:
        """Write a notebook of these code cells, or copy an existing one, and open it."""
        match cells:
            case (Path() as file,):
                notebook = nbformat.read(file, as_version=4)
                beside = self.server.notebooks / "pictures"
                shutil.copytree(file.parent / "pictures", beside, dirs_exist_ok=True)
            case _:
                made = [nbformat.v4.new_code_cell(cell) for cell in cells]
                notebook = nbformat.v4.new_notebook(cells=made, metadata=METADATA)
        nbformat.write(notebook, self.server.notebooks / name)
        return self.show(name)

    def show(self, name: str) -> Notebook:
        """Open a notebook that lies in the server's directory, and wait for its kernel."""
        known = set(self.server.kernels())
        self.bring(name)
        (pid,) = set(self.server.kernels()) - known
        return Notebook(self, pid, name)

    def bring(self, name: str) -> None:
        """Bring a notebook to the front, opening it if it is not open, and wait for its kernel."""
        self.page.evaluate(_OPEN, name)
        self.page.wait_for_function(_READY, arg=name, polling=POLLING)

    def theme(self, name: str, page: Page | None = None) -> None:
        """Choose the system's `Light` or `Dark` theme, which JupyterLab follows.

        On this page, or on another.
        """
        page = page or self.page
        page.emulate_media(color_scheme="light" if name == "Light" else "dark")
        light = str(name == "Light").lower()
        expect(page.locator("body")).to_have_attribute("data-jp-theme-light", light)
        # A second change while the first fades out fails, in JupyterLab itself.
        expect(page.locator("#jupyterlab-splash")).to_have_count(0)

    def processes(self) -> list[int]:
        """Return the pids of the server, of Chromium, and of all that they have started."""
        return [one for one in looking.descendants(os.getpid()) if looking.is_alive(one)]

    def command(self, name: str) -> None:
        """Give one of JupyterLab's commands, as its menus do."""
        self.page.evaluate("name => { jupyterapp.commands.execute(name); }", name)

    def close(self) -> None:
        """Close every window, and Chromium."""
        self._chromium.close()
        self._playwright.stop()

    def _note(self, page: Page) -> None:
        page.on("request", lambda one: self.requests.append(one.url))
        page.on("websocket", self._note_socket)
        page.on("pageerror", lambda error: self.complaints.append(f"{error}\n{error.stack}"))
        page.on(
            "console",
            lambda one: (
                self.complaints.append(f"{one.text} {one.location}")
                if one.type == "error" and not one.text.startswith(_JUPYTERLABS_OWN)
                else 0
            ),
        )

    def _note_socket(self, one: WebSocket) -> None:
        self.requests.append(one.url)
        one.on("framereceived", lambda frame: self.received.append(_as_bytes(frame)))


class Notebook:
    """A notebook that is open in JupyterLab, and is the one in front.

    Attributes:
        kernel: The pid of its kernel.
        name: Of its file, in the server's directory.
        panel: What the page shows of it.
    """

    def __init__(self, lab: JupyterLab, kernel: int, name: str) -> None:
        self.lab = lab
        self.page = lab.page
        self.kernel = kernel
        self.name = name
        self._open = True
        self.panel = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def run(self, *numbers: int) -> None:
        """Run these cells, from 0, one after the other; without any, all of them.

        Raises:
            AssertionError: A cell failed; its traceback.
        """
        if not numbers:
            self.page.evaluate(_RUN_ALL)
        for number in numbers or self.page.evaluate(_CODE):
            if numbers:
                self.page.evaluate(_RUN, number)
            told = self.page.wait_for_function(_RAN, arg=number, polling=POLLING)
            ran = told.json_value()
            assert not ran["failure"], ran["failure"]

    def output(self, number: int) -> Locator:
        """Return what the page shows below a cell."""
        return self.panel.locator(".jp-Cell").nth(number).locator(".jp-Cell-outputWrapper")

    def said(self, number: int) -> str:
        """Return what a cell printed."""
        return self.output(number).inner_text().strip()

    def picture(self, number: int, file: Path) -> None:
        """Keep a picture of a cell with its output, in no more colours than it needs."""
        self.page.evaluate(_LOOK_AWAY)
        self.page.mouse.move(640, 5)
        cell = self.panel.locator(".jp-Cell").nth(number)
        with Image.open(BytesIO(cell.screenshot(animations="disabled"))) as image:
            image.convert("RGB").quantize(256).save(file, optimize=True)

    def view(self, title: str | re.Pattern[str]) -> Locator:
        """Return the view with this title, which is on the page or will soon be."""
        found = self.panel.get_by_role("region", name=title)
        found.scroll_into_view_if_needed()
        expect(found).to_be_visible()
        return found

    def leave(self) -> None:
        """Close it, as the cross on its tab does; its kernel lives on."""
        self.page.evaluate(_CLOSE)
        self._open = False

    def next_day(self) -> str:
        """Save it, shut its kernel down and close it; return the address as `saved` does."""
        address = self.saved()
        self.page.evaluate(_SHUT_DOWN)
        self.leave()
        return address

    def saved(self) -> str:
        """Save it; return the address under which any page shows it, with its kernel."""
        path = self.page.evaluate(_SAVE)
        return self.lab.address(f"/tree/{path}")

    def close(self) -> None:
        """Shut its kernel down, and close it."""
        if self._open:
            self.page.evaluate(_SHUT_DOWN)
        else:
            self.page.evaluate(_SHUT_ALL_DOWN, self.lab.kept)
        if self._open:
            self.leave()
        assert looking.soon(lambda: not looking.is_alive(self.kernel), PATIENCE)


def pale(view: Locator) -> list[str]:
    """Return the texts in a view that are hard to read on their ground."""
    found: list[str] = view.evaluate(_PALE)
    return found


def violations(view: Locator) -> list[str]:
    """Return what axe-core finds in a view that keeps somebody from using it, rule by rule.

    Source: axe-core, `axe.run`; `make widgets` brings it, as it does what the views are made with.
    """
    page = view.page
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate((Path(__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found: list[str] = view.evaluate(_AXE)
    return found


def pixels(view: Locator) -> Counter[tuple[int, int, int]]:
    """Return how often each colour (red, green, blue) is seen in a view, as it is just now."""
    with Image.open(BytesIO(view.screenshot(animations="disabled"))) as image:
        return Counter(image.convert("RGB").get_flattened_data())


def until(page: Page, condition: Callable[[], Any], seconds: float = PATIENCE) -> bool:
    """Wait until `condition` is true, while the page goes on; False if it does not become so."""

    def holds() -> bool:
        page.wait_for_timeout(20)  # lets Playwright hear the page
        return bool(condition())

    return looking.soon(holds, seconds)


def chromium() -> str:
    """Return the path of Debian's Chromium.

    Raises:
        AssertionError: There is none.
    """
    for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser"):
        if os.access(path, os.X_OK):
            return path
    raise AssertionError("the browser's tests need Chromium: apt-get install chromium")


def _as_bytes(frame: str | bytes) -> bytes:
    return frame.encode() if isinstance(frame, str) else frame
