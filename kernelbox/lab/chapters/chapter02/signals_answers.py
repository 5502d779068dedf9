"""Answers to the exercises of signals.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

NURSE = """
parent = box.hold()
parent.unshare('pid')
nurse = parent.fork()
{more}
"""


ANSWERS = {
    "who-listens": Answers(
        right={
            "a shifted bit": 'return bool(int(status(pid)["SigCgt"], 16) & 1 << number - 1)',
            "a digit": """
                return f"{int(status(pid)['SigCgt'], 16):064b}"[-number] == "1"
                """,
            "the bit itself": 'return int(status(pid)["SigCgt"], 16) & 1 << number - 1',
        },
        wrong={
            "one bit beside": Wrong(
                "return int(status(pid)['SigCgt'], 16) >> number & 1 == 1",
                ", which is caught: False",
            ),
            "base 10": Wrong(
                "return int(status(pid)['SigCgt']) >> (number - 1) & 1 == 1",
                "for signal ",
            ),
            "ignored as well": Wrong(
                "return any(int(status(pid)[line], 16) >> (number - 1) & 1"
                " for line in ('SigCgt', 'SigIgn'))",
                ", which is ignored: True",
            ),
            "two numbers that were told": Wrong("return number in (10, 64)", "for signal "),
            "what is blocked": Wrong(
                "return int(status(pid)['SigBlk'], 16) >> (number - 1) & 1 == 1",
                ", which is caught: False",
            ),
            "its own": Wrong(
                "return int(status('self')['SigCgt'], 16) >> (number - 1) & 1 == 1",
                ", which is caught: False",
            ),
            "half of the mask": Wrong(
                "return int(status(pid)['SigCgt'][-8:], 16) >> (number - 1) & 1 == 1",
                ", which is caught: False",
            ),
            "whatever is not ignored": Wrong(
                "return not int(status(pid)['SigIgn'], 16) >> (number - 1) & 1", ": True"
            ),
            "anything caught": Wrong(
                "return int(status(pid)['SigCgt'], 16) != 0",
                ": True",
            ),
        },
        nothing=", which is caught: None",
    ),
    "goes-when-asked": Answers(
        right={
            "short naps": """
                polite = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
                """,
            "it takes its child along": """
                polite = ["sh", "-c", "trap 'kill $!; exit 0' TERM; sleep 1000 & wait"]
                """,
            "a tuple, and a program with its path": """
                polite = ("/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done")
                """,
        },
        wrong={
            "it would have gone anyway": Wrong(
                "polite = ['sleep', '2']", "a second one, which nobody had asked"
            ),
            "a handler that only waits for its end": Wrong(
                """polite = ['sh', '-c', 'trap : TERM; sleep 1; exit 0']""",
                "a second one, which nobody had asked",
            ),
            "a text": Wrong("polite = 'sleep 1000'", "polite is 'sleep 1000'"),
            "the default, as its exit code": Wrong(
                """polite = ['sh', '-c', 'trap "exit 143" TERM; sleep 1000 & wait']""",
                "with exit code 143",
            ),
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
        },
        nothing="polite is None",
    ),
    "a-good-init": Answers(
        right={
            "a handler that asks": """
                parent = box.hold()
                parent.unshare("pid")
                nurse = parent.fork()
                nurse.python(
                    "def collect(*_):\\n"
                    "    try:\\n"
                    "        while os.waitpid(-1, os.WNOHANG)[0]:\\n"
                    "            pass\\n"
                    "    except ChildProcessError:\\n"
                    "        pass\\n"
                    "signal.signal(signal.SIGCHLD, collect)"
                )
                """,
            "a thread that asks again and again": """
                parent = box.hold()
                parent.unshare("pid")
                nurse = parent.fork()
                nurse.python(
                    "import threading, time\\n"
                    "def collect():\\n"
                    "    while True:\\n"
                    "        try:\\n"
                    "            os.waitpid(-1, 0)\\n"
                    "        except ChildProcessError:\\n"
                    "            time.sleep(0.1)\\n"
                    "threading.Thread(target=collect, daemon=True).start()"
                )
                """,
        },
        wrong={
            "it does not care": Wrong(NURSE.format(more=""), "zombies among its children: "),
            "it has collected once": Wrong(
                NURSE.format(more="nurse.reap()"), "zombies among its children: "
            ),
            "the wrong one collects": Wrong(
                NURSE.format(more="parent.python('signal.signal(signal.SIGCHLD, signal.SIG_IGN)')"),
                "zombies among its children: ",
            ),
            "a handler that asks for nobody": Wrong(
                NURSE.format(more="nurse.python('signal.signal(signal.SIGCHLD, lambda *_: None)')"),
                "zombies among its children: ",
            ),
            "a handler that asks for one": Wrong(
                NURSE.format(
                    more="nurse.python('signal.signal(signal.SIGCHLD,"
                    " lambda *_: os.waitpid(-1, os.WNOHANG))')"
                ),
                "that ended while nurse slept",
            ),
            "a handler that asks for some": Wrong(
                NURSE.format(
                    more="nurse.python('def some(*_):\\n"
                    "    try:\\n"
                    "        for _ in range(10): os.waitpid(-1, os.WNOHANG)\\n"
                    "    except ChildProcessError: pass\\n"
                    "signal.signal(signal.SIGCHLD, some)')"
                ),
                "that ended while nurse slept",
            ),
            "told to go on as before": Wrong(
                NURSE.format(more="nurse.python('signal.signal(signal.SIGCHLD, signal.SIG_DFL)')"),
                "zombies among its children: ",
            ),
            "no init": Wrong(
                "nurse = box.hold()\nnurse.python('signal.signal(signal.SIGCHLD, signal.SIG_IGN)')",
                "PID 1 of no PID namespace",
            ),
            "a container": Wrong(
                "nurse = box.start('busybox', 'sleep 1000', init=True, network='none')",
                "nurse is <a container>",
            ),
        },
        nothing="nurse is None",
    ),
}
