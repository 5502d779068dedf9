"""Answers to the exercises of ends.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

MOST = 'cell.write("pids.max", {most})'
LIMIT = """
limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
for directory in {groups}:
    if memory_max(directory) != "max":
        limits.append(int(memory_max(directory)))
return {answer}
"""

ANSWERS = {
    "so-many-more": Answers(
        right={
            "counted in /proc": """
                there = len(os.listdir(f"/proc/{resident.pid}/task"))
                cell.write("pids.max", there + more)
                """,
            "by its numbers": MOST.format(most="cell.stats.pids_current + more"),
            "by its status": "from kernelbox.lab.reading import status\n"
            + MOST.format(most='int(status(resident.pid)["Threads"]) + more'),
        },
        wrong={
            "as many as asked for": Wrong(MOST.format(most="more"), "the bomb came to"),
            "one resident": Wrong(MOST.format(most="more + 1"), "the bomb came to"),
            "its processes": Wrong(
                MOST.format(most="more + len(cell.processes)"), "the bomb came to"
            ),
            "the bomb not counted": Wrong(
                MOST.format(most='int(cell.read("pids.current")) + more + 1'), "the bomb came to"
            ),
            "full already": Wrong(
                MOST.format(most='cell.read("pids.current")'), "the bomb came to"
            ),
            "of memory": Wrong('cell.write("memory.max", "8M")', "the bomb came to"),
            "a limit of root's": Wrong(
                'resident.shell(f"prlimit --pid $PPID --nproc={more}")', "the bomb came to"
            ),
            "nobody else there": Wrong(
                "box.cgroup('away').add(resident)\n" + MOST.format(most="more"),
                "resident is not in cell",
            ),
            "frozen": Wrong("cell.freeze()", "cell is frozen"),
        },
        nothing="the bomb came to",
        needs=("open", "limited"),
        again=("cell",),
    ),
    "my-real-limit": Answers(
        right={
            "floats": LIMIT.format(groups="memory_groups(pid)", answer="float(min(limits))"),
            "by /proc/meminfo": """
                with open("/proc/meminfo") as file:
                    words = file.read().split()
                most = int(words[words.index("MemTotal:") + 1]) * 1024
                for text in map(memory_max, memory_groups(pid)):
                    most = min(most, int(text)) if text.isdigit() else most
                return most
                """,
        },
        wrong={
            "the machine's": Wrong(
                "return os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')",
                "your function says",
            ),
            "its own group": Wrong(
                LIMIT.format(groups="memory_groups(pid)[:1]", answer="min(limits)"),
                "your function says",
            ),
            "the highest group": Wrong(
                LIMIT.format(groups="memory_groups(pid)[1:]", answer="min(limits)"),
                "your function says",
            ),
            "the nearest": Wrong(
                LIMIT.format(groups="memory_groups(pid)", answer="([*limits[1:2], *limits])[0]"),
                "in the middle is the lowest, your function says",
            ),
            "the nearest and the last": Wrong(
                LIMIT.format(groups="memory_groups(pid)", answer="min(limits[:2] + limits[-1:])"),
                "in the middle is the lowest, your function says",
            ),
            "the last word": Wrong(
                LIMIT.format(groups="memory_groups(pid)", answer="limits[-1]"),
                "your function says",
            ),
            "the text": Wrong("return memory_max(memory_groups(pid)[0])", "your function says '"),
            "mine": Wrong(
                LIMIT.format(groups="memory_groups(os.getpid())", answer="min(limits)"),
                "your function says",
            ),
            "in MiB": Wrong(
                LIMIT.format(groups="memory_groups(pid)", answer="min(limits) >> 20"),
                "your function says",
            ),
            "all together": Wrong(
                LIMIT.format(groups="memory_groups(pid)", answer="sum(limits[1:])"),
                "your function says",
            ),
        },
        nothing="your function says None",
        needs=("open", "limited"),
    ),
}
