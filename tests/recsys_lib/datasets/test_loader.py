"""Names: which data set is meant, what stands in for it, what is said of it."""

import logging

import pytest

from recsys_lib import datasets
from recsys_lib.datasets import loader
from recsys_lib.errors import DataError, UnknownDatasetError
from tests.recsys_lib.datasets.published import host, put


@pytest.mark.parametrize("name", ["ML-100K", "ml-10k", "auto:ml-33m", "auto:", "", "netflix"])
def test_an_unknown_name_is_answered_with_the_names(home, name):
    with pytest.raises(UnknownDatasetError, match=r"ml-latest-small.*synthetic-1m") as caught:
        datasets.load(name)
    assert ("did you mean" in str(caught.value)) == (len(name) > 5 and name != "netflix")
    assert "\n" not in str(caught.value)


def test_a_release_takes_no_options(home, monkeypatch):
    put(home, monkeypatch, "ml-1m")
    with pytest.raises(DataError, match="ml-1m takes no option seed"):
        datasets.load("ml-1m", seed=1)


def test_auto_takes_what_is_nearest(server, home, tmp_path, monkeypatch, log):
    host(server, monkeypatch, "ml-latest-small")
    put(home, monkeypatch, "ml-1m")
    (tmp_path / "cache").mkdir()
    put(tmp_path / "cache", monkeypatch, "ml-100k")

    data = datasets.load("auto")
    assert (data.name, data.info["path"]) == ("ml-1m", str(home / "ml-1m.zip"))
    assert "'auto': ml-1m, found at" in log.text
    (home / "ml-1m.zip").unlink()
    data = datasets.load()
    assert (data.name, data.info["path"]) == ("ml-100k", str(tmp_path / "cache" / "ml-100k.zip"))
    assert not server.requests
    (tmp_path / "cache" / "ml-100k.zip").unlink()
    assert datasets.resolve() == "ml-latest-small"
    assert server.requests == ["/ml-latest-small.zip"]
    assert datasets.load().info["path"] == str(tmp_path / "cache" / "ml-latest-small.zip")


def test_auto_without_data_or_network_is_synthetic_and_says_why(home, log):
    data = datasets.load("auto", n_ratings=20_000)
    assert (data.name, data.info["path"], len(data.ratings)) == ("synthetic", None, 20_000)
    assert data.truth is not None
    (warning,) = [r for r in log.records if r.levelno == logging.WARNING]
    assert "synthetic" in warning.getMessage()
    assert "RECSYS_OFFLINE" in warning.getMessage()


@pytest.mark.parametrize(
    ("name", "concrete"),
    [
        ("auto:auto", "synthetic"),
        ("auto:ml-100k", "synthetic"),
        ("auto:ml-1m", "synthetic-1m"),
        ("auto:ml-32m", "synthetic-32m"),
        ("auto:synthetic-1m", "synthetic-1m"),
        ("synthetic-32m", "synthetic-32m"),
    ],
)
def test_a_release_that_cannot_be_had_has_a_twin(home, name, concrete):
    assert datasets.resolve(name) == concrete


def test_terms_are_shown_once(home, monkeypatch, log):
    release = put(home, monkeypatch, "ml-latest-small")
    loader._announce.cache_clear()
    info = datasets.load("ml-latest-small").info
    datasets.load("ml-latest-small")
    assert info["licence"] == release.licence
    assert info["citation"] == release.citation
    assert info["url"].endswith("/ml-latest-small.zip")
    said = [r.getMessage() for r in log.records if release.licence in r.getMessage()]
    assert len(said) == 1
    assert release.citation in said[0]
