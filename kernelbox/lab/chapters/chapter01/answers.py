"""Answers to the exercises of chapter 01, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

HALF = """
parent = box.hold()
parent.unshare({kinds})
half = parent.fork()
{more}
"""

# The eldest member is its init.
INIT = """
members = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        if container_id in Path(f"/proc/{pid}/cgroup").read_text():
            members.append(int(pid))
    except OSError:
        pass
init = min(members)
"""


DESCENDANTS = """
found = {init}
for _ in range(5):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if int(status(pid)["PPid"]) in found:
                found.add(int(pid))
        except OSError:
            pass
return found
"""


NEIGHBOURS = """
found = set()
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        if os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{init}/ns/pid"):
            found.add(int(pid))
    except OSError:
        pass
return found
"""


ANSWERS = {
    "all-its-numbers": Answers(
        right={
            "by a program": """
                import subprocess

                words = ["grep", "^NSpid:", f"/proc/{pid}/status"]
                line = subprocess.run(words, capture_output=True, text=True).stdout
                return [int(word) for word in line.split()[1:]]
                """,
            "line by line": """
                with open(f"/proc/{pid}/status") as lines:
                    for line in lines:
                        if line.startswith("NSpid:"):
                            return list(map(int, line.split()[1:]))
                """,
            "a tuple": "return tuple(map(int, status(pid)['NSpid'].split()))",
            "a generator": """
                for word in status(pid)["NSpid"].split():
                    yield int(word)
                """,
        },
        wrong={
            "only the host's": Wrong("return [pid]", "for web: ["),
            "no whole numbers": Wrong(
                "return [float(word) for word in status(pid)['NSpid'].split()]",
                "for this notebook: [",
            ),
            "as texts": Wrong("return status(pid)['NSpid'].split()", "for this notebook: ['"),
            "the container's first": Wrong(
                "return [int(word) for word in reversed(status(pid)['NSpid'].split())]",
                "for web: [1, ",
            ),
            "two at most": Wrong(
                "return [int(word) for word in status(pid)['NSpid'].split()][:2]",
                "for one far below: [",
            ),
            "what the verdicts have shown": Wrong(
                "return [pid, 1] if pid == web.pid else [pid]",
                "for one far below: [",
            ),
            "what the check knows already": Wrong(
                """
                import inspect

                for one in inspect.stack():
                    if "numbers" in one.frame.f_locals:
                        return one.frame.f_locals["numbers"]
                """,
                "for this notebook: None",
            ),
            "in no order": Wrong(
                "return {int(word) for word in status(pid)['NSpid'].split()}",
                "for this notebook: {",
            ),
            "more memory than there is": Wrong(
                "return [bytearray(1 << 28) for _ in range(1000)]", "raised MemoryError"
            ),
            "of its process group": Wrong(
                "return [int(word) for word in status(pid)['NSpgid'].split()]",
                "for one far below: [",
            ),
            "its own": Wrong(
                "return [int(word) for word in status('self')['NSpid'].split()]",
                "for this notebook: [",
            ),
            # Asleep: a loop would keep a processor busy for as long as the check waits.
            "a wait without end": Wrong("os.read(os.pipe()[0], 1)", "did not return within 3 s"),
        },
        nothing="for this notebook: None",
    ),
    "who-lives-there": Answers(
        right={
            "the kernel's own list": """
                from kernelbox import cgroup

                group = Path(cgroup.of(container_id).inside.directories[0])
                return {int(pid) for pid in (group / "cgroup.procs").read_text().split()}
                """,
            "by a shell": """
                import subprocess

                script = f"grep -l {container_id} /proc/[0-9]*/cgroup"
                found = subprocess.run(script, shell=True, capture_output=True, text=True).stdout
                return {int(line.split("/")[2]) for line in found.split()}
                """,
            "a list": """
                found = []
                for file in Path("/proc").glob("[0-9]*/cgroup"):
                    try:
                        if f"/{container_id}" in file.read_text():
                            found.append(int(file.parent.name))
                    except OSError:
                        pass
                return found
                """,
            "a generator": """
                for pid in filter(str.isdigit, os.listdir("/proc")):
                    try:
                        if container_id in open(f"/proc/{pid}/cgroup").read():
                            yield int(pid)
                    except OSError:
                        pass
                """,
        },
        wrong={
            "the init alone": Wrong(
                "return {one['State']['Pid'] for one in box_containers"
                " if one['Id'] == container_id}",
                "raised NameError",
            ),
            "the same for each": Wrong(
                "return set(map(int, listing.read_text().split()))",
                "for web: 1 of its 1 processes are missing",
            ),
            "who descends from the init": Wrong(
                INIT + DESCENDANTS, "for one that the check has made: 1 of its"
            ),
            "who is in its PID namespace": Wrong(
                INIT + NEIGHBOURS,
                "for one that the check has made: 1 of yours are not in its control group",
            ),
            "as numbers that are not whole": Wrong(
                f"{INIT}return {{float(pid) for pid in members}}", "is among yours, and no whole"
            ),
            "each of them twice": Wrong(
                f"{INIT}return members + members", "for busy: 3 of yours were there already"
            ),
            "only the first": Wrong("return {busy.pid}", "for busy: 2 of its 3 processes are"),
            "everybody in some group of kernelbox's": Wrong(
                """
                found = set()
                for pid in filter(str.isdigit, os.listdir("/proc")):
                    try:
                        if "/kernelbox/" in Path(f"/proc/{pid}/cgroup").read_text():
                            found.add(int(pid))
                    except OSError:
                        continue
                return found
                """,
                "of yours are not in its control group",
            ),
            "as texts": Wrong(
                """
                found = set()
                for pid in filter(str.isdigit, os.listdir("/proc")):
                    try:
                        if container_id in Path(f"/proc/{pid}/cgroup").read_text():
                            found.add(pid)
                    except OSError:
                        continue
                return found
                """,
                "is among yours, and no whole number",
            ),
        },
        nothing="for busy: None, and no set of PIDs",
        needs=("open", "group", "predict-cost", "cost-measured", "busy"),
    ),
    "half-a-container": Answers(
        right={
            "uts in the child": """
                parent = box.hold()
                parent.unshare("pid")
                half = parent.fork()
                half.unshare("uts")
                half.shell("hostname half")
                """,
            "the name before the birth": """
                parent = box.hold()
                parent.unshare("uts")
                parent.sethostname("half")
                parent.unshare("pid")
                half = parent.fork()
                """,
            "a namespace in between, and one that harms nobody": """
                top = box.hold()
                top.unshare("pid")
                parent = top.fork()
                parent.unshare("pid", "uts", "ipc")
                half = parent.fork()
                half.shell("echo half > /proc/sys/kernel/hostname")
                """,
        },
        wrong={
            "no child": Wrong(
                "half = box.hold()\nhalf.unshare('pid', 'uts')\nhalf.sethostname('half')",
                "its PID inside is none",
            ),
            "a hostname of the host's": Wrong(
                HALF.format(kinds="'pid'", more=""), "its uts namespace is the host's"
            ),
            "one kind too many": Wrong(
                HALF.format(kinds="'pid', 'uts', 'mount'", more="half.sethostname('half')"),
                "these are its own, too: mnt",
            ),
            "its own network": Wrong(
                HALF.format(kinds="'pid', 'uts', 'network'", more="half.sethostname('half')"),
                "these are its own, too: net",
            ),
            "the second": Wrong(
                HALF.format(
                    kinds="'pid', 'uts'", more="half = parent.fork()\nhalf.sethostname('half')"
                ),
                "its PID inside is 2",
            ),
            "no name": Wrong(HALF.format(kinds="'pid', 'uts'", more=""), "its hostname is "),
            "a container": Wrong(
                "half = box.start('busybox', 'sleep 1000', hostname='half', network='host')",
                "half is <a container>",
            ),
            "ended": Wrong(
                HALF.format(kinds="'pid', 'uts'", more="half.end()"), "the process half has ended"
            ),
        },
        nothing="half is None",
    ),
    "kill-the-other-one": Answers(
        right={
            "by a process of Python's": """
                monitor = int(status(last.pid)["PPid"])
                host.python(f"os.kill({monitor}, signal.SIGKILL)")
                """,
            "another signal": "host.shell(f\"kill -TERM {status(last.pid)['PPid']}\")",
            "stopped before": """
                monitor = status(last.pid)["PPid"]
                host.shell(f"kill -STOP {monitor}; kill -KILL {monitor}")
                """,
        },
        wrong={
            "the init itself": Wrong(
                "host.shell(f'kill -KILL {last.pid}')", "its init ended before its monitor did"
            ),
            "the lab's help": Wrong(
                "box.call('stop', container=last.id, seconds=0)",
                "its init ended before its monitor did",
            ),
            "removed by the lab": Wrong("last.remove()", "its init ended before its monitor did"),
            "both, and its monitor too late to tell": Wrong(
                """
                monitor = status(last.pid)["PPid"]
                host.shell(f"kill -STOP {monitor}; kill -KILL {last.pid}; sleep 0.3")
                host.shell(f"kill -KILL {monitor}")
                """,
                "its init ended before its monitor did",
            ),
            "of another container": Wrong(
                """
                last = box.start("busybox", "sleep 1000", network="none")
                host.shell(f"kill -KILL {status(last.pid)['PPid']}")
                """,
                "`last` is <a container> now",
            ),
            "a monitor that was only stopped for a while": Wrong(
                """
                monitor = status(last.pid)["PPid"]
                host.shell(f"kill -STOP {monitor}; sleep 0.2; kill -CONT {monitor}")
                """,
                "its init still runs",
            ),
            "from inside": Wrong("last.exec('kill -KILL 1')", "its init still runs"),
            "the agent": Wrong("host.shell(f'kill -KILL {box.agent}')", "its init still runs"),
        },
        nothing="its init still runs",
        needs=(),
        again=("open", "ps-outside"),
    ),
}
