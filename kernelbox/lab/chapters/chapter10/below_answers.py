"""Answers to the exercise of below.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

BELOW = """
def row_of(path):
    rows = [line.split() for line in mountinfo(pid)]
    rows = [row for row in rows if (path + "/").startswith(row[4].rstrip("/") + "/")]
    return max(rows, key=lambda row: len(row[4]))

row = row_of(path)
{overlay}
device = Path("/sys/dev/block", row[2]).resolve()
if not device.exists():
    return None
{partition}
return (device / "dev").read_text().strip()
"""
OVERLAY = """
while row[row.index("-") + 1] == "overlay":
    row = row_of(row[-1].split("upperdir=")[1].split(",")[0])
"""
PARTITION = 'device = device.parent if (device / "partition").exists() else device'

ANSWERS = {
    "disk-below": Answers(
        right={
            "row by row": BELOW.format(overlay=OVERLAY, partition=PARTITION),
            "by the parent's name": """
                import os

                for _ in range(9):
                    best = None
                    for line in mountinfo(pid):
                        row = line.split()
                        inside = path == row[4] or path.startswith(row[4].rstrip("/") + "/")
                        if inside and (best is None or len(row[4]) >= len(best[4])):
                            best = row
                    kind, _, options = best[best.index("-") + 1 :]
                    if kind != "overlay":
                        break
                    [path] = [one[9:] for one in options.split(",") if one.startswith("upperdir=")]
                place = os.path.realpath(f"/sys/dev/block/{best[2]}")
                if not os.path.exists(f"{place}/dev"):
                    return None
                if os.path.exists(f"{os.path.dirname(place)}/dev"):
                    place = os.path.dirname(place)
                return open(f"{place}/dev").read().strip()
                """,
        },
        wrong={
            "the partition": Wrong(
                BELOW.format(overlay=OVERLAY, partition=""), "your function says '259:"
            ),
            "the overlay itself": Wrong(
                BELOW.format(overlay="", partition=PARTITION), "of a file on an overlay"
            ),
            "the lower one": Wrong(
                BELOW.format(
                    overlay=OVERLAY.replace("upperdir=", "lowerdir="), partition=PARTITION
                ),
                "of a file on an overlay",
            ),
            "my own mounts": Wrong(
                BELOW.format(overlay=OVERLAY, partition=PARTITION).replace(
                    "mountinfo(pid)", "mountinfo()"
                ),
                "of a file on ",
            ),
            "what the host says": Wrong(
                "import os\ntry:\n    found = os.stat(path).st_dev\nexcept OSError:\n"
                "    found = os.stat('/').st_dev\nreturn f'{os.major(found)}:{os.minor(found)}'",
                "of a file on ",
            ),
            "its third field": Wrong(
                BELOW.format(overlay="return row[2]", partition=""), "of a file on "
            ),
            "the first line that fits": Wrong(
                BELOW.format(overlay=OVERLAY, partition=PARTITION).replace(
                    "max(rows, key=lambda row: len(row[4]))", "rows[0]"
                ),
                "of a file on ",
            ),
            "nearly that name": Wrong(
                BELOW.format(overlay=OVERLAY, partition=PARTITION).replace(
                    '(path + "/").startswith(row[4].rstrip("/") + "/")', "path.startswith(row[4])"
                ),
                "of a file on what is beside a mount",
            ),
            "its name": Wrong(
                BELOW.format(overlay=OVERLAY, partition=PARTITION).replace(
                    '(device / "dev").read_text().strip()', "device.name"
                ),
                "of a file on ",
            ),
        },
        nothing="your function says None",
    ),
}
