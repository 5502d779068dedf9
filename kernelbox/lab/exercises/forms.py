"""Forms on a page that lives, made of ipywidgets: a guess, a quiz.

Whatever they ask can be answered in code as well, and has a twin that stands still. ipywidgets is
loaded when there is a page, and not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernelbox.kernel.errors import KernelboxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.lab.exercises.predictions import Prediction
    from kernelbox.lab.exercises.quiz import Question

_WIDGET = "application/vnd.jupyter.widget-view+json"


def bundle(still: dict[str, Any], form: Callable[[], Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return every form of something: the still one, and in a notebook's kernel the living one."""
    if not live():
        return still, {}
    view = {"version_major": 2, "version_minor": 0, "model_id": form().model_id}
    return {**still, _WIDGET: view}, {}


def live() -> bool:
    """Say whether we run in a notebook's kernel, which has (or may have) a page."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is not None


def guess(prediction: Prediction, record: Callable[[object], None]) -> Any:
    """Return a form that asks for a guess, and tells `record`."""
    import ipywidgets

    field: Any
    if prediction.choices:
        field = ipywidgets.RadioButtons(options=prediction.choices, value=None)
    elif prediction.unit is not None:
        field = ipywidgets.FloatText(layout={"width": "10em"})
    else:
        field = ipywidgets.Text(placeholder="a word or two")
    button = ipywidgets.Button(description="This is my guess", layout={"width": "auto"})
    answer = ipywidgets.Label()

    def given(_button: object) -> None:
        value = field.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        try:
            record("" if value is None else value)
            answer.value = f"recorded: {value}"
        except KernelboxError as error:
            answer.value = str(error)

    button.on_click(given)
    return ipywidgets.VBox([ipywidgets.Label(prediction.question), field, button, answer])


def quiz(questions: tuple[Question, ...], record: Callable[[int, bool], None]) -> Any:
    """Return a form with one question below the other; `record` is told each first answer."""
    import ipywidgets

    return ipywidgets.VBox(
        [_asked(number, question, record) for number, question in enumerate(questions, 1)]
    )


def _asked(number: int, question: Question, record: Callable[[int, bool], None]) -> Any:
    import ipywidgets

    options = [
        (f"{letter}) {answer.text.replace('`', '')}", letter)
        for letter, answer in question.lettered()
    ]
    asked = ipywidgets.HTML(f"<b>{number}. {question.html()}</b>")
    buttons = ipywidgets.RadioButtons(options=options, value=None, layout={"width": "auto"})
    why = ipywidgets.HTML()
    first: list[bool] = []

    def chosen(change: dict[str, Any]) -> None:
        answer = dict(question.lettered()).get(change["new"])
        if answer is None:
            return
        why.value = answer.html()
        if not first:
            first.append(answer.right)
            record(number, answer.right)

    buttons.observe(chosen, names="value")
    return ipywidgets.VBox([asked, buttons, why])
