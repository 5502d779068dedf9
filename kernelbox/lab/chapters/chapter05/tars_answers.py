"""Answers to the exercises of tars.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.chapters.chapter05.cells import HELLO
from kernelbox.lab.exercises.answers import Answers, Wrong

FIRST = """
greet = layer_of({{{name!r}: b"#!/bin/sh\\n{script}\\n"}}, mode={mode})
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
    script: str = "echo made by $(id -un)",
) -> str:
    """Return the solution of the first exercise, with one thing in it that is another."""
    return FIRST.format(
        name=name, mode=mode, diff_id=diff_id, changes=changes, more=more, script=script
    )


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


ANSWERS = {
    "by-hand": Answers(
        right={
            "compressed": first(),
            "nobody may write it": first(mode="0o555"),
            "by its path, and by number": first(
                changes='Cmd=["sh", "/usr/local/bin/greet"], User="1000:1000"',
                script="echo made by `whoami`",
            ),
            "an entrypoint": first(changes='Entrypoint=["greet"], Cmd=[], User="lab"'),
        },
        wrong={
            "whom it has been asked for": Wrong(
                first(script="[ $(id -u) = 0 ] && echo made by root || echo made by lab"),
                r"it prints 'made by lab\n' when nobody runs it, exit code 0",
            ),
            "what it runs is not the program": Wrong(
                first(
                    changes="Cmd=['sh', '-c', 'echo made by $(id -un) # greet'], User='lab'",
                    script="",
                ),
                "it prints '' when root runs it, exit code 0",
            ),
            "the blob's digest in the config": Wrong(
                first(diff_id="digest(gzip.compress(greet, mtime=0))"),
                "no image lab05/first in the store",
            ),
            "one DiffID too few": Wrong(
                first(
                    more='about["rootfs"]["diff_ids"].pop(); parts["config"] = '
                    'put(first, "config.v1+json", json.dumps(about).encode())'
                ),
                "no image lab05/first in the store",
            ),
            "nobody may execute it": Wrong(first(mode="0o644"), "'greet': permission denied"),
            "busybox's command": Wrong(first(changes='User="lab"'), "it runs 'sh'"),
            "as root": Wrong(first(changes='Cmd=["greet"]'), r"it prints 'made by root\n', exit"),
            "always lab": Wrong(
                first(script="echo made by lab"),
                r"it prints 'made by lab\n' when root runs it, exit code 0",
            ),
            "no newline": Wrong(
                first(script="printf 'made by %s' $(id -un)"),
                "it prints 'made by lab', exit code 0",
            ),
            "a word too many": Wrong(
                first(script="echo made by $(id)"), "it prints 'made by uid=1000(lab)"
            ),
            "without the program": Wrong(
                first(changes="Cmd=['sh', '-c', 'echo made by $(id -un)'], User='lab'"),
                "it runs 'sh",
            ),
            "two programs": Wrong(
                first().replace('"}, mode', '", "usr/local/bin/more": b""}, mode'),
                "your layer holds 'usr/local/bin/greet usr/local/bin/more'",
            ),
            "elsewhere": Wrong(first(name="bin/greet"), "your layer holds 'bin/greet'"),
            "everybody may write it": Wrong(
                first(mode="0o777"), "has the owner 0:0 and the mode 777"
            ),
            "the layers upside down": Wrong(
                first(
                    more='parts["layers"].reverse(); about["rootfs"]["diff_ids"].reverse(); '
                    'parts["config"] = put(first, "config.v1+json", json.dumps(about).encode())'
                ),
                "its lowest layer is not busybox's",
            ),
        },
        nothing="no image lab05/first in the store",
        needs=HELLO,
    ),
    "same-again": Answers(
        right={
            "as a bytearray": pack(result="bytearray(gzip.compress(out.getvalue(), mtime=0))"),
            "by a shell, the files alone": """
                import subprocess

                script = (
                    "find . -type f | LC_ALL=C sort | "
                    "tar --mtime=@0 --owner=0:0 --group=0:0 -cf - -T - | gzip -n"
                )
                return subprocess.run(script, cwd=directory, shell=True, capture_output=True).stdout
                """,
            "with programs": """
                import subprocess
                how = "--sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar"
                words = ["tar", *how.split(), "-C", directory, "-cf", "-", "."]
                packed = subprocess.check_output(words)
                return subprocess.check_output(["gzip", "-n"], input=packed)
                """,
            "the files alone": """
                out = io.BytesIO()
                with tarfile.open(fileobj=out, mode="w") as tar:
                    for path in sorted(one for one in directory.rglob("*") if one.is_file()):
                        entry = tarfile.TarInfo(str(path.relative_to(directory)))
                        entry.size, entry.mode = path.stat().st_size, path.stat().st_mode & 0o777
                        tar.addfile(entry, io.BytesIO(path.read_bytes()))
                return gzip.compress(out.getvalue(), mtime=0)
                """,
            "from Z to A": pack(paths='sorted(directory.rglob("*"), reverse=True)'),
        },
        wrong={
            "without a file whose name has a blank": Wrong(
                """
                import subprocess

                script = (
                    "tar --mtime=@0 --owner=0:0 --group=0:0 -cf - "
                    "$(find . -type f | LC_ALL=C sort) | gzip -n"
                )
                return subprocess.run(script, cwd=directory, shell=True, capture_output=True).stdout
                """,
                "the tar lacks etc/",
            ),
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
                " has mode 644 and 10 bytes",
            ),
            "one directory deep": Wrong(
                pack(paths='sorted(directory.glob("*/*.conf"))'), "the tar lacks "
            ),
            "not the hidden one": Wrong(
                pack(paths='sorted(directory.glob("[!.]*/**/*"))'), "the tar lacks ."
            ),
            "not compressed": Wrong(pack(result="out.getvalue()"), "it begins with b'"),
            "with the directory's name": Wrong(
                pack().replace("path.relative_to(directory)", "path.relative_to(directory.parent)"),
                "the tar lacks ",
            ),
            "no tar": Wrong("return b'' .join(sorted(os.listdir(directory)))", "raised TypeError"),
            "always the same": Wrong("return gzip.compress(b'same')", "it is no tar"),
        },
        nothing="it returned None",
    ),
    "chain-ids": Answers(
        right={
            "from the top": """
                if len(diff_ids) < 2:
                    return list(diff_ids)
                below = chain_ids(diff_ids[:-1])
                return [*below, digest(f"{below[-1]} {diff_ids[-1]}".encode())]
                """,
            "a tuple, step by step": """
                from itertools import accumulate

                return tuple(accumulate(diff_ids, lambda a, b: digest(f"{a} {b}".encode())))
                """,
        },
        wrong={
            "each DiffID once": Wrong(
                """
                found, below = {}, ""
                for diff_id in diff_ids:
                    below = digest(f"{below} {diff_id}".encode()) if below else diff_id
                    found[diff_id] = below
                return list(found.values())
                """,
                " layers, your function says ",
            ),
            "what the check knows already": Wrong(
                """
                import inspect

                for one in inspect.stack():
                    if "really" in one.frame.f_locals:
                        return one.frame.f_locals["really"]
                """,
                "for busybox, your function says None",
            ),
            "DiffIDs": Wrong(
                "return list(diff_ids)", "for lab05/hello, your function says ['sha256:"
            ),
            "no space": Wrong(
                """
                found = list(diff_ids[:1])
                for diff_id in diff_ids[1:]:
                    found.append(digest((found[-1] + diff_id).encode()))
                return found
                """,
                "for lab05/hello, your function says ['sha256:",
            ),
            "of the DiffID below": Wrong(
                """
                found = list(diff_ids[:1])
                for below, diff_id in zip(diff_ids, diff_ids[1:]):
                    found.append(digest(f"{below} {diff_id}".encode()))
                return found
                """,
                "for 3 layers, your function says ['sha256:",
            ),
            "of all at once": Wrong(
                """
                stacks = [diff_ids[: n + 1] for n in range(len(diff_ids))]
                return [digest(" ".join(stack).encode()) for stack in stacks]
                """,
                "for busybox, your function says ['sha256:",
            ),
            "the uppermost alone": Wrong(
                """
                below = ""
                for one in diff_ids:
                    below = digest(f"{below} {one}".encode()) if below else one
                return [below]
                """,
                "for lab05/hello, your function says ['sha256:",
            ),
            "the uppermost first": Wrong(
                """
                found = list(diff_ids[:1])
                for one in diff_ids[1:]:
                    found.append(digest(f"{found[-1]} {one}".encode()))
                return found[::-1]
                """,
                "for lab05/hello, your function says ['sha256:",
            ),
            "digits alone": Wrong(
                """
                found = [one.removeprefix("sha256:") for one in diff_ids[:1]]
                for diff_id in diff_ids[1:]:
                    found.append(digest(f"{found[-1]} {diff_id}".encode())[7:])
                return found
                """,
                "for busybox, your function says ['",
            ),
        },
        nothing="for busybox, your function says None",
        needs=HELLO,
    ),
}
