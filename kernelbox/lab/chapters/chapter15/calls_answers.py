"""Answers to the exercise of calls.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

WAYS = """
ways = {{
    "mv": ["rename", "renameat", "renameat2"],
    "ln": ["link", "linkat"],
    "mkdir": ["mkdir", "mkdirat"],
    "chmod": ["chmod", "fchmod", "fchmodat", "fchmodat2"],
}}[deed]
profile = {{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rules}]}}
"""
REFUSED = '{"names": ways, "action": "SCMP_ACT_ERRNO"}'

ANSWERS = {
    "no-way-to-it": Answers(
        right={
            "a rule for each": WAYS.format(
                rules='{"names": [one], "action": "SCMP_ACT_ERRNO", "errnoRet": 1} for one in ways'
            ),
            "all others": WAYS.format(rules="")
            + """
from kernelbox.seccomp import machines
others = [one for one in machines.this().numbers if one not in ways]
profile = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "syscalls": [{"names": others, "action": "SCMP_ACT_ALLOW"}],
}
""",
            "a narrower default": WAYS.format(rules="")
            + """
from kernelbox.seccomp import default, machines
profile = default.profile(machines.this(), ["CAP_SYS_CHROOT"])
for rule in profile["syscalls"]:
    rule["names"] = [one for one in rule["names"] if one not in ways]
""",
        },
        wrong={
            "the first alone": Wrong(
                WAYS.format(rules=REFUSED.replace("ways", "ways[:1]")), "did not fail with EPERM"
            ),
            "the youngest forgotten": Wrong(
                WAYS.format(rules=REFUSED.replace("ways", "ways[:-1]")), "did not fail with EPERM"
            ),
            "killed": Wrong(
                WAYS.format(rules=REFUSED.replace("ERRNO", "KILL_PROCESS")), "is killed: SIGSYS"
            ),
            "another error": Wrong(
                WAYS.format(rules='{"names": ways, "action": "SCMP_ACT_ERRNO", "errnoRet": 13}'),
                "the kernel said EACCES",
            ),
            "only logged": Wrong(
                WAYS.format(rules=REFUSED.replace("ERRNO", "LOG")), "did not fail with EPERM"
            ),
            "everything": Wrong(
                "profile = {'defaultAction': 'SCMP_ACT_ERRNO'}", "no program runs with it"
            ),
            "too few allowed": Wrong(
                """
                few = ["read", "write", "close", "execve", "exit_group", "brk", "mmap"]
                rule = {"names": few, "action": "SCMP_ACT_ALLOW"}
                profile = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]}
                """,
                "no program runs with it",
            ),
            "nothing refused": Wrong(WAYS.format(rules=""), "did not fail with EPERM"),
            "with an argument": Wrong(
                WAYS.format(
                    rules=REFUSED.replace(
                        "}", ', "args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": 0}]}'
                    )
                ),
                "did not fail with EPERM",
            ),
            "with a large argument": Wrong(
                WAYS.format(
                    rules=REFUSED.replace(
                        "}", ', "args": [{"index": 0, "op": "SCMP_CMP_GE", "value": 1 << 62}]}'
                    )
                ),
                "did not fail with EPERM",
            ),
            "by its command": Wrong(
                "profile = {'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': "
                "[{'names': [f'/bin/{deed}'], 'action': 'SCMP_ACT_ERRNO'}]}",
                "did not fail with EPERM",
            ),
            "a text": Wrong("profile = 'default'", "profile is 'default'"),
        },
        nothing="profile is None",
        again=("deed",),
    ),
}
