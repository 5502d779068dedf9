"""Answers to the exercises of pivots.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

QUIET = """
quiet.mount("/dev/null", "/proc/interrupts", None, "bind")
{more}
"""


ANSWERS = {
    "pivot-order": Answers(
        right={
            "a list": 'order = list("DEBCA")',
            "small letters": 'order = "d, e, b, c, a"',
        },
        wrong={
            "a set, which is in order by chance": Wrong(
                "order = set('DEBCA')", "it is a set, which has no order"
            ),
            "the host's mounts": Wrong(
                "order = 'EBDCA'", "E, mount('tmpfs', '/mnt', 'tmpfs'), was"
            ),
            "stands below the mount": Wrong("order = 'DBECA'", "C, pivot_root('.', '.'), was"),
            "umount first": Wrong("order = 'DEBAC'", "C, pivot_root('.', '.'), was refused"),
            "no umount": Wrong("order = 'DEBC'", "4 requests were made"),
            "one twice": Wrong("order = 'DEBBCA'", "6 requests were made"),
            "as they are shown": Wrong("order = 'ABCDE'", "A, umount('.', lazy=True), was refused"),
        },
        nothing="0 requests were made",
        needs=("open",),
    ),
    "the-forgotten-descriptor": Answers(
        right={
            "another directory in its place": """
                leaky.python(
                    "for fd in range(3, 64):\\n"
                    "    if os.path.isdir(fd):\\n"
                    "        os.dup2(os.open('/bin', os.O_RDONLY), fd)"
                )
                """,
            "by its number": """
                [forgotten] = [
                    fd.name for fd in Path(f"/proc/{leaky.pid}/fd").iterdir() if fd.is_dir()
                ]
                leaky.python(f"os.close({forgotten})")
                """,
            "with one of its own": """
                leaky.python(
                    "for fd in range(3, 64):\\n"
                    "    if os.path.isdir(fd):\\n"
                    "        os.close(fd)\\n"
                    "os.open('/etc', os.O_RDONLY)"
                )
                """,
        },
        wrong={
            "for the next program only": Wrong(
                """
                leaky.python('''
                for fd in range(3, 64):
                    if os.path.isdir(fd):
                        os.set_inheritable(fd, False)
                '''.replace(chr(10) + " " * 16, chr(10)))
                """,
                "is a directory on a mount that is not in its namespace",
            ),
            "moved": Wrong(
                "leaky.python('for fd in range(3, 64):\\n    if os.path.isdir(fd):\\n"
                "        os.dup2(fd, 99)\\n        os.close(fd)')",
                "its descriptor 99 is a directory on a mount that",
            ),
            "a copy closed": Wrong(
                "leaky.python('for fd in range(3, 64):\\n    if os.path.isdir(fd):\\n"
                "        os.close(os.dup(fd))')",
                "is a directory on a mount that is not in its namespace",
            ),
            "only lower down": Wrong(
                "leaky.python('for fd in range(3, 64):\\n    if os.path.isdir(fd):\\n"
                '        os.dup2(os.open("usr", os.O_RDONLY, dir_fd=fd), fd)\')',
                "is a directory on a mount that is not in its namespace",
            ),
            "it stands there": Wrong(
                "leaky.python('for fd in range(3, 64):\\n    if os.path.isdir(fd):\\n"
                "        os.fchdir(fd)\\n        os.close(fd)')",
                "its cwd is a directory on a mount that is not in its namespace",
            ),
            "another process": Wrong(
                "leaky = pivoted()", "`leaky` is <a process under remote control> now, and not"
            ),
            "ended": Wrong("leaky.end()", "`leaky` has ended: run its cell again"),
            "all of them closed": Wrong(
                "leaky.python('os.closerange(3, 64)')", "`leaky` has ended: run its cell again"
            ),
        },
        nothing="is a directory on a mount that is not in its namespace",
        needs=("open", "room", "mountinfo", "pivoted"),
    ),
    "quiet-proc": Answers(
        right={
            "by busybox, with an empty file": '''
                quiet.shell("""
                    mount -o bind /proc/sys /proc/sys
                    mount -o remount,bind,ro /proc/sys
                    touch /empty
                    mount -o bind /empty /proc/interrupts
                """)
                ''',
            "directory by directory": """
                quiet.shell(": > /empty; mount -o bind,ro /empty /proc/interrupts")
                for name in quiet.evaluate("os.listdir('/proc/sys')"):
                    quiet.mount(f"/proc/sys/{name}", f"/proc/sys/{name}", None, "bind")
                    quiet.mount(None, f"/proc/sys/{name}", None, "remount,bind,ro")
                """,
        },
        wrong={
            "the mask alone": Wrong(QUIET.format(more=""), "may be written"),
            "bound, and that is all": Wrong(
                QUIET.format(more="quiet.mount('/proc/sys', '/proc/sys', None, 'bind')"),
                "may be written",
            ),
            "all of it": Wrong(
                QUIET.format(more="quiet.mount(None, '/proc', None, 'remount,bind,ro')"),
                "all of /proc is mounted ro",
            ),
            "one setting alone": Wrong(
                QUIET.format(
                    more="place = '/proc/sys/kernel/hostname'\n"
                    "quiet.mount(place, place, None, 'bind')\n"
                    "quiet.mount(None, place, None, 'remount,bind,ro')"
                ),
                "may be written",
            ),
            "the kernel's alone": Wrong(
                QUIET.format(
                    more="place = '/proc/sys/kernel'\n"
                    "quiet.mount(place, place, None, 'bind')\n"
                    "quiet.mount(None, place, None, 'remount,bind,ro')"
                ),
                "may be written",
            ),
            "more than was asked": Wrong(
                QUIET.format(
                    more="quiet.mount('/proc/sys', '/proc/sys', None, 'bind')\n"
                    "quiet.mount(None, '/proc/sys', None, 'remount,bind,ro')\n"
                    "quiet.mount('tmpfs', '/proc/bus', 'tmpfs', 'ro')"
                ),
                "something is mounted on /proc/bus",
            ),
            "another's settings": Wrong(
                QUIET.format(
                    more="quiet.mount('/proc/sys/kernel', '/proc/sys', None, 'bind')\n"
                    "quiet.mount(None, '/proc/sys', None, 'remount,bind,ro')"
                ),
                "/proc/sys is hidden by /sys/kernel of a proc",
            ),
            "another process": Wrong("quiet = furnished()", "and not what the lab gave"),
            "hidden": Wrong(
                QUIET.format(more="quiet.mount('tmpfs', '/proc/sys', 'tmpfs', 'ro')"),
                "/proc/sys is hidden",
            ),
            "no proc": Wrong("quiet.umount('/proc')", "there is no procfs on its /proc"),
        },
        nothing="/proc/interrupts tells of the machine",
        needs=("open", "room", "mountinfo", "pivoted", "furnished"),
    ),
}
