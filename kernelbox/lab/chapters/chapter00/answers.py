"""Answers to the exercises of chapter 00, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

HELPERS = ("doctor", "predict-threads", "threads", "open")

SLEEP = "capped = box.start('busybox', 'sleep 1000', network='none'{more})"


ANSWERS = {
    "a-first-container": Answers(
        right={
            "a list of words, and a name": """
                mine = box.start("busybox", ["sleep", "1000"], name="mine", network="none")
                """,
            "by way of a shell, on the bridge": """
                mine = box.start("busybox", "sh -c 'sleep 1000; true'")
                """,
            "beneath an init, in a user namespace": """
                words = ("/bin/sleep", "1000")
                mine = box.start("busybox", words, init=True, userns="auto", network="none")
                """,
        },
        wrong={
            "one that has ended": Wrong(
                "mine = box.run('busybox', 'true', network='none')", "that container has ended"
            ),
            "a program that ends": Wrong(
                "mine = box.start('busybox', 'true', network='none')\nmine.wait()",
                "its program has ended",
            ),
            "stopped": Wrong(
                "mine = box.start('busybox', 'sleep 1000', network='none')\nmine.stop(seconds=0)",
                "its program has ended",
            ),
            "over in a moment": Wrong(
                "mine = box.start('busybox', 'sleep 5', network='none')",
                "the container runs 'sleep 5'",
            ),
            "nothing but its kind": Wrong(
                """
                kind = type(box.start("busybox", "sleep 1000", network="none"))
                mine = kind.__new__(kind)
                mine.id, mine.pid = "mine", os.getpid()
                """,
                "its `pid` is not the one of its first process",
            ),
            "another process for its own": Wrong(
                "mine = box.start('busybox', 'true', network='none')\nmine.pid = os.getpid()",
                "its `pid` is not the one of its first process",
            ),
            "a held process": Wrong("mine = box.hold()", "mine is "),
            "its id": Wrong(
                "mine = box.start('busybox', 'sleep 1000', network='none').id", "mine is '"
            ),
            "what is known of it": Wrong(
                "box.start('busybox', 'sleep 1000', network='none')\nmine = box.containers()[0]",
                "mine is {",
            ),
        },
        nothing="mine is None",
        needs=("doctor", "first"),
    ),
    "an-island": Answers(
        right={
            "one that joins another": """
                other = box.hold()
                other.unshare("network")
                island.setns(other, "network")
                """,
            "a child": """
                parent = box.hold()
                parent.unshare("network")
                island = parent.fork()
                """,
            "asked for in Python": 'island.python("syscalls.unshare(flags.CLONE_NEWNET)")',
        },
        wrong={
            "one kind too many": Wrong("island.unshare('network', 'uts')", "its own, too: uts"),
            "another kind": Wrong("island.unshare('uts')", "its net namespace is the host's"),
            "a container": Wrong(
                "island = box.start('busybox', 'sleep 1000', network='none')",
                "island is <a container>",
            ),
            "a container's network": Wrong(
                "whose = box.start('busybox', 'sleep 1000', network='none')\n"
                "island.setns(whose.pid, 'network')",
                "its net namespace is that of a container",
            ),
            "one thread of it": Wrong(
                """
                island.python(
                    "import threading\\n"
                    "ask = lambda: syscalls.unshare(flags.CLONE_NEWNET)\\n"
                    "thread = threading.Thread(target=ask)\\n"
                    "thread.start(), thread.join()"
                )
                """,
                "its net namespace is the host's",
            ),
            "its children are elsewhere": Wrong(
                "island.unshare('network', 'pid')", "its own, too: pid_for_children"
            ),
            "back on the host": Wrong(
                "island.unshare('network')\nisland.setns(box.agent, 'network')",
                "its net namespace is the host's",
            ),
            "all of them": Wrong(
                "island.unshare('network', 'mount', 'uts', 'ipc')", "its own, too: ipc mnt uts"
            ),
        },
        nothing="its net namespace is the host's",
        needs=HELPERS,
    ),
    "at-most-twenty": Answers(
        right={
            "a list of words, and a network": """
                capped = box.start("busybox", ["/bin/sleep", "1000"], pids_limit=20)
                """,
            "by way of a shell": """
                words = ["sh", "-c", "exec sleep 1000"]
                capped = box.start("busybox", words, pids_limit=20, memory="64m", network="none")
                """,
            "beneath an init": SLEEP.format(more=", pids_limit=20, init=True"),
            "written afterwards": SLEEP.format(more="")
            + """
from kernelbox import cgroup
for directory in cgroup.of(capped.id).directories:
    if Path(directory, "pids.max").exists():
        box.hold().write(f"{directory}/pids.max", "20")
""",
        },
        wrong={
            "no limit": Wrong(SLEEP.format(more=""), "says max"),
            "another limit": Wrong(SLEEP.format(more=", memory='20m'"), "says max"),
            "off by one": Wrong(SLEEP.format(more=", pids_limit=21"), "says 21"),
            "of a user, by the shell": Wrong(
                "words = ['sh', '-c', 'ulimit -u 20; exec sleep 1000']\n"
                "capped = box.start('busybox', words, network='none')",
                "says max",
            ),
            "the numbers exchanged": Wrong(
                "capped = box.start('busybox', 'sleep 20', pids_limit=1000, network='none')",
                "the container runs 'sleep 20'",
            ),
            "words that are not run": Wrong(
                "capped = box.start('busybox', ['sh', '-c', 'sleep 500; exit', 'sleep', '1000'],"
                " pids_limit=20, network='none')",
                "the container runs 'sh -c sleep 500; exit sleep 1000'",
            ),
            "over at once": Wrong(
                "capped = box.start('busybox', 'true', pids_limit=20, network='none')\n"
                "capped.wait()",
                "the container does not run",
            ),
        },
        nothing="capped is None",
        needs=HELPERS,
    ),
    "this-one-not-that-one": Answers(
        right={
            "stopped, then removed": """
                terminal("stop", "--time", "0", "litter")
                terminal("rm", "litter")
                """,
            "by its id": 'terminal("rm", "--force", made["litter"]["Id"])',
            "by the lab": 'box.call("remove", container=made["litter"]["Id"], force=True)',
        },
        wrong={
            "stopped only": Wrong("terminal('kill', 'litter')", "litter is still known"),
            "its process alone": Wrong(
                "box.hold().shell(f\"kill -KILL {made['litter']['State']['Pid']}\")\n"
                "import time\n"
                "time.sleep(1)  # in which its monitor clears up",
                "litter is still known",
            ),
            "without force": Wrong("terminal('rm', 'litter')", "litter's process still runs"),
            "made anew": Wrong(
                "terminal('rm', '--force', 'litter')\n"
                "terminal('run', '--detach', '--name', 'litter', '--network', 'none', 'busybox',"
                " 'true')",
                "litter is still known",
            ),
            "under another name": Wrong(
                "terminal('stop', '--time', '0', 'litter')\nterminal('rename', 'litter', 'gone')",
                "litter is still known",
            ),
            "the other one paused": Wrong(
                "terminal('rm', '--force', 'litter')\nterminal('pause', 'keep')",
                "keep is paused",
            ),
            "both": Wrong("terminal('rm', '--force', 'litter', 'keep')", "keep does not run"),
            "the other one": Wrong("terminal('rm', '--force', 'keep')", "keep does not run"),
            "everything": Wrong("box.reset(everything=True)", "keep does not run"),
            "another litter": Wrong(
                "terminal('rm', '--force', 'litter')\nmade = dict(made)",
                "`made` is ",
            ),
            "the names exchanged": Wrong(
                "made['keep'], made['litter'] = made['litter'], made['keep']\n"
                "terminal('rm', '--force', 'keep')",
                "`made` has been changed",
            ),
        },
        nothing="litter's process still runs",
        needs=(*HELPERS, "forgotten"),
        again=("two",),
    ),
}
