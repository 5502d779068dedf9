"""Chapter 05, images: what it asks."""

from __future__ import annotations

import io
import json
import os
import tarfile
import tempfile
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbox.images import layout
from kernelbox.lab.exercises import elsewhere, layouts
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.predictions import choice, number
from kernelbox.lab.exercises.quiz import question, right, wrong
from kernelbox.lab.exercises.registry import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.wire import LabError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.lab.client import Lab
    from kernelbox.lab.exercises.layouts import Made

PREDICTIONS = (
    number("kernels", "kernels in the image"),
    choice("names", "a layer's DiffID and its blob's digest", "the same", "different"),
    choice("touched", "the same files, packed again later", "the same digest", "another digest"),
    number("bases", "copies of the base stored for 10 images"),
    choice("deleted", "with a layer that deletes a file it is", "smaller", "as large", "larger"),
    choice("exposed", "EXPOSE: at that port of the host answers", "the container", "nobody"),
    choice("pulled", "the same tag, pulled again", "the same image", "another image"),
)


# --- 1: an image by hand ------------------------------------------------------------------------


@exercise(
    "by-hand",
    title="An image by hand",
    points=2,
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
    greet = ["/bin/busybox", "stat", "-c", "%u:%g %a", "/usr/local/bin/greet"]
    try:
        said = box.run(str(image), network="none", quiet=True)
        there = box.run(str(image), greet, entrypoint="", network="none", quiet=True)
    except LabError as error:
        return failed(f"it does not run: {error.message}")
    if said.stdout != "made by lab\n":
        shown = " ".join((said.stdout + said.stderr).split())
        return failed(f"it prints {shown!r:.160}, exit code {said.code}", "'made by lab'")
    if there.stdout.split() != ["0:0", "755"]:
        owner = " ".join((there.stdout + there.stderr).split())
        return failed(f"/usr/local/bin/greet: {owner:.160}", "0:0 755, root's and executable")
    return passed("two layers, the lower one busybox's; it runs greet, as user lab")


# --- 2: reproducible ----------------------------------------------------------------------------

_FILES = {
    "bin/tool": (0o755, b"#!/bin/sh\n"),
    "etc/a.conf": (0o644, b"a = 1\n"),
    "etc/z/b.conf": (0o644, b"b = 2\n"),
}


@exercise(
    "same-again",
    title="The same again",
    points=2,
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
    digests = set()
    with tempfile.TemporaryDirectory(prefix="trees-", dir=elsewhere.PLACE) as place:
        here, there = Path(place, "here"), Path(place, "there")
        elsewhere.grow(here, _FILES)
        elsewhere.grow(there, _FILES, elsewhere=True)
        for tree, moved in ((here, False), (there, True)):
            tried = attempt(elsewhere.called(pack, elsewhere=moved), tree)
            if tried.failure:
                return failed(tried.failure.replace(place, ""))
            if not isinstance(tried.value, bytes):
                return failed(f"it returned {tried.value!r:.80}", "the bytes of a tar")
            if said := _not_the_tree(tried.value):
                return failed(said)
            digests.add(layout.digest_of(tried.value))
    if len(digests) > 1:
        return failed("the same files, elsewhere and later: another digest", "the same digest")
    return passed("the same digest at another time, by another user, in another order")


def _not_the_tree(packed: bytes) -> str:
    """Say what a tar lacks of the tree, or knows of the machine; "" if it is as it shall be."""
    try:
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            members = {os.path.normpath(one.name): one for one in tar.getmembers()}
            files = {name: one for name, one in members.items() if one.isreg()}
            held = {}
            for name, one in files.items():
                file = tar.extractfile(one)
                held[name] = (one.mode & 0o777, file.read() if file else b"")
    except (tarfile.TarError, EOFError, OSError) as error:
        return f"it is no tar: {error}"
    if held.keys() != _FILES.keys():
        return f"the tar holds {', '.join(sorted(held)) or 'no file'}"
    for name, (mode, content) in _FILES.items():
        if held[name] != (mode, content):
            return f"in the tar {name} has mode {held[name][0]:o} and {len(held[name][1])} bytes"
    if owners := {owner for one in members.values() for owner in (one.uid, one.gid)} - {0}:
        return f"in the tar a file belongs to {max(owners)}, who is somebody here only"
    return ""


# --- 3: ChainID ---------------------------------------------------------------------------------


@exercise(
    "chain-ids",
    title="Where a layer is unpacked",
    hints=(
        "The check compares with the names of directories: those below a container of busybox, "
        "and of `lab05/hello`. Then with stacks of up to four layers.",
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
    made = [layout.digest_of(word) for word in (b"one", b"two", b"three", b"four")]
    cases += [(f"{n} layers", made[:n], layout.chain_ids(made[:n])) for n in (2, 3, 4)]
    for name, diff_ids, really in cases:
        tried = attempt(chain_ids, diff_ids)
        if tried.failure:
            return failed(f"for {name}: {tried.failure}")
        if tried.value != really:
            return failed(f"for {name}: {tried.value!r:.200}", f"{really!r:.200}")
    return passed("the names of the directories below two containers, and three longer stacks")


# --- 4: shared bytes ----------------------------------------------------------------------------


@exercise(
    "stored-once",
    title="Stored once",
    hints=(
        "The check makes layouts whose bytes it has counted: two images on one base, one image "
        "with two names, and a blob that belongs to nobody.",
        "Three kinds of blobs belong to an image. One of them is found from `index.json`, the "
        "others from there on.",
        "What two images have in common has one digest. In Python, what holds everything once?",
    ),
)
def stored_once(_box: Lab, stored: object) -> Verdict:
    """Compare with what was put into a layout, and counted."""
    with layouts.made() as made:
        base, one, two = made.layer(b"base" * 900), made.layer(b"one"), made.layer(b"two" * 40)
        again = made.layer(b"base" * 900, level=0)  # the same files, compressed in another way
        images = {
            "a": made.image("a", base, one),
            "b": made.image("b", base, two),
            "c": made.image("c", again, one),
            "d": made.image("d", base, one),  # one more name for a
        }
        made.layer(b"of nobody" * 100)
        for names in (["a"], ["a", "b"], ["a", "d"], ["a", "c"], ["a", "b", "c", "d"]):
            sizes: dict[str, int] = {}
            for name in names:
                sizes |= images[name]
            really = sum(sizes.values())
            tried = attempt(stored, made.path, names)
            if tried.failure:
                return failed(f"for {names}: {tried.failure.replace(str(made.path), '')}")
            if tried.value != really:
                return failed(f"for {names}: {tried.value!r:.60}", f"{really} bytes")
    return passed("one image, two that share a base, one with two names: to the byte")


# --- 5: a tag -----------------------------------------------------------------------------------


@exercise(
    "back-again",
    title="Back again",
    hints=(
        "The check asks the registry, as a client does: what `stable` is, and what each of the two "
        "digests is. Then it pulls `stable`, and runs it.",
        "`publish` has written a manifest under two names. Which of them is a promise?",
        "A manifest that is read as JSON and written again has other bytes. No blob has to change, "
        "and nothing has to be built.",
    ),
)
def back_again(box: Lab, where: str, first: str, second: str) -> Verdict:
    """Ask the registry, and pull from it."""
    host, _, repository = where.partition("/")
    for name, really in ((first, first), (second, second), ("stable", first)):
        shown = {first: "the first digest", second: "the second digest"}.get(name, name)
        try:
            with urllib.request.urlopen(
                f"http://{host}/v2/{repository}/manifests/{name}", timeout=5
            ) as answer:
                found = layout.digest_of(answer.read())
        except urllib.error.URLError as error:
            return failed(f"asked for {shown}, the registry says: {error}")
        if found != really:
            known = {first: "the first image", second: "the second image"}
            told = known.get(found, "a manifest with a digest that nobody knows")
            return failed(f"asked for {shown}, the registry gives {told}", known[really])
    pulled = f"{where}:stable"
    try:
        _forget(box, pulled)
        box.kernelbox(["pull", "-q", pulled], quiet=True)
        said = box.run(pulled, network="none", quiet=True).stdout
    finally:
        _forget(box, pulled)
    if said != "Hello from afar\n":
        return failed(f"pulled and run, it says {said!r:.80}")
    return passed("stable is the first image again, and each digest what it has always been")


def _forget(box: Lab, name: str) -> None:
    with suppress(LabError):  # there is none
        box.kernelbox(["rmi", name], quiet=True)


# --- 6: damage ----------------------------------------------------------------------------------


_DAMAGES: dict[str, Callable[[Made], set[str]]] = {
    "nothing": lambda made: set(),
    "one bit of a layer": lambda made: {made.flip("a layer")},
    "one bit of a config": lambda made: {made.flip("a config")},
    "one bit of a manifest": lambda made: {made.flip("a manifest")},
    "the end of a layer": lambda made: {made.cut("a layer", 60)},
    "two blobs": lambda made: {made.cut("a layer", 0), made.flip("a config")},
}


@exercise(
    "which-one",
    title="Which one is damaged?",
    hints=(
        "The check damages one blob or two of a layout, in several ways, and compares with what it "
        "did. In one layout nothing is damaged.",
        "A size that is right says little: one bit may have changed. What does the name of a blob "
        "promise?",
        "Any blob may be damaged, a manifest too: so look at all of them, whoever points at them.",
    ),
)
def which_one(_box: Lab, damaged: object) -> Verdict:
    """Compare with the damage done."""
    for name, damage in _DAMAGES.items():
        with layouts.made() as made:
            made.image("a", made.layer(b"base" * 900), made.layer(b"one"))
            hurt = damage(made)
            tried = attempt(damaged, made.path)
            if tried.failure:
                return failed(f"{name} damaged: {tried.failure.replace(str(made.path), '')}")
            if not isinstance(tried.value, set | list | tuple):
                return failed(f"{name} damaged: {tried.value!r:.80}", "a set of digests")
            named = set(map(str, tried.value))
            if strange := named - made.kinds.keys():
                return failed(f"{name} damaged: you name {strange.pop():.80}", "digests of blobs")
            if missed := hurt - named:
                return failed(f"{name} damaged: you miss {made.kinds[missed.pop()]}")
            if well := named - hurt:
                return failed(f"{name} damaged: {made.kinds[well.pop()]} that you name is not")
    return passed("in a layer, a config, a manifest, in two at once; and nothing where nothing was")


QUIZ = (
    question(
        "An image is ...",
        wrong("a disk, as a virtual machine has one", "There is no file system in it, no kernel "
              "and nothing that boots: a few JSON files and some tars (sections 1 and 2)."),
        right("tars of files, and JSON that says in which order and what to run",
              "Everything but `index.json` is named by the digest of its bytes."),
        wrong("a container that stands still", "A container has a writable layer and processes. An "
              "image never changes, however many containers run from it."),
    ),
    question(
        "Two images of 500 MB have a base of 450 MB in common. On disk they take ...",
        wrong("1000 MB", "Their manifests name the same digest, and a blob has one file "
              "(section 6)."),
        right("550 MB", "The base once, and 50 MB of each."),
        wrong("550 MB, if they are stored by the same user", "Who stored it is nowhere written: "
              "the name of a blob is made of its bytes alone."),
    ),
    question(
        "Layer 3 adds a password, layer 4 deletes the file. The image ...",
        wrong("is smaller than without layer 4", "Layer 3 is what it was, to the bit: its digest "
              "says so. Layer 4 adds a little."),
        wrong("is as large, and the password is gone", "It is gone from what a container sees."),
        right("is larger, and the password is in it", "Whoever has the image has layer 3 "
              "(section 7). Never put a secret into a layer."),
    ),
    question(
        "An image says `EXPOSE 80`. You run it, without any option. Who answers at port 80 of the "
        "host?",
        wrong("the container", "The word stands in the config, for people and tools to read. "
              "Nothing is opened because of it (section 8)."),
        right("nobody", "`--publish` is what makes the host's port lead into the container."),
        wrong("the container, if its program listens", "It can be reached at its own address then, "
              "with the word and without."),
    ),
    question(
        "A server pulls `shop:1.4` today, and another one in a month. They run ...",
        wrong("the same image, since the tag is the same", "A tag is a name that its owner may "
              "give to another image at any time (section 9)."),
        right("the same image, if nobody has moved the tag", "Only a digest, `shop@sha256:...`, is "
              "a promise that can be checked."),
        wrong("the same image, since registries are immutable", "Their blobs are. A tag is not a "
              "blob."),
    ),
    question(
        "DiffID and blob digest of a layer differ. Why are there two?",
        wrong("one is for the header, one for the content", "Both are of all bytes: of the tar, "
              "and of the file that is stored."),
        right("one is of the tar, one of the compressed tar", "The config names content, however "
              "it is packed. The manifest names what is stored and sent (section 3)."),
        wrong("one is salted", "A digest is a function of the bytes and of nothing else."),
    ),
)  # fmt: skip
