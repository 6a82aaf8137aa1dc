"""The chapters as they ran for the site: they print what their sources say that they print."""

import checks
import nbformat
import profiles
import runner
from console import BUILD


def test_a_run_gives_the_outputs_that_a_source_keeps(html):
    """`make outputs` writes them into the sources."""
    folder = BUILD / "runs" / f"quick-{profiles.load('quick')['DATASET']}"
    compared = 0
    for source in runner.chapters():
        run = nbformat.read(folder / source.name, as_version=4).cells
        printed = {cell.id: checks.checked(cell) for cell in run if cell.cell_type == "code"}
        for cell in nbformat.read(source, as_version=4).cells:
            if cell.get("outputs"):
                assert printed[cell.id] == cell.outputs, f"{source.name}: {cell.source}"
                compared += 1
    assert compared >= 10
