"""Answers to the exercises of lanes.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

LANE = """
lane = box.cgroup("lane")
lane.write("io.max", f"{{disk.number}} {words}")
"""
LEAST = """
waits = [0]
if limit["wbps"]:
    waits.append({by_bytes})
if limit["wiops"]:
    waits.append({by_requests})
return {answer}
"""
BYTES, REQUESTS = 'size / limit["wbps"]', 'size / block / limit["wiops"]'
APART = """
own = box.cgroup("own")
own.add({who})
"""

ANSWERS = {
    "slow-lane": Answers(
        right={
            "three million": LANE.format(words="wbps=3000000"),
            "one word after the other": LANE.format(words="wbps=3145728 rbps=1048576")
            + "lane.write('io.max', f'{disk.number} rbps=max')\n",
            "more requests than anybody sends": LANE.format(words="wbps=3145728 wiops=100000"),
        },
        wrong={
            "reads": Wrong(LANE.format(words="rbps=3145728"), "writer in lane: rbps"),
            "three bytes": Wrong(LANE.format(words="wbps=3"), "may write 3 bytes a second"),
            "megabits": Wrong(LANE.format(words="wbps=393216"), "may write 393216 bytes"),
            "reads as well": Wrong(
                LANE.format(words="wbps=3145728 rbps=3145728"), "reading is limited as well: rbps"
            ),
            "requests": Wrong(LANE.format(words="wiops=48"), "writer in lane: wiops"),
            "requests as well": Wrong(
                LANE.format(words="wbps=3145728 wiops=40"), "the number of its writes"
            ),
            "another disk": Wrong(
                "lane, other = box.cgroup('lane'), box.disk(1 << 20)\n"
                "lane.write('io.max', f'{other.number} wbps=3145728')",
                "writer in lane: none",
            ),
            "a partition": Wrong(
                "lane = box.cgroup('lane')\nwith lab.refused():\n"
                "    lane.write('io.max', '259:0 wbps=3145728')",
                "writer in lane: none",
            ),
            "frozen": Wrong(LANE.format(words="wbps=3145728") + "lane.freeze()\n", "is frozen"),
            "a quota": Wrong(
                "lane = box.cgroup('lane')\nlane.write('cpu.max', '3000 100000')",
                "writer in lane: none",
            ),
        },
        nothing="lane is None",
        needs=("open", "disk"),
    ),
    "how-long": Answers(
        right={
            "fractions": "from fractions import Fraction\n"
            + LEAST.format(
                by_bytes='Fraction(size, limit["wbps"])',
                by_requests='Fraction(size, block * limit["wiops"])',
                answer="float(max(waits))",
            ),
            "by the smaller rate": """
                rates = []
                if limit["wbps"]:
                    rates.append(limit["wbps"])
                if limit["wiops"]:
                    rates.append(limit["wiops"] * block)
                return size / min(rates) if rates else 0
                """,
        },
        wrong={
            "both, one after the other": Wrong(
                LEAST.format(by_bytes=BYTES, by_requests=REQUESTS, answer="sum(waits)"),
                "your function says",
            ),
            "always the same": Wrong("return 0.5 if any(limit.values()) else 0", "says 0.5 s"),
            "as the longest side": Wrong(
                "import math\n"
                + LEAST.format(by_bytes=BYTES, by_requests=REQUESTS, answer="math.hypot(*waits)"),
                "your function says",
            ),
            "bytes alone": Wrong('return size / (limit["wbps"] or 1e12)', "your function says"),
            "requests alone": Wrong(
                'return size / block / (limit["wiops"] or 1e12)', "your function says"
            ),
            "the faster one": Wrong(
                LEAST.format(by_bytes=BYTES, by_requests=REQUESTS, answer="min(waits[1:] or [0])"),
                "your function says",
            ),
            "requests of one byte": Wrong(
                LEAST.format(
                    by_bytes=BYTES, by_requests='size / limit["wiops"]', answer="max(waits)"
                ),
                "your function says",
            ),
            "bits": Wrong(
                LEAST.format(
                    by_bytes='8 * size / limit["wbps"]', by_requests=REQUESTS, answer="max(waits)"
                ),
                "your function says",
            ),
            "never None": Wrong(
                f"return max({BYTES}, {REQUESTS})", "raised TypeError: unsupported operand"
            ),
            "milliseconds": Wrong(
                LEAST.format(by_bytes=BYTES, by_requests=REQUESTS, answer="1000 * max(waits)"),
                "your function says",
            ),
        },
        nothing="your function says None",
    ),
    "quiet-neighbour": Answers(
        right={
            "the scan moves": APART.format(who="scan")
            + "own.write('io.max', f'{disk.number} rbps=4194304')\n"
            "office.write('io.max', f'{disk.number} rbps=max')\n",
            "a smaller share": APART.format(who="scan")
            + "own.write('io.max', f'{disk.number} rbps=3145728')\n",
            "a share for each": APART.format(who="shop")
            + "own.write('io.max', f'{disk.number} rbps=1048576')\n"
            "office.write('io.max', f'{disk.number} rbps=3145728')\n",
        },
        wrong={
            "no limit for both": Wrong(
                "office.write('io.max', f'{disk.number} rbps=max')", "as much as it likes"
            ),
            "a larger one": Wrong(
                "office.write('io.max', f'{disk.number} rbps=83886080')", "may read 80 MiB"
            ),
            "who is away cannot disturb": Wrong("scan.end()", "scan has ended"),
            "nor who is frozen": Wrong(
                APART.format(who="scan")
                + "own.write('io.max', f'{disk.number} rbps=4194304')\nown.freeze()\n",
                "scan reads nothing any more",
            ),
            "a limit of requests": Wrong(
                "office.write('io.max', f'{disk.number} riops=20')",
                "answers of shop, the slowest took",
            ),
            "both move": Wrong(
                APART.format(who="scan") + "own.add(shop)\n"
                "own.write('io.max', f'{disk.number} rbps=8388608')\n",
                "answers of shop, the slowest took",
            ),
            "the scan moves, and has no limit": Wrong(
                APART.format(who="scan"), "scan may read as much as it likes"
            ),
            "another one of that name": Wrong(
                "shop = box.read(disk.path, disk.size, 40 * 4096, block=4096, direct=True)",
                "not what the lab gave",
            ),
        },
        nothing="answers of shop, the slowest took",
        needs=("open", "disk"),
        again=("office", "scan"),
    ),
}
