"""Registries to test against: Debian's own, on loopback, and one that misbehaves on request."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

USER, PASSWORD = "alice", "wonderland"
_HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuuA0vov2GDneHB3.8.cv9UF9g.RdvScIW\n"  # bcrypt


class Registry(NamedTuple):
    """A registry that runs: its address, and the file with a line for each request it had."""

    host: str
    log: Path

    def requests(self, word: str) -> list[str]:
        """Return the requests with a word in their line, in their order."""
        lines = self.log.read_text().splitlines()
        return [line.split('"')[1] for line in lines if line.startswith("127.") and word in line]


@contextlib.contextmanager
def registry(directory: Path, *, password: bool = False) -> Iterator[Registry]:
    """Run Debian's docker-registry on a port of loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    if password:
        (directory / "htpasswd").write_text(_HTPASSWD)
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(directory / "htpasswd")}}
    (directory / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    with open(directory / "log", "wb") as log:
        words = ["docker-registry", "serve", directory / "config.yml"]
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        wait_for(port, process)
        yield Registry(f"127.0.0.1:{port}", directory / "log")
    finally:
        process.kill()
        process.wait()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert process.poll() is None, "the registry has ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("the registry does not listen")


class Answer(NamedTuple):
    """What a misbehaving registry says.

    Attributes:
        status: Of HTTP.
        headers: To be sent.
        body: To be sent.
        length: What Content-Length claims; the body's own length if None.
        pause: Seconds to wait in the middle of the body.
    """

    status: int = 200
    headers: dict[str, str] = {}  # noqa: RUF012
    body: bytes = b""
    length: int | None = None
    pause: float = 0.0


Script = Callable[[str, str, dict[str, str]], Answer | None]


class Liar:
    """A server in front of a real registry, which it asks whenever its script says nothing.

    Attributes:
        host: Its address.
        script: Takes method, path and headers; returns an answer, or None for the real one.
        seen: Method, path and headers of each request.
        bodies: What each of them brought.
    """

    def __init__(self, real: str, script: Script = lambda method, path, headers: None) -> None:
        self.script = script
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        liar = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                headers = {key.lower(): value for key, value in self.headers.items()}
                liar.bodies.append(self.rfile.read(int(headers.get("content-length", 0))))
                liar.seen.append((self.command, self.path, headers))
                answer = liar.script(self.command, self.path, headers)
                with contextlib.suppress(OSError):
                    self.give(answer or forward(real, self.command, self.path, headers))

            do_HEAD = do_POST = do_GET

            def give(self, answer: Answer) -> None:
                self.send_response(answer.status)
                for key, value in answer.headers.items():
                    self.send_header(key, value)
                length = len(answer.body) if answer.length is None else answer.length
                if not {"Content-Length", "Transfer-Encoding"} & answer.headers.keys():
                    self.send_header("Content-Length", str(length))
                self.end_headers()
                if self.command == "HEAD":
                    return
                half = len(answer.body) // 2 if answer.pause else len(answer.body)
                self.wfile.write(answer.body[:half])
                if answer.pause:
                    self.wfile.flush()
                    time.sleep(answer.pause)
                    self.wfile.write(answer.body[half:])
                if length != len(answer.body):
                    self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: the tests look at `seen`."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def encrypt(self, directory: Path) -> Path:
        """Speak TLS, with a certificate that nobody trusts; return its file. Call it first."""
        key, certificate = directory / "key.pem", directory / "certificate.pem"
        words = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -days 2".split()
        words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
        subprocess.run(words, check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        return certificate

    def __enter__(self) -> Liar:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def forward(real: str, method: str, path: str, headers: dict[str, str]) -> Answer:
    """Return what the real registry says."""
    kept = {key: value for key, value in headers.items() if key in ("accept", "range")}
    asked = urllib.request.Request(f"http://{real}{path}", method=method, headers=kept)
    try:
        with urllib.request.urlopen(asked) as answer:
            return Answer(answer.status, _kept(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _kept(error.headers), error.read())


def _kept(headers: Any) -> dict[str, str]:
    names = ("Content-Type", "Content-Range", "Docker-Content-Digest", "WWW-Authenticate")
    return {name: headers[name] for name in names if headers[name]}
