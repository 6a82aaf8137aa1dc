"""Published numbers: each can be looked up, and repeated by a protocol of ours."""

from benchmarks import literature, protocols
from recsys_lib.datasets import registry


def test_every_published_number_has_a_protocol_of_ours_and_a_source():
    table = literature.published()
    assert list(table.columns) == literature.COLUMNS
    assert table.notna().all(axis=None)
    assert (table.drop(columns="value").map(str.strip) != "").all(axis=None)
    assert {*table["dataset"]} <= {*registry.RELEASES}
    assert {*table["protocol"]} <= {*protocols.PROTOCOLS, "mult-vae"}
    assert table["value"].between(0, 1, inclusive="neither").all()
    assert not table.duplicated(["dataset", "protocol", "model", "metric", "source"]).any()


def test_only_the_same_data_and_protocol_stand_beside():
    found = literature.published("ml-100k", "5-fold")
    assert found["model"].tolist() == ["Baseline", "SVD", "SVD++"]
    assert found["value"].tolist() == [0.944, 0.934, 0.919]
    assert literature.published("ml-100k", "80-20").empty
    assert literature.published("synthetic").empty
