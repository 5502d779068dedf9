"""Answers to the exercises of killing.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

ADJUSTED = """
box.hold().write(f"/proc/{{{who}.pid}}/oom_score_adj", "{by}")
"""
COUNTED = """
def count(events):
    found = {{}}
    for line in events.splitlines():
        name, number = line.split()
        found[name] = int(number)
    return found

{then}
"""
RISEN = COUNTED.format(
    then="found = {name: count(after[name])[WORD] - count(before[name])[WORD] for name in after}\n"
    "return {name: number for name, number in found.items() if number}"
)

ANSWERS = {
    "the-right-one": Answers(
        right={
            "the most there is": ADJUSTED.format(who="report", by="1000"),
            "both are told": ADJUSTED.format(who="db", by="100")
            + ADJUSTED.format(who="report", by="600"),
            "computed": """
                larger = (db.count - report.count) * 1000 // int(shop.read("memory.max"))
                box.hold().write(f"/proc/{report.pid}/oom_score_adj", str(larger + 50))
                """,
            "in a shell": "box.hold().shell(f'echo 700 > /proc/{report.pid}/oom_score_adj')",
        },
        wrong={
            "alike": Wrong(
                ADJUSTED.format(who="report", by="500") + ADJUSTED.format(who="db", by="500"),
                "killed db",
            ),
            "the wrong one": Wrong(ADJUSTED.format(who="db", by="500"), "killed db"),
            "too little": Wrong(ADJUSTED.format(who="report", by="40"), "killed db"),
            "a nice report": Wrong(
                "box.hold().python(f'os.setpriority(os.PRIO_PROCESS, {report.pid}, 19)')",
                "killed db",
            ),
            "by hand": Wrong("report.end()", "report has ended"),
            "more room": Wrong("shop.write('memory.max', '400M')", "memory.max of shop says"),
            "elsewhere": Wrong("box.cgroup('safe').add(db)", "db is not in shop"),
            "frozen": Wrong("shop.freeze()", "shop is frozen"),
            "another report": Wrong(
                "report = box.eat(60 << 20, group=shop)", "not what the lab gave"
            ),
        },
        nothing="the kernel has killed db",
        needs=("open", "limited"),
        again=("shop",),
    ),
    "who-was-killed": Answers(
        right={
            "zeros, too": COUNTED.format(
                then="return {name: count(after[name])['oom_kill'] "
                "- count(before[name])['oom_kill'] for name in after}"
            ),
            "by the word": """
                found = {}
                for name in before:
                    words = [text.split() for text in (before[name], after[name])]
                    first, last = (int(one[one.index("oom_kill") + 1]) for one in words)
                    if last > first:
                        found[name] = last - first
                return found
                """,
        },
        wrong={
            "since it was made": Wrong(
                COUNTED.format(
                    then="found = {name: count(after[name])['oom_kill'] for name in after}\n"
                    "return {name: number for name, number in found.items() if number}"
                ),
                "where the kernel killed",
            ),
            "how often it was met": Wrong(RISEN.replace("WORD", "'max'"), "your function says"),
            "out of memory": Wrong(
                RISEN.replace("[WORD]", ".get('oom', 0)"), "where the kernel killed"
            ),
            "whether": Wrong(
                RISEN.replace("WORD", "'oom_kill'").replace("name: number for", "name: 1 for"),
                "where the kernel killed several",
            ),
            "where it never killed before": Wrong(
                RISEN.replace("WORD", "'oom_kill'").replace(
                    "found.items() if number",
                    "found.items() if number == count(after[name])['oom_kill'] > 0",
                ),
                "where the kernel killed several",
            ),
            "one or more": Wrong(
                RISEN.replace("WORD", "'oom_kill'").replace(
                    "name: number for", "name: min(number, 2) for"
                ),
                "where the kernel killed several",
            ),
            "true": Wrong(
                RISEN.replace("WORD", "'oom_kill'").replace("name: number for", "name: True for"),
                "your function says {",
            ),
            "names": Wrong(
                RISEN.replace("WORD", "'oom_kill'").replace("name: number for", "name for"),
                "your function says {",
            ),
            "the other way round": Wrong(
                RISEN.replace("WORD", "'oom_kill'").replace("number for", "-number for"),
                "your function says -",
            ),
            "everybody": Wrong("return dict.fromkeys(after, 1)", "your function says 1"),
        },
        nothing="your function says None",
        needs=("open", "limited"),
    ),
}
