"""Answers to the exercises of quota.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

HALF = "half = box.start('busybox', shell.burn({workers}), network='none'{more})"
MOVED = """
from kernelbox.lab.reading import children, until
half = box.start("busybox", shell.burn(2), network="none")
until(lambda: len(children(half.pid)) == 2)
{groups}
"""
COUNTERS = """
import time

def look():
    lines = Path(directory, "cpu.stat").read_text().splitlines()
    return {{name: int(number) for name, number in map(str.split, lines)}}

before = look()
time.sleep(seconds)
after = look()
periods, times = (after[one] - before[one] for one in ("nr_periods", "nr_throttled"))
return {answer}
"""
PROMPT = """
prompt = box.cgroup("prompt")
prompt.write("cpu.max", "{quota}")
"""

ANSWERS = {
    "half-a-core": Answers(
        right={
            "a short period": MOVED.format(
                groups="""
pen = box.cgroup("pen")
pen.write("cpu.max", "10000 20000")
for pid in [half.pid, *children(half.pid)]:
    pen.add(pid)
"""
            ),
            "three of them": HALF.format(workers=3, more=", cpus=0.5"),
            "a quota further up": MOVED.format(
                groups="""
above = box.cgroup("above")
above.pass_down("cpu")
above.write("cpu.max", "50000 100000")
pen = above.cgroup("pen")
for pid in [half.pid, *children(half.pid)]:
    pen.add(pid)
"""
            ),
        },
        wrong={
            "a weight": Wrong(HALF.format(workers=2, more=", cpu_shares=512"), "is no quota"),
            "nobody wants to": Wrong(
                "half = box.start('busybox', 'sleep 1000', cpus=0.5, network='none')",
                "0 want to run all the time",
            ),
            "one wants to": Wrong(
                HALF.format(workers=1, more=", cpus=0.5"), "1 want to run all the time"
            ),
            "a whole one": Wrong(HALF.format(workers=2, more=", cpus=1"), "is 1 processors"),
            "a quarter": Wrong(HALF.format(workers=2, more=", cpus=0.25"), "is 0.25 processors"),
            "one CPU to run on": Wrong(
                MOVED.format(
                    groups="""
for pid in [half.pid, *children(half.pid)]:
    box.hold().python(f"os.sched_setaffinity({pid}, {{0}})")
"""
                ),
                "is no quota",
            ),
            "a quota each": Wrong(
                MOVED.format(
                    groups="""
for number, pid in enumerate([half.pid, *children(half.pid)]):
    pen = box.cgroup(f"pen{number}")
    pen.write("cpu.max", "50000 100000")
    pen.add(pid)
"""
                ),
                "several quotas",
            ),
            "frozen": Wrong(
                HALF.format(workers=2, more=", cpus=0.5")
                + "\nbox.kernelbox(['pause', half.id], quiet=True)",
                "0 want to run all the time",
            ),
            "no container": Wrong("half = box.burn(2)", "half is <a load"),
        },
        nothing="half is None",
    ),
    "how-often": Answers(
        right={
            "a fraction": "from fractions import Fraction\n"
            + COUNTERS.format(answer="float(Fraction(times, periods)) if periods else 0"),
            "many short looks": """
                import time

                def look():
                    words = Path(directory, "cpu.stat").read_text().split()
                    return [int(words[words.index(one) + 1]) for one in ("nr_periods",
                            "nr_throttled")]

                first = look()
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    time.sleep(0.05)
                    last = look()
                return (last[1] - first[1]) / max(last[0] - first[0], 1)
                """,
        },
        wrong={
            "since it was made": Wrong(
                COUNTERS.format(answer="after['nr_throttled'] / max(after['nr_periods'], 1)"),
                "your function says",
            ),
            "how many times": Wrong(COUNTERS.format(answer="times"), "your function says"),
            "in percent": Wrong(
                COUNTERS.format(answer="100 * times / max(periods, 1)"), "your function says"
            ),
            "no period at all": Wrong(
                COUNTERS.format(answer="times / periods"), "raised ZeroDivisionError"
            ),
            "the others": Wrong(
                COUNTERS.format(answer="1 - times / max(periods, 1)"), "your function says"
            ),
            "whether": Wrong(COUNTERS.format(answer="times > 0"), "your function says"),
            "at once": Wrong(
                COUNTERS.format(answer="0.0").replace("time.sleep(seconds)", "pass"),
                "your function says 0",
            ),
            "whether, as a number": Wrong(
                COUNTERS.format(answer="int(times > 0)"), "met now and then, your function says 1"
            ),
            "the part of the time": Wrong(
                """
                def look():
                    words = Path(directory, "cpu.stat").read_text().split()
                    for name, unit in (("throttled_usec", 1e6), ("throttled_time", 1e9)):
                        if name in words:
                            return int(words[words.index(name) + 1]) / unit

                before = look()
                time.sleep(seconds)
                return min((look() - before) / seconds, 1.0)
                """,
                "met now and then, your function says 0",
            ),
            "what the quota leaves": Wrong(
                """
                from kernelbox.lab.measuring import cpu_max

                time.sleep(seconds)
                quota, period = cpu_max(Path(directory)).split()
                return 0 if quota == "max" else max(0, 1 - int(quota) / int(period))
                """,
                "met now and then, your function says 0.9",
            ),
            "of real time": Wrong(COUNTERS.format(answer="times / seconds"), "your function says"),
        },
        nothing="your function says None",
    ),
    "in-time": Answers(
        right={
            "ten of fifty": PROMPT.format(quota="10000 50000"),
            "less than a fifth": PROMPT.format(quota="15000 100000"),
            "with a burst": PROMPT.format(quota="4000 20000")
            + 'prompt.write("cpu.max.burst", 4000)\n',
            "further up": """
                above = box.cgroup("above")
                above.pass_down("cpu")
                above.write("cpu.max", "40000 200000")
                prompt = above.cgroup("prompt")
                """,
        },
        wrong={
            "no limit": Wrong("prompt = box.cgroup('prompt')", "may use every processor"),
            "too short a period": Wrong(
                PROMPT.format(quota="1000 10000"), "the group was throttled"
            ),
            "two of ten": Wrong(PROMPT.format(quota="2000 10000"), "the group was throttled"),
            "too little": Wrong(PROMPT.format(quota="2000 100000"), "the group was throttled"),
            "too much": Wrong(PROMPT.format(quota="30000 100000"), "may use 0.3 processors"),
            "enough in the one, not in the other": Wrong(
                """
                above = box.cgroup("above")
                above.pass_down("cpu")
                above.write("cpu.max", "20000 100000")
                prompt = above.cgroup("prompt")
                prompt.write("cpu.max", "1000 5000")
                """,
                "the group was throttled",
            ),
            "a weight": Wrong(
                "prompt = box.cgroup('prompt')\nprompt.write('cpu.weight', 20)",
                "may use every processor",
            ),
            "frozen": Wrong(PROMPT.format(quota="20000 100000") + "prompt.freeze()\n", "is frozen"),
            "a container": Wrong(
                "prompt = box.start('busybox', 'sleep 1000', cpus=0.2, network='none')",
                "prompt is <a container>",
            ),
        },
        nothing="prompt is None",
    ),
}
