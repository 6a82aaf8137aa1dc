"""The student edition: every chapter without the solutions of its exercises, to hand out."""

import re
import shutil

import nbformat
import runner
from console import BUILD, ROOT

FOLDER = BUILD / "student"
SOLUTION = re.compile(r"\n*^```\{admonition\} Solution\n.*?^```$", re.MULTILINE | re.DOTALL)
NEEDS = f"""This notebook needs a copy of the course, which holds its code, and the course's packages.
The next cell installs what is missing and finds the copy. The exercises are yours to solve:
each has a stub, which tells you about your answer, and a hint. There are no solutions in it."""
SETUP = """import sys
from importlib.util import find_spec
from pathlib import Path

course = next(  # the copy that this notebook lies in, or one beside it
    folder
    for place in (Path.cwd(), *Path.cwd().parents)
    for folder in (place, *place.glob("*/"))
    if (folder / "course" / "exercises").is_dir()
)
sys.path.insert(0, str(course))
if find_spec("recsys_lib") is None or find_spec("optuna") is None:
    %pip install --quiet --editable "{course}[book]" torch"""


def write() -> int:
    """Write the student edition to `_build/student`; return an exit status."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for source in runner.chapters():
        notebook = nbformat.read(source, as_version=4)
        title, *cells = [c for c in notebook.cells if "solution" not in c.metadata.get("tags", [])]
        for cell in cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
            else:
                cell.source = SOLUTION.sub("", cell.source)
        setup = nbformat.v4.new_code_cell(SETUP, id="setup")
        notebook.cells = [title, nbformat.v4.new_markdown_cell(NEEDS, id="needs"), setup, *cells]
        nbformat.write(notebook, FOLDER / source.name)
    print(f"The student edition is in {FOLDER.relative_to(ROOT)}")
    return 0
