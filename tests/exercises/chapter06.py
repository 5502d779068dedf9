"""Wrong solutions to the exercises of chapter 06."""

from __future__ import annotations

from tests.exercises import Trial, Wrong

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

OVERLAY = """
depot.mount("overlay", "merged", "overlay", f"{{LAYERS}},redirect_dir={how}")
{more}
"""

GROWN = """
late = box.start("chapter06/app", "sleep 1000", network="none")
late.exec(["sh", "-c", "{late}"])
commit(late, "grown")
early = box.start("{image}", "sleep 1000", network="none")
early.exec(["sh", "-c", {early}])
commit(early, "lean")
"""

TRIALS = {
    "layer-that-deletes": Trial(
        {
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
            "motd forgotten": Wrong(
                "attic.shell('mkdir patch/etc; mknod patch/etc/secret c 0 0; "
                "mknod patch/cache c 0 0')",
                "etc/motd says 'old'",
            ),
            "ended": Wrong("attic.end()", "the process attic has ended"),
        },
        again=("attic",),
    ),
    "whatever-is-below": Trial(
        {
            "a directory": Wrong(FRESH.format(more=""), "over the base there is conf/one"),
            "whiteouts": Wrong(
                FRESH.format(
                    more="wing.shell('mknod patch/conf/one c 0 0; mknod patch/conf/two c 0 0')"
                ),
                "over another there is conf/later",
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
            "a container": Wrong(
                "wing = box.start('busybox', 'sleep 1000', network='none')",
                "wing is <a container>",
            ),
            "no bench": Wrong("wing = box.hold()", "wing is in the host's mount namespace"),
        },
        again=("wing",),
    ),
    "what-is-copied": Trial(
        {
            "one block": Wrong(
                "return 0 if request in ('read', 'truncate', 'unlink') else min(size, 4096)",
                "bytes for open of 5000",
            ),
            "only who writes": Wrong(
                "return size + 1 if request == 'append' else 0", "0 bytes for open of 1"
            ),
            "a mode is free": Wrong(
                "if request in ('read', 'truncate', 'unlink', 'chmod'):\n    return 0\n"
                "return size + (request == 'append')",
                "0 bytes for chmod of 1",
            ),
            "a rename is free": Wrong(
                "if request in ('read', 'truncate', 'unlink', 'rename'):\n    return 0\n"
                "return size + (request == 'append')",
                "0 bytes for rename of 1",
            ),
            "all is copied to be cut": Wrong(
                "if request in ('read', 'unlink'):\n    return 0\n"
                "return size + (request == 'append')",
                "1 bytes for truncate of 1",
            ),
            "two names, two files": Wrong(
                "if request in ('read', 'truncate', 'unlink'):\n    return 0\n"
                "return 2 * size if request == 'link' else size + (request == 'append')",
                "2 bytes for link of 1",
            ),
            "the added byte forgotten": Wrong(
                "return 0 if request in ('read', 'truncate', 'unlink') else size",
                "1 bytes for append of 1",
            ),
            "nothing yet": Wrong("...", "None bytes for read"),
        },
    ),
    "one-again": Trial(
        {
            "one name": Wrong(
                "office.shell('echo paid > merged/ledger')", "in merged archive says 'open'"
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
                "office.shell('echo paid > lower/ledger')", "in the layer archive says 'paid'"
            ),
            "copies in the layer": Wrong(
                "office.umount('merged')\n"
                "office.shell('cp lower/copy lower/new; mv lower/new lower/copy')\n"
                "office.mount('overlay', 'merged', 'overlay', f'{LAYERS},{OPTIONS}')",
                "in the layer, the three names are no longer one file",
            ),
            "symlinks": Wrong(
                "office.shell('cd merged; echo paid > ledger; ln -sf ledger copy; "
                "ln -sf ledger archive')",
                "in merged archive says 'special'",
            ),
            "unmounted": Wrong("office.umount('merged')", "nothing is mounted on merged any more"),
            "nothing yet": Wrong("pass", "in merged archive says 'open'"),
        },
        needs=("open", "bench", "mount"),
        again=("office",),
    ),
    "cheap-move": Trial(
        {
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
            "another layer": Wrong(
                "depot.shell('cp -r lower other; mv other/goods other/store')\n"
                "depot.mount('overlay', 'merged', 'overlay', "
                "'lowerdir=other,upperdir=upper,workdir=work')",
                "in the upperdir there is no directory store",
            ),
            "nothing yet": Wrong("pass", "nothing is mounted on merged"),
        },
        needs=("open", "bench", "mount"),
        again=("depot",),
    ),
    "build-the-stack": Trial(
        {
            "the other way round": Wrong("order = 'CGEBA'", "in merged motd says 'from a'"),
            "a layer is changed": Wrong("order = 'CGEDBA'", "in the layer a motd is missing"),
            "written too early": Wrong("order = 'CGEAF'", "A, write 'mine' to merged/notes"),
            "nothing written": Wrong("order = 'CGEF'", "in merged notes says 'from b'"),
            "on the host": Wrong("order = 'EFA'", "E, mount('bench', '/mnt', 'tmpfs')"),
            "no letters": Wrong("order = 7", "no request has the letter 7"),
            "nothing yet": Wrong("pass", "in the host's mount namespace"),
        }
    ),
    "two-ways": Trial(
        {
            "nothing yet": Wrong("pass", "there is no image chapter06/grown"),
            "both grown": Wrong(
                GROWN.format(
                    late="rm -r /srv/cache", image="chapter06/app", early="'rm -r /srv/cache'"
                ),
                "half or less",
            ),
            "emptied only": Wrong(
                GROWN.format(
                    late=": > /srv/cache/pack", image="busybox", early="BUILD + 'rm -r /srv/cache'"
                ),
                "in /srv of chapter06/grown there is cache/",
            ),
            "both lean": Wrong(
                GROWN.format(late="true", image="busybox", early="BUILD + 'rm -r /srv/cache'")
                + "commit(early, 'grown')",
                "chapter06/grown has ",
            ),
            "grown by something else": Wrong(
                GROWN.format(late="true", image="busybox", early="BUILD + 'rm -r /srv/cache'")
                + "early.exec('dd if=/dev/urandom of=/more bs=1M count=5')\n"
                "commit(early, 'grown')",
                "chapter06/grown has grown by something else",
            ),
            "no tool": Wrong(
                GROWN.format(late="rm -r /srv/cache", image="busybox", early="'mkdir /srv'"),
                "in /srv of chapter06/lean tool is missing",
            ),
            "with the cache": Wrong(
                GROWN.format(late="rm -r /srv/cache", image="busybox", early="BUILD"),
                "in /srv of chapter06/lean there is cache/",
            ),
        },
        needs=("open", "images", "app"),
    ),
}
