"""What `make test` and `make lint` call."""

import os
import subprocess
from pathlib import Path

import bootstrap
import nbformat
import runner
import supplies
from console import BUILD, ROOT, say

NOTEBOOKS = BUILD / "nbval"  # the chapters as they are tested
LINTERS = ("ruff check", "ruff format --check", "mypy", "lint-imports", "codespell")


def test(options: list[str]) -> int:
    """Run all tests and the docstrings' examples, or the files that the `options` name."""
    # Brought now, where they are missing, and not by each process of the tests.
    supplies.browser()
    supplies.firefox()
    return pytest(options, "tests", "recsys_lib", NOTEBOOKS)


def spark(options: list[str]) -> int:
    """Run what needs Spark: its tests, and its chapter with it at hand; `options` as for `test`."""
    path = [supplies.spark(), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    return pytest(options, "tests/recsys_lib/spark", NOTEBOOKS / "17-spark.ipynb")


def pytest(options: list[str], *everything: str | Path) -> int:
    """Call pytest, on `everything` unless the `options` name files or folders."""
    prepare()
    named = any((ROOT / option.partition("::")[0]).exists() for option in options)
    # All of it on all cores, a file at a time; a browser or a kernel takes up to a gigabyte.
    many = ("-n", "logical", "--maxprocesses", "4", "--dist", "loadfile", "--no-loadscope-reorder")
    targets = [] if named else [*many, *map(str, everything)]
    os.environ.update(RECSYS_PROGRESS="off", RECSYS_FIGURES=str(NOTEBOOKS / "figures"))
    return bootstrap.python("-m", "pytest", "--nbval-lax", *targets, *options)


def prepare() -> None:
    """Copy the chapters with the quick profile's parameters; their checked outputs stay."""
    NOTEBOOKS.mkdir(parents=True, exist_ok=True)
    for stale in NOTEBOOKS.glob("*.ipynb"):
        stale.unlink()
    for source in runner.chapters():
        notebook = runner.parameterize(source, runner.parameters("quick", source.stem))
        for cell in notebook.cells:
            if cell.get("outputs"):
                cell.execution_count = 1  # nbval takes outputs without a count for an accident
        nbformat.write(notebook, NOTEBOOKS / source.name)


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
