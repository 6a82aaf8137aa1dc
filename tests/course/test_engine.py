"""The engine: expressions in Markdown cells become text, and their errors failures."""

from pathlib import Path

import nbformat
import papermill
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from papermill.exceptions import PapermillExecutionError

from course.inline import plain


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that runs cells by the engine and returns those of the executed notebook."""

    def run(*cells):
        notebook = new_notebook(cells=list(cells))
        kernel = {"name": "python3", "language": "python", "display_name": ""}
        notebook.metadata.kernelspec = kernel
        source, out = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
        nbformat.write(notebook, source)
        options = {"progress_bar": False, "extra_arguments": ["--log-level=50"]}
        try:
            papermill.execute_notebook(source, out, engine_name="course", **options)
        finally:
            run.cells = nbformat.read(out, as_version=4).cells
        return run.cells

    return run


@pytest.mark.slow
def test_an_expression_has_its_value_right_after_the_cells_before_it(run):
    """A Markdown form is preferred, and code left alone."""
    shown = "class A:\n    def _repr_markdown_(self): return '*a*'\na = A()"
    fenced = "```python\n{eval}`a`\n```"
    cells = run(
        new_code_cell("x = 1.25"),
        new_markdown_cell('{eval}`f"{x:.3f}"`, {eval}`x`, {eval}`"it\'s"` and {eval}`str([x])`'),
        new_code_cell("x = 2"),
        new_markdown_cell("{eval}`x`, {eval}`-x`, {eval}`f'{-x:.1%}'` and {eval}`f'{-x / 9:.0f}'`"),
        new_code_cell(shown),
        new_markdown_cell(f"{{eval}}`a`\n\n{fenced}\n\n{{eval}}`1`"),
    )
    assert cells[1].source == "1.250, 1.25, it's and &#91;1.25&#93;"
    assert cells[3].source == "2, −2, −200.0% and 0"
    assert cells[5].source == f"*a*\n\n{fenced}\n\n1"


@pytest.mark.slow
def test_a_cell_that_writes_without_end_is_ended_with_what_it_wrote(run, trial):
    with pytest.raises(PapermillExecutionError, match="the cell wrote 100 MB"):
        run(new_code_cell("1"), new_code_cell("for _ in range(100): print('x' * 999_999)"))
    assert len(str(run.cells)) < 10_000
    trial("a cell that writes 100 MB", 1, "it failed, and what it wrote was not kept")


SITE = yaml.safe_load((Path(__file__).parents[2] / "_config.yml").read_text("utf-8"))["parse"][
    "myst_enable_extensions"
]


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs"]) | st.just(" ")))
@example("*a* $b$ {math}`x` {{ 1 }} <b> [x](y) `c` _d_ | ~~e~~ &amp; ::: \\(f\\)")
@example("1. one")
@example("% comment")
@example("    code")
def test_text_means_nothing_to_the_pages_markdown(text):
    parser = create_md_parser(MdParserConfig(enable_extensions=SITE), RendererHTML)
    _, inline, _ = parser.parse(plain(text)) or (None, None, None)
    pieces = inline.children if inline else []
    assert {piece.type for piece in pieces} <= {"text"}
    assert "".join(piece.content for piece in pieces) == text.strip()


@pytest.mark.slow
def test_an_error_names_the_cell_and_the_expression_and_ends_the_run(run):
    with pytest.raises(PapermillExecutionError, match=r"`nope` of Markdown cell 2") as caught:
        run(new_code_cell("x = 1"), new_markdown_cell("{eval}`x` {eval}`nope`"), new_code_cell("x"))
    assert caught.value.ename == "NameError"
    assert run.cells[-1].outputs == []


TWO_AT_ONCE = """
import sys, threading, time
from concurrent.futures import ThreadPoolExecutor
import papermill

def slow(frame, event, _):
    if frame.f_code.co_name == "_resolve_classes":
        time.sleep(0.02)  # between the question whether it is a name and its use as one
        return slow

def one(out):
    options = {"progress_bar": False, "extra_arguments": ["--log-level=50"]}
    papermill.execute_notebook(sys.argv[1], out, engine_name="course", **options)

threading.settrace(slow)
with ThreadPoolExecutor() as pool:
    list(pool.map(one, sys.argv[2:]))
"""


@pytest.mark.slow
def test_two_notebooks_start_at_once(run, tmp_path, python):
    run(new_code_cell("1"))
    python("-c", TWO_AT_ONCE, *(tmp_path / name for name in ("in.ipynb", "a.ipynb", "b.ipynb")))
