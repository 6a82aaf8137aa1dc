"""The student edition: every chapter without the solutions of its exercises, to hand out."""

import re
import shutil

import nbformat
import runner
from console import BUILD, ROOT, say

FOLDER = BUILD / "student"
SOLUTION = re.compile(r"\n*^```\{admonition\} Solution\n.*?^```$", re.MULTILINE | re.DOTALL)
NEEDS = """**Student edition.** It needs a copy of the course, in a folder above or on Python's
path, and its packages: the next cell finds the one and installs the others if need be. Each
exercise has a stub, which judges your answer, and a hint. The solutions are left out."""
SETUP = """import sys
from importlib.util import find_spec
from pathlib import Path

if find_spec("course") is None:
    sys.path += [str(f) for f in Path.cwd().parents if (f / "course.dist-info").is_dir()]
assert find_spec("course"), "put this notebook into a folder of a copy of the course"
if find_spec("numba") is None or find_spec("statsmodels") is None:
    copy = Path(find_spec("course").origin).parents[1]
    %pip install --quiet --editable "{copy}[book,nets]\""""


def write() -> int:
    """Write the student edition to `_build/student`; return an exit status."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for source in runner.chapters():
        notebook = nbformat.read(source, as_version=4)
        title, *cells = [c for c in notebook.cells if "solution" not in c.metadata.get("tags", [])]
        for cell in cells:
            cell.source = SOLUTION.sub("", cell.source)
            if cell.cell_type == "code":
                cell.outputs = []
        needs = nbformat.v4.new_markdown_cell(NEEDS, id="needs")
        setup = nbformat.v4.new_code_cell(SETUP, id="setup")
        notebook.cells = [title, needs, setup, *cells]
        nbformat.write(notebook, FOLDER / source.name)
    say(f"The student edition is in {FOLDER.relative_to(ROOT)}")
    return 0
