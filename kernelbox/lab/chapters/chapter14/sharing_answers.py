"""Answers to the exercises of sharing.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

LINES = """
total = 0
for text in rollups:
    for line in text.splitlines():
        if line.startswith({begin}):
            total += int(line.split()[1])
return total{times}
"""
TWO = """
twins = [box.start("busybox", "sleep 1000", network="none") for _ in range(2)]
"""
FILL = """
for one in twins:
    one.exec(["dd", "if=/dev/zero", f"of={film}", "bs=1M", f"count={size >> 20}"], quiet=True)
"""
IMAGE = """
maker = box.start("busybox", "sleep 1000", network="none")
maker.exec(["dd", "if=/dev/urandom", f"of={film}", "bs=1M", f"count={size >> 20}"], quiet=True)
box.kernelbox(["commit", maker.id, "chapter14/film"], quiet=True)
twins = [box.start("chapter14/film", "sleep 1000", network="none") for _ in range(2)]
"""

ANSWERS = {
    "counted-once": Answers(
        right={
            "line by line": LINES.format(begin='"Pss:"', times=" * 1024"),
            "with a pattern": r"""
                import re

                return 1024 * sum(int(re.search(r"^Pss: +(\d+)", one, re.M)[1]) for one in rollups)
                """,
        },
        wrong={
            "what each has mapped": Wrong(
                LINES.format(begin='"Rss:"', times=" * 1024"), "your function says"
            ),
            "in the kernel's unit": Wrong(
                LINES.format(begin='"Pss:"', times=""), "your function says"
            ),
            "of a thousand": Wrong(
                LINES.format(begin='"Pss:"', times=" * 1000"), "your function says"
            ),
            "all that begins so": Wrong(
                LINES.format(begin='"Pss"', times=" * 1024"), "your function says"
            ),
            "what is one's own": Wrong(
                LINES.format(begin='"Private"', times=" * 1024"), "your function says"
            ),
            "what is anonymous": Wrong(
                LINES.format(begin='"Pss_Anon:"', times=" * 1024"), "your function says"
            ),
            "the first, for all": Wrong(
                LINES.format(begin='"Rss:"', times=" // len(rollups) * 1024"), "your function says"
            ),
        },
        nothing="your function says None",
    ),
    "one-copy": Answers(
        needs=("open", "film-given"),
        right={
            "a volume": """
                import tempfile

                place = tempfile.TemporaryDirectory(prefix="kernelbox-film-", dir="/var/tmp")
                where = Path(place.name, os.path.basename(film))
                where.write_bytes(os.urandom(size))
                twins = [
                    box.start("busybox", "sleep 1000", volume=[f"{where}:{film}:ro"])
                    for _ in range(2)
                ]
                """,
            "one file in memory": """
                file = Path("/dev/shm/kernelbox-film")
                file.write_bytes(bytes(size))
                where = [f"{file}:{film}"]
                twins = [box.start("busybox", "sleep 1000", volume=where) for _ in range(2)]
                file.unlink()
                """,
            "one image, and another container beside": IMAGE
            + "other = box.start('busybox', 'sleep 1000', network='none')",
        },
        wrong={
            "a copy for each": Wrong(TWO + FILL, "a copy of its own"),
            "one has changed it": Wrong(
                IMAGE + "twins[0].exec(['sh', '-c', f'touch {film}'], quiet=True)",
                "a copy of its own",
            ),
            "two images": Wrong(
                IMAGE
                + """
maker.exec("touch /var/other", quiet=True)
box.kernelbox(["commit", maker.id, "chapter14/film"], quiet=True)
twins[1] = box.start("chapter14/film", "sleep 1000", network="none")
""",
                "a copy of its own",
            ),
            "in memory, each its own": Wrong(
                """
                twins = []
                for name in ("one", "two"):
                    file = Path(f"/dev/shm/kernelbox-film-{name}")
                    file.write_bytes(bytes(size))
                    where = [f"{file}:{film}"]
                    twins.append(box.start("busybox", "sleep 1000", network="none", volume=where))
                    file.unlink()
                """,
                "a copy of its own",
            ),
            "one that is two": Wrong(IMAGE + "twins = twins[:1] * 2", "one container, twice"),
            "a smaller file": Wrong(IMAGE.replace("{size >> 20}", "1"), "has 1048576 bytes"),
            "no file": Wrong(TWO, "has no file"),
            "one that has ended": Wrong(IMAGE + "twins[0].remove()", "one of twins has ended"),
            "their names": Wrong("twins = ['one', 'other']", "in twins there is 'one'"),
        },
        nothing="twins is None",
    ),
}
