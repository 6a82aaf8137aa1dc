"""The student edition: nothing of a solution is left, and it runs up to its stubs."""

import nbformat
import pages
import pytest
import runner
from nbclient import NotebookClient

from course.exercises import OPEN


@pytest.fixture(scope="module")
def editions():
    """Return each chapter as it is, and as students get it."""
    assert pages.student() == 0
    return {
        source.stem: [
            nbformat.read(folder / source.name, as_version=4)
            for folder in (source.parent, pages.STUDENT)
        ]
        for source in runner.chapters()
    }


def test_no_solution_is_left(editions):
    assert len(editions) > 17
    for name, (whole, edition) in editions.items():
        nbformat.validate(edition)
        text = "\n".join(cell.source for cell in edition.cells)
        solved = [cell for cell in whole.cells if "solution" in cell.metadata.get("tags", [])]
        assert len(edition.cells) == len(whole.cells) - len(solved) + 2
        assert "} Solution" not in text and text.count("} Hint") == len(solved), name
        assert text.count("check_") >= len(solved)
        for cell in solved:
            assert cell.source not in text
        assert [cell for cell in edition.cells if cell.get("outputs")] == []
        said = edition.cells[1].source + edition.cells[2].source
        assert "Student edition" in said and "%pip install" in said


@pytest.mark.slow
def test_a_chapter_runs_up_to_its_stubs(editions, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    name = "15-rating-demo"
    values = runner.parameters("quick", name, "synthetic")
    notebook = runner.parameterize(pages.STUDENT / f"{name}.ipynb", values)
    place = {"metadata": {"path": pages.STUDENT}}
    NotebookClient(notebook, timeout=3_600, resources=place).execute()
    stubs = [cell for cell in notebook.cells if cell.id.endswith("-stub")]
    assert len(stubs) >= 4
    assert {stub.outputs[-1]["text"].splitlines()[-1] for stub in stubs} == {OPEN}
