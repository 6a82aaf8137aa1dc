"""The student edition: every chapter without the solutions of its exercises, to hand out."""

import re
import shutil
from typing import Any

import nbformat
import runner
import yaml
from console import BUILD, ROOT, say

FOLDER = BUILD / "student"
SOLUTION = re.compile(r"\n*^```\{admonition\} Solution\n.*?^```$", re.MULTILINE | re.DOTALL)
NEEDS = """**Student edition.** It needs a copy of the course, in a folder above or on Python's
path, and its packages: the next cell finds the copy and installs missing packages. Each
exercise has a stub, which judges your answer, and a hint. The solutions are left out."""


def first_cell() -> Any:
    """Return the cell by which a notebook on its own says, and installs, what it needs.

    It stands first in what is downloaded from the site, where the page does not show it, too.
    """
    text = (ROOT / "book" / "templates" / "first-cell.txt").read_text("utf-8")
    where = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]
    tags = {"tags": ["remove-cell"]}
    return nbformat.v4.new_code_cell(text.format(**where), id="setup", metadata=tags)


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
        notebook.cells = [title, needs, first_cell(), *cells]
        nbformat.write(notebook, FOLDER / source.name)
    say(f"The student edition is in {FOLDER.relative_to(ROOT)}")
    return 0
