"""Answers to the exercises of stores.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.chapters.chapter05.cells import BY_HAND, OPENED
from kernelbox.lab.exercises.answers import Answers, Wrong

STORED = """
sizes = {{}}
for entry in json.loads((layout / "index.json").read_text())["manifests"]:
    name = entry["annotations"]["org.opencontainers.image.ref.name"]
    if {which}:
        parts = json.loads(read(layout, entry))
        for one in (entry, parts["config"], *parts["layers"]):
            sizes[one[{key!r}]] = one["size"]
return sum(sizes.values())
"""

ANSWERS = {
    "stored-once": Answers(
        right={
            "by the files": """
                needed = set()
                for entry in json.loads((layout / "index.json").read_text())["manifests"]:
                    if entry["annotations"]["org.opencontainers.image.ref.name"] in names:
                        parts = json.loads(read(layout, entry))
                        needed |= {entry["digest"], parts["config"]["digest"]}
                        needed |= {one["digest"] for one in parts["layers"]}
                files = [layout / "blobs" / one.replace(":", "/") for one in needed]
                return sum(file.stat().st_size for file in files)
                """,
            "one pair each, in a set": """
                found = set()
                for entry in json.loads((layout / "index.json").read_text())["manifests"]:
                    if entry["annotations"]["org.opencontainers.image.ref.name"] not in names:
                        continue
                    parts = json.loads(read(layout, entry))
                    for one in (entry, parts["config"], *parts["layers"]):
                        found.add((one["digest"], one["size"]))
                import numpy
                return numpy.int64(sum(size for _, size in found))
                """,
        },
        wrong={
            "whose name begins so": Wrong(
                STORED.format(which="name.startswith(tuple(names))", key="digest"),
                "for one image, your function says ",
            ),
            "whose name is within another": Wrong(
                STORED.format(which="name in ' '.join(names)", key="digest"),
                "for an image that has a layer twice, your function says ",
            ),
            "each size once": Wrong(
                STORED.format(which="name in names", key="size"),
                "for two images on one base, your function says ",
            ),
            "all there is": Wrong(
                'return sum(path.stat().st_size for path in layout.glob("blobs/*/*"))',
                "for one image, your function says",
            ),
            "each by itself": Wrong(
                """
                total = 0
                for entry in json.loads((layout / "index.json").read_text())["manifests"]:
                    if entry["annotations"]["org.opencontainers.image.ref.name"] in names:
                        parts = json.loads(read(layout, entry))
                        for one in (entry, parts["config"], *parts["layers"]):
                            total += one["size"]
                return total
                """,
                "for two images on one base, your function says",
            ),
            "the layers alone": Wrong(
                """
                sizes = {}
                for entry in json.loads((layout / "index.json").read_text())["manifests"]:
                    if entry["annotations"]["org.opencontainers.image.ref.name"] in names:
                        for one in json.loads(read(layout, entry))["layers"]:
                            sizes[one["digest"]] = one["size"]
                return sum(sizes.values())
                """,
                "for one image, your function says",
            ),
            "the uncompressed files": Wrong(
                """
                needed = {}
                for entry in json.loads((layout / "index.json").read_text())["manifests"]:
                    if entry["annotations"]["org.opencontainers.image.ref.name"] in names:
                        parts = json.loads(read(layout, entry))
                        config = json.loads(read(layout, parts["config"]))
                        for one in (entry, parts["config"]):
                            needed[one["digest"]] = one["size"]
                        for diff_id, one in zip(config["rootfs"]["diff_ids"], parts["layers"]):
                            needed[diff_id] = one["size"]
                return sum(needed.values())
                """,
                "for a layer, and its files compressed in another way, your function says",
            ),
            "one image after the other": Wrong(
                """
                seen, total = set(), 0
                for entry in json.loads((layout / "index.json").read_text())["manifests"]:
                    if entry["annotations"]["org.opencontainers.image.ref.name"] in names:
                        parts = json.loads(read(layout, entry))
                        every = [entry, parts["config"], *parts["layers"]]
                        total += sum(one["size"] for one in every if one["digest"] not in seen)
                        seen |= {one["digest"] for one in every}
                return total
                """,
                "for an image that has a layer twice, your function says",
            ),
            "the first alone": Wrong(
                """
                for entry in json.loads((layout / "index.json").read_text())["manifests"]:
                    if entry["annotations"]["org.opencontainers.image.ref.name"] == names[0]:
                        parts = json.loads(read(layout, entry))
                        every = [entry, parts["config"], *parts["layers"]]
                        return sum({one["digest"]: one["size"] for one in every}.values())
                """,
                "for two images on one base, your function says",
            ),
            "one layer by its size": Wrong(
                """
                sizes = {}
                for entry in json.loads((layout / "index.json").read_text())["manifests"]:
                    if entry["annotations"]["org.opencontainers.image.ref.name"] in names:
                        parts = json.loads(read(layout, entry))
                        for one in (entry, parts["config"], *parts["layers"]):
                            sizes[one["size"]] = one["size"]
                return sum(sizes.values())
                """,
                "for two images on one base, your function says",
            ),
        },
        nothing="for one image, your function says None",
        needs=OPENED,
    ),
    "back-again": Answers(
        right={
            "in one step": """
                _ = (manifests / "new").write_bytes(read(served, first_one))
                _ = (manifests / "new").rename(manifests / "stable")
                """,
            "by its bytes": """
                _ = (manifests / "stable").write_bytes(read(served, first_one))
                """,
            "published once more": 'publish(served, first_one, "stable")',
        },
        wrong={
            "written anew": Wrong(
                """
                kept = json.loads((manifests / first_one["digest"]).read_text())
                (manifests / "stable").write_text(json.dumps(kept, indent=1))
                """,
                "a manifest with a digest that nobody knows",
            ),
            "under the second's digest": Wrong(
                """
                for name in ("stable", second_one["digest"]):
                    (manifests / name).write_bytes(read(served, first_one))
                """,
                "asked for the second digest, the registry gives the first image",
            ),
            "the tag is gone": Wrong(
                "(manifests / 'stable').unlink()",
                "asked for stable, the registry says: HTTP Error 404",
            ),
            "the second's layer is gone": Wrong(
                """
                flawed = json.loads(read(served, second_one))["layers"][-1]["digest"]
                (tree / "v2/lab05/served/blobs" / flawed).unlink()
                (manifests / "stable").write_bytes(read(served, first_one))
                """,
                "of the second image, the registry does not have a layer",
            ),
            "the second's layer is another": Wrong(
                """
                blobs = tree / "v2/lab05/served/blobs"
                good, flawed = (
                    blobs / json.loads(read(served, one))["layers"][-1]["digest"]
                    for one in (first_one, second_one)
                )
                flawed.write_bytes(good.read_bytes())
                (manifests / "stable").write_bytes(read(served, first_one))
                """,
                "of the second image, the registry does not have a layer as it was",
            ),
            "here, not there": Wrong(
                """
                good = f"{where}@{first_one['digest']}"
                box.kernelbox(["pull", good], quiet=True)
                box.kernelbox(["tag", good, f"{where}:stable"], quiet=True)
                """,
                "asked for stable, the registry gives the second image",
            ),
            "the second is called the first": Wrong(
                "first_one = second_one",
                "`first` is",
            ),
            "moved, not copied": Wrong(
                '(manifests / first_one["digest"]).rename(manifests / "stable")',
                "asked for the first digest, the registry says: HTTP Error 404",
            ),
        },
        nothing="asked for stable, the registry gives the second image",
        needs=(*BY_HAND, "image-of", "registry"),
        again=("publish", "second"),
    ),
    "which-one": Answers(
        right={
            "a list": """
                import hashlib

                found = []
                for path in (layout / "blobs/sha256").glob("*"):
                    if hashlib.sha256(path.read_bytes()).hexdigest() != path.name:
                        found.append(f"sha256:{path.name}")
                return found
                """,
            "with a program": """
                import subprocess

                blobs = layout / "blobs/sha256"
                words = ["sha256sum", *os.listdir(blobs)]
                told = subprocess.check_output(words, cwd=blobs, text=True)
                pairs = (line.split() for line in told.splitlines())
                return (f"sha256:{name}" for now, name in pairs if now != name)
                """,
            "a frozenset, without paths": """
                found = []
                for name in os.listdir(layout / "blobs" / "sha256"):
                    data = (layout / "blobs" / "sha256" / name).read_bytes()
                    if digest(data) != "sha256:" + name:
                        found.append("sha256:" + name)
                return frozenset(found)
                """,
        },
        wrong={
            "all well": Wrong("return set()", "one bit of a layer damaged: you miss a layer"),
            "all of them": Wrong(
                'return {f"sha256:{one.name}" for one in (layout / "blobs/sha256").iterdir()}',
                "nothing damaged: ",
            ),
            "by size": Wrong(
                """
                [entry] = json.loads((layout / "index.json").read_text())["manifests"]
                parts = json.loads(read(layout, entry))
                every = [entry, parts["config"], *parts["layers"]]
                return {one["digest"] for one in every if len(read(layout, one)) != one["size"]}
                """,
                "one bit of a layer damaged: you miss a layer",
            ),
            "layers alone": Wrong(
                """
                [entry] = json.loads((layout / "index.json").read_text())["manifests"]
                every = json.loads(read(layout, entry))["layers"]
                found = {one["digest"]: digest(read(layout, one)) for one in every}
                return {name for name, now in found.items() if now != name}
                """,
                "one bit of a config damaged: you miss a config",
            ),
            "the first": Wrong(
                """
                for path in sorted((layout / "blobs/sha256").iterdir()):
                    if digest(path.read_bytes()) != f"sha256:{path.name}":
                        return {f"sha256:{path.name}"}
                return set()
                """,
                "two exchanged layers damaged: you miss a layer",
            ),
            "whom the index leads to": Wrong(
                """
                [entry] = json.loads((layout / "index.json").read_text())["manifests"]
                found = {entry["digest"]: digest(read(layout, entry))}
                if found[entry["digest"]] == entry["digest"]:
                    parts = json.loads(read(layout, entry))
                    for one in (parts["config"], *parts["layers"]):
                        found[one["digest"]] = digest(read(layout, one))
                return {name for name, now in found.items() if now != name}
                """,
                "one bit of what belongs to nobody damaged: you miss a blob of nobody's",
            ),
            "whose bytes nobody has": Wrong(
                """
                blobs = list((layout / "blobs/sha256").iterdir())
                names = {f"sha256:{one.name}" for one in blobs}
                return names - {digest(one.read_bytes()) for one in blobs}
                """,
                "two exchanged layers damaged: you miss a layer",
            ),
            "file names": Wrong(
                """
                blobs = (layout / "blobs/sha256").iterdir()
                return {one.name for one in blobs if digest(one.read_bytes())[7:] != one.name}
                """,
                "one bit of a layer damaged: you name ",
            ),
            "what it is now": Wrong(
                """
                blobs = (layout / "blobs/sha256").iterdir()
                found = {f"sha256:{one.name}": digest(one.read_bytes()) for one in blobs}
                return {now for name, now in found.items() if now != name}
                """,
                "one bit of a layer damaged: you name sha256:",
            ),
        },
        nothing="nothing damaged: None",
        needs=OPENED,
    ),
}
