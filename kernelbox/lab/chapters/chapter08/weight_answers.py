"""Answers to the exercises of weight.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

PAIR = """
twice, once = box.cgroup("twice"), box.cgroup("once")
{before}
box.burn(group=twice, cpus=({first},))
box.burn(group=once, cpus=({second},))
"""
CONTAINERS = """
both = {"image": "busybox", "command": shell.burn(1), "cpuset_cpus": "0", "network": "none"}
twice = box.start(cpu_shares=2048, **both)
once = box.start(cpu_shares=1024, **both)
"""
SHARES = """
total = sum(weights[name] for name in {counted})
return {{name: {answer} for name, weight in weights.items()}}
"""
CPUS = """
limits = [len(os.sched_getaffinity(pid))]
for directory in {groups}:
    quota, period = cpu_max(directory).split()
    if quota != "max":
        limits.append(int(quota) / int(period))
return {answer}
"""

ANSWERS = {
    "two-to-one": Answers(
        right={
            "a cpuset": PAIR.format(
                before="for one, weight in ((twice, 20), (once, 10)):\n"
                "    one.write('cpu.weight', weight)\n"
                "    one.write('cpuset.cpus', '0')",
                first="",
                second="",
            ).replace("cpus=(,)", "cpus=()"),
            "two containers": CONTAINERS,
            "several burners": """
                twice, once = box.cgroup("twice"), box.cgroup("once")
                twice.write("cpu.weight", 1000)
                once.write("cpu.weight", 500)
                box.burn(group=twice, cpus=(0,))
                box.burn(3, group=once, cpus=(0,))
                """,
        },
        wrong={
            "the other way round": Wrong(
                PAIR.format(before="once.write('cpu.weight', 200)", first=0, second=0),
                "are for twice",
            ),
            "the same weight": Wrong(PAIR.format(before="", first=0, second=0), "are for twice"),
            "more burners": Wrong(
                """
                twice, once = box.cgroup("twice"), box.cgroup("once")
                box.burn(2, group=twice, cpus=(0,))
                box.burn(group=once, cpus=(0,))
                """,
                "are for twice",
            ),
            "quotas": Wrong(
                PAIR.format(
                    before="twice.write('cpu.max', '66000 100000')\n"
                    "once.write('cpu.max', '33000 100000')",
                    first=0,
                    second=0,
                ),
                "twice is below a quota",
            ),
            "where they like": Wrong(
                PAIR.format(before="twice.write('cpu.weight', 200)", first="", second="").replace(
                    "cpus=(,)", "cpus=()"
                ),
                "those that want to run may do so on CPU",
            ),
            "nice": Wrong(
                PAIR.format(before="", first=0, second=0) + "\nfor pid in once.processes:\n"
                "    box.hold().python(f'os.setpriority(os.PRIO_PROCESS, {pid}, 3)')\n",
                "are for twice",
            ),
            "nobody in one": Wrong(
                """
                twice, once = box.cgroup("twice"), box.cgroup("once")
                twice.write("cpu.weight", 200)
                box.burn(2, group=twice, cpus=(0,))
                """,
                "nobody in once wants to run",
            ),
            "one for both": Wrong(
                "twice = once = box.cgroup('both')\nbox.burn(3, group=twice, cpus=(0,))",
                "one and the same",
            ),
            "one in the other": Wrong(
                """
                twice = box.cgroup("twice")
                once = twice.cgroup("once")
                box.burn(group=twice, cpus=(0,))
                box.burn(group=once, cpus=(0,))
                """,
                "somebody in the one is in the other as well",
            ),
            "four to one": Wrong(
                PAIR.format(before="twice.write('cpu.weight', 400)", first=0, second=0),
                "are for twice",
            ),
        },
        nothing="twice is None",
    ),
    "not-a-limit": Answers(
        right={
            "fractions": "from fractions import Fraction\n"
            + SHARES.format(
                counted="set(runnable)",
                answer="float(Fraction(weight, total)) if name in runnable else 0.0",
            ),
            "one after the other": """
                found = dict.fromkeys(weights, 0)
                for name in runnable:
                    found[name] = weights[name] / sum(map(weights.get, runnable))
                return found
                """,
        },
        wrong={
            "everybody counts": Wrong(
                SHARES.format(counted="weights", answer="weight / total"), "your function says"
            ),
            "the idle count, too": Wrong(
                SHARES.format(
                    counted="weights", answer="weight / total if name in runnable else 0"
                ),
                "which wants to run, your function says",
            ),
            "alike": Wrong(
                "return {name: (name in runnable) / len(runnable) for name in weights}",
                "which wants to run, your function says",
            ),
            "of a hundred": Wrong(
                SHARES.format(counted="weights", answer="min(weight / 100, 1)"),
                "your function says",
            ),
            "of the most there is": Wrong(
                SHARES.format(
                    counted="weights", answer="weight / 10000 if name in runnable else 0"
                ),
                "which wants to run, your function says",
            ),
            "in percent": Wrong(
                SHARES.format(
                    counted="runnable", answer="100 * weight / total if name in runnable else 0"
                ),
                "which wants to run, your function says",
            ),
            "those that run alone": Wrong(
                "return {name: weights[name] / sum(map(weights.get, runnable))"
                " for name in runnable}",
                "your function says {",
            ),
        },
        nothing="your function says None",
    ),
    "how-many-cpus": Answers(
        right={
            "fractions": """
                from fractions import Fraction

                least = Fraction(len(os.sched_getaffinity(pid)))
                for text in map(cpu_max, cpu_groups(pid)):
                    if not text.startswith("max"):
                        least = min(least, Fraction(*map(int, text.split())))
                return float(least)
                """,
            "by the status": CPUS.format(groups="cpu_groups(pid)[::-1]", answer="min(limits)"),
        },
        wrong={
            "the host's": Wrong("return os.cpu_count() + 0.5", "your function says"),
            "affinity alone": Wrong("return len(os.sched_getaffinity(pid))", "your function says"),
            "my own affinity": Wrong(
                CPUS.format(groups="cpu_groups(pid)", answer="min(limits)").replace(
                    "sched_getaffinity(pid)", "sched_getaffinity(0)"
                ),
                "one CPU, below a quota of 1.5, your function says",
            ),
            "its own group": Wrong(
                CPUS.format(groups="cpu_groups(pid)[:1]", answer="min(limits)"),
                "your function says",
            ),
            "the highest group": Wrong(
                CPUS.format(groups="cpu_groups(pid)[1:]", answer="min(limits)"),
                "your function says",
            ),
            "quotas alone": Wrong(
                CPUS.format(groups="cpu_groups(pid)", answer="min(limits[1:])"),
                "of a process ",
            ),
            "the last word": Wrong(
                CPUS.format(groups="cpu_groups(pid)", answer="limits[-1]"),
                "your function says",
            ),
            "to a tenth": Wrong(
                CPUS.format(groups="cpu_groups(pid)", answer="round(min(limits), 1)"),
                "your function says",
            ),
            "whole ones": Wrong(
                CPUS.format(groups="cpu_groups(pid)", answer="round(min(limits))"),
                "your function says",
            ),
        },
        nothing="your function says None",
    ),
}
