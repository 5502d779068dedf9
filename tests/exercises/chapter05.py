"""Wrong solutions to the exercises of chapter 05."""

from __future__ import annotations

from tests.exercises import Trial, Wrong

OPENED = ("open", "save", "unpack", "digests", "index", "manifest", "config")
BY_HAND = (*OPENED, "layer-of", "diff-id", "predict-names", "compressed", "put")
HELLO = (*BY_HAND, "hello-config", "hello-manifest", "hello-index", "load")

FIRST = """
greet = layer_of({{{name!r}: b"#!/bin/sh\\necho made by $(id -un)\\n"}}, mode={mode})
about = json.loads(json.dumps(config))
about["rootfs"]["diff_ids"].append({diff_id})
about["config"].update({changes})
parts = {{
    "schemaVersion": 2,
    "mediaType": OCI + "manifest.v1+json",
    "config": put(first, "config.v1+json", json.dumps(about).encode()),
    "layers": [
        put(first, "layer.v1.tar", read(busybox, manifest["layers"][0])),
        put(first, "layer.v1.tar+gzip", gzip.compress(greet, mtime=0)),
    ],
}}
{more}
write_index(first, {{"lab05/first": put(first, "manifest.v1+json", json.dumps(parts).encode())}})
try:
    load(first)
except lab.LabError:
    pass
"""


def first(
    name: str = "usr/local/bin/greet",
    mode: str = "0o755",
    diff_id: str = "digest(greet)",
    changes: str = 'Cmd=["greet"], User="lab"',
    more: str = "",
) -> str:
    """Return the solution of the first exercise, with one thing in it that is another."""
    return FIRST.format(name=name, mode=mode, diff_id=diff_id, changes=changes, more=more)


PACK = """
def plain(entry):
    {plain}
    return entry

out = io.BytesIO()
with tarfile.open(fileobj=out, mode="w") as tar:
    for path in {paths}:
        tar.add(path, path.relative_to(directory), recursive=False, filter=plain)
return {result}
"""


def pack(
    plain: str = 'entry.mtime = entry.uid = entry.gid = 0; entry.uname = entry.gname = ""',
    paths: str = 'sorted(directory.rglob("*"))',
    result: str = "gzip.compress(out.getvalue(), mtime=0)",
) -> str:
    """Return the solution of the second exercise, with one thing in it that is another."""
    return PACK.format(plain=plain, paths=paths, result=result)


TRIALS = {
    "by-hand": Trial(
        {
            "nothing yet": Wrong("pass", "no image lab05/first in the store"),
            "the blob's digest in the config": Wrong(
                first(diff_id="digest(gzip.compress(greet, mtime=0))"),
                "no image lab05/first in the store",
            ),
            "one DiffID too few": Wrong(
                first(more='about["rootfs"]["diff_ids"].pop(); parts["config"] = '
                'put(first, "config.v1+json", json.dumps(about).encode())'),
                "no image lab05/first in the store",
            ),
            "nobody may execute it": Wrong(first(mode="0o644"), "'greet': permission denied"),
            "busybox's command": Wrong(first(changes='User="lab"'), "it prints ''"),
            "as root": Wrong(first(changes='Cmd=["greet"]'), "it prints 'made by root'"),
            "elsewhere": Wrong(
                first(name="bin/greet"), "/usr/local/bin/greet: stat: can't stat"
            ),
            "everybody may write it": Wrong(
                first(mode="0o777"), "/usr/local/bin/greet: 0:0 777"
            ),
            "the layers upside down": Wrong(
                first(more='parts["layers"].reverse(); about["rootfs"]["diff_ids"].reverse(); '
                'parts["config"] = put(first, "config.v1+json", json.dumps(about).encode())'),
                "its lowest layer is not busybox's",
            ),
        },
        needs=HELLO,
    ),
    "same-again": Trial(
        {
            "nothing yet": Wrong("...", "it returned None"),
            "with its times": Wrong(
                pack('entry.uid = entry.gid = 0; entry.uname = entry.gname = ""'),
                "elsewhere and later: another digest",
            ),
            "gzip's time": Wrong(
                pack(result="gzip.compress(out.getvalue())"), "elsewhere and later: another digest"
            ),
            "as the disk lists it": Wrong(
                pack(paths='directory.rglob("*")'), "elsewhere and later: another digest"
            ),
            "with its owners": Wrong(
                pack("entry.mtime = 0; entry.uid = entry.gid = 1000"),
                "a file belongs to 1000",
            ),
            "without its modes": Wrong(
                pack("entry.mtime = entry.uid = entry.gid = 0; entry.mode = 0o644"),
                "bin/tool has mode 644",
            ),
            "one directory deep": Wrong(
                pack(paths='sorted(directory.glob("*/*.conf"))'), "the tar holds etc/a.conf"
            ),
            "no tar": Wrong("return b'' .join(sorted(os.listdir(directory)))", "raised TypeError"),
            "always the same": Wrong("return b'same'", "it is no tar"),
        },
    ),
    "chain-ids": Trial(
        {
            "nothing yet": Wrong("...", "for busybox: None"),
            "DiffIDs": Wrong("return list(diff_ids)", "for lab05/hello: ['sha256:"),
            "no space": Wrong(
                """
                found = list(diff_ids[:1])
                for diff_id in diff_ids[1:]:
                    found.append(digest((found[-1] + diff_id).encode()))
                return found
                """,
                "for lab05/hello: ['sha256:",
            ),
            "of the DiffID below": Wrong(
                """
                found = list(diff_ids[:1])
                for below, diff_id in zip(diff_ids, diff_ids[1:]):
                    found.append(digest(f"{below} {diff_id}".encode()))
                return found
                """,
                "for 3 layers: ['sha256:",
            ),
            "of all at once": Wrong(
                """
                stacks = [diff_ids[: n + 1] for n in range(len(diff_ids))]
                return [digest(" ".join(stack).encode()) for stack in stacks]
                """,
                "for busybox: ['sha256:",
            ),
            "digits alone": Wrong(
                """
                found = [one.removeprefix("sha256:") for one in diff_ids[:1]]
                for diff_id in diff_ids[1:]:
                    found.append(digest(f"{found[-1]} {diff_id}".encode())[7:])
                return found
                """,
                "for busybox: ['",
            ),
        },
        needs=HELLO,
    ),
    "stored-once": Trial(
        {
            "nothing yet": Wrong("...", "for ['a']: None"),
            "all there is": Wrong(
                'return sum(path.stat().st_size for path in layout.glob("blobs/*/*"))',
                "for ['a']: ",
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
                "for ['a', 'b']: ",
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
                "for ['a']: ",
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
                "for ['a', 'b']: ",
            ),
        },
        needs=OPENED,
    ),
    "back-again": Trial(
        {
            "nothing yet": Wrong("pass", "asked for stable, the registry gives the second image"),
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
            "moved, not copied": Wrong(
                '(manifests / first_one["digest"]).rename(manifests / "stable")',
                "asked for the first digest, the registry says: HTTP Error 404",
            ),
        },
        needs=(*BY_HAND, "image-of", "registry"),
        again=("publish", "second"),
    ),
    "which-one": Trial(
        {
            "nothing yet": Wrong("...", "nothing damaged: None"),
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
                "two blobs damaged: you miss ",
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
        needs=OPENED,
    ),
}  # fmt: skip
