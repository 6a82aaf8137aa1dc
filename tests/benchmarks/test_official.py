"""The splits that come with ml-100k."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import official, protocols
from recsys_lib import datasets
from recsys_lib.datasets import registry
from recsys_lib.errors import DataError
from tests.recsys_lib.datasets.published import FILMS, USERS, archive, members, publish, put, unpack

# user, item, rating, timestamp: every pair once, as in the published archive
PAIRS = [(u, i, 1 + (u + i) % 5, u * i) for u, *_ in USERS for i, *_ in FILMS]


def official_members(pairs=PAIRS):
    """Return the files of ml-100k with u1 to u5, whose test parts make up the whole, ua and ub."""

    def rows(some):
        return "".join("\t".join(map(str, row)) + "\n" for row in some).encode()

    files = members(registry.RELEASES["ml-100k"]) | {"u.data": rows(pairs)}
    rng = np.random.default_rng(0)
    fold = rng.permutation(len(pairs)) % 5
    tests = {f"u{k + 1}": fold == k for k in range(5)} | {"ua": fold == 2, "ub": fold == 4}
    for name, test in tests.items():
        # As published: in another order than u.data.
        base = [pairs[k] for k in rng.permutation(np.flatnonzero(~test))]
        files |= {f"{name}.base": rows(base), f"{name}.test": rows(np.array(pairs)[test].tolist())}
    return files, tests


@pytest.mark.parametrize("packed", [True, False])
def test_the_official_splits_are_read_as_published(home, monkeypatch, packed):
    files, tests = official_members()
    if packed:
        digest = archive(home / "ml-100k.zip", registry.RELEASES["ml-100k"], files)
        publish(monkeypatch, "ml-100k", hash=digest)
    else:
        unpack(home / "ml-100k", files)
    data = datasets.load("ml-100k")
    columns = ["user_id", "item_id", "rating", "timestamp"]
    for names in (official.U1_TO_U5, official.UA_AND_UB):
        masks = official.test_masks(data, names)
        for name, mask in zip(names, masks, strict=True):
            expected = pd.DataFrame(PAIRS, columns=columns)[tests[name]]
            expected = expected.sort_values(columns[:2], ignore_index=True)
            expected["rating"] = expected["rating"].astype(np.float32)
            pd.testing.assert_frame_equal(data.ratings.select(mask).to_frame(), expected)
    for protocol, names in (("u1-u5", official.U1_TO_U5), ("ua-ub", official.UA_AND_UB)):
        folds = [*protocols.folds(data, protocol, seed=3)]
        assert [fold.name for fold in folds] == [*names]
        for fold, mask in zip(folds, official.test_masks(data, names), strict=True):
            rest = data.ratings.select(~mask)
            pd.testing.assert_frame_equal(fold.learning.to_frame(), rest.to_frame())
            assert repr(fold).endswith(f"test {mask.sum():,})")
            assert len(fold.development.valid) == round(0.1 * len(rest))


@pytest.fixture(autouse=True)
def count(home, monkeypatch):
    publish(monkeypatch, "ml-100k", n_ratings=len(PAIRS))


TEST_ROWS = official_members()[0]["u2.test"]


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("u2.test", lambda text: text[text.index(b"\n") + 1 :], "u2.base and u2.test do not hold"),
        ("u2.test", lambda text: text + text, r"u2\.test holds \d+ ratings twice"),
        ("u2.base", lambda text: text + TEST_ROWS, "they hold 15 and 3, 3 of them both, of 15"),
        ("u2.base", lambda text: b"3\t1\t4\t0\n" + text, "users of whom u.data knows nothing"),
        ("u2.base", lambda text: b"2\t2\t4\t0\n" + text, "row 1: movieId is 2, not in u.item"),
        ("u2.base", lambda text: b"2\t1\t9\t0\n" + text, "row 1: rating is 9.0, no rating from 1"),
        ("u2.base", lambda text: text.replace(b"7\t318\t1", b"7\t318\t2"), "is not that of u.data"),
        ("u2.base", lambda text: b"", "u2.base"),
    ],
)
def test_official_splits_that_do_not_fit_are_refused(home, file, change, says):
    files, _ = official_members()
    other = change(files[file])
    if other == files[file]:  # the pair is in the other file of this split
        file = "u2.test"
        other = change(files[file])
    assert other != files[file]
    files[file] = other
    unpack(home / "ml-100k", files)
    with pytest.raises(DataError, match=says) as caught:
        official.test_masks(datasets.load("ml-100k"))
    assert "\n" not in str(caught.value)


def test_an_archive_without_the_official_splits_is_named(home, monkeypatch):
    publish(monkeypatch, "ml-100k", n_ratings=6)
    put(home, monkeypatch, "ml-100k")
    with pytest.raises(DataError, match=r"ml-100k\.zip holds no file ml-100k/u1\.base"):
        official.test_masks(datasets.load("ml-100k"))
