"""Wrong solutions to the exercises of chapter 02."""

from __future__ import annotations

from tests.exercises import Trial, Wrong

NURSE = """
parent = box.hold()
parent.unshare('pid')
nurse = parent.fork()
{more}
"""

TRIALS = {
    "birth-order": Trial(
        {
            "nothing yet": Wrong("pass", "its PID inside is none"),
            "no fork": Wrong("order = 'DCB'", "its PID inside is none"),
            "a fork before the namespace": Wrong("order = 'CADB'", "its PID inside is none"),
            "/proc before the fork": Wrong("order = 'CDBA'", "as another PID namespace does"),
            "/proc on the host": Wrong("order = 'DABC'", "would change the host itself"),
            "no /proc": Wrong("order = 'CDA'", "as another PID namespace does"),
            "no mounts of its own": Wrong("order = 'DA'", "its mounts are the host's"),
            "no letter": Wrong("order = 'CDAX'", "no request has the letter X"),
        }
    ),
    "a-list-that-lies": Trial(
        {
            "nothing yet": Wrong("pass", "liar is None"),
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
                "liar = secluded()\nliar.mount('none', '/proc', 'tmpfs')", "is not room, or there"
            ),
        },
        needs=("open", "maker", "room", "mount-proc"),
    ),
    "who-listens": Trial(
        {
            "nothing yet": Wrong("...", "for USR1, which is caught: None"),
            "one bit beside": Wrong(
                "return int(status(pid)['SigCgt'], 16) >> number & 1 == 1",
                "for USR1, which is caught: False",
            ),
            "base 10": Wrong(
                "return int(status(pid)['SigCgt']) >> (number - 1) & 1 == 1",
                "for USR1, which is caught: ",
            ),
            "ignored as well": Wrong(
                "return any(int(status(pid)[line], 16) >> (number - 1) & 1"
                " for line in ('SigCgt', 'SigIgn'))",
                "for TERM, which is ignored: True",
            ),
            "anything caught": Wrong(
                "return int(status(pid)['SigCgt'], 16) != 0",
                "for HUP, which is left as it is: True",
            ),
        }
    ),
    "goes-when-asked": Trial(
        {
            "nothing yet": Wrong("pass", "polite is None"),
            "no handler": Wrong("polite = ['sleep', '1000']", "exit code 137"),
            "a shell without a handler": Wrong(
                "polite = ['sh', '-c', 'sleep 1000; exit 0']", "exit code 137"
            ),
            "busy in the foreground": Wrong(
                """polite = ['sh', '-c', 'trap "exit 0" TERM; sleep 1000']""", "exit code 137"
            ),
            "a handler that does not go": Wrong(
                """polite = ['sh', '-c', 'trap "" TERM; sleep 1000 & wait']""", "exit code 137"
            ),
            "a failure": Wrong(
                """polite = ['sh', '-c', 'trap "exit 1" TERM; sleep 1000 & wait']""",
                "with exit code 1",
            ),
            "over at once": Wrong("polite = ['true']", "ended before anybody asked"),
        }
    ),
    "a-good-init": Trial(
        {
            "nothing yet": Wrong("pass", "nurse is None"),
            "it does not care": Wrong(NURSE.format(more=""), "zombies among its children: 3"),
            "it has collected once": Wrong(
                NURSE.format(more="nurse.reap()"), "zombies among its children: 3"
            ),
            "the wrong one collects": Wrong(
                NURSE.format(more="parent.python('signal.signal(signal.SIGCHLD, signal.SIG_IGN)')"),
                "zombies among its children: 3",
            ),
            "a handler that asks for nobody": Wrong(
                NURSE.format(more="nurse.python('signal.signal(signal.SIGCHLD, lambda *_: None)')"),
                "zombies among its children: 3",
            ),
            "no init": Wrong(
                "nurse = box.hold()\nnurse.python('signal.signal(signal.SIGCHLD, signal.SIG_IGN)')",
                "PID 1 of no PID namespace",
            ),
            "a container": Wrong(
                "nurse = box.start('busybox', 'sleep 1000', init=True, network='none')",
                "nurse is <a container>",
            ),
        }
    ),
    "third-and-first": Trial(
        {
            "nothing yet": Wrong("pass", "deep is None"),
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
        }
    ),
}
