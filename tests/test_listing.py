"""What `ps` and `inspect` tell in a form of one's own, and by which names containers are found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelbox.cli.template import render
from kernelbox.kernel.errors import UsageError
from tests import looking
from tests.command import Kernelbox
from tests.looking import soon

ALONE = ("--network", "none")
FOREVER = ("busybox", "sleep", "infinity")
WHAT = {
    "Id": "4f2a",
    "Args": ["a", "b"],
    "Env": [],
    "State": {"Pid": 7, "Running": True, "Error": None},
    "Labels": {"com.team": "blue", "tier": "1"},
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.Id}}", "4f2a"),
        ("{{ .State.Pid }}/{{.State.Running}}", "7/true"),
        ("{{json .Args}}", '["a", "b"]'),
        ("{{.Args}} {{.Labels}} {{.State.Error}}", "[a b] map[com.team:blue tier:1] <no value>"),
        ('{{index .Labels "com.team"}}{{index .Args 1}}', "blueb"),
        ('{{join .Args ", "}}', "a, b"),
        ("{{range .Args}}<{{.}}>{{end}}", "<a><b>"),
        ("{{range .Env}}x{{else}}none{{end}}", "none"),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "com.team=blue;tier=1;"),
        ("{{range .Args}}{{.}}{{$.Id}} {{end}}", "a4f2a b4f2a "),
        ("{{if .State.Running}}yes{{else}}no{{end}}", "yes"),
        ("{{if .Env}}{{range .Args}}{{end}}{{else}}no{{end}}", "no"),
        ("{{.Id | upper}} {{len .Args}}", "4F2A 2"),
        ("a {{- .Id -}} b{{/* a remark */}}", "a4f2ab"),
        (r"{{.Id}}\t.", "4f2a\t."),
        ('{{if eq .Id "4f2a"}}it{{end}}', "it"),
    ],
)
def test_a_template_is_filled_in_as_go_does(template: str, text: str) -> None:
    assert render(template, WHAT) == text


@pytest.mark.parametrize("wrong", ["status=asleep", "health=odd", "exited=abc", "exited=-1"])
def test_a_filter_that_nothing_can_pass_is_refused(kernelbox: Kernelbox, wrong: str) -> None:
    """Source: moby, daemon/list.go; before, the answer was that there are no containers."""
    done = kernelbox("ps", "-a", "--filter", wrong)
    assert (done.returncode, done.stdout) == (125, "") and wrong in done.stderr


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{.Nothing}}", "no 'Nothing'"),
        ("{{.State.Pid.More}}", "no 'More'"),
        ("{{.Id", "without }}"),
        (".Id}}", "without {{"),
        ("{{range .Args}}", "without {{end}}"),
        ("{{end}}", "ends nothing"),
        ("{{slice .Id 2}}", "no function 'slice'"),
        ("{{with .Id}}{{end}}", "no function 'with'"),
        ("{{$x}}", "means nothing"),
        ("{{}}", "asks for nothing"),
        ("{{index .Args 9}}", "no number"),
        ("{{len .State.Pid}}", "cannot be done"),
        ("{{__import__}}", "not known here"),
        (r'{{println "\q"}}', "no text"),
        ("{{index .Args %s}}" % ("9" * 5000), "too large"),
        ("{{if .Id}}" * 3000 + "{{end}}" * 3000, "stand in each other"),
    ],
)
def test_what_a_template_cannot_have_is_refused_by_name(template: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        render(template, WHAT)


@pytest.fixture(scope="module")
def three(shared: Kernelbox) -> Iterator[dict[str, str]]:
    """Containers by name: one that runs, one that was created, one that has exited."""
    labels = ("-l", "team=blue", "-l", "tier")
    ids = {"web-1": shared.start(*ALONE, "--name", "web-1", *labels, *FOREVER)}
    ids["web-2"] = shared.ok("create", "--name", "web-2", "-l", "team=red", *FOREVER).strip()
    shared("run", *ALONE, "--name", "db", "busybox", "sh", "-c", "exit 3")
    ids["db"] = shared.inspect("db")["Id"]
    yield ids
    shared.ok("rm", "web-2", "db")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), ["web-1"]),
        (("-a",), ["db", "web-1", "web-2"]),
        (("-f", "status=exited"), ["db"]),
        (("-f", "status=created", "-f", "status=running"), ["web-1", "web-2"]),
        (("-f", "exited=3"), ["db"]),
        (("-a", "-f", "name=web"), ["web-1", "web-2"]),
        (("-a", "-f", "label=team"), ["web-1", "web-2"]),
        (("-a", "-f", "label=team=red"), ["web-2"]),
        (("-a", "-f", "label=team=blue", "-f", "label=tier=1"), []),
        (("-a", "-f", "network=none"), ["db", "web-1"]),
        (("-a", "-f", "ancestor=busybox"), ["db", "web-1", "web-2"]),
        (("-l",), ["db"]),
        (("-n", "2"), ["db", "web-2"]),
    ],
)
def test_ps_lists_those_that_pass(
    shared: Kernelbox, three: dict[str, str], words: tuple[str, ...], found: list[str]
) -> None:
    listed = shared.ok("ps", "--format", "{{.Names}}", *words).split()
    assert sorted(set(listed) & three.keys()) == sorted(found)


def test_columns_of_ones_own(shared: Kernelbox, three: dict[str, str]) -> None:
    words = ("ps", "-a", "-f", "name=web", "--format", r"table {{.Names}}\t{{.State}}")
    titles, *rows = [line.split() for line in shared.ok(*words).splitlines()]
    assert titles == ["NAMES", "STATE"]
    assert ["web-1", "running"] in rows and ["web-2", "created"] in rows
    assert "no 'Nam'" in shared.refused("ps", "-a", "--format", "{{.Nam}}")
    assert "no filter" in shared.refused("ps", "--filter", "colour=red")


def test_inspect_in_a_form_of_ones_own(shared: Kernelbox, three: dict[str, str]) -> None:
    words = ("inspect", "-f", '{{.State.Status}} {{index .Config.Labels "team"}}')
    assert shared.ok(*words, "web-1", "web-2") == "running blue\ncreated red\n"
    assert shared.ok("inspect", "-f", "{{.Id}}", "busybox").startswith("sha256:")
    # Docker, NewTemplateInspectorFromString and the flags of `ps`: an empty one is none.
    assert shared.ok("inspect", "-f", "", "busybox") == shared.ok("inspect", "busybox")
    header = shared.ok("ps", "--format", "").splitlines()[0]
    assert header == shared.ok("ps").splitlines()[0] and "IMAGE" in header


def test_another_name_is_known_everywhere(kernelbox: Kernelbox) -> None:
    kernelbox.ok("network", "create", "names")
    try:
        web = kernelbox.start("--network", "names", "--name", "old", *FOREVER)
        other = kernelbox.start("--network", "names", *FOREVER)
        kernelbox.ok("rename", "old", "new")
        assert kernelbox.inspect("new")["Id"] == web
        assert "no such container" in kernelbox.refused("inspect", "--type", "container", "old")
        assert kernelbox.ok("exec", other, "ping", "-c", "1", "-W", "5", "new")
        assert kernelbox("exec", other, "ping", "-c", "1", "old").returncode
        assert "in use" in kernelbox.refused("rename", other, "new")
        assert "already" in kernelbox.refused("rename", "new", "new")
        assert "not a container name" in kernelbox.refused("rename", "new", "../x")
        kernelbox.ok("restart", "-t", "0", "new")
        assert kernelbox.ok("exec", other, "ping", "-c", "1", "-W", "5", "new")
        kernelbox.ok("rm", "-f", "new", other)
        assert not (kernelbox.root / "names/new").is_symlink()
    finally:
        kernelbox("rm", "-f", "old", "new")
        kernelbox.ok("network", "rm", "names")


def test_wait_for_the_next_exit_and_for_the_removal(kernelbox: Kernelbox) -> None:
    container = kernelbox.ok("create", *ALONE, "busybox", "sh", "-c", "exit 6").strip()
    following = kernelbox.popen("wait", "--condition", "next-exit", container)
    leaving = kernelbox.popen("wait", "--condition", "removed", container)
    locks = [f"/proc/{one.pid}/fd" for one in (following, leaving)]
    lock = f"{kernelbox.root}/containers/{container}/lock"
    assert soon(lambda: all(lock in links(one) for one in locks))
    kernelbox.ok("start", container)
    assert following.communicate(timeout=60) == ("6\n", "")
    assert leaving.poll() is None
    kernelbox.ok("rm", "-f", container)
    assert leaving.communicate(timeout=60) == ("6\n", "")


def links(directory: str) -> list[str]:
    """Return what the entries of a directory lead to."""
    return [os.readlink(one) for one in looking.entries(Path(directory)) if one.is_symlink()]
