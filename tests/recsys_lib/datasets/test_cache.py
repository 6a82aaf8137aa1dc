"""The parsed copy: mapped, and made again when it is damaged, old or of another source."""

import contextlib
import dataclasses
import logging
import shutil

import numpy as np
import pytest

from recsys_lib import datasets, io, models
from recsys_lib.datasets import cache, registry
from recsys_lib.errors import RecsysError
from recsys_lib.ratings import check_csr
from tests.recsys_lib.datasets.published import RATED, assert_same, members, put, unpack
from tests.recsys_lib.mutations import mutated_bytes, mutated_file, short_and_long


def test_the_second_load_is_mapped_and_the_same(home, monkeypatch, tmp_path, log):
    put(home, monkeypatch, "ml-1m")
    (tmp_path / "odd" / "parsed" / "ml-1m.safetensors").mkdir(parents=True)
    for impossible in (tmp_path / "odd", home / "ml-1m.zip" / "cache"):  # the latter below a file
        log.clear()
        monkeypatch.setenv("RECSYS_CACHE", str(impossible))
        parsed = datasets.load("ml-1m")
        assert not isinstance(parsed.ratings.by_user.values, np.memmap)
        assert "RECSYS_CACHE" in log.text
    monkeypatch.setenv("RECSYS_CACHE", str(tmp_path / "cache"))
    datasets.load("ml-1m")
    log.clear()
    mapped = datasets.load("ml-1m")
    assert "reading" not in log.text
    for array in (*mapped.ratings.by_user, mapped.ratings.timestamps):
        assert isinstance(array, np.memmap)
    assert_same(mapped, parsed)
    mapped.ratings.by_user.values[:] = 0  # a slip of a caller does not reach the disk
    assert_same(datasets.load("ml-1m"), parsed)
    assert [path.name for path in home.iterdir()] == ["ml-1m.zip"]


def rewrite(layout=cache.LAYOUT, **changes):
    """Return a function that stores the copy again, with other values of some arrays."""

    def damage(path):
        arrays, about = io.map_arrays(path)
        for name, value in changes.items():
            arrays[name] = np.asarray(value(arrays[name].copy()))
        io.save_arrays(path, arrays, about | {"layout": layout})

    return damage


def fill(value):
    return lambda array: np.full_like(array, value)


def bytes_become(change):
    """Return a function that puts a file of other bytes in the place of the copy."""

    def damage(path):
        raw = bytearray(path.read_bytes())
        path.unlink()  # the old file is still mapped: its bytes stay
        path.write_bytes(change(raw))

    return damage


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (bytes_become(lambda raw: raw[:-4]), "not saved by this library"),
        (bytes_become(lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])), "its checksum differs"),
        (rewrite(layout=0), ""),
        (bytes_become(lambda raw: b""), "not saved by this library"),
        (bytes_become(lambda raw: b"\xff" * 64), "not saved by this library"),
        (rewrite(ratings_by_user_values=fill(np.nan)), "no finite number"),
        (rewrite(ratings_by_user_indices=fill(2**30)), "by_user.indices must be from 0"),
        (rewrite(ratings_by_user_indices=fill(0)), "by_user.indices must ascend"),
        (rewrite(ratings_timestamps=lambda times: times[:3]), "timestamps must be"),
        (rewrite(items=fill(0)), "cannot be read"),
    ],
)
def test_a_damaged_or_older_copy_is_made_again(home, monkeypatch, tmp_path, log, damage, says):
    put(home, monkeypatch, "ml-1m")
    before = datasets.load("ml-1m")
    path = tmp_path / "cache" / "parsed" / "ml-1m.safetensors"
    kept = shutil.copy(path, tmp_path / "kept")
    before = dataclasses.replace(before, ratings=before.ratings.select(np.ones(5, bool)))
    before.ratings.n_duplicates = 1
    damage(path)
    log.clear()
    assert_same(datasets.load("ml-1m"), before)
    assert "reading ml-1m" in log.text
    assert says in log.text
    assert not [r for r in log.records if r.levelno > logging.INFO]
    assert path.read_bytes() == kept.read_bytes()
    assert [path.name for path in path.parent.iterdir()] == ["ml-1m.safetensors"]


def test_a_source_that_changed_is_read_again(home):
    release = registry.RELEASES["ml-1m"]
    folder = unpack(home / "ml-1m", members(release))
    assert len(datasets.load("ml-1m").ratings) == 5
    once = [*RATED[1:], (2, 318, 3, 9)]
    (folder / "ratings.dat").write_bytes(members(release, rated=once)["ratings.dat"])
    assert len(datasets.load("ml-1m").ratings) == 6


@short_and_long(60, 3_000)
def test_a_damaged_copy_is_made_again_or_is_a_whole_one(home, monkeypatch, tmp_path, n, trial):
    put(home, monkeypatch, "ml-1m")
    path, rng = tmp_path / "cache" / "parsed" / "ml-1m.safetensors", np.random.default_rng(n)
    datasets.load("ml-1m")
    whole, raw = io.map_arrays(path), path.read_bytes()
    before = datasets.load("ml-1m")
    for k in range(n):
        path.unlink()  # the old file is still mapped: its bytes stay
        if k % 2:
            path.write_bytes(mutated_bytes(raw, rng))
            assert_same(datasets.load("ml-1m"), before)
        else:
            mutated_file(path, *whole, rng)
            data = datasets.load("ml-1m")
            check_csr("ratings", data.ratings.by_user, data.ratings.n_users, data.ratings.n_items)
            with contextlib.suppress(RecsysError):  # numbers too large to learn from
                models.BiasALS(n_epochs=1).fit(data.ratings).recommend_for({}, n=3)
    trial("damaged parsed copies", n, "made again, or a whole one")
