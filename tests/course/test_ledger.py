"""The ledger: every run's verdicts on the claims of one, those of runs that were ended left out."""

import json

from course import ledger


def test_the_ledger_shows_the_verdict_of_each_run_where_its_place_is(tmp_path):
    claim = {"key": "one", "statement": "It is, 1", "evidence": "1, n = 100", "teaches": "So."}
    for name, verdict in (("quick-a", "holds"), ("full-b", "does not hold here")):
        path = tmp_path / name / "01-x.ipynb"
        path.parent.mkdir()
        ledger.path_of(path).write_text(json.dumps([{**claim, "verdict": verdict, "must": []}]))
    cut = tmp_path / "full-c" / "01-x.claims.json"  # by a kill, while it was written
    cut.parent.mkdir()
    cut.write_text('[{"key": "o')
    table = ledger.table([tmp_path / "quick-a" / "01-x.ipynb"])
    assert [*table.columns] == ["claim", "full-b", "quick-a"]
    ((said, *found),) = table.to_numpy().tolist()
    assert "01-x.html#one" in said and "It is, 1</a> So." in said
    assert found == ["does not hold here (1, n = 100)", "holds (1, n = 100)"]
    assert ledger.table([tmp_path / "quick-a" / "02-y.ipynb"]).empty
