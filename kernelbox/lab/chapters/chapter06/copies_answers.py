"""Answers to the exercises of copies.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

OVERLAY = """
depot.mount("overlay", "merged", "overlay", f"{{LAYERS}},redirect_dir={how}")
{more}
"""


ANSWERS = {
    "what-is-copied": Answers(
        right={
            "a table": """
                table = {"open": 0, "append": 1, "chmod": 0, "rename": 0, "link": 0}
                return size + table[request] if request in table else 0
                """,
            "a number of numpy's": """
                import numpy

                copied = request not in ("read", "truncate", "unlink")
                return numpy.int64(copied * size + (request == "append"))
                """,
        },
        wrong={
            "one block": Wrong(
                "return 0 if request in ('read', 'truncate', 'unlink') else min(size, 4096)",
                "for open of ",
            ),
            "only who writes": Wrong(
                "return size + 1 if request == 'append' else 0", "for open of "
            ),
            "a mode is free": Wrong(
                "if request in ('read', 'truncate', 'unlink', 'chmod'):\n    return 0\n"
                "return size + (request == 'append')",
                "for chmod of ",
            ),
            "a rename is free": Wrong(
                "if request in ('read', 'truncate', 'unlink', 'rename'):\n    return 0\n"
                "return size + (request == 'append')",
                "for rename of ",
            ),
            "all is copied to be cut": Wrong(
                "if request in ('read', 'unlink'):\n    return 0\n"
                "return size + (request == 'append')",
                "for truncate of ",
            ),
            "two names, two files": Wrong(
                "if request in ('read', 'truncate', 'unlink'):\n    return 0\n"
                "return 2 * size if request == 'link' else size + (request == 'append')",
                "for link of ",
            ),
            "for one size": Wrong(
                "return 0 if request in ('read', 'truncate', 'unlink') else 5000", "for open of "
            ),
            "a text": Wrong("return str(size)", "for read of "),
            "the added byte forgotten": Wrong(
                "return 0 if request in ('read', 'truncate', 'unlink') else size",
                "for append of ",
            ),
        },
        nothing="your function says None",
    ),
    "one-again": Answers(
        right={
            "another one first": """
                office.shell("cd merged; rm ledger copy; echo paid > archive")
                office.shell("cd merged; ln archive copy; ln copy ledger")
                """,
            "with an index of names": """
                office.umount("merged")
                office.shell("rm -r work; mkdir work")
                office.mount("overlay", "merged", "overlay", f"{LAYERS},index=on")
                office.shell("echo paid > merged/ledger; cat merged/copy merged/archive")
                """,
            "in Python": """
                office.python(
                    "with open('merged/ledger', 'w') as file:\\n"
                    "    file.write('paid\\\\n')\\n"
                    "for name in ('copy', 'archive'):\\n"
                    "    os.unlink(f'merged/{name}')\\n"
                    "    os.link('merged/ledger', f'merged/{name}')"
                )
                """,
        },
        wrong={
            "one name": Wrong(
                "office.shell('echo paid > merged/ledger')", r"in merged archive says 'open\n'"
            ),
            "three files": Wrong(
                "office.shell('cd merged; echo paid | tee ledger copy > archive')",
                "in merged, the three names are 3 files",
            ),
            "two of three": Wrong(
                "office.shell('cd merged; echo paid | tee ledger > archive; ln -f ledger copy')",
                "in merged, the three names are 2 files",
            ),
            "in the layer": Wrong(
                "office.shell('echo paid > lower/ledger')", r"in the layer archive says 'paid\n'"
            ),
            "copies in the layer": Wrong(
                "office.umount('merged')\n"
                "office.shell('cp lower/copy lower/new; mv lower/new lower/copy')\n"
                "office.mount('overlay', 'merged', 'overlay', f'{LAYERS},{OPTIONS}')",
                "in the layer, the three names are several files",
            ),
            "symlinks": Wrong(
                "office.shell('cd merged; echo paid > ledger; ln -sf ledger copy; "
                "ln -sf ledger archive')",
                "in merged archive says 'special'",
            ),
            "another file system": Wrong(
                "office.umount('merged')\noffice.mount('tmpfs', 'merged', 'tmpfs')\n"
                "office.shell('cd merged; echo paid > ledger; ln ledger copy; ln ledger archive')",
                "what is mounted on merged is of type tmpfs",
            ),
            "without the layer": Wrong(
                "office.umount('merged')\n"
                "office.shell('mkdir other; cd other; echo paid > ledger; "
                "ln ledger copy; ln ledger archive')\n"
                "office.mount('overlay', 'merged', 'overlay', "
                "f'lowerdir=other,upperdir=upper,workdir=work,{OPTIONS}')",
                "lowerdir of the overlay on merged is other",
            ),
            "unmounted": Wrong("office.umount('merged')", "nothing is mounted on merged"),
        },
        nothing=r"in merged archive says 'open\n'",
        needs=("open", "bench", "mount"),
        again=("office",),
    ),
    "cheap-move": Answers(
        right={
            "by mv": """
                depot.mount("overlay", "merged", "overlay", f"{LAYERS},redirect_dir=on")
                depot.shell("mv merged/goods merged/store")
                """,
            "by whole paths": """
                layers = "lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work"
                depot.mount("overlay", "/mnt/merged", "overlay", f"redirect_dir=on,{layers}")
                depot.shell("mv /mnt/merged/goods /mnt/merged/store")
                """,
        },
        wrong={
            "copied by mv": Wrong(
                OVERLAY.format(how="off", more="depot.shell('mv merged/goods merged/store')"),
                "in the upperdir there are 2097152 bytes",
            ),
            "in the layer": Wrong(
                OVERLAY.format(how="on", more="depot.shell('mv lower/goods lower/store')"),
                "in the layer goods/ is missing",
            ),
            "not renamed": Wrong(OVERLAY.format(how="on", more=""), "in merged there is goods/"),
            "a link": Wrong(
                OVERLAY.format(how="on", more="depot.shell('ln -s goods merged/store')"),
                "in merged there is goods/",
            ),
            "empty files": Wrong(
                OVERLAY.format(
                    how="off",
                    more="depot.shell('cd merged; rm -r goods; mkdir store; "
                    "touch store/one store/two')",
                ),
                "in merged store/one has 0 bytes",
            ),
            "sparse files": Wrong(
                OVERLAY.format(
                    how="off",
                    more="depot.shell('cd merged; rm -r goods; mkdir store; "
                    "truncate -s 1M store/one store/two')",
                ),
                "in the upperdir there are 2097152 bytes",
            ),
            "the layer's, bound": Wrong(
                OVERLAY.format(
                    how="off",
                    more="depot.shell('cd merged; rm -r goods; mkdir store')\n"
                    "depot.mount('lower/goods', 'merged/store', None, 'bind')",
                ),
                "something is mounted on /mnt/merged/store",
            ),
            "another bench": Wrong("depot = box.hold()", "and not what the lab gave"),
            "another layer": Wrong(
                "depot.shell('cp -r lower other; mv other/goods other/store')\n"
                "depot.mount('overlay', 'merged', 'overlay', "
                "'lowerdir=other,upperdir=upper,workdir=work')",
                "lowerdir of the overlay on merged is other",
            ),
        },
        nothing="nothing is mounted on merged",
        needs=("open", "bench", "mount"),
        again=("depot",),
    ),
}
