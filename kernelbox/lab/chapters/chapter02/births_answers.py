"""Answers to the exercises of births.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

ANSWERS = {
    "birth-order": Answers(
        right={
            "the PID namespace first": 'order = "DCAB"',
            "the mounts in the child": 'order = ["D", "A", "C", "B"]',
            "a generator, and small letters": 'order = (letter for letter in "dcab")',
        },
        wrong={
            "no fork": Wrong("order = 'DCB'", "its PID inside is none"),
            "a fork before the namespace": Wrong("order = 'CADB'", "its PID inside is none"),
            "/proc before the fork": Wrong("order = 'CDBA'", "as another PID namespace does"),
            "/proc on the host": Wrong("order = 'DABC'", "would change the host itself"),
            "no /proc": Wrong("order = 'CDA'", "as another PID namespace does"),
            "no mounts of its own": Wrong("order = 'DA'", "its mounts are the host's"),
            "a request made twice": Wrong("order = 'CDABB'", "more than once there is: B"),
            "a set, which is in order by chance": Wrong(
                "order = set('CDAB')", "it is a set, which has no order"
            ),
            "letters without end": Wrong(
                "import itertools\norder = itertools.cycle('CDAB')", "more than once there is: A"
            ),
            "no letter": Wrong("order = 'CDAX'", "no request has the letter X"),
        },
        nothing="its PID inside is none",
    ),
    "a-list-that-lies": Answers(
        right={
            "a copy of its mounts": """
                liar = box.hold()
                liar.setns(room, "mount")
                liar.unshare("mount")
                """,
            "a child": """
                parent = box.hold()
                parent.setns(room, "mount")
                liar = parent.fork()
                """,
            "another /proc of room's namespace": """
                parent = box.hold()
                parent.setns(room, "pid")
                child = parent.fork()
                child.unshare("mount")
                child.mount(None, "/", None, "rprivate")
                child.mount("proc", "/proc", "proc")
                liar = box.hold()
                liar.setns(child, "mount")
                """,
        },
        wrong={
            "the host's list": Wrong("liar = box.hold()", "its /proc lists the host's"),
            "the truth": Wrong("liar = room", "liar is in a PID namespace of its own"),
            "the numbers only": Wrong(
                "liar = box.hold()\nliar.setns(room, 'pid')", "its /proc lists the host's"
            ),
            "a child of room": Wrong("liar = room.fork()", "in a PID namespace of its own"),
            "a /proc of its own": Wrong(
                "liar = secluded()\nliar.mount('proc', '/proc', 'proc')",
                "its /proc lists the host's",
            ),
            "an empty directory": Wrong(
                "liar = secluded()\nliar.mount('none', '/proc', 'tmpfs')", "its /proc does not list"
            ),
            "a picture of room's": Wrong(
                """
                liar = secluded()
                liar.mount("none", "/proc", "tmpfs")
                liar.mkdir("/proc/1")
                """,
                "its /proc does not list",
            ),
            "the list of a room of its own": Wrong(
                """
                parent = secluded()
                parent.unshare("pid")
                child = parent.fork()
                child.mount("proc", "/proc", "proc")
                liar = box.hold()
                liar.setns(child, "mount")
                """,
                "its /proc does not list",
            ),
            "another room": Wrong(
                """
                parent = secluded()
                parent.unshare("pid")
                room = parent.fork()
                room.mount("proc", "/proc", "proc")
                liar = box.hold()
                liar.setns(room, "mount")
                """,
                "`room` is <a process under remote control> now",
            ),
        },
        nothing="liar is None",
        needs=("open", "maker", "room", "mount-proc"),
    ),
    "third-and-first": Answers(
        right={
            "the second one asks": """
                top = box.hold()
                top.unshare("pid")
                second = top.fork().fork()
                second.unshare("pid")
                deep = second.fork()
                """,
            "a number that is not used any more": """
                top = box.hold()
                top.unshare("pid")
                first = top.fork()
                first.fork().end()
                first.unshare("pid")
                deep = first.fork()
                """,
            "a number that was asked for": """
                top = box.hold()
                top.unshare("pid")
                first = top.fork()
                first.shell("echo 2 > /proc/sys/kernel/ns_last_pid || true")
                first.unshare("pid")
                deep = first.fork()
                """,
        },
        wrong={
            "the second": Wrong(
                """
                outer = box.hold()
                outer.unshare('pid')
                middle = outer.fork()
                middle.unshare('pid')
                deep = middle.fork()
                """,
                "its numbers are: 2 1",
            ),
            "too late": Wrong(
                """
                outer = box.hold()
                outer.unshare('pid')
                middle = outer.fork()
                middle.unshare('pid')
                middle.fork()
                deep = middle.fork()
                """,
                "its numbers are: 3 2",
            ),
            "one level": Wrong(
                """
                outer = box.hold()
                outer.unshare('pid')
                outer.fork(), outer.fork()
                deep = outer.fork()
                """,
                "its numbers are: 3",
            ),
            "one birth too many": Wrong(
                """
                top = box.hold()
                top.unshare('pid')
                first = top.fork()
                first.fork(), first.fork()
                first.unshare('pid')
                deep = first.fork()
                """,
                "its numbers are: 4 1",
            ),
            "the numbers exchanged": Wrong(
                """
                top = box.hold()
                top.unshare('pid')
                first = top.fork()
                first.unshare('pid')
                first.fork(), first.fork()
                deep = first.fork()
                """,
                "its numbers are: 4 3",
            ),
            "three levels": Wrong(
                """
                deep = box.hold()
                for level in range(3):
                    deep.unshare('pid')
                    deep = deep.fork()
                """,
                "its numbers are: 3 2 1",
            ),
            "the host's": Wrong("deep = box.hold()", "its numbers are: none"),
        },
        nothing="deep is None",
    ),
}
