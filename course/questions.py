"""Interactive questions in JupyterLab: the site's script, run over a notebook's Markdown."""

import os
from pathlib import Path

import anywidget
from IPython.display import display

_WEB = Path(__file__).parent / "web"  # how to write a question stands there, in questions.js


class Questions(anywidget.AnyWidget):
    """An invisible widget that makes the quizzes and predictions around it interactive."""

    _esm = (_WEB / "questions.js").read_text("utf-8") + "\nexport default { render() {} };\n"
    _css = (_WEB / "questions.css").read_text("utf-8")


def answer_back() -> None:
    """Make a notebook's questions interactive, where a Jupyter server shows it.

    Such a server names the notebook in the kernel's environment. The builder runs without one: on
    the site the pages load the script themselves.
    """
    if "JPY_SESSION_NAME" in os.environ:
        display(Questions())
