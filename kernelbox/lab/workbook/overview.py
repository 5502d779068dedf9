"""The course as a map: what is done, points and time so far, and the next step.

    from kernelbox import lab

    lab.course()

A chapter is done when all exercises of its required path are solved; points for its further part
come on top. A guess is worth a point for being made, whether it was right or not. A part may end
with a challenge, a broken host: it is worth no points, and the next step never waits for it.
"""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, NamedTuple

from kernelbox.lab.course import notebooks
from kernelbox.lab.exercises import progress
from kernelbox.lab.exercises.catalogue import contents
from kernelbox.lab.exercises.score import Score, score
from kernelbox.lab.hosts import record as hosts
from kernelbox.lab.workbook import living
from kernelbox.lab.workbook.box import SIGNS, Box
from kernelbox.widgets import silence

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEFT = ' style="text-align: left"'  # as the titles below it; JupyterLab has them on the right
_PARTS = (
    ("Processes and files", ("00", "01", "02", "03", "04")),
    ("Images and users", ("05", "06", "07")),
    ("Limits", ("08", "09", "10")),
    ("Networks", ("11", "12")),
    ("The whole", ("13", "14", "15", "16")),
)


class Row(NamedTuple):
    """How far one chapter is.

    Attributes:
        number: Two digits.
        title: Of its notebook, without the number.
        file: The notebook's name.
        score: What somebody has of it.
        minutes: Spent with it so far.
        state: `done`, `begun`, or empty.
    """

    number: str
    title: str
    file: str
    score: Score
    minutes: int
    state: str


class Challenge(NamedTuple):
    """How far one broken host is.

    Attributes:
        number: Of the chapter that it comes after.
        title: Of its notebook.
        file: The notebook's name.
        solved: Complaints settled in one of them, at best, of as many as `hosts.FAULTS`.
        minutes: Spent with it so far.
        state: `done`, `begun`, or empty.
    """

    number: str
    title: str
    file: str
    solved: int
    minutes: int
    state: str

    @property
    def how_far(self) -> str:
        """The complaints in words."""
        return f"{self.solved} of {hosts.FAULTS} complaints"


class Overview:
    """The course as it is now.

    Attributes:
        rows: A chapter each, in order.
        next: The number of the first that is not done; empty if all are.
        challenges: The broken hosts, by the number of the chapter that each comes after.
    """

    def __init__(self) -> None:
        record = progress.read()
        self.rows = [
            _row(file.name, _title(file.read_text("utf-8")), record.get(file.name[:2], {}))
            for file in notebooks.files(None)
        ]
        self.next = next((one.number for one in self.rows if one.state != "done"), "")
        self.challenges = {one: _challenge(one, record) for one in hosts.NUMBERS}

    @property
    def summary(self) -> str:
        """Points and time so far, and the next step, in a sentence each."""
        scores = [one.score for one in self.rows]
        points, most = sum(one.points for one in scores), sum(one.most for one in scores)
        extra = sum(one.extra for one in scores)
        minutes = sum(one.minutes for one in self.rows)
        upcoming = [f"{one.number} {one.title}" for one in self.rows if one.number == self.next]
        step = f"Next: {upcoming[0]}." if upcoming else "All of it is done."
        had = f"{points} of {most} points" + (f" and {extra} extra" if extra else "")
        return f"{had}, {_spoken(minutes)} so far. {step}"

    def __repr__(self) -> str:
        return "\n".join(f"{SIGNS[one.state]} {one.words}" for one in self._boxes())

    def _ipython_display_(self) -> None:
        if not silence.live():
            raise NotImplementedError  # IPython then shows one of the others
        living.show(lambda: Overview().forms())

    def forms(self) -> dict[str, str]:
        """Return it as a page has it, by media types."""
        text = "\n".join([repr(self), self.summary])
        return {"text/html": self._repr_html_(), "text/plain": text}

    def _repr_html_(self) -> str:
        rows = "".join(
            self._table_row(one) + _challenge_row(self.challenges.get(one.number))
            for one in self.rows
        )
        titles = ("state", "chapter", "exercises", "points", "quiz", "time")
        head = "".join(
            f'<th scope="col"{_LEFT if one == "chapter" else ""}>{one}</th>' for one in titles
        )
        return (
            f"{self.map()}<p>{html.escape(self.summary)}</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def _table_row(self, one: Row) -> str:
        link = f'<a href="{html.escape(one.file)}">{one.number} {html.escape(one.title)}</a>'
        cells = (
            f"{one.score.solved} of {one.score.exercises}",
            f"{one.score.points} of {one.score.most}{one.score.more}",
            f"{one.score.quiz} of {one.score.questions}",
            _spoken(one.minutes),
        )
        state = self._state(one)
        return (
            f"<tr><td>{SIGNS[state]} {state}</td>"
            f'<th scope="row" style="text-align: left">{link}</th>'
            f"{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        )

    def _state(self, one: Row) -> str:
        return "next" if one.number == self.next and one.state != "begun" else one.state

    def map(self) -> str:
        """Return the map: for each part that has chapters, boxes that are links."""
        boxes = self._boxes()
        parts = ""
        for name, numbers in _PARTS:
            if links := " ".join(one.link() for one in boxes if one.number in numbers):
                parts += f"<p><b>{html.escape(name)}</b></p><p>{links}</p>"
        return parts

    def _boxes(self) -> list[Box]:
        """Return the chapters in order, and after one its challenge."""
        boxes = []
        for one in self.rows:
            had = one.score
            far = f"{had.solved} of {had.exercises} exercises, "
            far += f"{had.points} of {had.most} points{had.more}"
            boxes.append(
                Box(
                    number=one.number,
                    label=one.number,
                    title=one.title,
                    file=one.file,
                    state=self._state(one),
                    share=had.points / max(had.most, 1),
                    far=f"{far}, {_spoken(one.minutes)}",
                )
            )
            if host := self.challenges.get(one.number):
                boxes.append(
                    Box(
                        number=one.number,
                        label="Broken host",
                        title=host.title.removeprefix("Broken host: "),
                        file=host.file,
                        state=host.state,
                        share=host.solved / hosts.FAULTS,
                        far=f"{host.how_far}, {_spoken(host.minutes)}",
                    )
                )
        return boxes


def _row(file: str, title: str, record: Mapping[str, Mapping[str, object]]) -> Row:
    had = score(contents(file[:2]), record)
    seconds = progress.number(record.get("time", {}).get("seconds"))
    state = "done" if had.done else "begun" if any(record.values()) else ""
    return Row(file[:2], title, file, had, round(seconds / 60), state)


def _challenge(number: str, record: Mapping[str, Mapping[str, Mapping[str, object]]]) -> Challenge:
    file = hosts.file(number)
    standing = hosts.standing(number, record)
    return Challenge(
        number=number,
        title=_title((notebooks.directory() / "workbook" / file).read_text("utf-8")),
        file=file,
        solved=standing.solved,
        minutes=round(standing.seconds / 60),
        state=standing.state,
    )


def _challenge_row(host: Challenge | None) -> str:
    """Return the row of the table for a broken host, if there is one here."""
    if host is None:
        return ""
    link = f'<a href="{html.escape(host.file)}">{html.escape(host.title)}</a>'
    return (
        f"<tr><td>{SIGNS[host.state]} {host.state}</td>"
        f'<th scope="row" style="text-align: left">{link}</th>'
        f"<td>{host.how_far}</td><td></td><td></td><td>{_spoken(host.minutes)}</td></tr>"
    )


def _title(text: str) -> str:
    """Return a notebook's title, without its number: its first line is `# 03 · Mount ...`."""
    first = "".join(json.loads(text)["cells"][0]["source"]).splitlines()[0]
    return first.partition("·")[2].strip() or first.removeprefix("#").strip()


def _spoken(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"
