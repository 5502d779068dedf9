"""Images from and to registries: Debian's docker-registry on loopback, skopeo beside us, and liars.

The store and the registry's own log are read from outside. No test leaves this machine.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernelbox.images import bounds, embedded, layout
from kernelbox.images.reference import Remote, remote
from kernelbox.images.registry import credentials, fetch, helpers, transport
from kernelbox.images.registry.pull import pull
from kernelbox.images.registry.push import push
from kernelbox.images.store import Store
from kernelbox.kernel.errors import KernelboxError, UsageError
from tests import looking
from tests.command import COMMAND, Kernelbox
from tests.registries import PASSWORD, USER, Answer, Liar, Registry, registry
from tests.test_images import add_image, entry, tar_of


@pytest.fixture(scope="module")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry for everybody, which has the image lab/bb:v1 of three layers."""
    directory = tmp_path_factory.mktemp("open")
    with registry(directory) as running:
        made = Store(str(directory / "images"))
        three_layers(made, f"{running.host}/lab/bb:v1")
        push(made, f"{running.host}/lab/bb:v1")
        yield running


def three_layers(store: Store, name: str) -> str:
    store.resolve(embedded.ensure(store))
    manifest = store.find("busybox")[1].manifest
    base = Path(store.layout.blob_path(manifest["layers"][0]["digest"])).read_bytes()
    noise = base64.b64encode(os.urandom(600_000))
    return add_image(store, name, base, tar_of((entry("noise"), noise)), tar_of(entry("top")))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "images"))


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Docker config directory of the test's own, and no patience."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setattr(transport, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(transport, "LONGEST_PAUSE", 0.05)
    return tmp_path / "docker/config.json"


def is_empty(store: Store) -> bool:
    """Whether nothing of an image is in the store."""
    blobs = os.listdir(store.layout.blobs) if os.path.exists(store.layout.blobs) else []
    return store.list() == () and blobs == [] and not os.path.exists(f"{store.path}/layers")


# --- names ----------------------------------------------------------------------------------------

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("alpine", Remote("docker.io", "library/alpine", "latest")),
        ("alpine:3.20", Remote("docker.io", "library/alpine", "3.20")),
        ("docker.io/library/alpine:3.20", Remote("docker.io", "library/alpine", "3.20")),
        ("user/tool", Remote("docker.io", "user/tool", "latest")),
        ("quay.io/a/b/c:d", Remote("quay.io", "a/b/c", "d")),
        ("localhost/x", Remote("localhost", "x", "latest")),
        ("localhost:5000/x:y", Remote("localhost:5000", "x", "y")),
        (f"alpine@{DIGEST}", Remote("docker.io", "library/alpine", DIGEST)),
    ],
)
def test_short_names_mean_what_they_mean_to_docker(typed: str, means: Remote) -> None:
    assert remote(typed) == means


# --- there and back -------------------------------------------------------------------------------


def test_what_is_pushed_and_pulled_is_the_same_image_and_runs(
    kernelbox: Kernelbox, open_registry: Registry
) -> None:
    name = f"{open_registry.host}/lab/there:v1"
    kernelbox.ok("tag", "busybox", name)
    said = kernelbox.ok("push", name)
    digest = re.search(r"^v1: digest: (sha256:[0-9a-f]{64}) size: \d+$", said, re.M)
    assert digest
    ids = kernelbox.ok("images", "-q", name)
    kernelbox.ok("rmi", name)
    said = kernelbox.ok("pull", name)
    assert f"Digest: {digest[1]}\nStatus: Downloaded newer image for {name}\n{name}\n" in said
    assert "Image is up to date" in kernelbox.ok("pull", name)
    assert kernelbox.ok("images", "-q", name) == ids
    assert kernelbox.ok("run", "--rm", "--network", "none", name, "echo", "there") == "there\n"
    inspected = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", f"docker://{name}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(inspected.stdout)["Digest"] == digest[1]
    kernelbox.ok("rmi", name)


def test_layers_that_are_there_are_neither_fetched_nor_sent_again(
    store: Store, open_registry: Registry
) -> None:
    name = f"{open_registry.host}/lab/bb:v1"
    pull(store, name)
    before = len(open_registry.requests("/blobs/"))
    assert not pull(store, name).new
    store.tag(name, "kept")
    store.remove(name)
    pull(store, name)
    assert len(open_registry.requests("/blobs/")) == before
    uploads = len(open_registry.requests("/uploads/"))
    push(store, name)
    assert len(open_registry.requests("/uploads/")) == uploads


def test_a_pull_by_digest_gets_just_that(store: Store, open_registry: Registry) -> None:
    name = f"{open_registry.host}/lab/bb"
    digest = pull(store, f"{name}:v1").digest
    by_digest = pull(store, f"{name}@{digest}")
    assert by_digest.image_id == store.resolve(f"{name}:v1").id
    assert store.resolve(f"{name}@{digest}").id == by_digest.image_id
    # Beside a digest a tag says nothing: Docker, "docker image pull", section Pull by digest.
    for tag in (":v1", ":another"):
        assert pull(store, f"{name}{tag}@{digest}").name == by_digest.name
        assert store.resolve(f"{name}{tag}@{digest}").id == by_digest.image_id
    with pytest.raises(KernelboxError, match="has no"):
        pull(store, f"{name}@{DIGEST}")


def test_an_index_gives_each_platform_its_image(
    store: Store, open_registry: Registry, tmp_path: Path
) -> None:
    theirs = Store(str(tmp_path / "theirs"))
    ids = {arch: add_image(theirs, arch, tar_of(entry(arch))) for arch in ("amd64", "arm64")}
    entries = []
    for arch, variant in (("amd64", {}), ("arm64", {"variant": "v8"})):
        one = theirs.find(arch)[1].descriptor
        one = {key: one[key] for key in ("mediaType", "digest", "size")}
        platform = {"os": "linux", "architecture": arch, **variant}
        entries.append({**one, "platform": platform})
    index = {"schemaVersion": 2, "mediaType": layout.INDEX, "manifests": entries}
    top = theirs.layout.write_blob(layout.INDEX, layout.encode(index))
    top["annotations"] = {"org.opencontainers.image.ref.name": "multi"}
    theirs.layout.write_index({"schemaVersion": 2, "manifests": [top]})
    name = f"{open_registry.host}/lab/multi:v1"
    copy = ["skopeo", "copy", "-q", "--all", "--dest-tls-verify=false"]
    subprocess.run([*copy, f"oci:{theirs.path}:multi", f"docker://{name}"], check=True)
    raw = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}"]
    sent = layout.digest_of(subprocess.run(raw, check=True, capture_output=True).stdout)
    for arch, image_id in ids.items():
        done = pull(store, name, platform=f"linux/{arch}")
        assert (done.image_id, done.digest) == (image_id, sent)
    with pytest.raises(UsageError, match="not made for linux/s390x") as refused:
        pull(store, name, platform="linux/s390x")
    assert "linux/amd64, linux/arm64/v8" in refused.value.hint
    assert "is no platform" in kernelbox_says(store, name, "nonsense")
    # An image of one platform has no index that could say so; its config does.
    single = f"{open_registry.host}/lab/single:v1"
    add_image(theirs, single, tar_of(entry("amd64")))
    push(theirs, single)
    pull(store, single, platform="linux/amd64")
    store.remove(single)
    assert "not made for linux/arm64. It is for linux/amd64" in kernelbox_says(
        store, single, "linux/arm64"
    )
    assert not store.has(single)
    # The layout that skopeo was given holds an index: it is an image as well.
    assert theirs.resolve("multi").id in ids.values()


def kernelbox_says(store: Store, name: str, platform: str) -> str:
    with pytest.raises(UsageError) as refused:
        pull(store, name, platform=platform)
    return str(refused.value)


@pytest.mark.parametrize("options", [["--format", "v2s2"], ["--dest-compress-format", "zstd"]])
def test_what_others_push_is_pulled_stored_as_oci_and_runs(
    kernelbox: Kernelbox, open_registry: Registry, options: list[str], tmp_path: Path
) -> None:
    name = f"{open_registry.host}/lab/theirs:{options[-1]}"
    kernelbox.ok("images")
    copy = ["skopeo", "copy", "-q", "--dest-tls-verify=false", "--dest-compress", *options]
    source = f"oci:{kernelbox.root}/images:busybox:latest"
    subprocess.run([*copy, source, f"docker://{name}"], check=True)
    kernelbox.ok("pull", "-q", name)
    assert kernelbox.ok("run", "--rm", "--network", "none", name, "echo", "yes") == "yes\n"
    kinds = {
        one["mediaType"]
        for one in Store(f"{kernelbox.root}/images").find(name)[1].manifest["layers"]
    }
    assert kinds <= {layout.LAYER_GZIP, layout.LAYER_ZSTD}
    target = f"oci:{tmp_path}/copy:x"
    subprocess.run(
        ["skopeo", "copy", "-q", f"oci:{kernelbox.root}/images:{name}", target], check=True
    )
    kernelbox.ok("rmi", name)


# --- run ------------------------------------------------------------------------------------------


def test_run_pulls_an_image_that_is_not_here_and_only_then(
    kernelbox: Kernelbox, open_registry: Registry
) -> None:
    name = f"{open_registry.host}/lab/bb:v1"
    run = ("run", "--rm", "--network", "none")
    first = kernelbox(*run, name, "echo", "pulled")
    assert (first.returncode, first.stdout) == (0, "pulled\n")
    assert "Pull complete" in first.stderr
    assert f"Status: Downloaded newer image for {name}\n" in first.stderr
    asked = len(open_registry.requests("/manifests/"))
    assert kernelbox.ok(*run, name, "echo", "here") == "here\n"
    assert len(open_registry.requests("/manifests/")) == asked
    again = kernelbox(*run, "--pull", "always", name, "true")
    assert f"Status: Image is up to date for {name}\n" in again.stderr
    assert len(open_registry.requests("/manifests/")) > asked
    kernelbox.ok("rmi", name)
    assert f'no image "{name}" in the store' in kernelbox.refused(*run, "--pull", "never", name)
    container = kernelbox.start("-q", "--network", "none", name, "sleep", "infinity")
    assert re.fullmatch("[0-9a-f]{12}", container)
    kernelbox.ok("rm", "-f", container)
    kernelbox.ok("rmi", name)


def test_run_with_pull_always_takes_the_image_that_the_tag_means_now(
    kernelbox: Kernelbox, open_registry: Registry, store: Store
) -> None:
    name = f"{open_registry.host}/lab/moving:v1"
    run = ("run", "--rm", "-q", "--network", "none")
    for stage in ("one", "two"):
        three_layers(store, name)
        push(store, name)
        if stage == "one":
            kernelbox.ok("pull", name)
    before = kernelbox.ok(*run, name, "cat", "/noise")
    after = kernelbox.ok(*run, "--pull=always", name, "cat", "/noise")
    assert before != after
    assert kernelbox.ok(*run, name, "cat", "/noise") == after
    kernelbox.ok("rmi", name)
    kernelbox.ok("prune", "-f")


def test_an_image_that_nobody_has_is_one_line_with_what_was_tried_and_what_looks_alike(
    kernelbox: Kernelbox, open_registry: Registry
) -> None:
    host = open_registry.host
    kernelbox.ok("tag", "busybox", f"{host}/lab/busybox:1")
    line = kernelbox.refused("run", f"{host}/lab/busybx", "true")
    assert f'no image "{host}/lab/busybx:latest" here' in line
    assert f"{host} has no lab/busybx:latest" in line
    assert f"Did you mean {host}/lab/busybox:1?" in line
    line = kernelbox.refused("run", "nosuch.invalid/busybx", "true")
    assert "nosuch.invalid/busybx:latest cannot be pulled: there is no host" in line
    line = kernelbox.refused("run", f"{host}/nothing/of/this/name", "true")
    assert f"Images here: {host}/lab/busybox:1, busybox:latest" in line
    kernelbox.ok("rmi", f"{host}/lab/busybox:1")


def test_a_run_of_an_image_that_is_here_loads_nothing_that_pulls(kernelbox: Kernelbox) -> None:
    kernelbox.ok("images")  # makes the embedded one
    kernelbox.command = [sys.executable, "-X", "importtime", "-m", "kernelbox"]
    loaded = kernelbox("run", "--rm", "--network", "none", "busybox", "true").stderr
    names = {line.rpartition("|")[2].strip() for line in loaded.splitlines()}
    assert "kernelbox.cli.terminal" in names
    heavy = re.compile(r"urllib3|rich|difflib|http|ssl|hashlib|kernelbox\.images\.registry")
    assert not [one for one in names if heavy.match(one) or one == "kernelbox.cli.pull"]


# --- who we are -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def closed_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry for who knows the password."""
    with registry(tmp_path_factory.mktemp("closed"), password=True) as running:
        yield running


def test_a_registry_with_a_password_wants_a_login(
    kernelbox: Kernelbox, closed_registry: Registry, config: Path
) -> None:
    environment = {"DOCKER_CONFIG": str(config.parent)}
    host = closed_registry.host
    name = f"{host}/lab/secret:v1"
    kernelbox.ok("tag", "busybox", name)
    refused = kernelbox("push", name, env=environment)
    assert refused.returncode == 125
    assert f"Log in: kernelbox login {host}" in refused.stderr
    wrong = ("login", "-u", USER, "--password-stdin", host)
    assert kernelbox(*wrong, input="guess", env=environment).returncode == 125
    assert not config.exists()
    assert kernelbox(*wrong, input=PASSWORD + "\n", env=environment).stdout == "Login Succeeded\n"
    stored = json.loads(config.read_text())["auths"][host]["auth"]
    assert base64.b64decode(stored).decode() == f"{USER}:{PASSWORD}"
    assert config.stat().st_mode & 0o777 == 0o600
    assert kernelbox("push", name, env=environment).returncode == 0
    kernelbox.ok("rmi", name)
    assert kernelbox("pull", "-q", name, env=environment).stdout == f"{name}\n"
    skopeo = ["skopeo", "inspect", "--tls-verify=false", "--authfile", config, f"docker://{name}"]
    subprocess.run(skopeo, check=True, capture_output=True)
    assert "Removing" in kernelbox("logout", host, env=environment).stdout
    assert "Not logged in" in kernelbox("logout", host, env=environment).stdout
    assert kernelbox("pull", name, env=environment).returncode == 125
    kernelbox.ok("rmi", name)


def test_a_config_file_of_dockers_keeps_what_else_is_in_it(config: Path) -> None:
    config.parent.mkdir()
    old = {"auths": {"other": {"auth": "eDp5"}}, "credsStore": "", "detachKeys": "ctrl-e"}
    config.write_text(json.dumps(old))
    credentials.write("docker.io", "me", "pass:word")
    assert credentials.read("docker.io") == ("me", "pass:word")
    assert credentials.read("other") == ("x", "y")
    assert credentials.forget("docker.io")
    assert json.loads(config.read_text()) == old
    for broken in ("{", "[]", '{"auths": {"other": {"auth": "!"}}}'):
        config.write_text(broken)
        with pytest.raises(UsageError, match="damaged"):
            credentials.read("other")


HELPER = """#!/usr/bin/python3
import json, os, sys
path = os.environ["HELPER_KEEPS"]
kept = json.load(open(path)) if os.path.exists(path) else {}
given = sys.stdin.read()
if sys.argv[1] == "store":
    entry = json.loads(given)
    kept[entry["ServerURL"]] = [entry["Username"], entry["Secret"]]
elif given not in kept:
    sys.exit(print("credentials not found in native keychain") or 1)
elif sys.argv[1] == "get":
    print(json.dumps({"ServerURL": given, "Username": kept[given][0], "Secret": kept[given][1]}))
elif sys.argv[1] == "erase":
    del kept[given]
json.dump(kept, open(path, "w"))
"""


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential helper `docker-credential-test` in PATH; the file that it keeps logins in."""
    program = tmp_path / "bin/docker-credential-test"
    program.parent.mkdir()
    program.write_text(HELPER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HELPER_KEEPS", str(tmp_path / "kept.json"))
    return tmp_path / "kept.json"


@pytest.mark.parametrize("where", ["credsStore", "credHelpers"])
def test_a_helper_keeps_the_password_that_push_and_pull_use(
    kernelbox: Kernelbox, closed_registry: Registry, config: Path, helper: Path, where: str
) -> None:
    host = closed_registry.host
    names = ("DOCKER_CONFIG", "PATH", "HELPER_KEEPS")
    environment = {name: os.environ[name] for name in names}
    config.parent.mkdir()
    config.write_text(json.dumps({where: "test" if where == "credsStore" else {host: "test"}}))
    name = f"{host}/lab/kept:{where.lower()}"
    kernelbox.ok("tag", "busybox", name)
    assert "Log in" in kernelbox("push", name, env=environment).stderr
    login = ("login", "-u", USER, "--password-stdin", host)
    kernelbox.ok(*login, input=PASSWORD, env=environment)
    assert json.loads(helper.read_text()) == {host: [USER, PASSWORD]}
    assert json.loads(config.read_text())["auths"] == {host: {}}
    assert kernelbox("push", name, env=environment).returncode == 0
    kernelbox.ok("rmi", name)
    kernelbox.ok("pull", "-q", name, env=environment)
    assert "Removing" in kernelbox.ok("logout", host, env=environment)
    assert json.loads(helper.read_text()) == {}
    assert json.loads(config.read_text())["auths"] == {}
    assert "Not logged in" in kernelbox.ok("logout", host, env=environment)
    assert "Log in" in kernelbox("pull", name, env=environment).stderr
    kernelbox.ok("rmi", name)


def test_a_registrys_own_helper_goes_before_the_one_for_all_and_both_before_the_file(
    config: Path, helper: Path
) -> None:
    config.parent.mkdir()
    auths = {name: {"auth": "eDp5"} for name in ("own", "all", "neither")}
    document = {"auths": auths, "credsStore": "nosuch", "credHelpers": {"own": "test"}}
    config.write_text(json.dumps(document))
    helper.write_text(json.dumps({"own": ["me", "from the helper"], "docker.io": ["x", "y"]}))
    assert credentials.read("own") == ("me", "from the helper")
    with pytest.raises(UsageError, match="no program docker-credential-nosuch") as refused:
        credentials.read("all")
    assert "config.json" in refused.value.hint
    config.write_text(json.dumps({**document, "credsStore": "test"}))
    assert credentials.read("neither") == ("x", "y")  # from before there was a helper
    assert credentials.read("nobody") is None
    credentials.write("docker.io", "me", "secret")
    assert json.loads(helper.read_text())["https://index.docker.io/v1/"] == ["me", "secret"]
    assert "secret" not in config.read_text()


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("echo '{}'", "nothing that is a login"),
        ("echo oops; echo more >&2; exit 3", "failed: oops more"),
        ("exec sleep 9", "does not answer"),
    ],
)
def test_a_helper_that_fails_is_one_line(
    config: Path, helper: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    monkeypatch.setattr(helpers, "PATIENCE", 0.2 if "sleep" in program else 20.0)
    config.parent.mkdir()
    config.write_text('{"credsStore": "test"}')
    (helper.parent / "bin/docker-credential-test").write_text(f"#!/bin/sh\n{program}\n")
    with pytest.raises(KernelboxError, match=said) as refused:
        credentials.read("anywhere")
    assert "\n" not in str(refused.value)
    for name in ("../../bin/sh", "", 5):
        config.write_text(json.dumps({"credHelpers": {"anywhere": name or ["x"]}}))
        with pytest.raises(UsageError, match="no credential helper"):
            credentials.read("anywhere")


def test_a_helper_may_say_no_with_empty_words(config: Path, helper: Path) -> None:
    """docker-credential-pass does, where it once had something."""
    config.parent.mkdir()
    config.write_text('{"credsStore": "test"}')
    helper.write_text('{"anywhere": ["", ""]}')
    assert credentials.read("anywhere") is None
    assert not credentials.forget("anywhere")


def test_a_token_is_fetched_with_our_password_and_used_at_the_registry_only(
    store: Store, open_registry: Registry
) -> None:
    """The token service and the place that blobs come from are two more servers."""
    with Liar(open_registry.host) as elsewhere, Liar(open_registry.host) as liar:

        def token(method: str, path: str, headers: dict[str, str]) -> Answer | None:
            if path.startswith("/token"):
                return Answer(body=b'{"token": "sesame"}')
            return None

        def front(method: str, path: str, headers: dict[str, str]) -> Answer | None:
            if headers.get("authorization") != "Bearer sesame":
                realm = f'Bearer realm="http://{elsewhere.host}/token",service="us"'
                return Answer(401, {"WWW-Authenticate": realm})
            if "/blobs/" in path:
                return Answer(307, {"Location": f"http://{elsewhere.host}{path}"})
            return None

        elsewhere.script, liar.script = token, front
        credentials.write(liar.host, USER, PASSWORD)
        pull(store, f"{liar.host}/lab/bb:v1")
        asked = [headers for _, path, headers in elsewhere.seen if path.startswith("/token")]
        assert (
            base64.b64decode(asked[0]["authorization"].split()[1]).decode() == f"{USER}:{PASSWORD}"
        )
        assert any("scope=repository%3Alab%2Fbb%3Apull" in path for _, path, _ in elsewhere.seen)
        blobs = [headers for _, path, headers in elsewhere.seen if "/blobs/" in path]
        assert len(blobs) == 4
        assert not any("authorization" in headers for headers in blobs)


@pytest.mark.parametrize("kept", ["in the file", "by a helper"])
def test_an_identity_token_is_given_to_the_token_service_only(
    store: Store, open_registry: Registry, config: Path, helper: Path, kept: str
) -> None:
    def script(method: str, path: str, headers: dict[str, str]) -> Answer | None:
        if path == "/token":
            form = urllib.parse.parse_qs(liar.bodies[-1].decode())
            given = form["refresh_token"] == ["mine"] and form["grant_type"] == ["refresh_token"]
            assert form["scope"] == ["repository:lab/bb:pull"]
            assert form["service"] == ["us"]
            return Answer(body=b'{"access_token": "sesame"}') if given else Answer(401)
        if headers.get("authorization") != "Bearer sesame":
            realm = f'Bearer realm="http://{liar.host}/token",service="us"'
            return Answer(401, {"WWW-Authenticate": realm})
        return None

    with Liar(open_registry.host, script) as liar:
        name = f"{liar.host}/lab/bb:v1"
        config.parent.mkdir()
        entry = {"auth": "eDp5", "identitytoken": "mine"}
        in_file = {"auths": {liar.host: entry}}
        config.write_text(json.dumps(in_file if "file" in kept else {"credsStore": "test"}))
        helper.write_text(json.dumps({liar.host: ["<token>", "mine"]}))
        pull(store, name)
        entry["identitytoken"] = "yours"
        config.write_text(json.dumps(in_file))
        with pytest.raises(KernelboxError, match="refuses the login"):
            pull(store, name)
    assert not any("mine" in str(headers) for _, path, headers in liar.seen if path != "/token")


def test_plain_http_is_for_this_machine_or_on_request(
    store: Store, open_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = open_registry.host.rpartition(":")[2]
    pull(store, f"localhost:{port}/lab/bb:v1")
    name = f"anywhere.test:{port}/lab/bb:v1"
    monkeypatch.setattr("urllib3.util.connection.socket.getaddrinfo", _loopback)
    with pytest.raises(KernelboxError, match="TLS"):
        pull(store, name)
    pull(store, name, plain_http=True)


def _loopback(host: str, port: int, *_: object) -> list[Any]:
    import socket

    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


def test_a_certificate_must_be_trusted_and_what_began_with_tls_goes_on_with_it(
    kernelbox: Kernelbox, open_registry: Registry, tmp_path: Path
) -> None:
    liar = Liar(open_registry.host)
    trusting = {"SSL_CERT_FILE": str(liar.encrypt(tmp_path))}
    name = f"{liar.host}/lab/bb:v1"
    with liar:
        refused = kernelbox("pull", "-q", name).stderr
        assert "certificate that nobody here trusts" in refused and "SSL_CERT_FILE" in refused
        for word in ("/manifests/", "/blobs/"):

            def away(method: str, path: str, headers: dict[str, str], at: str = word) -> Any:
                to = {"Location": f"http://{open_registry.host}{path}"}
                return Answer(307, to) if at in path else None

            liar.script = away
            refused = kernelbox("pull", "-q", name, env=trusting).stderr
            assert f"redirects to {open_registry.host} without encryption" in refused
        liar.script = lambda *_: None
        assert kernelbox.ok("pull", "-q", name, env=trusting) == f"{name}\n"
    kernelbox.ok("rmi", name)


# --- killed, and at once --------------------------------------------------------------------------


def test_a_killed_pull_goes_on_where_it_was(
    kernelbox: Kernelbox, open_registry: Registry, store: Store, tmp_path: Path
) -> None:
    def slow(method: str, path: str, headers: dict[str, str]) -> Answer | None:
        if "/blobs/" not in path or "range" in headers:
            return None
        real = forward_blob(open_registry, path)
        return Answer(body=real, pause=30.0 if len(real) > 100_000 else 0.0)

    with Liar(open_registry.host, slow) as liar:
        name = f"{liar.host}/lab/bb:v1"
        words = [*COMMAND, "pull", name]
        environment = {**kernelbox.environment, "KERNELBOX_ROOT": str(tmp_path)}
        child = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        parts = Path(store.downloads)
        while sum(one.stat().st_size for one in parts.glob("*")) < 300_000:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        child.kill()
        child.wait()
        there = {one.name: one.stat().st_size for one in parts.iterdir()}
        pull(store, name)
        ranges = {
            path.rpartition(":")[2]: headers["range"]
            for _, path, headers in liar.seen
            if "range" in headers
        }
    assert ranges
    for name, asked in ranges.items():
        assert asked == f"bytes={there[name]}-"
    assert os.listdir(parts) == []
    subprocess.run(
        [
            "sh",
            "-c",
            'cd "$1" && sha256sum * | while read a b; do test $a = $b || exit 1; done',
            "sh",
            store.layout.blobs,
        ],
        check=True,
    )


def test_a_pull_onto_a_full_disk_is_one_line_and_leaves_nothing_half_made(
    kernelbox: Kernelbox, open_registry: Registry, tmp_path: Path
) -> None:
    """On disks of several sizes: it is full while fetching, or while unpacking."""
    script = """
        mount -t tmpfs -o size=$2 none $1 && $3 images >/dev/null; ls $1/images/* >$1.before
        $3 pull -q $4; echo $?
        $3 prune -f >/dev/null; rmdir $1/images/downloads; ls $1/images/* | diff - $1.before
    """
    requests = set()
    for size in ("4500k", "4800k", "5200k"):
        root = tmp_path / size
        root.mkdir()
        environment = {**kernelbox.environment, "KERNELBOX_ROOT": str(root)}
        name = f"{open_registry.host}/lab/bb:v1"
        words = ["unshare", "-m", "sh", "-c", script, "sh", root, size, " ".join(COMMAND), name]
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        assert done.stdout == "125\n"
        assert re.fullmatch("kernelbox: .*ENOSPC.*Free some space.*\n", done.stderr)
        requests.add(done.stderr.split()[1])
        kept = "/images/downloads/" in done.stderr
        assert kept == done.stderr.endswith("remove it: kernelbox prune\n")
    assert requests == {"write", "unpack"}


@pytest.mark.parametrize("command", ["pull", "run"])
def test_ctrl_c_ends_a_pull_at_once_though_the_registry_has_stalled(
    kernelbox: Kernelbox, open_registry: Registry, tmp_path: Path, command: str
) -> None:
    over = threading.Event()

    def stalling(method: str, path: str, headers: dict[str, str]) -> Answer | None:
        if "/blobs/" in path:
            over.wait(60)
        return None

    environment = {**kernelbox.environment, "KERNELBOX_ROOT": str(tmp_path)}
    kernelbox.ok("images", env=environment)
    with Liar(open_registry.host, stalling) as liar:
        words = [*COMMAND, command, f"{liar.host}/lab/bb:v1"]
        child = subprocess.Popen(words, env=environment, stdout=-1, stderr=-1)
        assert looking.soon(lambda: any("/blobs/" in path for _, path, _ in liar.seen))
        child.send_signal(signal.SIGINT)
        said = child.communicate(timeout=20)[1]  # the registry has 30 seconds to say something
        over.set()
    assert child.returncode == 130
    assert b"Traceback" not in said and b"kernelbox:" not in said
    subprocess.run([*COMMAND, "reset"], env=environment, check=True, capture_output=True)


def forward_blob(real: Registry, path: str) -> bytes:
    import urllib.request

    with urllib.request.urlopen(f"http://{real.host}{path}") as answer:
        data: bytes = answer.read()
        return data


def test_pulls_at_once_fetch_and_store_an_image_once(
    store: Store, open_registry: Registry, tmp_path: Path, kernelbox: Kernelbox
) -> None:
    with Liar(open_registry.host) as liar:
        environment = {**kernelbox.environment, "KERNELBOX_ROOT": str(tmp_path)}
        words = [*COMMAND, "pull", "-q", f"{liar.host}/lab/bb:v1"]
        running = [subprocess.Popen(words, env=environment, stdout=-1, stderr=-1) for _ in range(4)]
        for one in running:
            assert one.communicate()[1] == b""
            assert one.returncode == 0
        blobs = [path for method, path, _ in liar.seen if "/blobs/" in path]
    assert len(blobs) == len(set(blobs)) == 3  # each has the layer of the embedded image already
    named = [one.reference for one in store.list() if one.reference.startswith("127.")]
    assert len(named) == 1
    assert os.listdir(store.downloads) == []


def test_layers_are_fetched_side_by_side(store: Store, open_registry: Registry) -> None:
    """The server keeps the first ones waiting until there are three."""
    asking: list[str] = []
    enough = threading.Event()

    def script(method: str, path: str, headers: dict[str, str]) -> Answer | None:
        if "/blobs/" in path:
            asking.append(path)
            if len(asking) == 3:
                enough.set()
            assert enough.wait(20), "one after the other"
        return None

    with Liar(open_registry.host, script) as liar:
        pull(store, f"{liar.host}/lab/bb:v1")
    assert len(set(asking)) == 4


def test_a_terminal_shows_a_bar_for_each_layer_and_a_pipe_a_line(
    kernelbox: Kernelbox, open_registry: Registry, store: Store
) -> None:
    name = f"{open_registry.host}/lab/bb:v1"
    pull(store, name)
    layers = [one["digest"][7:19] for one in store.find(name)[1].manifest["layers"]]
    with kernelbox.terminal("pull", name, size=(24, 120)) as terminal:
        status = terminal.end()
    assert status == 0
    for layer in layers:
        assert re.search(rf"{layer}: Pull complete .*━━━.* [KM]iB", terminal.seen)
    kernelbox.ok("rmi", name)
    said = kernelbox.ok("pull", name).splitlines()
    assert sorted(said[1:4]) == sorted(f"{layer}: Pull complete" for layer in layers)
    kernelbox.ok("rmi", name)


# --- registries that misbehave --------------------------------------------------------------------


def once(answer: Answer, word: str) -> Any:
    """Return a script that gives an answer the first time only."""
    given: list[bool] = []

    def script(method: str, path: str, headers: dict[str, str]) -> Answer | None:
        if word in path and not given:
            given.append(True)
            return answer
        return None

    return script


@pytest.mark.parametrize("word", ["/manifests/", "/blobs/"])
@pytest.mark.parametrize(
    "answer",
    [
        Answer(429, {"Retry-After": "0"}),
        Answer(500),
        Answer(503, body=b"<html>"),
        Answer(200, body=b"{", length=50_000),
    ],
)
def test_what_may_pass_is_tried_again(
    store: Store, open_registry: Registry, answer: Answer, word: str
) -> None:
    with Liar(open_registry.host, once(answer, word)) as liar:
        pull(store, f"{liar.host}/lab/bb:v1")


@pytest.mark.parametrize("status", [429, 503])
def test_what_does_not_pass_is_given_up(store: Store, open_registry: Registry, status: int) -> None:
    always = Answer(status, {"Retry-After": "9" * 30})
    with Liar(open_registry.host, lambda *_: always) as liar:
        with pytest.raises(KernelboxError, match=f"answers {status}"):
            pull(store, f"{liar.host}/lab/bb:v1")
        assert len(liar.seen) <= transport.TRIES + 1
    assert is_empty(store)


def chain_of_indexes() -> Any:
    """Return a script for indexes that lead to indexes: a circle cannot be, as digests are true."""
    texts = [b'{"schemaVersion": 2, "manifests": []}']
    for _ in range(9):
        below = layout.descriptor(layout.INDEX, layout.digest_of(texts[-1]), len(texts[-1]))
        document = {"schemaVersion": 2, "mediaType": layout.INDEX, "manifests": [below]}
        texts.append(layout.encode(document))
    known = {layout.digest_of(text): text for text in texts}

    def script(method: str, path: str, headers: dict[str, str]) -> Answer | None:
        tag = path.rpartition("/")[2]
        text = known.get(tag, texts[-1])
        return Answer(200, {"Content-Type": layout.INDEX}, text) if "/manifests/" in path else None

    return script


def lies(open_registry: Registry) -> dict[str, Any]:
    """Return a script for each lie, and what is said of it."""

    def to(word: str, answer: Answer) -> Any:
        return lambda method, path, headers: answer if word in path else None

    def document(**fields: Any) -> Answer:
        content = json.dumps(fields).encode()
        return Answer(200, {"Content-Type": str(fields.get("mediaType", ""))}, content)

    blob = {"mediaType": layout.LAYER, "digest": DIGEST, "size": 5}
    config = {"mediaType": layout.CONFIG, "digest": DIGEST, "size": 5}

    def manifest(**fields: Any) -> Answer:
        whole = {"schemaVersion": 2, "mediaType": layout.MANIFEST, "config": config}
        return document(**{**whole, "layers": [blob], **fields})

    circle = {"schemaVersion": 2, "mediaType": layout.INDEX}
    return {
        "has no": to("/manifests/", Answer(404)),
        "no JSON": to("/manifests/", Answer(200, {"Content-Type": layout.MANIFEST}, b"<html>")),
        "no JSON object": to("/manifests/", Answer(200, {"Content-Type": layout.MANIFEST}, b"[]")),
        "100000000 bytes of JSON": to("/manifests/", Answer(200, {}, b"{", length=100_000_000)),
        "unknown kind": to("/manifests/", document(mediaType="application/x-rubbish")),
        "of the unknown kind": to("/manifests/", manifest(layers=[{**blob, "mediaType": "x/y"}])),
        "not a SHA-256": to(
            "/manifests/", manifest(layers=[{**blob, "digest": "sha256:../../../etc/passwd"}])
        ),
        "lacks a size": to("/manifests/", manifest(layers=[{**blob, "size": -1}])),
        "lacks a digest": to("/manifests/", manifest(config=["x"])),
        "layers, and overlay": to("/manifests/", manifest(layers=[blob] * 501)),
        "more JSON than": to(
            "/manifests/",
            Answer(
                200, {"Transfer-Encoding": "chunked"}, b"FFFFFF\r\n" + b" " * 0xFFFFFF + b"\r\n"
            ),
        ),
        "sent no JSON object": to("/manifests/", Answer(200, {}, b"[" * 1_000_000)),
        "index leads to an index": chain_of_indexes(),
        "config is larger": to(
            "/manifests/", manifest(config={**config, "size": bounds.MAX_JSON + 1})
        ),
        "in place of": to("/manifests/", document(**circle, manifests=[blob])),
        "not made for": to("/manifests/", document(**circle, manifests=[])),
        " for sha256": lambda method, path, headers: (
            Answer(body=bytes(len(forward_blob(open_registry, path))))
            if "/blobs/" in path
            else None
        ),
        "more than the": to("/blobs/", Answer(200, {}, b"x" * 4_000_000)),
        "in the middle": to("/blobs/", Answer(200, {}, b"x", length=9)),
        "redirects in a circle": lambda method, path, headers: Answer(307, {"Location": path}),
        "redirects to nowhere": to("/blobs/", Answer(302, {"Location": "file:///etc/shadow"})),
        "login of an unknown kind": to(
            "/manifests/", Answer(401, {"WWW-Authenticate": "Negotiate"})
        ),
        "denies": to("/blobs/", Answer(403)),
    }


@pytest.mark.parametrize("said", lies(Registry("", Path())))
def test_a_lie_is_one_line_and_nothing_is_stored(
    store: Store, open_registry: Registry, said: str
) -> None:
    with (
        Liar(open_registry.host, lies(open_registry)[said]) as liar,
        pytest.raises(KernelboxError) as refused,
    ):
        pull(store, f"{liar.host}/lab/bb:v1")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert is_empty(store)


@pytest.mark.parametrize("word", ["/manifests/", "/blobs/"])
def test_a_registry_that_stalls_is_given_up(
    store: Store, open_registry: Registry, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setattr(transport, "STALL_SECONDS", 0.2)
    monkeypatch.setattr(transport, "TRIES", 2)
    stalled = Answer(200, {"Content-Type": layout.MANIFEST}, b"{}", length=99, pause=1.5)
    with (
        Liar(open_registry.host, lambda m, path, h: stalled if word in path else None) as liar,
        pytest.raises(KernelboxError, match="stopped answering"),
    ):
        pull(store, f"{liar.host}/lab/bb:v1")
    assert is_empty(store)


def test_a_registry_that_drips_has_stalled(
    store: Store, open_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(fetch, "SLOWEST", 1e15)
    half = lambda m, path, h: (  # noqa: E731
        Answer(body=forward_blob(open_registry, path), pause=0.4) if "/blobs/" in path else None
    )
    monkeypatch.setattr(fetch, "_CHUNK", 1 << 10)
    monkeypatch.setattr(fetch.time, "monotonic", itertools.count(0, 0.1).__next__)
    with (
        Liar(open_registry.host, half) as liar,
        pytest.raises(KernelboxError, match="too slowly"),
    ):
        pull(store, f"{liar.host}/lab/bb:v1")
    assert is_empty(store)


def test_a_part_that_is_wrong_is_fetched_anew(store: Store, open_registry: Registry) -> None:
    name = f"{open_registry.host}/lab/bb:v1"
    theirs = Store(f"{store.path}-theirs")
    pull(theirs, name)
    os.makedirs(store.downloads)
    for blob in theirs.find(name)[1].manifest["layers"]:
        Path(store.downloads, blob["digest"][7:]).write_bytes(b"rubbish" * 20)
    pull(store, name)
    assert store.resolve(name)


def test_nobody_there_is_one_line_at_once(kernelbox: Kernelbox) -> None:
    began = time.monotonic()
    for name in ("localhost:1/x", "nosuch.invalid/x"):
        refused = kernelbox("pull", "-q", name)
        assert (refused.returncode, refused.stdout) == (125, "")
        assert re.fullmatch(r"kernelbox: .+\. .+\n", refused.stderr)
    assert time.monotonic() - began < 20
