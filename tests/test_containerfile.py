"""The language of Containerfiles, beside what Docker documents, a shell and another matcher say."""

from __future__ import annotations

import contextlib
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kernelbox.build import copy_step, modes
from kernelbox.images import manifests, metadata
from kernelbox.images.containerfile import ignore, instructions, run_mounts, stages, words
from kernelbox.images.containerfile.run_mounts import RunMount
from kernelbox.kernel.errors import UsageError

FILE = r"""# syntax=docker/dockerfile:1
# escape=\
# an ordinary comment

ARG TAG=3
from base:${TAG} as One
RUN echo a \
  # left out

    b \\
COPY --chown=1:2 --link <<A <<-"B" /to/
one $X
A
	two
	B
RUN ["a", "b"]
"""


def test_lines_become_instructions_with_their_numbers() -> None:
    found = instructions.read(FILE).instructions
    assert [(one.line, one.name) for one in found] == [
        (5, "ARG"), (6, "FROM"), (7, "RUN"), (11, "COPY"), (16, "RUN"),
    ]  # fmt: skip
    assert found[2].rest == r"echo a     b \\"
    assert found[3].flags == {"chown": "1:2", "link": "true"}
    texts = [(doc.name, doc.text, doc.quoted) for doc in found[3].heredocs]
    assert texts == [("A", "one $X\n", False), ("B", "two\n", True)]
    assert found[4].listed() == ["a", "b"]
    assert found[2].listed() is None


@pytest.mark.parametrize(
    "text", ["cat <<<EOF", "echo 'a <<EOF'", 'echo "a <<EOF"', "echo \\<<EOF", "echo $((1<<N))"]
)
def test_what_looks_like_a_here_document_is_not_always_one(text: str) -> None:
    (one,) = instructions.read(f"RUN {text}\n").instructions
    assert one.heredocs == ()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("COPY <<nginx-default.conf /etc/", [("nginx-default.conf", False)]),
        ("RUN cat << EOF", [("EOF", False)]),
        ("RUN cat <<-\tEOF > a", [("EOF", False)]),
        ("RUN cat << -EOF", [("-EOF", False)]),
        ("RUN 3<<EOF cat /dev/fd/3", [("EOF", False)]),
        ("RUN cat <<E'O'F", [("EOF", True)]),
        ('RUN cat <<"one two" <<\'"\'', [("one two", True), ('"', True)]),
        ("RUN cat <<$EOF <<a\\ b", [("$EOF", False), ("a b", False)]),
        ("RUN [ -e x ] || cat <<EOF>x", [("EOF", False)]),
        ("RUN (cat <<A; cat <<B)", [("A", False), ("B", False)]),
        ("ADD --chown=1 <<a;b /", [("a;b", False)]),
    ],
)
def test_here_documents_have_the_names_that_buildkit_and_a_shell_read(
    line: str, found: list[tuple[str, bool]]
) -> None:
    """BuildKit, parser.go, `heredocFromMatch`; what ends a word in a RUN is a shell's."""
    bodies = "".join(f"FROM {name}\n{name}\n" for name, _ in found)
    _, one, last = instructions.read(f"FROM a\n{line}\n{bodies}RUN after").instructions
    assert [(doc.name, doc.quoted) for doc in one.heredocs] == found
    assert [doc.text for doc in one.heredocs] == [f"FROM {name}\n" for name, _ in found]
    assert last.rest == "after"


def test_places_of_a_copy_may_be_here_documents_among_files() -> None:
    text = "COPY a <<'b c' d << e /to\n1\nb c\n2\ne\n"
    (one,) = instructions.read(text).instructions
    assert one.places() == ["a", one.heredocs[0], "d", one.heredocs[1], "/to"]
    assert [doc.text for doc in one.heredocs] == ["1\n", "2\n"]


def test_an_instruction_is_parted_from_the_rest_at_any_space_and_tabs_in_it_stay() -> None:
    text = 'RUN\tprintf "a\tb"\nENV NAME\t\tone\ttwo\nRUN printf "a\tb"\nHEALTHCHECK CMD\tx'
    one, env, two, check = instructions.read(text).instructions
    assert one.rest == two.rest == 'printf "a\tb"'
    config: dict[str, Any] = {}
    metadata.change(config, env, {})
    metadata.change(config, check, {})
    assert config["Env"] == ["NAME=one\ttwo"]
    assert config["Healthcheck"]["Test"] == ["CMD-SHELL", "x"]
    assert instructions.parse("ENV\tA=1").rest == "A=1"


def test_flags_lose_their_quotes_and_end_at_two_hyphens() -> None:
    """BuildKit, split_command.go, `extractBuilderFlags`."""
    (one,) = instructions.read("COPY --from=\"a\" --chown='1:2' -- --b /c").instructions
    assert (one.flags, one.rest) == ({"from": "a", "chown": "1:2"}, "--b /c")
    with pytest.raises(UsageError, match="--from is there twice"):
        instructions.read("COPY --from=a --from=b c d")


def test_the_escape_character_can_be_another_one() -> None:
    found = instructions.read("# escape=`\nFROM a\nRUN dir c:\\ `\n && x\n")
    assert found.escape == "`"
    assert found.instructions[1].rest == "dir c:\\  && x"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("FORM a", r"line 1: 'FORM' is no instruction\. Did you mean FROM\?"),
        ("FROM a\n\nxyzzy b", "line 3: 'xyzzy' is no instruction"),
        ("RUN a", "line 1 .RUN.: it comes before any FROM"),
        ("# nothing", "has no FROM"),
        ("FROM a\nRUN", "line 2 .RUN.: nothing follows"),
        ("FROM a b", "line 1 .FROM.: 'a b' is no image"),
        ("FROM a AS 1", "no name for a stage"),
        ("FROM $X", r"\$X is empty"),
        ("FROM a\nCOPY a", "it takes a source and a target"),
        ("FROM a\nCOPY --from=1 a b", "there is no stage 1 before it"),
        ("FROM a AS b\nCOPY --from=b a b", "there is no stage 'b' before it"),
        ("FROM a\nCOPY --parent a b", "--parent is not known.* It takes --from"),
        ("FROM a\nADD ftp://example.org/x /", "by http and https only"),
        ("FROM a\nADD git@example.org:x /", "fetches no git repository"),
        ("FROM a\nADD https://example.org/x.git#v1:sub /", "fetches no git repository"),
        ("FROM a\nADD https://example.org/x.git?ref=v1 /", "fetches no git repository"),
        ("FROM a\nADD --keep-git-dir=true x /", "kernelbox has no --keep-git-dir"),
        ("FROM a\nRUN --security=insecure x", "kernelbox has no --security"),
        ("FROM a\nCOPY https://example.org/x /", "COPY copies no URL"),
        ("FROM a\nCOPY --from=$B x /", "line 2 .COPY.: its --from has a variable"),
        ("FROM a\nRUN --mount=from=$B,target=/x x", "line 2 .RUN.: its from has a variable"),
        (
            "FROM a\nCOPY --from=b x /\nFROM c AS b\nFROM a\nCOPY --from=0 x /",
            "line 2 .COPY.: stage 'b' comes later, on line 3",
        ),
        ("FROM a\nCOPY --chown x /", "--chown has no value"),
        ("FROM a\nRUN --mount=type=secret,id=a,env x", "'env' has no value in --mount"),
        ("FROM --platform=$NOTHING a", "its platform is empty"),
        ("FROM a\nCOPY --link=maybe x /", "--link is true or false"),
        ('FROM a\nRUN ["a", 1]', "line 2 .RUN.: its list is not one of strings"),
        ("FROM a\nONBUILD RUN <<E\nx", "line 2: the here-document E has no end"),
        ("FROM a\nONBUILD # x", "is no instruction"),
        ("FROM a\nADD --checksum=sha256:1 https://example.org/x /", "is no checksum"),
        ("FROM a\nADD --checksum=sha256:1 x /", "goes with one URL"),
        ("FROM a\nONBUILD ONBUILD RUN x", "it cannot be a trigger"),
        ("FROM a\nONBUILD FROM x", "it cannot be a trigger"),
        ("FROM a\nONBUILD COPY x", "it takes a source and a target"),
        ("FROM a\nRUN --network=none", "nothing follows"),
        ("FROM a\nRUN --mount=type=cash,target=/x a", "no mount is of type 'cash'"),
        ("FROM a\nRUN --mount=from=b,rw,oops=1 a", "a mount of type bind has no 'oops'"),
        ("FROM a\nRUN --mount=type=bind,from=0,target=/x a", "there is no stage 0 before it"),
        ("FROM a\nRUN []", "it names no program"),
        ("FROM a\nRUN <<E\nx", "line 2: the here-document E has no end"),
        ("FROM --platform=linux/s390x a", "no programs for linux/s390x"),
        ("# escape=x\nFROM a", "line 1: 'x' cannot be the escape character"),
    ],
)
def test_a_wrong_containerfile_is_refused_with_the_line(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        stages.plan(instructions.read(text), {})


def test_only_the_stages_that_the_target_needs_are_planned() -> None:
    text = (
        "FROM a AS a\nFROM b AS b\nFROM a AS c\nCOPY --from=0 x y\nFROM scratch\nCOPY --from=c x y"
    )
    file = instructions.read(text)
    assert [one.number for one in stages.plan(file, {}).stages] == [0, 2, 3]
    assert [one.number for one in stages.plan(file, {}, "B").stages] == [1]
    assert [one.below for one in stages.plan(file, {}, "c").stages] == [None, 0]
    with pytest.raises(UsageError, match=r"no stage 'd' to build\. Stages here: a, b, c, 3"):
        stages.plan(file, {}, "d")


def test_of_two_stages_with_one_name_the_last_is_meant() -> None:
    """BuildKit, dockerfile2llb/convert.go, `addState`."""
    text = "FROM a AS b\nFROM b AS B\nFROM b\nCOPY --from=B x y\nFROM c AS b"
    file = instructions.read(text)
    one, two, three = stages.plan(file, {}, "2").stages
    assert (one.image, two.below, three.below, three.sources) == ("a", 0, 1, {"B": 1})
    assert [stage.image for stage in stages.plan(file, {}, "b").stages] == ["c"]


def test_only_a_stage_that_is_needed_has_to_run_here() -> None:
    host = manifests.host_platform()
    other = "FROM --platform=linux/s390x a AS other\n"
    for said in ("$BUILDPLATFORM", "linux", host, host.split("/")[1], "Linux/${TARGETARCH}"):
        text = f"{other}FROM --platform={said} b"
        assert [one.image for one in stages.plan(instructions.read(text), {}).stages] == ["b"]
    if host == "linux/amd64":
        stages.plan(instructions.read("FROM --platform=x86_64 a"), {})
    with pytest.raises(UsageError, match=r"line 2 \(FROM\): this machine runs no programs"):
        stages.plan(instructions.read("\n" + other), {})


def test_a_trigger_keeps_its_here_documents() -> None:
    text = "FROM a\nONBUILD RUN cat <<A <<-'B C'\n$x\nA\n\ty\n\tB C\nONBUILD COPY a b\nUSER c"
    _, one, two, last = instructions.read(text).instructions
    assert (last.line, two.rest, last.rest) == (8, "COPY a b", "c")
    kept = stages.trigger(one.rest, 2)
    assert [(doc.name, doc.text, doc.quoted) for doc in kept.heredocs] == [
        ("A", "$x\n", False), ("B C", "y\n", True),
    ]  # fmt: skip
    assert (kept.line, kept.rest) == (2, "cat <<A <<-'B C'")


# What BuildKit makes of it: instructions/parse.go, and dockerfile2llb/convert_expose.go.
@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("USER $NOTHING", "User", ""),
        ("WORKDIR $NOTHING", "WorkingDir", "/app"),
        ("EXPOSE 127.0.0.1:8080:80 90:91/UDP $NOTHING 7/", "ExposedPorts",
         {"80/tcp": {}, "91/udp": {}, "7/tcp": {}}),
        ("HEALTHCHECK --interval=0 --timeout=.5s --retries= CMD x", "Healthcheck",
         {"Test": ["CMD-SHELL", "x"], "Interval": 0, "Timeout": 5 * 10**8}),
        ("CMD [NaN]", "Cmd", ["/bin/sh", "-c", "[NaN]"]),
        ("CMD [ -e x ]", "Cmd", ["/bin/sh", "-c", "[ -e x ]"]),
        ("CMD []", "Cmd", []),
    ],
)  # fmt: skip
def test_what_buildkit_takes_is_taken(text: str, key: str, value: object) -> None:
    config: dict[str, Any] = {"WorkingDir": "/app", "User": "lab"}
    metadata.change(config, instructions.parse(text), {})
    assert config[key] == value


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("HEALTHCHECK CMD", "neither CMD nor NONE"),
        ("HEALTHCHECK CMD []", "it names no program"),
        ("HEALTHCHECK --interval=1us CMD x", "shorter than a millisecond"),
        ("HEALTHCHECK --interval=-1s CMD x", "no duration"),
        ("HEALTHCHECK NONE x", "neither CMD nor NONE"),
        ("EXPOSE 80:", "is no port"),
        ("EXPOSE 1:2:3", "is no port"),
        ("EXPOSE 80/tls", "is no port"),
        ("VOLUME [1]", "not one of strings"),
        ("VOLUME []", "this one is empty"),
        ('SHELL {"a": 1}', "a JSON list only"),
    ],
)
def test_what_buildkit_refuses_is_refused(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        metadata.change({}, instructions.parse(text), {})


MOUNTS = [
    ("from=a,rw", RunMount("bind", "/app", origin="a", id="/app")),
    (
        "type=Cache,target=x,sharing=LOCKED",
        RunMount("cache", "/app/x", sharing="locked", id="/app/x"),
    ),
    ("type=tmpfs,target=/t,size=1.5KiB,rw", RunMount("tmpfs", "/t", size=1536, id="/t")),
    ("type=tmpfs,target=/t,size=64m", RunMount("tmpfs", "/t", size=64 << 20, id="/t")),
    ("type=bind,id=x,target=/y", RunMount("bind", "/y", read_only=True, id="x")),
]


@pytest.mark.parametrize(("text", "mount"), MOUNTS)
def test_a_mount_means_what_buildkit_reads(text: str, mount: RunMount) -> None:
    """BuildKit, instructions/commands_runmount.go; a target that is not said is where RUN runs."""
    one = instructions.parse(f"RUN --mount={text} x")
    assert run_mounts.read(one, {}, "\\", "/app") == [mount]
    with pytest.raises(UsageError, match="would cover the root"):
        run_mounts.read(instructions.parse("RUN --mount=from=a x"), {}, "\\", "/")


@pytest.mark.parametrize("url", ["git@example.org:x", "https://example.org/x.git#v1"])
def test_a_git_repository_is_refused_where_it_is_needed_and_also_as_a_variable(url: str) -> None:
    one = instructions.parse("ADD $URL /")
    with pytest.raises(UsageError, match="fetches no git repository"):
        copy_step.read(one, {"URL": url}, "\\", "/")
    file = instructions.read(f"FROM a\nADD {url} /\nFROM b")
    assert [stage.image for stage in stages.plan(file, {}).stages] == ["b"]


CLAUSES = st.builds("{}{}{}".format, st.text("ugoa", max_size=3), st.sampled_from("+-="),
                    st.text("rwxs", max_size=3) | st.sampled_from("ugo"))  # fmt: skip
SYMBOLIC = (
    st.lists(CLAUSES, min_size=1, max_size=3).map(",".join)
    | st.builds("{}{}".format, st.text("ugoa", max_size=2), st.sampled_from(["+X", "+rX", "=rwX"]))
    | st.builds("{}{}".format, CLAUSES, st.sampled_from(["+x", "-w=r", "=u+w"]))
    | st.builds("{:04o}".format, st.integers(0, 0o7777))
)


@given(SYMBOLIC, st.integers(0, 0o777), st.booleans())
@example("a+rX,go-w", 0o722, False)
@settings(max_examples=60, deadline=None)
def test_chmod_means_what_chmod_does(text: str, before: int, is_directory: bool) -> None:
    """BuildKit has the same for `--chmod`, with a umask of 0."""
    if is_directory:
        text = text.replace("s", "")  # GNU's keeps set-ID bits of a directory; POSIX leaves it open
    with tempfile.TemporaryDirectory() as above:
        path = Path(above, "it")
        path.mkdir() if is_directory else path.touch()
        path.chmod(before)
        subprocess.run(["chmod", "--", text, path], check=True, umask=0)
        there = path.stat().st_mode
    start = stat.S_IFMT(there) | before
    assert oct(modes.changed(start, modes.check(text))) == oct(there)


@pytest.mark.parametrize("text", ["17777", "8", "+y", "u", "u+x,", "z+x", "u+rg", "", "-1", "x"])
def test_what_is_no_mode_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no mode"):
        modes.check(text)


def test_a_path_of_which_nothing_is_left_is_the_working_directory() -> None:
    """BuildKit, dockerfile2llb/convert.go, `pathRelativeToWorkingDir`."""
    one = instructions.parse('COPY --chmod=00755 "$NOTHING" $NOTHING')
    wanted = copy_step.read(one, {}, "\\", "/app")
    assert (wanted.sources, wanted.target, wanted.mode) == ([""], "/app/", "755")


SCRAPS = st.sampled_from(
    [*instructions.INSTRUCTIONS,
     *"from run \\ \n # $ ${ } : - = \" ' [ ] , <<E E << ` -- --from= # AS".split(" "),
     "\n", " ", "escape=`", "a", "\0", "\udcff", "\t", "\r\n", "*", "**"]
)  # fmt: skip
JUNK = st.lists(SCRAPS, max_size=15).map("".join)


@given(JUNK, st.sampled_from([*instructions.INSTRUCTIONS]))
@example("[ADD--]", "ADD")  # to Python's re, perhaps a set difference
@settings(max_examples=500, deadline=None)
def test_junk_is_read_or_refused_and_nothing_else(text: str, name: str) -> None:
    known = {"a": "b", "E": "$a"}
    with contextlib.suppress(UsageError):
        plan = stages.plan(instructions.read(f"FROM a\n{name} {text}"), known)
        for one in plan.stages[0].instructions:
            with contextlib.suppress(UsageError):
                if one.name in metadata.METADATA:
                    metadata.change({}, one, known, plan.escape)
                elif one.name in ("COPY", "ADD"):
                    copy_step.read(one, known, plan.escape, "/")
                elif one.name == "ARG":
                    stages.given(one, known, known, plan.escape)
    with contextlib.suppress(UsageError):
        ignore.Ignore(text)("a/b")
    with contextlib.suppress(UsageError):
        words.expand_document(text, known)


# Docker documentation, "Dockerfile reference", section Environment replacement.
DOCUMENTED = {
    r"\$foo": "$foo",
    r"\${foo}": "${foo}",
    "${foo}_bar": "/bar_bar",
    "$foo": "/bar",
    "${none:-word}": "word",
    "${foo:-word}": "/bar",
    "${empty:-word}": "word",
    "${empty-word}": "",
    "${foo:+word}": "word",
    "${none:+word}": "",
    "${str#f*b}": "arbaz",
    "${str##f*b}": "az",
    "${str%b*}": "foobar",
    "${str%%b*}": "foo",
    "${str/ba/fo}": "fooforbaz",
    "${str//ba/fo}": "fooforfoz",
    "'$foo'": "$foo",
    '"$foo x"': "/bar x",
    "${none:-$foo}": "/bar",
    "a\\ b": "a b",
    "$": "$",
    # BuildKit, shell/lex.go, where the documentation is silent.
    r"${path//\//-}": "a-b*c",
    r"${path%%\**}": "a/b",
    r"${path#*/}": "b*c",
    r"${path/\*/x}": "a/bxc",
    r"${none:-\$foo}": "$foo",
    r"${none:-\${foo}z}": "${fooz}",
    "${none:-a {b}": "a {b",
    "${none:-'}'}": "}",
    "trailing\\": "trailing",
    "$$ $@ $* $# $? $- $! $0": "       ",
    "${@:-a} ${1} ${1:-b} $10x$1": "a  b x",
    "$über": "mensch",
}


@pytest.mark.parametrize(
    "text", ["${foo//}", "${foo//x}", "${foo", "${}", "${.}", "${foo:x}", "${foo:#x}", "${foo=x}",
             r"${foo#\a}", "${none:?}", "'", '"', "${foo:-" * 60 + "}" * 60],
)  # fmt: skip
def test_what_buildkit_refuses_in_a_word_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        words.expand(text, {"foo": "bar"})


@pytest.mark.parametrize(("text", "value"), DOCUMENTED.items())
def test_variables_mean_what_docker_documents(text: str, value: str) -> None:
    known = {"foo": "/bar", "empty": "", "str": "foobarbaz", "path": "a/b*c", "über": "mensch"}
    assert words.expand(text, known) == value


@pytest.mark.parametrize(
    ("text", "found"),
    [("\\\n", "\n"), ("\\\\\n", "\\\n"), ("\\$x $x\n", "$x 1\n"), ("'$x' \"\\n\"", "'1' \"n\""),
     ("a\\", "a"), ("${x:+`}`", "``"), ("${y:-'a'}\"", "'a'\"")],
)  # fmt: skip
def test_in_a_here_document_of_copy_a_backslash_goes(text: str, found: str) -> None:
    """BuildKit, shell/lex.go with `SkipProcessQuotes`, and its tests of here-documents."""
    assert words.expand_document(text, {"x": "1"}) == found


LITERAL = st.text("ab/. ", min_size=1, max_size=4)
PLAIN = st.text("ab/.", min_size=1, max_size=4)
NAME = st.sampled_from(["X", "EMPTY", "NONE", "LONG"])
MODIFIED = st.builds(
    "${{{}{}{}}}".format,
    NAME,
    st.sampled_from([":-", "-", ":+", "+"]),
    PLAIN | NAME.map("${}".format),
)
CUT = st.builds(
    "${{{}{}{}}}".format,
    NAME,
    st.sampled_from(["#", "##", "%", "%%"]),
    st.text("ab*?.", min_size=1, max_size=3),
)
VARIABLE = NAME.map("${}".format) | NAME.map("${{{}}}".format) | MODIFIED | CUT
QUOTED = st.builds('"{}{}"'.format, LITERAL, VARIABLE) | LITERAL.map("'{}'".format)
ESCAPED = st.sampled_from(["\\$", "\\'", '\\"', "\\\\", "\\ ", '"\\$"', '"\\a"', "'\\'"])
VALUES = {"X": "x", "EMPTY": "", "LONG": "ab.ba.aab"}


@given(st.lists(PLAIN | VARIABLE | QUOTED | ESCAPED, min_size=1, max_size=5).map("".join))
@settings(max_examples=150, deadline=None)
def test_variables_quotes_and_escapes_are_those_of_a_shell(text: str) -> None:
    script = f'unset NONE; R={text}\nprintf %s "$R"'
    said = subprocess.run(["bash", "-c", script], env=VALUES, capture_output=True, text=True)
    assert said.stderr == "", text
    assert words.expand(text, VALUES) == said.stdout


def test_words_are_split_where_nothing_protects_a_space() -> None:
    found = words.expand_to_words('a $M "$M" b\\ c \'d e\' ""', {"M": "1 2"})
    assert found == ["a", "1", "2", "1 2", "b c", "d e", ""]


@pytest.mark.parametrize("text", ["a[+-]", "v[0-9-]", "[-._]", "[0-5-9]", "[a--]", "[--0]"])
def test_a_bare_hyphen_in_a_bracket_is_no_pattern(text: str) -> None:
    """Go's filepath.Match, by which Docker checks each pattern: ErrBadPattern."""
    with pytest.raises(UsageError, match="is wrong"):
        ignore.Ignore(text)
    assert ignore.Ignore(r"v[0-9\-]")("v-")


# Docker documentation, "Build context", section .dockerignore files.
@pytest.mark.parametrize(
    ("rules", "left_out", "seen"),
    [
        ("# comment\n*/temp*", "dir/temporary.txt dir/temp dir/temp/x", "temp dir/dir/temp"),
        ("*/*/temp*", "a/b/temporary", "a/temporary temporary"),
        ("temp?", "tempa tempb tempa/x", "temp tempab a/tempa"),
        ("**/*.go", "a.go a/b/c.go", "a.gox a/b.c"),
        ("/foo/bar", "foo/bar foo/bar/x", "bar a/foo/bar"),
        ("*.md\n!README.md", "a.md", "README.md a/b.md"),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", "README-x.md"),
        ("*.md\nREADME-secret.md\n!README*.md", "a.md", "README-secret.md README.md"),
        ("*\n!src/**\nsrc/*.o", "a src/b.o", "src/a src/d/b.o"),
        ("a/./b/../c/ \n[x-z]?", "a/c a/c/d xa", "a/b wa x"),
        ("a**/b\n.", "a/b ab/b a/x/b", "b c"),
    ],
)
def test_dockerignore_means_what_docker_documents(rules: str, left_out: str, seen: str) -> None:
    rule = ignore.Ignore(rules)
    assert [one for one in left_out.split() if not rule(one)] == []
    assert [one for one in seen.split() if rule(one)] == []


def matches(pattern: list[str], path: list[str]) -> bool:
    """Say the same in another way: component by component, and character by character."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(matches(pattern[1:], path[at:]) for at in range(len(path) + 1))
    return bool(path) and one_matches(pattern[0], path[0]) and matches(pattern[1:], path[1:])


def one_matches(pattern: str, name: str) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(one_matches(pattern[1:], name[at:]) for at in range(len(name) + 1))
    return bool(name) and pattern[0] in ("?", name[0]) and one_matches(pattern[1:], name[1:])


COMPONENT = st.text("ab*?", min_size=1, max_size=3).filter(lambda part: "**" not in part)
PARTS = st.lists(COMPONENT | st.just("**"), min_size=1, max_size=3)


@given(
    st.lists(st.tuples(st.booleans(), PARTS), max_size=4),
    st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=4),
)
@settings(max_examples=1000, deadline=None)
def test_ignore_patterns_agree_with_a_matcher_written_otherwise(
    rules: list[tuple[bool, list[str]]], path: list[str]
) -> None:
    # `**` in the middle of a component, and at the end, is in the documented cases above.
    rules = [(exception, one) for exception, one in rules if one[-1] != "**"]
    expected = False
    for exception, one in rules:
        if any(matches(one, path[:end]) for end in range(1, len(path) + 1)):
            expected = not exception
    text = "\n".join(("!" if exception else "") + "/".join(one) for exception, one in rules)
    assert ignore.Ignore(text)("/".join(path)) == expected
