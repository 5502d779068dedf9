"""Answers to the exercises of figures.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

RATIOS = "ratios = sorted(one / other for one, other in zip(ones, others))\n"
PAIRED = RATIOS + "import statistics\n"
DEAREST = """
import statistics

sums = []
for birth in births:
    found = {{}}
    for name, spent in birth:
        {add}
    sums.append(found)
names = {{name for birth in births for name, _ in birth}}
costs = {{name: {cost} for name in names}}
return sorted(names, key=costs.get)[{which}]
"""
ADD = "found[name] = found.get(name, 0) + spent"
MEDIAN = "statistics.median(one.get(name, 0) for one in sums)"

ANSWERS = {
    "how-sure": Answers(
        right={
            "drawn again and again": PAIRED
            + """
import random

medians = sorted(statistics.median(random.choices(ratios, k=len(ratios))) for _ in range(400))
return medians[20], medians[-21]
""",
            "exact ranks": RATIOS
            + """
from math import comb

count, rank, outside = len(ratios), 0, 0
while outside + 2 * comb(count, rank) / 2**count <= 0.1:
    outside += 2 * comb(count, rank) / 2**count
    rank += 1
return ratios[rank - 1], ratios[-rank]
""",
        },
        wrong={
            "one number": Wrong(
                PAIRED + "return statistics.median(ratios), statistics.median(ratios)",
                "0 of 40 intervals hold the true ratio",
            ),
            "one standard error": Wrong(
                RATIOS
                + "away, half = 0.5 * len(ratios) ** 0.5, len(ratios) / 2\n"
                + "return ratios[int(half - away)], ratios[int(half + away)]",
                "intervals hold the true ratio",
            ),
            "five percent": Wrong(
                PAIRED + "middle = statistics.median(ratios)\nreturn 0.95 * middle, 1.05 * middle",
                "intervals hold the true ratio",
            ),
            "all there is": Wrong(RATIOS + "return ratios[0], ratios[-1]", "times as wide as"),
            "the quartiles": Wrong(
                PAIRED + "low, _, high = statistics.quantiles(ratios, n=4)\nreturn low, high",
                "times as wide as",
            ),
            "not in pairs": Wrong(
                """
import random
import statistics

def median(values):
    return statistics.median(random.choices(values, k=len(values)))

found = sorted(median(ones) / median(others) for _ in range(400))
return found[20], found[-21]
""",
                "times as wide as",
            ),
            "the mean and its error": Wrong(
                PAIRED
                + "mean = statistics.mean(ratios)\n"
                + "error = 1.645 * statistics.stdev(ratios) / len(ratios) ** 0.5\n"
                + "return mean - error, mean + error",
                "intervals hold the true ratio",
            ),
            "a standard deviation": Wrong(
                PAIRED
                + "mean, much = statistics.mean(ratios), statistics.stdev(ratios)\n"
                + "return mean - much, mean + much",
                "times as wide as",
            ),
            "upside down": Wrong(
                "ratios = sorted(other / one for one, other in zip(ones, others))\n"
                "half = len(ratios) // 2\nreturn ratios[half - 6], ratios[half + 6]",
                "the true ratio",
            ),
            "high, low": Wrong(
                RATIOS + "half = len(ratios) // 2\nreturn ratios[half + 5], ratios[half - 6]",
                "your function says",
            ),
        },
        nothing="your function says None",
    ),
    "per-call": Answers(
        right={
            "the quickest of several": """
                quick = lambda count: min(took(count) for _ in range(15))
                return (quick(5_000_000) - quick(0)) / 5_000_000
                """,
            "by the slope": """
                import statistics

                counts = [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000]
                times = [statistics.median(took(count) for _ in range(15)) for count in counts]
                return statistics.linear_regression(counts, times).slope
                """,
        },
        wrong={
            "one": Wrong("return took(1)", "ns for a call"),
            "a few": Wrong("return took(1000) / 1000", "ns for a call"),
            "with the start": Wrong(
                "return sorted(took(1_000_000) for _ in range(9))[4] / 1_000_000", "ns for a call"
            ),
            "the start alone": Wrong("return took(0)", "ns for a call"),
            "one difference": Wrong(
                "return (took(5_000_000) - took(0)) / 5_000_000", "ns for a call"
            ),
            "one difference, once it is warm": Wrong(
                """
                took(5_000_000), took(0)
                return (took(5_000_000) - took(0)) / 5_000_000
                """,
                "ns for a call",
            ),
            "the mean": Wrong(
                """
                runs = [(took(5_000_000) - took(0)) / 5_000_000 for _ in range(3)]
                return sum(runs) / 3
                """,
                "ns for a call",
            ),
            "a difference of few": Wrong(
                """
                runs = sorted((took(2000) - took(1000)) / 1000 for _ in range(9))
                return runs[4] + 1e-6
                """,
                "ns for a call",
            ),
            "in a second": Wrong(
                """
                quick = lambda count: min(took(count) for _ in range(15))
                return 5_000_000 / (quick(5_000_000) - quick(0))
                """,
                "ns for a call",
            ),
            "more than anybody waits for": Wrong(
                "return took(10**9) / 10**9", "5000000 at most, not 1000000000"
            ),
        },
        nothing="your function says None",
    ),
    "dearest": Answers(
        right={
            "call by call": DEAREST.format(add=ADD, cost=MEDIAN, which="-3:"),
            "with a Counter": """
                from collections import Counter
                from statistics import median_low

                sums = []
                for birth in births:
                    found = Counter()
                    for name, spent in birth:
                        found[name] += spent
                    sums.append(found)
                usual = Counter({name: median_low([one[name] for one in sums]) for name in sums[0]})
                return {name for name, _ in usual.most_common(3)}
                """,
        },
        wrong={
            "all births together": Wrong(
                DEAREST.format(add=ADD, cost="sum(one.get(name, 0) for one in sums)", which="-3:"),
                "your function says",
            ),
            "the slowest one": Wrong(
                DEAREST.format(
                    add="found[name] = max(found.get(name, 0), spent)",
                    cost="max(one.get(name, 0) for one in sums)",
                    which="-3:",
                ),
                "your function says",
            ),
            "one birth": Wrong(
                DEAREST.format(add=ADD, cost="sums[0].get(name, 0)", which="-3:"),
                "your function says",
            ),
            "how often": Wrong(
                DEAREST.format(
                    add="found[name] = found.get(name, 0) + 1", cost=MEDIAN, which="-3:"
                ),
                "your function says",
            ),
            "one call of each": Wrong(
                DEAREST.format(
                    add="found[name] = max(found.get(name, 0), spent)", cost=MEDIAN, which="-3:"
                ),
                "your function says",
            ),
            "the cheapest": Wrong(
                DEAREST.format(add=ADD, cost=MEDIAN, which=":3"), "your function says"
            ),
            "five": Wrong(DEAREST.format(add=ADD, cost=MEDIAN, which="-5:"), "your function says"),
            "from the manual": Wrong(
                "return ['clone3', 'mount', 'pivot_root']", "your function says"
            ),
        },
        nothing="your function says None",
    ),
}
