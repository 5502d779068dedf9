"""Answers to the exercise of available.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

STAT = """
stat = {{name: int(number) for name, number in
        (line.split() for line in files["memory.stat"].splitlines())}}
if files["memory.max"] == "max":
    return host["MemTotal"], host["MemAvailable"]
total, current = int(files["memory.max"]), int(files["memory.current"])
return total, {available}
"""

ANSWERS = {
    "what-free-should-say": Answers(
        right={
            "what cannot go": STAT.format(
                available="total - stat['anon'] - stat['shmem'] - (1 << 20)"
            ),
            "as docker stats counts": STAT.format(
                available="total - (current - stat['inactive_file'] - stat['active_file'])"
            ),
            "a list, cautiously": STAT.format(
                available="total - current + stat['file'] - stat['shmem']"
            ).replace("return total, ", "return [total, 0.99 * (")
            + ")]",
        },
        wrong={
            "cache is used": Wrong(STAT.format(available="total - current"), "are available"),
            "every file goes": Wrong(
                STAT.format(available="total - current + stat['file']"), "somebody was killed"
            ),
            "all that may be": Wrong(STAT.format(available="total"), "somebody was killed"),
            "its own memory alone": Wrong(
                STAT.format(available="total - stat['anon']"), "somebody was killed"
            ),
            "three fifths": Wrong(STAT.format(available="total * 3 // 5"), "are available"),
            "but for a little": Wrong(STAT.format(available="total - (25 << 20)"), "are available"),
            "the machine's": Wrong(
                "return host['MemTotal'], host['MemAvailable']", "your function says a total of"
            ),
            "no thought of none": Wrong(
                """
                total = int(files["memory.max"])
                return total, total - int(files["memory.current"])
                """,
                "of a group ",
            ),
            "in KiB": Wrong(
                STAT.format(available="total - current + stat['file'] - stat['shmem']").replace(
                    "return total, ", "return total // 1024, "
                ),
                "your function says a total of",
            ),
            "what is used": Wrong(
                STAT.format(available="current - stat['file'] + stat['shmem']"), "are available"
            ),
            "one number": Wrong(
                STAT.format(available="0").replace("return total, 0", "return total"),
                "of a group ",
            ),
        },
        nothing="your function says None",
        needs=("open", "limited"),
    ),
}
