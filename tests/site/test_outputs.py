"""Every chapter runs, and prints what its source has checked: nbval compares them."""

import nbformat
import pytest
import runner
from nbval.plugin import IPyNbFile, coalesce_streams

RUNS = runner.BUILD / "runs" / "quick-synthetic"


@pytest.mark.parametrize("source", runner.chapters(), ids=lambda path: path.stem)
def test_a_chapter_prints_what_its_source_has_checked(source, built, python, request):
    """In the run that the site is built from; where no test needs the site, in one of its own."""
    if not built:
        python("book", "build", "--profile", "quick", "--only", source.stem)
    printed = {cell.id: cell.get("outputs") for cell in nbformat.read(RUNS / source.name, 4).cells}
    notebook = IPyNbFile.from_parent(request.session, path=source)
    notebook.compare_outputs = False  # but of the cells tagged so
    for item in notebook.collect():
        if item.options["check"]:
            found = coalesce_streams(printed[item.cell.id])
            same = item.compare_outputs(found, coalesce_streams(item.cell.outputs))
            assert same, "\n".join(item.comparison_traceback)
