"""Answers to the exercises of waiting.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

FACTS = """
process, same, waits, frozen = (facts[name] for name in ("process", "same", "waits", "frozen"))
"""

ANSWERS = {
    "waiting": Answers(
        again=("waiter",),
        right={
            "the verb itself": """
                engine.bundles["waiter"].write()
                engine("create", "--bundle", str(engine.bundles["waiter"].path), "waiter")
                """,
            "it stood still meanwhile": """
                engine.create("waiter")
                engine("pause", "waiter")
                engine("resume", "waiter")
                """,
            "once more from the beginning": """
                engine.create("waiter")
                engine.start("waiter")
                engine.kill("waiter")
                engine("delete", "waiter")
                engine.create("waiter")
                """,
        },
        wrong={
            "started": Wrong(
                "engine.create('waiter')\nengine.start('waiter')", "waiter is running"
            ),
            "started, and frozen": Wrong(
                "engine.create('waiter')\nengine.start('waiter')\nengine('pause', 'waiter')",
                "waiter is paused",
            ),
            "started, and stopped by a signal": Wrong(
                "engine.create('waiter')\nengine.start('waiter')\nengine('kill', 'waiter', 'STOP')",
                "waiter is running",
            ),
            "frozen while it waits": Wrong(
                "engine.create('waiter')\nengine('pause', 'waiter')", "waiter is paused"
            ),
            "killed": Wrong("engine.create('waiter')\nengine.kill('waiter')", "waiter is stopped"),
            "only its directory": Wrong(
                "engine.bundles['waiter'].write()", "there is no container waiter"
            ),
            "by another name": Wrong(
                "engine.create('waiting', bundle='waiter')", "there is no container waiter"
            ),
            "another program that waits": Wrong(
                "engine.bundle('waiter', 'sleep 1000')\nengine.create('waiter')",
                "its program is to be 'sleep 1000'",
            ),
            "another program, with the same word": Wrong(
                "engine.bundle('waiter', ['sleep', '1000', word])\nengine.create('waiter')",
                "its program is to be 'sleep 1000 word-",
            ),
            "deleted again": Wrong(
                "engine.create('waiter')\nengine.delete('waiter')", "there is no container waiter"
            ),
        },
        nothing="there is no container waiter",
    ),
    "which-state": Answers(
        right={
            "by cases": """
                match facts:
                    case {"process": None | "Z"} | {"same": False}:
                        return "stopped"
                    case {"frozen": True}:
                        return "paused"
                    case {"waits": True}:
                        return "created"
                return "running"
                """,
            "the first that holds": FACTS
            + """
claims = {"stopped": process in (None, "Z") or not same, "paused": frozen, "created": waits}
return next((name for name, holds in claims.items() if holds), "running")
""",
        },
        wrong={
            "a zombie runs": Wrong(
                FACTS
                + """
if process is None or not same:
    return "stopped"
return "paused" if frozen else "created" if waits else "running"
""",
                "your function says",
            ),
            "a number is enough": Wrong(
                FACTS
                + """
if process in (None, "Z"):
    return "stopped"
return "paused" if frozen else "created" if waits else "running"
""",
                "your function says",
            ),
            "frozen before all": Wrong(
                FACTS
                + """
if frozen:
    return "paused"
if process in (None, "Z") or not same:
    return "stopped"
return "created" if waits else "running"
""",
                "your function says 'paused'",
            ),
            "waiting before frozen": Wrong(
                FACTS
                + """
if process in (None, "Z") or not same:
    return "stopped"
return "created" if waits else "paused" if frozen else "running"
""",
                "your function says 'created'",
            ),
            "a stopped process": Wrong(
                FACTS
                + """
if process in (None, "Z", "T") or not same:
    return "stopped"
return "paused" if frozen else "created" if waits else "running"
""",
                "your function says 'stopped'",
            ),
            "only what runs": Wrong("return 'running'", "your function says 'running'"),
            "as ps says it": Wrong(
                FACTS + "return {'S': 'running', 'Z': 'stopped'}.get(process, 'created')",
                "your function says",
            ),
        },
        nothing="your function says None",
    ),
    "prepared": Answers(
        again=("lodger",),
        right={
            "nsenter": 'engine.shell(f"nsenter --uts -t {lodger} hostname {called}")',
            "all the way in": """
                guest = box.hold()
                guest.setns(lodger, "uts", "net", "ipc")
                guest.setns(lodger, "pid", "mount")
                inside = guest.fork()
                inside.sethostname(called)
                inside.end()
                guest.end()
                """,
            "through a file": """
                guest = box.hold()
                guest.setns(lodger, "uts")
                guest.write("/proc/sys/kernel/hostname", called)
                """,
        },
        wrong={
            "too late": Wrong(
                "engine.bundles['lodger'].config['hostname'] = called\n"
                "engine.bundles['lodger'].write()",
                "lodger's hostname is 'bundle'",
            ),
            "made anew": Wrong(
                "engine.bundles['lodger'].config['hostname'] = called\nengine.create('lodger')",
                "lodger was made anew",
            ),
            "a namespace of one's own": Wrong(
                "guest = box.hold()\nguest.unshare('uts')\nguest.sethostname(called)",
                "lodger's hostname is 'bundle'",
            ),
            "started first": Wrong(
                """
                engine.start("lodger")
                engine.shell(f"nsenter --uts -t {lodger} hostname {called}")
                """,
                "lodger is running",
            ),
            "only looked": Wrong(
                "guest = box.hold()\nguest.setns(lodger, 'uts')", "lodger's hostname is 'bundle'"
            ),
            "half the name": Wrong(
                "engine.shell(f'nsenter --uts -t {lodger} hostname {called[:-1]}')",
                "lodger's hostname is",
            ),
            "a file of the root's": Wrong(
                """
                rootfs = engine.bundles["lodger"].path / "rootfs"
                engine.shell(f"echo {called} > {rootfs}/etc/hostname")
                """,
                "lodger's hostname is 'bundle'",
            ),
            "and deleted": Wrong(
                """
                engine.shell(f"nsenter --uts -t {lodger} hostname {called}")
                engine.delete("lodger")
                """,
                "there is no container lodger",
            ),
        },
        nothing="lodger's hostname is 'bundle'",
    ),
}
