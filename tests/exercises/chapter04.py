"""Wrong solutions to the exercises of chapter 04."""

from __future__ import annotations

from tests.exercises import Trial, Wrong

PIVOTED = """
safe = room()
safe.pivot_root("/mnt/root", "/mnt/root/mnt")
{more}
"""
CAGED = """
caged = room()
caged.chroot("/mnt/root")
{more}
"""
QUIET = """
quiet.mount("/dev/null", "/proc/interrupts", None, "bind")
{more}
"""

TRIALS = {
    "the-way-out": Trial(
        {
            "as deep as the first jail": Wrong(
                "p.chroot('/bin')\np.chdir('../..')\np.chroot('.')",
                "for a deep jail: its root directory is not the host's",
            ),
            "one step": Wrong(
                "p.chroot('/bin')\np.chdir('..')\np.chroot('.')",
                "for a jail: its root directory is not the host's",
            ),
            "out, but / is still inside": Wrong(
                "p.chroot('/bin')\np.chdir('../' * 40)",
                "for a jail: its root directory is not the host's",
            ),
            "walks into the second root": Wrong(
                "p.chroot('/bin')\np.chdir('/')\np.chdir('../' * 40)\np.chroot('.')",
                "for a jail: its root directory is not the host's",
            ),
            "another namespace": Wrong(
                "p.setns(box.agent, 'mount')", "entered the host's mount namespace"
            ),
            "nothing yet": Wrong("...", "for a jail: its root directory is not the host's"),
            "no such directory": Wrong("p.chroot('/cellar')", "ENOENT"),
        },
        needs=("open",),
    ),
    "no-way-back": Trial(
        {
            "chroot": Wrong(
                "safe = room()\nsafe.chroot('/mnt/root')\nsafe.chdir('/')",
                "the host's root is among the",
            ),
            "no umount": Wrong(PIVOTED.format(more=""), "the host's root is among the"),
            "stacked, no umount": Wrong(
                "safe = room()\nsafe.chdir('/mnt/root')\nsafe.pivot_root('.', '.')",
                "the host's root is among the",
            ),
            "the layer itself": Wrong(
                """
                safe = box.hold()
                safe.unshare("mount")
                safe.mount(None, "/", None, "rprivate")
                safe.mount(layer, "/mnt", None, "bind")
                safe.chdir("/mnt")
                safe.pivot_root(".", ".")
                safe.umount(".", lazy=True)
                """,
                "its root can be written, and is no overlay",
            ),
            "not even a namespace": Wrong("safe = box.hold()", "its mount namespace is the host's"),
            "ended": Wrong("safe = room()\nsafe.end()", "the process safe has ended"),
            "nothing yet": Wrong("pass", "safe is None"),
        },
        needs=("open", "room"),
    ),
    "pivot-order": Trial(
        {
            "nothing yet": Wrong("pass", "0 requests were made"),
            "the host's mounts": Wrong(
                "order = 'EBDCA'", "E, mount('tmpfs', '/mnt', 'tmpfs'), was"
            ),
            "stands below the mount": Wrong("order = 'DBECA'", "C, pivot_root('.', '.'), was"),
            "umount first": Wrong("order = 'DEBAC'", "C, pivot_root('.', '.'), was refused"),
            "no umount": Wrong("order = 'DEBC'", "4 requests were made"),
        },
        needs=("open",),
    ),
    "the-missing-right": Trial(
        {
            "with the right": Wrong(CAGED.format(more="caged.chdir('/')"), "it has CAP_SYS_CHROOT"),
            "stands outside": Wrong(
                CAGED.format(more="without_chroot(caged)"), "reaches the host's root with `chdir`"
            ),
            "no right at all": Wrong(
                CAGED.format(
                    more="caged.chdir('/')\ncaged.mount('proc', '/proc', 'proc')\n"
                    "caged.keep_capabilities('CHOWN')"
                ),
                "more capabilities are missing",
            ),
            "pivot_root": Wrong(
                """
                caged = pivoted()
                without_chroot(caged)
                """,
                "the old root is absent",
            ),
            "no jail": Wrong(
                "caged = room()\nwithout_chroot(caged)", "its root directory is the host's"
            ),
            "nothing yet": Wrong("pass", "caged is None"),
        },
        needs=("open", "room", "mountinfo", "pivoted", "without"),
    ),
    "the-forgotten-descriptor": Trial(
        {
            "nothing yet": Wrong("pass", "leads to the host's root"),
            "for the next program only": Wrong(
                """
                leaky.python('''
                for fd in range(3, 64):
                    if os.path.isdir(fd):
                        os.set_inheritable(fd, False)
                '''.replace(chr(10) + " " * 16, chr(10)))
                """,
                "leads to the host's root",
            ),
            "moved": Wrong(
                "leaky.python('for fd in range(3, 64):\\n    if os.path.isdir(fd):\\n"
                "        os.dup2(fd, 99)\\n        os.close(fd)')",
                "descriptor 99 leads to the host's root",
            ),
            "a copy closed": Wrong(
                "leaky.python('for fd in range(3, 64):\\n    if os.path.isdir(fd):\\n"
                "        os.close(os.dup(fd))')",
                "leads to the host's root",
            ),
            "ended": Wrong("leaky.end()", "the process leaky has ended"),
        },
        needs=("open", "room", "mountinfo", "pivoted"),
    ),
    "quiet-proc": Trial(
        {
            "nothing yet": Wrong("pass", "/proc/interrupts tells of the machine"),
            "the mask alone": Wrong(
                QUIET.format(more=""), "/proc/sys/kernel/hostname may be written"
            ),
            "bound, and that is all": Wrong(
                QUIET.format(more="quiet.mount('/proc/sys', '/proc/sys', None, 'bind')"),
                "/proc/sys/kernel/hostname may be written",
            ),
            "all of it": Wrong(
                QUIET.format(more="quiet.mount(None, '/proc', None, 'remount,bind,ro')"),
                "all of /proc is read-only",
            ),
            "hidden": Wrong(
                QUIET.format(more="quiet.mount('tmpfs', '/proc/sys', 'tmpfs', 'ro')"),
                "/proc/sys is hidden",
            ),
            "no proc": Wrong("quiet.umount('/proc')", "there is no procfs on its /proc"),
        },
        needs=("open", "room", "mountinfo", "pivoted", "furnished"),
    ),
}
