"""Exercises of chapter 05 about making an image: by hand, the same again, and its ChainIDs."""

from __future__ import annotations

import io
import json
import os
import random
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelbox.images import layout
from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises import elsewhere
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from kernelbox.lab.notebook import Lab


@exercise(
    "by-hand",
    title="An image by hand",
    points=3,
    hints=(
        "The check asks the store what `lab05/first` consists of, and runs it. It observes the "
        "DiffIDs, who owns the file, what it prints and as whom.",
        "Is it refused when it is loaded? The message names a layer and two digests: the one that "
        "the config says, and the one that the tar has.",
        "A program needs more than to be there: look at `mode` in `layer_of`. And what an image "
        "runs, and as whom, are two words of its config.",
    ),
)
def by_hand(box: Lab, image: object) -> Verdict:
    """Look at its layers, and run it."""
    try:
        [known] = json.loads(box.kernelbox(["inspect", str(image)], quiet=True).stdout)
        [base] = json.loads(box.kernelbox("inspect busybox", quiet=True).stdout)
    except LabError:
        return failed(f"there is no image {image} in the store", "one that was loaded")
    stack = known["RootFS"]["Layers"]
    if stack[:1] != base["RootFS"]["Layers"]:
        return failed("its lowest layer is not busybox's", "the base that you were given")
    if len(stack) != 2:
        return failed(f"it has {len(stack)} layers", "busybox's, and one of yours")
    about = known["Config"]
    command = " ".join([*(about.get("Entrypoint") or []), *(about.get("Cmd") or [])])
    if "greet" not in command:
        return failed(f"it runs {command!r:.100}", "the program greet")
    return (
        _says_otherwise(box, str(image))
        or _not_one_program(box, known)
        or _says_otherwise(box, str(image), f"/{_GREET}")
        or passed("two layers, the lower one busybox's; greet runs as user lab, and asks who it is")
    )


def _says_otherwise(box: Lab, image: str, program: str = "") -> Verdict | None:
    """Run an image as it is, or a program of it as others: it says who runs it."""
    for user in ("root", "nobody") if program else ("lab",):
        how = f" when {user} runs it" if program else ""
        try:
            as_whom = user if program else ""
            said = box.run(image, program, network="none", quiet=True, user=as_whom)
        except LabError as error:
            return failed(f"it does not run: {error.message}", "a program that runs")
        if said.stdout != f"made by {user}\n":
            shown = repr(said.stdout + said.stderr)
            there = f"it prints {shown:.160}{how}, exit code {said.code}"
            return failed(there, repr(f"made by {user}\n"))
    return None


_GREET = "usr/local/bin/greet"


def _not_one_program(box: Lab, known: dict[str, Any]) -> Verdict | None:
    """Look into the upper layer: it has one file, root's, which everybody may execute."""
    upper = known["GraphDriver"]["Data"]["LowerDir"].split(":")[0]
    eye = box.hold()  # the layers are root's
    try:
        files: list[str] = eye.evaluate(
            f"[os.path.relpath(os.path.join(at, one), {upper!r})"
            f" for at, _, names in os.walk({upper!r}) for one in names]"
        )
        if files != [_GREET]:
            return failed(f"your layer holds {' '.join(sorted(files))!r:.160}", f"{_GREET} alone")
        uid, gid, mode = eye.evaluate(
            "(lambda one: (one.st_uid, one.st_gid, one.st_mode & 0o7777))"
            f"(os.lstat({f'{upper}/{_GREET}'!r}))"
        )
    finally:
        eye.end()
    if (uid, gid) != (0, 0) or mode not in (0o755, 0o555):
        return failed(
            f"/{_GREET} has the owner {uid}:{gid} and the mode {mode:o}",
            "root's, 0:0; everybody may execute it, and nobody else change it",
        )
    return None


def _drawn() -> dict[str, tuple[int, bytes]]:
    """Draw a tree: mode and content of each file, by its path."""
    one, other = random.sample(["ant", "bee", "cod", "doe", "elk", "fox", "gnu", "hen"], 2)
    return {
        f"etc/{one} {other}": (0o644, b"a name with a blank\n"),
        f"bin/{one}": (0o755, b"#!/bin/sh\n"),
        f"etc/{other}.conf": (random.choice([0o600, 0o640]), os.urandom(random.randint(5, 900))),
        f"etc/{one}/deep/{other}": (0o644, b""),
        f"etc/{one}.conf": (0o444, b"a = 1\n"),
        f".{other}": (0o644, b"hidden\n"),
    }


@exercise(
    "same-again",
    title="The same again",
    points=3,
    hints=(
        "The check packs one tree, then a copy of it: made in another order, at another time, by "
        "another user. It observes the digests, and what the tars hold.",
        "Unpack in your mind what a tar says of a file besides its bytes: which of that does a "
        "container need, and which only tells about your machine? `tar.add` takes a `filter`.",
        "gzip writes a header of its own, with a time in it. And a directory lists its files in "
        "the order that its file system likes.",
    ),
)
def same_again(_box: Lab, pack: object) -> Verdict:
    """Pack the same files twice, under conditions that differ."""
    digests, files = set(), _drawn()
    with tempfile.TemporaryDirectory(prefix="trees-", dir=elsewhere.PLACE) as place:
        here, there = Path(place, "here"), Path(place, "there")
        elsewhere.grow(here, files)
        elsewhere.grow(there, files, elsewhere=True)
        for tree, moved in ((here, False), (there, True)):
            tried = attempt(elsewhere.called(pack, elsewhere=moved), tree)
            if tried.failure:
                return failed(tried.failure.replace(place, ""))
            if not isinstance(tried.value, bytes):
                return failed(f"it returned {tried.value!r:.80}", "the bytes of a tar")
            if wrong := _not_the_tree(tried.value, files):
                return failed(*wrong)
            digests.add(layout.digest_of(tried.value))
    if len(digests) > 1:
        return failed("the same files, elsewhere and later: another digest", "the same digest")
    return passed("the same digest at another time, by another user, in another order")


def _not_the_tree(packed: bytes, files: dict[str, tuple[int, bytes]]) -> tuple[str, str] | None:
    """Return what a tar lacks of a tree, or knows of the machine, and what is expected."""
    if packed[:2] != b"\x1f\x8b":  # RFC 1952, 2.3.1
        return f"it begins with {packed[:2]!r}", "what gzip begins with"
    try:
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            members = {os.path.normpath(one.name): one for one in tar.getmembers()}
            held = {name: _mode_and_bytes(tar, one) for name, one in members.items() if one.isreg()}
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        return f"it is no tar: {error}", "a tar, compressed with gzip"
    if missing := sorted(files.keys() - held.keys()):
        return f"the tar lacks {missing[0]}", "all files"
    if strange := sorted(held.keys() - files.keys()):
        return f"the tar holds {strange[0]}", "paths as they are below the directory"
    for name, (mode, content) in files.items():
        if held[name] != (mode, content):
            there = f"in the tar {name} has mode {held[name][0]:o} and {len(held[name][1])} bytes"
            return there, f"mode {mode:o} and {len(content)} bytes"
    if owners := {owner for one in members.values() for owner in (one.uid, one.gid)} - {0}:
        return f"in the tar a file belongs to {max(owners)}, who is somebody here only", "root, 0"
    return None


def _mode_and_bytes(tar: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[int, bytes]:
    file = tar.extractfile(member)
    return member.mode & 0o7777, file.read() if file else b""


@exercise(
    "chain-ids",
    title="Where a layer is unpacked",
    points=2,
    hints=(
        "The check compares with the names of directories: those below a container of busybox, "
        "and of `lab05/hello`. Then with longer stacks, of other DiffIDs each time.",
        "The lowest layer stands on nothing. What is the name of its directory?",
        "One layer more is one digest more, of a text with a single space in it; and each ChainID "
        "is made of the one below. A digest begins with `sha256:`, in the text as well.",
    ),
)
def chains(box: Lab, chain_ids: object) -> Verdict:
    """Compare with the store's directories, and with longer stacks."""
    cases: list[tuple[str, list[str], list[str]]] = []
    for name in ("busybox", "lab05/hello"):
        [known] = json.loads(box.kernelbox(["inspect", name], quiet=True).stdout)
        lower = known["GraphDriver"]["Data"]["LowerDir"].split(":")
        really = [f"sha256:{os.path.basename(path)}" for path in reversed(lower)]
        cases.append((name, known["RootFS"]["Layers"], really))
    made = [layout.digest_of(os.urandom(8)) for _ in range(random.randint(5, 9))]
    made.append(made[random.randrange(4)])  # as of two steps of a build that have changed nothing
    cases += [(f"{n} layers", made[:n], layout.chain_ids(made[:n])) for n in (2, 3, 4, len(made))]
    for name, diff_ids, really in cases:
        tried = attempt(chain_ids, diff_ids)
        if tried.failure:
            return failed(f"for {name}: {tried.failure}")
        if tried.value != really:
            told = f"for {name}, your function says {tried.value!r:.200}"
            return failed(told, repr(really) if name == "busybox" else "one ChainID a layer")
    return passed("the names of the directories below two containers, and four longer stacks")
