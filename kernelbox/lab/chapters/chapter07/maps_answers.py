"""Answers to the exercises of maps.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

MINE = """
mine = box.hold()
mine.unshare("user")
for kind in {kinds}:
    host.write(f"/proc/{{mine.pid}}/{{kind}}_map", "{line}")
{more}
"""


BOTH = ("uid", "gid")


DEEP = """
middle = box.hold()
middle.unshare("user")
for kind in ("uid", "gid"):
    host.write(f"/proc/{{middle.pid}}/{{kind}}_map", "0 2000200000 1000")
middle.become_user("root")
middle.python("syscalls.prctl(flags.PR_SET_DUMPABLE, 1)")
deep = middle.fork()
deep.unshare("user")
{more}
"""


ANSWERS = {
    "root-of-nothing": Answers(
        right={
            "the groups first": MINE.format(
                kinds=("gid", "uid"), line="0 2000100000 1000", more="mine.become_user('0:0')"
            ),
            "in two lines": MINE.format(
                kinds=BOTH,
                line=r"0 2000100000 400\n400 2000100400 600",
                more="mine.become_user('root')",
            ),
            "in more namespaces": MINE.format(
                kinds=BOTH,
                line="0 2000100000 1000",
                more="mine.become_user('root')\nmine.unshare('uts', 'mount')",
            ),
            "a child": MINE.format(
                kinds=BOTH,
                line="0 2000100000 1000",
                more="mine.become_user('root')\nmine = mine.fork()",
            ),
        },
        wrong={
            "still nobody": Wrong(
                MINE.format(kinds=BOTH, line="0 2000100000 1000", more=""),
                "on the host its uid is 0",
            ),
            "the host's root": Wrong(
                MINE.format(kinds=BOTH, line="0 0 1000", more="mine.become_user('root')"),
                "its uid_map is 0 0 1000",
            ),
            "no groups": Wrong(
                MINE.format(
                    kinds=("uid",),
                    line="0 2000100000 1000",
                    more="mine.python('syscalls.setresuid(0)')",
                ),
                "its gid_map is empty",
            ),
            "only the user": Wrong(
                MINE.format(
                    kinds=BOTH,
                    line="0 2000100000 1000",
                    more="mine.python('syscalls.setresuid(0)')",
                ),
                "on the host its gid is 0",
            ),
            "one user too few": Wrong(
                MINE.format(kinds=BOTH, line="0 2000100000 999", more="mine.become_user('root')"),
                "its uid_map is 0 2000100000 999",
            ),
            "with a group of the host's root": Wrong(
                """
                mine = box.hold()
                mine.python("os.setgroups([0])")
                mine.unshare("user")
                for kind in ("uid", "gid"):
                    host.write(f"/proc/{mine.pid}/{kind}_map", "0 2000100000 1000")
                mine.python("os.setresgid(0, 0, 0); os.setresuid(0, 0, 0)")
                """,
                "on the host its list of further groups is 0",
            ),
            "another user inside": Wrong(
                MINE.format(kinds=BOTH, line="0 2000100000 1000", more="mine.become_user('7:7')"),
                "on the host its uid is 2000100007",
            ),
            "no namespace": Wrong("mine = box.hold()", "its user namespace is the host's"),
            "a container": Wrong(
                "mine = box.start('busybox', 'sleep 1000', userns='auto', network='none')",
                "mine is <a container>",
            ),
        },
        nothing="mine is None",
    ),
    "read-the-map": Answers(
        right={
            "the first that fits": """
                lines = [tuple(map(int, line.split())) for line in uid_map.splitlines()]
                found = [out + uid - ins for ins, out, size in lines if uid - ins in range(size)]
                return found[0] if found else None
                """,
            "with numpy": """
                import numpy

                inside, outside, size = numpy.array(uid_map.split(), dtype=int).reshape(-1, 3).T
                fits = (inside <= uid) & (uid < inside + size)
                return (outside + uid - inside)[fits][0] if fits.any() else None
                """,
        },
        wrong={
            "one before the beginning": Wrong(
                """
                for line in uid_map.splitlines():
                    inside, outside, size = map(int, line.split())
                    if inside - 1 <= uid < inside + size:
                        return outside + uid - inside
                """,
                "before the beginning of a line, your function says ",
            ),
            "the first line": Wrong(
                """
                inside, outside, size = map(int, uid_map.splitlines()[0].split())
                return outside + uid - inside
                """,
                "for uid ",
            ),
            "no end": Wrong(
                """
                for line in sorted(uid_map.splitlines(), key=lambda line: -int(line.split()[0])):
                    inside, outside, size = map(int, line.split())
                    if uid >= inside:
                        return outside + uid - inside
                """,
                "behind the end of a line, your function says 2000",
            ),
            "one too many": Wrong(
                """
                for line in uid_map.splitlines():
                    inside, outside, size = map(int, line.split())
                    if inside <= uid <= inside + size:
                        return outside + uid - inside
                """,
                "behind the end of a line, your function says 2000",
            ),
            "one too few": Wrong(
                """
                for line in uid_map.splitlines():
                    inside, outside, size = map(int, line.split())
                    if inside <= uid < inside + size - 1:
                        return outside + uid - inside
                """,
                "the last of a line, your function says None",
            ),
            "the size is the end": Wrong(
                """
                for line in uid_map.splitlines():
                    inside, outside, end = map(int, line.split())
                    if inside <= uid < end:
                        return outside + uid - inside
                """,
                "of a line, your function says None",
            ),
            "not from the beginning": Wrong(
                """
                for line in uid_map.splitlines():
                    inside, outside, size = map(int, line.split())
                    if inside <= uid < inside + size:
                        return outside + uid
                """,
                "the first of a line, your function says 2000",
            ),
            "the overflow uid": Wrong(
                """
                for line in uid_map.splitlines():
                    inside, outside, size = map(int, line.split())
                    if inside <= uid < inside + size:
                        return outside + uid - inside
                return 65534
                """,
                "behind the end of a line, your function says 65534",
            ),
            "as a text": Wrong(
                "return uid_map.split()[1]",
                "for uid 0, the first of a line, your function says '2000",
            ),
        },
        nothing="for uid 0, the first of a line, your function says None",
    ),
    "on-your-own": Answers(
        right={
            "the group's map first": 'order = "DCBEA"',
            "the user's map before all": 'order = ["D", "C", "A", "B", "E"]',
        },
        wrong={
            "a set, which is in order by chance": Wrong(
                "order = set('DCBAE')", "it is a set, which has no order"
            ),
            "the groups too early": Wrong("order = 'DCAEB'", "E, write('/proc/self/gid_map'"),
            "inside too early": Wrong("order = 'CDBAE'", "D, become_user('1000:1000')"),
            "outside": Wrong("order = 'DACBE'", "A, write('/proc/self/uid_map'"),
            "still the host's root": Wrong("order = 'CBAE'", "A, write('/proc/self/uid_map'"),
            "without groups": Wrong("order = 'DCBA'", "its gid_map is empty"),
            "no letters": Wrong("order = None", "no request has the letter"),
        },
        nothing="its user namespace is the host's",
    ),
    "two-levels-down": Answers(
        right={
            "a child of its own": DEEP.format(
                more="for kind in ('gid', 'uid'):\n"
                "    middle.write(f'/proc/{deep.pid}/{kind}_map', '0 100 10')\n"
                "deep.become_user('0:0')\n"
                "deep = deep.fork()"
            ),
            "the middle is larger, and the map in two lines": """
                middle = box.hold()
                middle.unshare("user", "uts")
                for kind in ("uid", "gid"):
                    host.write(f"/proc/{middle.pid}/{kind}_map", "0 2000200000 65536")
                middle.become_user("root")
                middle.python("syscalls.prctl(flags.PR_SET_DUMPABLE, 1)")
                deep = middle.fork()
                deep.unshare("user", "mount")
                for kind in ("uid", "gid"):
                    deeper = f"/proc/{deep.pid}/{kind}_map"
                    middle.write(deeper, "0 100 4\\n4 104 6")
                deep.become_user("root")
                """,
        },
        wrong={
            "one level": Wrong(
                MINE.replace("mine", "deep").format(
                    kinds=BOTH, line="0 2000200100 10", more="deep.become_user('root')"
                ),
                "is 1 below the host's",
            ),
            "a child of the same": Wrong(
                DEEP.replace('deep.unshare("user")', "").format(more=""), "is 1 below the host's"
            ),
            "no maps": Wrong(DEEP.format(more=""), "its uid_map is empty"),
            "other users": Wrong(
                DEEP.format(
                    more="for kind in ('uid', 'gid'):\n"
                    "    middle.write(f'/proc/{deep.pid}/{kind}_map', '0 0 10')\n"
                    "deep.become_user('root')"
                ),
                "its uid_map is 0 2000200000 10",
            ),
            "still nobody": Wrong(
                DEEP.format(
                    more="for kind in ('uid', 'gid'):\n"
                    "    middle.write(f'/proc/{deep.pid}/{kind}_map', '0 100 10')"
                ),
                "on the host its uid is 2000200000",
            ),
            "no namespace": Wrong("deep = box.hold()", "is 0 below the host's"),
        },
        nothing="deep is None",
    ),
}
