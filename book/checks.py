"""What `make test` and `make lint` call."""

import os
import subprocess

import bootstrap
import nbformat
import runner
import supplies
from console import ROOT, say

LINTERS = ("ruff check", "ruff format --check", "mypy", "lint-imports", "codespell")


def test(options: list[str]) -> int:
    """Run all tests and the docstrings' examples, or the files that the `options` name."""
    # Brought now, where they are missing, and not by each process of the tests.
    supplies.browser()
    supplies.firefox()
    return pytest(options, "tests", "recsys_lib")


def spark(options: list[str]) -> int:
    """Run what needs Spark: its tests, and its chapter with it at hand; `options` as for `test`."""
    path = [supplies.spark(), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    chapter = "tests/site/test_outputs.py::test_a_chapter_prints_what_its_source_has_checked"
    return pytest(options, "tests/recsys_lib/spark", f"{chapter}[17-spark]")


def pytest(options: list[str], *everything: str) -> int:
    """Call pytest, on `everything` unless the `options` name files or folders."""
    named = any((ROOT / option.partition("::")[0]).exists() for option in options)
    # All of it on all cores, a file at a time; a browser or a kernel takes up to a gigabyte.
    many = ("-n", "logical", "--maxprocesses", "4", "--dist", "loadfile", "--no-loadscope-reorder")
    targets = [] if named else [*many, *everything]
    os.environ["RECSYS_PROGRESS"] = "off"
    return bootstrap.python("-m", "pytest", *targets, *options)


def outputs(only: str | None) -> int:
    """Write what nbval compares into the sources, from a quick run; clear all other outputs."""
    results = runner.run("quick", only=only)
    for chapter in results.chapters:
        source = runner.NOTEBOOKS / chapter.path.name
        notebook = nbformat.read(source, as_version=4)
        run = {cell.id: cell for cell in nbformat.read(chapter.path, as_version=4).cells}
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
            if cell.cell_type == "code":
                checked = "nbval-check-output" in cell.metadata.get("tags", [])
                cell.execution_count = None
                cell.outputs = run[cell.id].outputs if checked else []
        nbformat.write(notebook, source)
    return 0 if results.passed else 1


def lint() -> int:
    """Call every linter, also when one of them has found something."""
    status = 0
    for linter in LINTERS:
        say(linter)
        name, *options = linter.split()
        status |= subprocess.call([bootstrap.BIN / name, *options], cwd=ROOT)
    return int(status != 0)
