"""What `make test` and `make lint` call."""

import os
import subprocess
from pathlib import Path

import bootstrap
import nbformat
import profiles
import runner
import supplies
from console import BUILD, ROOT, say

TAG = "nbval-check-output"
LINTERS = (
    ("ruff", "check"),
    ("ruff", "format", "--check"),
    ("mypy",),
    ("lint-imports",),
    ("codespell",),
)


def test(options: list[str]) -> int:
    """Run all tests in one pytest call: its start and its imports cost seconds each time.

    Parameters
    ----------
    options
        For pytest. Where they name files or folders, only those are tested.
    """
    notebooks = prepare()
    named = [option for option in options if (ROOT / option.partition("::")[0]).exists()]
    targets = [] if named else ["tests", str(notebooks)]
    program = supplies.browser()
    if program:
        os.environ["RECSYS_BROWSER"] = program
    os.environ.update(RECSYS_PROGRESS="off", RECSYS_FIGURES=str(BUILD / "nbval" / "figures"))
    return bootstrap.python("-m", "pytest", "--nbval-lax", *targets, *options)


def spark(options: list[str]) -> int:
    """Run what needs Spark: its tests, and its chapter with it at hand; `options` as for `test`."""
    path = [str(bootstrap.spark()), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    os.environ.update(RECSYS_PROGRESS="off", RECSYS_FIGURES=str(BUILD / "nbval" / "figures"))
    named = [option for option in options if (ROOT / option.partition("::")[0]).exists()]
    targets = [] if named else ["tests/recsys_lib/spark", str(prepare() / "14-spark.ipynb")]
    return bootstrap.python("-m", "pytest", "--nbval-lax", *targets, *options)


def prepare() -> Path:
    """Copy the chapters with the quick profile's parameters; their checked outputs stay."""
    folder = BUILD / "nbval"
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.ipynb"):
        stale.unlink()
    dataset = runner.resolve(profiles.load("quick")["DATASET"])
    for source in runner.chapters():
        values = profiles.parameters("quick", source.stem, dataset)
        notebook = runner.parameterize(source, values)
        for cell in notebook.cells:
            if cell.get("outputs"):
                cell.execution_count = 1  # nbval takes outputs without a count for an accident
        nbformat.write(notebook, folder / source.name)
    return folder


def outputs(only: str | None) -> int:
    """Write the outputs that nbval compares into the sources, from a run in the quick profile.

    All other outputs and counts are cleared: so a notebook that was open in JupyterLab is again as
    the repository wants it.
    """
    results = runner.run("quick", only=only)
    for chapter in results.chapters:
        source = runner.NOTEBOOKS / chapter.path.name
        notebook = nbformat.read(source, as_version=4)
        run = {cell.id: cell for cell in nbformat.read(chapter.path, as_version=4).cells}
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
            if cell.cell_type == "code":
                checked = TAG in cell.metadata.get("tags", [])
                cell.execution_count = None
                cell.outputs = [text(output) for output in run[cell.id].outputs if checked]
        notebook.metadata.pop("papermill", None)
        nbformat.write(notebook, source)
    return 0 if results.passed else 1


def text(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Keep of an output what can be read in a diff."""
    if "data" in output:
        output.data = {"text/plain": output.data["text/plain"]}
        output.metadata = {}
    if "execution_count" in output:
        output.execution_count = None
    return output


def lint() -> int:
    """Call every linter, also when one of them has found something."""
    status = 0
    for name, *options in LINTERS:
        say(f"{name} {' '.join(options)}".rstrip())
        status |= subprocess.call([bootstrap.BIN / name, *options], cwd=ROOT)
    return int(status != 0)
