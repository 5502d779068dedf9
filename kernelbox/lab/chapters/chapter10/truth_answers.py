"""Answers to the exercises of truth.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

DD = 'return ["dd", "if=/dev/zero", f"of={{path}}", "bs=65536", f"count={{size // 65536}}"{more}]'
WRITTEN = """
import time

def look():
    for line in io_stat(directory).splitlines():
        device, *pairs = line.split()
        if {line}:
            return int(dict(pair.split("=") for pair in pairs).get("{word}", 0))
    return 0

before = look()
time.sleep(seconds)
return {answer}
"""

ANSWERS = {
    "honest-number": Answers(
        right={
            "past the cache": DD.format(more=', "oflag=direct"'),
            "each block": DD.format(more=', "oflag=dsync"'),
            "the data alone": DD.format(more=', "conv=fdatasync"'),
            "in a shell": (
                'script = f"dd if=/dev/zero of={path} bs=64k count={size >> 16} conv=fsync"\n'
                'return ["sh", "-c", script]'
            ),
        },
        wrong={
            "as it was": Wrong(DD.format(more=""), "when it ends"),
            "a word that looks like it": Wrong(DD.format(more=', "conv=sync"'), "when it ends"),
            "sync afterwards": Wrong(
                'script = f"dd if=/dev/zero of={path} bs=64k count={size >> 16}; sync {path}"\n'
                'return ["sh", "-c", script]',
                "when it ends",
            ),
            "sync before": Wrong(
                'script = f"sync {path}; dd if=/dev/zero of={path} bs=64k count={size >> 16}"\n'
                'return ["sh", "-c", script]',
                "when it ends",
            ),
            "one large block": Wrong(
                'return ["dd", "if=/dev/zero", f"of={path}", f"bs={size}", "count=1"]',
                "when it ends",
            ),
            "reading past the cache": Wrong(DD.format(more=', "iflag=fullblock"'), "when it ends"),
            "too little": Wrong(
                'return ["dd", "if=/dev/zero", f"of={path}", "bs=65536", "conv=fsync", "count=1"]',
                "the file has 65536 bytes",
            ),
            "no command": Wrong('return "dd conv=fsync"', "your function says 'dd"),
            "elsewhere": Wrong(
                'return ["dd", "if=/dev/zero", "of=/dev/null", "bs=65536", "count=9"]',
                "writes to its path",
            ),
            "sync, and said": Wrong(
                'script = (f"dd if=/dev/zero of={path} bs=64k count={size >> 16} status=none; "\n'
                '          f"sync {path}; echo {size} bytes copied, 99.0 s, 1 MB/s")\n'
                'return ["sh", "-c", script]',
                "more seconds than have passed",
            ),
            "synced, and another number": Wrong(
                'dd = f"dd status=none if=/dev/zero of={path} bs=65536 count={size >> 16} "\n'
                'dd += "conv=fsync"\n'
                'return ["sh", "-c", f"{dd}; echo {size} bytes copied, 0.5 s, 3 MB/s"]',
                "says",
            ),
            "no such program": Wrong('return ["ddd", f"of={path}"]', "the file has 0 bytes"),
            "said, not done": Wrong(
                'script = f"echo {size} bytes copied, 9.0 s, 1 MB/s # of={path}"\n'
                'return ["sh", "-c", script]',
                "the file has 0 bytes",
            ),
        },
        nothing="your function says None",
    ),
    "really-written": Answers(
        right={
            "word by word": WRITTEN.format(
                line="device == number", word="wbytes", answer="look() - before"
            ),
            "with a pattern": """
                import re
                import time

                def look():
                    found = re.search(rf"^{number} .*?wbytes=(\\d+)", io_stat(directory), re.M)
                    return int(found[1]) if found else 0

                before = look()
                time.sleep(seconds)
                return float(look() - before)
                """,
        },
        wrong={
            "since it was made": Wrong(
                WRITTEN.format(line="device == number", word="wbytes", answer="look()"),
                "of a group that writes past the cache, your function says",
            ),
            "what is read": Wrong(
                WRITTEN.format(line="device == number", word="rbytes", answer="look() - before"),
                "your function says",
            ),
            "requests": Wrong(
                WRITTEN.format(line="device == number", word="wios", answer="look() - before"),
                "of a group that writes past the cache, your function says",
            ),
            "any disk": Wrong(
                """
                import re
                import time

                def look():
                    return sum(map(int, re.findall(r"wbytes=(\\d+)", io_stat(directory))))

                before = look()
                time.sleep(seconds)
                return look() - before
                """,
                "of a group that writes to another disk, your function says",
            ),
            "in a second": Wrong(
                WRITTEN.format(
                    line="device == number", word="wbytes", answer="3 * (look() - before)"
                ),
                "of a group that writes past the cache, your function says",
            ),
            "at once": Wrong(
                WRITTEN.format(
                    line="device == number", word="wbytes", answer="look() - before"
                ).replace("time.sleep(seconds)", "pass"),
                "of a group that writes past the cache, your function says",
            ),
            "with no line yet": Wrong(
                'lines = dict(line.split(" ", 1) for line in io_stat(directory).splitlines())\n'
                "return int(lines[number].split()[1].partition('=')[2])",
                "of a group that",
            ),
        },
        nothing="your function says None",
    ),
}
