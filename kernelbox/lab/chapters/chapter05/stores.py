"""Exercises of chapter 05 about what is stored: once, under a tag, undamaged."""

from __future__ import annotations

import json
import os
import random
import urllib.error
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING

from kernelbox.images import layout
from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises import layouts
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.lab.exercises.layouts import Made
    from kernelbox.lab.notebook import Lab


@exercise(
    "stored-once",
    title="Stored once",
    points=2,
    hints=(
        "The check makes layouts whose bytes it has counted, other ones each time: two images on "
        "one base, one image with two names, and a blob that belongs to nobody.",
        "Three kinds of blobs belong to an image. One of them is found from `index.json`, the "
        "others from there on.",
        "What two images have in common has one digest. In Python, what holds everything once?",
    ),
)
def stored_once(_box: Lab, stored: object) -> Verdict:
    """Compare with what was put into a layout, and counted."""
    with layouts.made() as made:
        content = os.urandom(random.randint(2000, 4000))
        base, one, two = (
            made.layer(content),
            made.layer(os.urandom(40)),
            made.layer(os.urandom(900)),
        )
        again = made.layer(content * 2)
        thin = made.layer(content * 2, level=0)  # the same files, compressed in another way
        a, b, c, d, e = (f"{word}-{random.randrange(1000)}" for word in "abcde")
        f = f"{a}-{random.randrange(1000)}"  # which is not called a, and begins so
        images = {
            a: made.image(a, base, one),
            b: made.image(b, base, two),
            c: made.image(c, again, one),
            d: made.image(d, thin, one),
            e: made.image(e, base, one),  # one more name for a
            f: made.image(f, base, two, base),
        }
        made.layer(b"of nobody" * 100)
        cases = {
            "one image": [a],
            "two images on one base": [b, a],
            "one image with two names": [a, e],
            "a layer, and its files compressed in another way": [c, d],
            "an image that has a layer twice": [f],
            "all images": random.sample([*images], len(images)),
        }
        for case, names in cases.items():
            sizes: dict[str, int] = {}
            for name in names:
                sizes |= images[name]
            really = sum(sizes.values())
            tried = attempt(stored, made.path, names)
            if tried.failure:
                return failed(f"for {case}: {tried.failure.replace(str(made.path), '')}")
            if tried.value != really:
                expected = f"{really} bytes" if case == "one image" else "every blob once"
                return failed(f"for {case}, your function says {tried.value!r:.60}", expected)
    return passed("one image, two on one base, two names, a layer twice, all: to the byte")


@exercise(
    "back-again",
    title="Back again",
    points=2,
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
    names = {first: "the first image", second: "the second image"}
    asked = {first: "the first digest", second: "the second digest", "stable": "stable"}
    for name, really in ((first, first), (second, second), ("stable", first)):
        try:
            manifest = _got(where, f"manifests/{name}")
        except urllib.error.HTTPError as error:
            return failed(f"asked for {asked[name]}, the registry says: {error}", names[really])
        except OSError as error:
            return failed(f"nobody answers at {where}: {error}", "`registry`: run its cell again")
        found = layout.digest_of(manifest)
        if found != really:
            told = names.get(found, "a manifest with a digest that nobody knows")
            return failed(f"asked for {asked[name]}, the registry gives {told}", names[really])
        if missing := _missing(where, manifest):
            return failed(f"of {names[really]}, the registry does not have {missing}", "all blobs")
    pulled = f"{where}:stable"
    try:
        _forget(box, pulled)
        box.kernelbox(["pull", "-q", pulled], quiet=True)
        said = box.run(pulled, network="none", quiet=True).stdout
    finally:
        _forget(box, pulled)
    if said != "Hello from afar\n":
        return failed(f"pulled and run, it says {said!r:.80}", repr("Hello from afar\n"))
    return passed("stable is the first image again, and each digest what it has always been")


def _got(where: str, what: str) -> bytes:
    """Return what a registry has below a repository's path.

    Raises:
        HTTPError: It has not.
        OSError: Nobody answers.
    """
    host, _, repository = where.partition("/")
    with urllib.request.urlopen(f"http://{host}/v2/{repository}/{what}", timeout=5) as answer:
        return bytes(answer.read())


def _missing(where: str, manifest: bytes) -> str:
    """Say which blob of a manifest a registry does not have as it should be; empty if none."""
    about = json.loads(manifest)
    for kind, one in (
        ("the config", about["config"]),
        *(("a layer", one) for one in about["layers"]),
    ):
        try:
            if layout.digest_of(_got(where, f"blobs/{one['digest']}")) != one["digest"]:
                return f"{kind} as it was"
        except urllib.error.HTTPError:
            return kind
    return ""


def _forget(box: Lab, name: str) -> None:
    with suppress(LabError):  # there is none
        box.kernelbox(["rmi", name], quiet=True)


_DAMAGES: dict[str, Callable[[Made], set[str]]] = {
    "nothing": lambda made: set(),
    "one bit of a layer": lambda made: {made.flip("a layer")},
    "one bit of a config": lambda made: {made.flip("a config")},
    "one bit of a manifest": lambda made: {made.flip("a manifest")},
    "one bit of what belongs to nobody": lambda made: {made.flip("a blob of nobody's")},
    "the end of a layer": lambda made: {made.cut("a layer", 60)},
    "a byte more": lambda made: {made.lengthen("a config")},
    "two exchanged layers": lambda made: made.exchange("a layer"),
    "two blobs": lambda made: {made.cut("a layer", 0), made.flip("a config")},
}


@exercise(
    "which-one",
    title="Which one is damaged?",
    points=2,
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
            made.image("a", made.layer(os.urandom(3000)), made.layer(os.urandom(40)))
            stray = made.layer(os.urandom(100))
            made.kinds[stray["digest"]] = "a blob of nobody's"
            hurt = damage(made)
            tried = attempt(damaged, made.path)
            if tried.failure:
                return failed(f"{name} damaged: {tried.failure.replace(str(made.path), '')}")
            if not isinstance(tried.value, set | list):
                return failed(f"{name} damaged: {tried.value!r:.80}", "a set of digests")
            if wrong := _compared(set(map(str, tried.value)), hurt, made.kinds):
                return failed(f"{name} damaged: {wrong[0]}", wrong[1])
    return passed(
        "in a layer, a config, a manifest, in what belongs to nobody, in two at once; and nothing "
        "where nothing was"
    )


def _compared(named: set[str], hurt: set[str], kinds: dict[str, str]) -> tuple[str, str] | None:
    """Return what is wrong with the digests named, and what they should be; None if nothing is."""
    if strange := named - kinds.keys():
        return f"you name {strange.pop():.80}", "digests as the blobs are called: sha256:..."
    if missed := hurt - named:
        return f"you miss {kinds[missed.pop()]}", "every blob that is not what its name says"
    if well := named - hurt:
        return f"{kinds[well.pop()]} that you name is not", "no blob that is what its name says"
    return None
