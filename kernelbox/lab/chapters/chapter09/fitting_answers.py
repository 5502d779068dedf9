"""Answers to the exercises of fitting.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

SNUG = """
snug = box.cgroup("snug")
snug.write("memory.max", {size})
"""
LOWERED = """
warm.write("memory.max", size + (8 << 20))
{after}
"""

ANSWERS = {
    "just-fits": Answers(
        right={
            "the most it ever had": SNUG.format(
                size="(study.stats.memory_peak or study.stats.memory_current) + (3 << 20)"
            ),
            "the table, and some": SNUG.format(size="table.count + (5 << 20)"),
            "further up": """
                above = box.cgroup("above")
                above.pass_down("memory")
                above.write("memory.max", int(study.read("memory.current")) + (4 << 20))
                snug = above.cgroup("snug")
                """,
            "tried out": """
                for spare in range(12):
                    snug = box.cgroup("snug")
                    snug.write("memory.max", table.count + (spare << 20))
                    again = box.eat(table.count, group=snug)
                    until(lambda: again.count == table.count or not again.running)
                    lived = again.running
                    again.end()
                    if lived:
                        break
                snug.write("memory.max", table.count + (spare + 2 << 20))
                """,
        },
        wrong={
            "the bytes of the table": Wrong(SNUG.format(size="table.count"), "was killed"),
            "half of it": Wrong(SNUG.format(size="table.count // 2"), "was killed"),
            "no limit": Wrong("snug = box.cgroup('snug')", "may have all memory"),
            "twice as much": Wrong(SNUG.format(size="2 * table.count"), "more than the program"),
            "a wide margin": Wrong(
                SNUG.format(size="table.count + (20 << 20)"), "more than the program"
            ),
            "of the other group": Wrong(
                'snug = box.cgroup("snug")\n'
                'study.write("memory.max", int(study.read("memory.current")) + (4 << 20))',
                "may have all memory",
            ),
            "that of another run": Wrong(SNUG.format(size='"24M"'), "was killed"),
            "tried, and left there": Wrong(
                SNUG.format(size='int(study.read("memory.current")) + (4 << 20)')
                + "box.eat(table.count, group=snug)",
                "1 in snug before the check",
            ),
            "frozen": Wrong(
                SNUG.format(size='int(study.read("memory.current")) + (4 << 20)') + "snug.freeze()",
                "snug is frozen",
            ),
            "the size": Wrong("snug = int(study.read('memory.current'))", "snug is "),
        },
        nothing="snug is None",
        needs=("open", "limited", "table"),
    ),
    "give-it-back": Answers(
        right={
            "told of the file": """
                keeper.python("os.posix_fadvise(film, 0, 0, os.POSIX_FADV_DONTNEED)")
                """,
            "by another process": """
                number = keeper.evaluate("film")
                box.hold().python(
                    f"there = os.open('/proc/{keeper.pid}/fd/{number}', os.O_RDONLY)\\n"
                    "os.posix_fadvise(there, 0, 0, os.POSIX_FADV_DONTNEED)"
                )
                """,
            "in steps": """
                for most in range(90, 0, -1):
                    if most << 20 < size + (7 << 20):
                        break
                    warm.write("memory.max", f"{most}M")
                warm.write("memory.max", "96M")
                """,
        },
        wrong={
            "no end of it": Wrong(LOWERED.format(after=""), "memory.max of warm says"),
            "without any limit": Wrong(
                LOWERED.format(after="warm.write('memory.max', 'max')"),
                "memory.max of warm says max",
            ),
            "the process ends": Wrong("keeper.end()", "`keeper` has ended"),
            "the file goes": Wrong(
                'keeper.python("os.ftruncate(film, 0)")', "the file that keeper has open has 0 MiB"
            ),
            "what it says goes": Wrong(
                'keeper.python("os.ftruncate(film, 0)\\nos.ftruncate(film, 48 << 20)")',
                "says something else",
            ),
            "closed": Wrong('keeper.python("os.close(film)")', "keeper has no file open any more"),
            "the other memory": Wrong('keeper.python("memory.close()")', "of its own in memory"),
            "it moves": Wrong("box.cgroup('cold').add(keeper)", "keeper is not in warm"),
            "written to the disk": Wrong("keeper.shell('sync')", "of page cache are charged"),
            "a little lower": Wrong(
                "warm.write('memory.max', '80M')\nwarm.write('memory.max', '96M')",
                "of page cache are charged",
            ),
            "frozen": Wrong("warm.freeze()", "warm is frozen"),
            "another group": Wrong("warm = limited('warm', '96M')", "not what the lab gave"),
        },
        nothing="of page cache are charged",
        needs=("open", "limited"),
        again=("warm",),
    ),
}
