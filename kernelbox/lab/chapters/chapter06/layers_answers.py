"""Answers to the exercises of layers.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

PATCH = """
attic.shell('''
    mkdir patch/etc
    echo new > patch/etc/motd
    {hide}
''')
"""


FRESH = """
wing.shell("mkdir patch/conf; touch patch/conf/fresh")
{more}
"""


ANSWERS = {
    "layer-that-deletes": Answers(
        right={
            "the kernel does it": """
                attic.shell("mkdir -p work merged")
                layers = "lowerdir=base,upperdir=patch,workdir=work"
                attic.mount("overlay", "merged", "overlay", layers)
                attic.shell("cd merged; echo new > etc/motd; rm -r etc/secret cache")
                attic.umount("merged")
                """,
            "in Python": """
                attic.python(
                    "import stat\\n"
                    "os.mkdir('patch/etc')\\n"
                    "with open('patch/etc/motd', 'w') as file:\\n"
                    "    file.write('new\\\\n')\\n"
                    "for name in ('cache', 'etc/secret'):\\n"
                    "    os.mknod(f'patch/{name}', stat.S_IFCHR, os.makedev(0, 0))"
                )
                """,
            "without a newline": """
                attic.shell(
                    "mkdir patch/etc; printf new > patch/etc/motd;"
                    "for name in cache etc/secret; do mknod patch/$name c 0 0; done"
                )
                """,
        },
        wrong={
            "nothing hidden": Wrong(PATCH.format(hide=""), "in the merged view there is cache/"),
            "as in a tar": Wrong(
                PATCH.format(hide="touch patch/etc/.wh.secret patch/.wh.cache"),
                "in the merged view there is .wh.cache",
            ),
            "the null device": Wrong(
                PATCH.format(hide="mknod patch/etc/secret c 1 3; mknod patch/cache c 0 0"),
                "in the merged view there is etc/secret",
            ),
            "a block device": Wrong(
                PATCH.format(hide="mknod patch/etc/secret b 0 0; mknod patch/cache c 0 0"),
                "in the merged view there is etc/secret",
            ),
            "an empty file": Wrong(
                PATCH.format(hide="touch patch/etc/secret; mknod patch/cache c 0 0"),
                "in the merged view there is etc/secret",
            ),
            "deleted below": Wrong(
                PATCH.format(hide="rm -r base/etc/secret base/cache"),
                "in the base cache/ is missing",
            ),
            "in the wrong place": Wrong(
                PATCH.format(hide="mknod patch/secret c 0 0; mknod patch/cache c 0 0"),
                "in the merged view there is etc/secret",
            ),
            "opaque instead": Wrong(
                PATCH.format(hide="echo localhost > patch/etc/hosts; mknod patch/cache c 0 0")
                + "attic.python(\"os.setxattr('patch/etc', 'trusted.overlay.opaque', b'y')\")",
                "etc/secret is hidden, but by no whiteout",
            ),
            "still mounted": Wrong(
                """
                attic.shell("mkdir -p work merged")
                layers = "lowerdir=base,upperdir=patch,workdir=work"
                attic.mount("overlay", "merged", "overlay", layers)
                attic.shell("cd merged; echo new > etc/motd; rm -r etc/secret cache")
                """,
                "something is mounted on /mnt/merged",
            ),
            "motd forgotten": Wrong(
                "attic.shell('mkdir patch/etc; mknod patch/etc/secret c 0 0; "
                "mknod patch/cache c 0 0')",
                r"etc/motd says 'old\n'",
            ),
            "another bench": Wrong(
                "attic = workbench('mkdir base patch')", "and not what the lab gave: run its cell"
            ),
            "ended": Wrong("attic.end()", "`attic` has ended: run its cell again"),
        },
        nothing="in the merged view there is cache/",
        again=("attic",),
    ),
    "whatever-is-below": Answers(
        right={
            "the kernel does it": """
                wing.shell("mkdir -p work merged")
                layers = "lowerdir=base,upperdir=patch,workdir=work"
                wing.mount("overlay", "merged", "overlay", layers)
                wing.shell("cd merged; rm -r conf; mkdir conf; touch conf/fresh")
                wing.umount("merged")
                """,
            "in Python, and fresh says something": """
                wing.python(
                    "os.makedirs('patch/conf', 0o700)\\n"
                    "os.setxattr('patch/conf', b'trusted.overlay.opaque', b'y')\\n"
                    "with open('patch/conf/fresh', 'w') as file:\\n"
                    "    file.write('new')"
                )
                """,
        },
        wrong={
            "a directory": Wrong(FRESH.format(more=""), "over the base there is conf/one"),
            "whiteouts": Wrong(
                FRESH.format(
                    more="wing.shell('mknod patch/conf/one c 0 0; mknod patch/conf/two c 0 0')"
                ),
                "over another layer there is conf/NUMBER-",
            ),
            "another value": Wrong(
                FRESH.format(
                    more="wing.python(\"os.setxattr('patch/conf', 'trusted.overlay.opaque', "
                    "b'yes')\")"
                ),
                "over the base there is conf/one",
            ),
            "emptied below": Wrong(
                FRESH.format(more="wing.shell('rm base/conf/one base/conf/two')"),
                "in the base conf/one is missing",
            ),
            "nothing fresh": Wrong(
                FRESH.format(
                    more="wing.python(\"os.setxattr('patch/conf', 'trusted.overlay.opaque', "
                    "b'y')\")\nwing.shell('rm patch/conf/fresh')"
                ),
                "over the base conf/fresh is missing",
            ),
            "conf hidden, and no fresh": Wrong(
                "wing.shell('mknod patch/conf c 0 0')", "over the base conf/ is missing"
            ),
            "the directory above": Wrong(
                FRESH.format(
                    more="wing.python(\"os.setxattr('patch', 'trusted.overlay.opaque', b'y')\")"
                ),
                "over the base there is conf/one",
            ),
            "a container": Wrong(
                "wing = box.start('busybox', 'sleep 1000', network='none')",
                "`wing` is <a container> now, and not what the lab gave",
            ),
            "no bench": Wrong("wing = box.hold()", "and not what the lab gave: run its cell again"),
        },
        nothing="over the base conf/fresh is missing",
        again=("wing",),
    ),
    "build-the-stack": Answers(
        right={
            "a list": 'order = ["C", "G", "E", "F", "A"]',
            "small letters": 'order = "c g e f a"',
        },
        wrong={
            "a set, which is in order by chance": Wrong(
                "order = set('CGEFA')", "it is a set, which has no order"
            ),
            "the other way round": Wrong("order = 'CGEBA'", "in merged motd says 'from a'"),
            "a layer is changed": Wrong("order = 'CGEDBA'", "in the layer a motd is missing"),
            "written too early": Wrong("order = 'CGEAF'", "A, write 'mine' to merged/notes"),
            "nothing written": Wrong("order = 'CGEF'", "in merged notes says 'from b'"),
            "still shared": Wrong("order = 'CEFA'", "was refused: its / is shared"),
            "private too late": Wrong("order = 'CEFAG'", "was refused: its / is shared"),
            "as they are shown": Wrong("order = 'ABCDEFG'", "A, write 'mine' to merged/notes"),
            "on the host": Wrong("order = 'EFA'", "E, mount('bench', '/mnt', 'tmpfs')"),
            "no letters": Wrong("order = 7", "no request has the letter 7"),
        },
        nothing="in the host's mount namespace",
    ),
}
