"""Damaged files and archives: refused in our words, or read as Python's own `csv` reads them."""

import csv
import io
import re
import stat
import zipfile

import numpy as np
import pytest

from recsys_lib.datasets import archive as reader
from recsys_lib.datasets import movielens, registry
from recsys_lib.errors import DataError, RecsysError
from tests.recsys_lib.datasets.published import archive, damaged, members, unpack
from tests.recsys_lib.mutations import mutated_bytes, short_and_long


def other_reading(raw, release):
    """Return the ratings as Python reads them, ascending; of a pair, the last by time."""
    text = raw.decode("utf-8-sig", "surrogateescape")
    if release.header:
        lines = csv.reader(io.StringIO(text, newline=""), quoting=csv.QUOTE_NONE)
        head, *rows = filter(None, lines)
        places = [head.index(name) for name in ("userId", "movieId", "rating", "timestamp")]
        rows = [[row[place] for place in places] for row in rows]
    else:
        rows = [line.split(release.separator) for line in text.splitlines() if line]
    found = {}
    for user, item, rating, time in rows:
        pair, new = (int(user), int(item)), (int(time), float(np.float32(float(rating))))
        if pair not in found or found[pair][0] <= new[0]:
            found[pair] = new
    return sorted((*pair, rating, time) for pair, (time, rating) in found.items())


def items_of(raw, release):
    """Return the ids of the items as Python reads them, ascending."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    if release.header:  # a bare CR is a space
        text = re.sub("\r(?!\n)", " ", text)
        return sorted(int(row[0]) for row in [*csv.reader(io.StringIO(text, newline=""))][1:])
    separator = release.users_separator if release.genres else release.separator
    return sorted(int(row.split(separator)[0]) for row in text.split("\n") if row.strip())


@short_and_long(250, 15_000)
@pytest.mark.parametrize("name", ["ml-20m", "ml-10m", "ml-1m", "ml-100k"])
def test_a_damaged_file_is_refused_or_read_as_python_reads_it(
    tmp_path, monkeypatch, name, n, trial
):
    monkeypatch.setattr(reader, "_BLOCK", 100)  # bytes: a file is more than that
    release, rng, read = registry.RELEASES[name], np.random.default_rng(n), 0
    files = [release.ratings, *release.files]
    found = damaged(movielens.read, release, tmp_path / "it", members(release), files, rng, n)
    for file, raw, parts in found:
        read += 1
        if file == release.ratings:
            rows = parts.ratings.to_frame().itertuples(index=False, name=None)
            assert list(rows) == other_reading(raw, release), raw
        elif file == release.items:
            assert parts.items["item_id"].tolist() == items_of(raw, release), raw
    assert n // 20 < read < n // 2
    trial(f"damaged files, {name}", n, f"{n - read} refused, {read} read as by csv")


READ_IN_BLOCKS = """
import sys
from pathlib import Path
from recsys_lib.datasets import archive, movielens, registry

archive._BLOCK = 1024
movielens.read(registry.RELEASES["ml-20m"], Path(sys.argv[1]))
"""


def test_a_process_that_ends_at_a_damaged_row_is_not_aborted(tmp_path, python):
    """Whatever reads ahead of the damage is over before Python is."""
    release = registry.RELEASES["ml-20m"]
    files = members(release)
    head, _, rows = files[release.ratings].partition(b"\n")
    files[release.ratings] = head + b"\n1,one,4.0,1\n" + 999 * rows
    done = python("-c", READ_IN_BLOCKS, unpack(tmp_path / "unpacked", files), status=1)
    assert done.stderr.splitlines()[-1].startswith("recsys_lib.errors.DataError"), done.stderr


@short_and_long(200, 6_000)
@pytest.mark.parametrize("name", ["ml-20m", "ml-1m"])
def test_a_damaged_archive_is_refused_or_read_as_before(tmp_path, name, n, trial):
    release, path, rng = registry.RELEASES[name], tmp_path / "it.zip", np.random.default_rng(n)
    archive(path, release, members(release))
    raw, read = path.read_bytes(), 0
    whole = movielens.read(release, path)
    for _ in range(n):
        path.write_bytes(mutated_bytes(raw, rng))
        try:
            parts = movielens.read(release, path)
        except RecsysError:
            continue
        read += 1  # where the damage lies in a file that nobody reads
        assert parts.ratings.to_frame().equals(whole.ratings.to_frame())
        assert parts.items.equals(whole.items)
    assert 0 < read < n // 2
    trial(f"damaged archives, {name}", n, f"{n - read} refused, {read} read as the whole one")


def hostile(path, release, kind):
    """Write an archive as somebody might who wishes the reader ill."""
    folder, name = release.folder, release.ratings
    files = {f"{folder}/{file}": raw for file, raw in members(release).items()}
    ratings = files.pop(f"{folder}/{name}")
    if kind == "a way out":
        places = f"../{name}", f"/{folder}/{name}", f"{folder}/../{folder}/{name}"
        files |= dict.fromkeys(places, ratings)
    elif kind == "a link":
        link = zipfile.ZipInfo(f"{folder}/{name}")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        files[link] = str(path.parent / "secret.csv")
    elif kind == "a bomb":
        files[f"{folder}/{name}"] = ratings + b"\n" * 50_000_000
    elif kind == "an archive in it":
        archive(path, release, {name: ratings})
        files[f"{folder}.zip"] = path.read_bytes()
    else:
        files[f"{folder}/{name}"] = ratings
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for file, raw in files.items():
            target.writestr(file, raw)
    raw = bytearray(path.read_bytes())
    if kind == "encrypted":  # as both of its headers say
        member = f"{folder}/{name}".encode()
        raw[raw.find(member) - 30 + 6] |= 1
        raw[raw.rfind(member) - 46 + 8] |= 1
    path.write_bytes(raw[: -len(raw) // 2] if kind == "cut" else raw)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("a way out", "holds no file ml-20m/ratings.csv"),
        ("a link", "ratings.csv: CSV parse error"),  # its text is a path, which is not followed
        ("a bomb", "unpacks to far more"),
        ("an archive in it", "holds no file"),
        ("encrypted", "cannot be unpacked .*encrypted"),
        ("cut", "cannot be unpacked"),
    ],
)
def test_a_hostile_archive_is_refused_and_nothing_is_written(tmp_path, kind, says, trial):
    release = registry.RELEASES["ml-20m"]
    secret = tmp_path / "secret.csv"
    secret.write_bytes(members(release)["ratings.csv"])
    hostile(tmp_path / "it.zip", release, kind)
    before = sorted(tmp_path.parent.rglob("*"))
    with pytest.raises(DataError, match=says):
        movielens.read(release, tmp_path / "it.zip")
    assert sorted(tmp_path.parent.rglob("*")) == before
    trial(f"an archive with {kind}" if " " in kind else f"an archive, {kind}", 1, "refused")
