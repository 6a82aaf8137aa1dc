"""What `make test` and `make lint` call."""

import os
import subprocess
from pathlib import Path
from typing import Any

import bootstrap
import nbformat
import profiles
import runner
import supplies
from console import BUILD, ROOT, say

SPARK = "17-spark"  # the chapter that does more where Spark is at hand
LINTERS = ("ruff check", "ruff format --check", "mypy", "lint-imports", "codespell")


def test(options: list[str]) -> int:
    """Run all tests in one pytest call, or those files and folders that its `options` name."""
    program = supplies.browser()
    if program:
        os.environ["RECSYS_BROWSER"] = program
    return pytest(options, "tests")


def spark(options: list[str]) -> int:
    """Run what needs Spark: its tests, and its chapter with it at hand; `options` as for `test`."""
    supplies.java()
    path = [str(supplies.apart("spark", "Spark (450 MB)")), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    (source,) = runner.chapters(SPARK)
    values = profiles.parameters("quick", SPARK, runner.resolve(profiles.load("quick")["DATASET"]))
    copy = BUILD / "nbval" / source.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(runner.parameterize(source, values), copy)
    return pytest(options, "tests/recsys_lib/spark", "--nbval-lax", copy)


def pytest(options: list[str], *everything: str | Path) -> int:
    """Call pytest, on `everything` unless the `options` name files or folders."""
    named = any((ROOT / option.partition("::")[0]).exists() for option in options)
    targets = [] if named else map(str, everything)
    os.environ["RECSYS_PROGRESS"] = "off"
    return bootstrap.python("-m", "pytest", *targets, *options)


def checked(cell: Any) -> list[Any]:
    """Return of a cell that was run what its source keeps and tests compare: text, to be read."""
    if "nbval-check-output" not in cell.metadata.get("tags", []):
        return []
    for output in cell.outputs:
        if "data" in output:
            output.data = {"text/plain": output.data["text/plain"]}
            output.metadata = {}
        if "execution_count" in output:
            output.execution_count = None
    return list(cell.outputs)


def outputs(only: str | None) -> int:
    """Write the outputs that tests compare into the sources, from a run in the quick profile.

    All others are cleared.
    """
    results = runner.run("quick", only=only)
    for chapter in results.chapters:
        source = runner.NOTEBOOKS / chapter.path.name
        notebook = nbformat.read(source, as_version=4)
        run = {cell.id: cell for cell in nbformat.read(chapter.path, as_version=4).cells}
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
            if cell.cell_type == "code":
                cell.execution_count, cell.outputs = None, checked(run[cell.id])
        notebook.metadata.pop("papermill", None)
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
