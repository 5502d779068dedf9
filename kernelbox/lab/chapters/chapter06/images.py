"""The exercise of chapter 06 about images: why deleting makes one grow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises import benches
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab


_CACHE = 4 << 20  # bytes


@exercise(
    "two-ways",
    title="Two ways to delete",
    points=3,
    seconds=30,
    hints=(
        "The check observes the bytes of the layers of the three images, what each shows in "
        "`/srv`, and how many bytes its files have in all.",
        "A layer that has the cache keeps it, whatever comes on top. Which image has a layer with "
        "the cache, and which one need not?",
        "For `lean`, begin where `chapter06/app` began. The upperdir counts as it is at the moment "
        "of the commit.",
    ),
)
def two_ways(box: Lab, app: str, grown: object, lean: object) -> Verdict:
    """Compare the three images: what they store, and what they show."""
    witness = box.hold()
    try:
        benches.bench(witness)
        witness.mkdir("merged")
        found = []
        for name in ("chapter06/app", grown, lean):
            try:
                found.append(_inspected(box, name))
            except LabError:
                return failed(f"there is no image {name}", "one that `commit` has made")
        if found[0]["Id"] != app:
            return failed("chapter06/app is another image now", "the given one: run its cell again")
        (srv, all_bytes), *others = (_shown(witness, image) for image in found)
        wanted = {path: text for path, text in srv.items() if not path.startswith("cache/")}
        for name, (seen, weight) in zip((grown, lean), others, strict=True):
            if unlike := benches.differs(seen, wanted, f"in /srv of {name}"):
                return unlike
            if weight > all_bytes - _CACHE:
                return failed(
                    f"{name} shows {weight} bytes of files, and chapter06/app {all_bytes}",
                    f"the {_CACHE} of the cache are nowhere to be seen, and nothing came instead",
                )
    finally:
        witness.end()
    for name in (grown, lean):
        try:
            said = box.run(str(name), "sh /srv/tool", network="none", quiet=True).stdout
        except LabError as error:
            return failed(f"in {name} the tool does not run: {error.message}", "it works")
        if said != "it works\n":
            return failed(f"in {name} the tool says {said!r:.80}", repr("it works\n"))
    return _stored(found, grown, lean)


def _stored(images: list[dict[str, Any]], grown: object, lean: object) -> Verdict:
    """Compare what the images store: the given one, the grown and the lean one."""
    app, grown_one, _ = images
    sizes = [sum(_layers(one).values()) for one in images]
    if sizes[1] <= sizes[0]:
        return failed(f"{grown} has {sizes[1]} bytes, and chapter06/app {sizes[0]}", "more")
    if not _layers(app).keys() <= _layers(grown_one).keys():
        return failed(f"{grown} lacks a layer of chapter06/app", "grown by what lies on top of it")
    if sizes[2] >= sizes[0] / 2:
        return failed(f"{lean} has {sizes[2]} bytes, and chapter06/app {sizes[0]}", "half or less")
    return passed("both have the tool and no cache; one is larger than before, one is small")


def _inspected(box: Lab, name: object) -> dict[str, Any]:
    """Return what `kernelbox inspect` tells of an image.

    Raises:
        LabError: There is no such image.
    """
    found: dict[str, Any] = json.loads(box.kernelbox(["inspect", str(name)], quiet=True).stdout)[0]
    if "RootFS" not in found:
        raise LabError(f"{name} is no image")
    return found


def _layers(image: dict[str, Any]) -> dict[str, int]:
    """Return the bytes of each layer of an image by its digest."""
    return {one["digest"]: one["size"] for one in image["Manifest"]["layers"]}


def _shown(witness: Held, image: dict[str, Any]) -> tuple[dict[str, str], int]:
    """Return what an image has in /srv, and the bytes of all its files."""
    # A single layer is no overlay: an empty one goes with it.
    lower = f"{image['GraphDriver']['Data']['LowerDir']}:/mnt/empty"
    witness.shell("mkdir -p empty")
    witness.mount("overlay", "merged", "overlay", f"lowerdir={lower}")
    try:
        srv: dict[str, str] = witness.evaluate("view('merged/srv')")
        return srv, int(witness.evaluate("weight('merged')"))
    finally:
        witness.umount("merged")
