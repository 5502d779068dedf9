"""Wrong solutions to the exercises of chapter 01."""

from __future__ import annotations

from tests.exercises import Trial, Wrong

HALF = """
parent = box.hold()
parent.unshare({kinds})
half = parent.fork()
{more}
"""

TRIALS = {
    "all-its-numbers": Trial(
        {
            "only the host's": Wrong("return [pid]", "for web: ["),
            "as texts": Wrong("return status(pid)['NSpid'].split()", "for this notebook: ['"),
            "the container's first": Wrong(
                "return [int(word) for word in reversed(status(pid)['NSpid'].split())]",
                "for web: [1, ",
            ),
            "two at most": Wrong(
                "return [int(word) for word in status(pid)['NSpid'].split()][:2]",
                "for a grandchild: [",
            ),
            "nothing yet": Wrong("...", "for this notebook: None"),
            "a loop without end": Wrong("while True:\n    pass", "did not return within 3 s"),
        }
    ),
    "who-lives-there": Trial(
        {
            "the init alone": Wrong(
                "return {one['State']['Pid'] for one in box_containers"
                " if one['Id'] == container_id}",
                "raised NameError",
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
                "for busy: 3 of its 3 processes are missing",
            ),
        },
        needs=("open", "group", "predict-cost", "cost-measured", "busy"),
    ),
    "half-a-container": Trial(
        {
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
            "no name": Wrong(HALF.format(kinds="'pid', 'uts'", more=""), "its hostname is "),
            "nothing yet": Wrong("pass", "half is None"),
            "a container": Wrong(
                "half = box.start('busybox', 'sleep 1000', hostname='half', network='host')",
                "half is <a container>",
            ),
            "ended": Wrong(
                HALF.format(kinds="'pid', 'uts'", more="half.end()"), "the process half has ended"
            ),
        },
    ),
    "kill-the-other-one": Trial(
        {
            "nothing yet": Wrong("pass", "its init still runs"),
            "the init itself": Wrong(
                "host.shell(f'kill -KILL {last.pid}')", "somebody reported its exit code, 137"
            ),
            "the lab's help": Wrong(
                "box.call('stop', container=last.id, seconds=0)", "somebody reported its exit code"
            ),
            "from inside": Wrong("last.exec('kill -KILL 1')", "its init still runs"),
            "the agent": Wrong("host.shell(f'kill -KILL {box.agent}')", "its init still runs"),
        },
        needs=(),
        again=("open", "ps-outside"),
    ),
}
