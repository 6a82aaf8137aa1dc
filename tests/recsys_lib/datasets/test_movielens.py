"""MovieLens releases: archives and folders in each published layout, and a real one."""

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_lib import datasets
from recsys_lib.datasets import registry
from recsys_lib.datasets.movielens import tidy_title
from recsys_lib.errors import DataError
from tests.recsys_lib.datasets.published import (
    FILMS,
    RATED,
    USERS,
    assert_same,
    members,
    publish,
    put,
    unpack,
)

# Where the published archive may be; fixtures point RECSYS_DATA_HOME elsewhere.
REAL = Path(os.environ.get("RECSYS_DATA_HOME") or "nowhere") / "ml-latest-small.zip"


@pytest.mark.parametrize("name", datasets.available()["name"])
def test_every_release_is_read_from_its_archive_and_from_its_folder(home, monkeypatch, name):
    release = put(home, monkeypatch, name)
    data = datasets.load(name)
    half = 0.5 if release.scale[0] == 0.5 else 0
    expected = [r for k, r in enumerate(RATED) if k != 0]  # the first is overruled by the fifth
    frame = pd.DataFrame(expected, columns=["user_id", "item_id", "rating", "timestamp"])
    frame = frame.sort_values(["user_id", "item_id"], ignore_index=True)
    frame["rating"] = (frame["rating"] - half).astype(np.float32)
    pd.testing.assert_frame_equal(data.ratings.to_frame(), frame)
    assert data.ratings.n_duplicates == 1
    assert data.ratings.scale == release.scale
    films = sorted(FILMS)
    assert data.ratings.item_ids.tolist() == data.items["item_id"].tolist() == [f[0] for f in films]
    assert data.items["title"].tolist() == [f[3] for f in films]
    assert data.items["year"].fillna(0).tolist() == [f[4] or 0 for f in films]
    assert data.items["genres"].tolist() == [f[2] for f in films]
    assert [str(dtype) for dtype in data.items.dtypes[["item_id", "year"]]] == ["int64", "Int64"]
    if name in ("ml-100k", "ml-1m"):
        columns = ["user_id", "gender", "age", "occupation", "zip_code"]
        pd.testing.assert_frame_equal(data.users, pd.DataFrame(USERS, columns=columns))
    else:
        assert data.users is None
    assert data.info["path"] == str(home / f"{name}.zip")

    (home / f"{name}.zip").unlink()
    unpacked = unpack(home / name / release.folder, members(release))
    again = datasets.load(name)
    assert_same(again, data)
    assert again.info["path"] == str(unpacked)


@pytest.mark.skipif(not REAL.is_file(), reason="the published archive is not here")
def test_ml_latest_small_as_pandas_reads_it(home, monkeypatch):
    publish(monkeypatch, "ml-latest-small", n_users=610, n_items=9_742, n_ratings=100_836)
    shutil.copy(REAL, home)
    data = datasets.load("ml-latest-small")
    with zipfile.ZipFile(REAL) as source:
        files = (source.open(f"ml-latest-small/{name}.csv") for name in ("ratings", "movies"))
        ratings, movies = map(pd.read_csv, files)
    ratings = ratings.sort_values(["userId", "movieId"], ignore_index=True)
    ratings["rating"] = ratings["rating"].astype(np.float32)
    ratings.columns = ["user_id", "item_id", "rating", "timestamp"]
    pd.testing.assert_frame_equal(data.ratings.to_frame(), ratings)
    assert (data.ratings.n_users, data.ratings.n_items, len(data.ratings)) == (610, 9_742, 100_836)
    movies = movies.sort_values("movieId", ignore_index=True)
    assert data.items["item_id"].tolist() == movies["movieId"].tolist()
    genres = movies["genres"].replace("(no genres listed)", "")
    assert data.items["genres"].tolist() == genres.tolist()
    year = movies["title"].str.extract(r"\((\d{4})\S*\)\s*$")[0].fillna("0").astype(int)
    assert data.items["year"].fillna(0).tolist() == year.tolist()
    assert not data.items["title"].str.contains(r", The$|\(\d{4}\)$|^\s|\s$|^$").any()


@pytest.mark.parametrize(
    ("raw", "title", "year"),
    [
        ("Matrix, The (1999)", "The Matrix", 1999),
        ("City of Lost Children, The (Cité des enfants perdus, La) (1995)",
         "The City of Lost Children", 1995),
        ("Avventura, L' (Adventure, The) (1960)", "L'Avventura", 1960),
        ("Boot, Das (Boat, The) (1981)", "Das Boot", 1981),
        ("Trou, Le (Hole, The) (Night Watch, The) (1960)", "Le Trou", 1960),
        ("8 ½ Women (a.k.a. 8 1/2 Women (or so)) (1999)", "8 ½ Women", 1999),
        ("Corrina, Corrina (1994)", "Corrina, Corrina", 1994),
        ("(500) Days of Summer (2009)", "(500) Days of Summer", 2009),
        ("Frontière(s) (2007)", "Frontière(s)", 2007),
        ("Birdman: Or (The Unexpected Virtue of Ignorance) (2014)",
         "Birdman: Or (The Unexpected Virtue of Ignorance)", 2014),
        ("Death Note: Desu nôto (2006–2007)", "Death Note: Desu nôto", 2006),
        ("Land Before Time III, The (1995) (V)", "The Land Before Time III", 1995),
        ("  Superman/Doomsday  (2007) ", "Superman/Doomsday", 2007),
        ("2012 (2009)", "2012", 2009),
        ("Babylon 5", "Babylon 5", None),
        ("(1984)", "(1984)", None),
        ("\u202eleft\x07 to\u2028right\u202c (2000)", "left to right", 2000),
    ],
)  # fmt: skip
def test_titles_are_tidied(raw, title, year):
    assert tidy_title(raw) == (title, year)


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "says"),
    [
        ("ml-20m", "ratings.csv", b"7,318,4.5,", b"7,318,5.5,", "row 3: rating is 5.5, no rating"),
        ("ml-20m", "ratings.csv", b"2,30,0.5,", b"2,30,four,", "row 4"),
        ("ml-20m", "ratings.csv", b"0.5,1445714835", b"0.5", "row 4: CSV parse error: Expected 4"),
        ("ml-20m", "ratings.csv", b"2,30,0.5,", b"2,31,0.5,", "row 4: movieId is 31, not in"),
        ("ml-20m", "ratings.csv", b"2,30,0.5,", b"-2,30,0.5,", "row 4: userId is -2, no id"),
        ("ml-20m", "ratings.csv", b"userId", b"user", "'userId'"),
        ("ml-20m", "ratings.csv", b"2,30,0.5,", b"2_0,30,0.5,", "row 4: In CSV column #"),
        ("ml-20m", "ratings.csv", b"1445714835", b"9" * 19, "row 4: In CSV column #"),
        ("ml-100k", "u.data", b"7\t318\t5", b"7\t318\t0x5", "row 2: it holds 'x'"),
        ("ml-100k", "u.data", b"2\t29\t3", b"\xef\xbb\xbf2\t29\t3", "row 4"),
        ("ml-10m", "ratings.dat", b"::964982224", b"\t964982224", "row 2: CSV parse error: Ex"),
        ("ml-20m", "ratings.csv", b"2,30,", b"2,30" + b"0" * 2**26 + b",", "row 4: the line has"),
        ("ml-20m", "movies.csv", b"movieId", b"movie", "row 1: the header"),
        ("ml-20m", "movies.csv", b"1200,Aliens,", b"1200,Aliens,1986,", "row 5: 3 fields expected"),
        ("ml-20m", "movies.csv", b"1200,Aliens", b"1,Aliens", "row 5: movieId is '1', as in an"),
        ("ml-1m", "ratings.dat", b"2::30::1::", b"2::30::1:", "row 3"),
        ("ml-1m", "movies.dat", b"1200::Aliens", b"12x::Aliens", "row 4: movieId is '12x', no"),
        ("ml-1m", "users.dat", b"::20::", b"::21::", "row 1: occupation is '21', no whole"),
        ("ml-100k", "u.item", b"1200|Aliens|", b"1200|Aliens||", "row 4: 24 fields expected"),
        ("ml-100k", "u.item", b"|0|0|0|0", b"|0|0|2|0", "row 1: flag Adventure is '2'"),
        ("ml-1m", "users.dat", b"7::M", b"2::M", "row 2: user_id is '2', as in an ear"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("block", [64, 2**24])
def test_a_bad_row_is_refused_with_its_file_and_row(
    home, monkeypatch, name, file, old, new, says, block
):
    monkeypatch.setattr("recsys_lib.datasets.archive._BLOCK", block)
    files = members(registry.RELEASES[name])
    assert old in files[file]
    files[file] = files[file].replace(old, new, 1)
    folder = unpack(home / name, files)
    with pytest.raises(DataError) as caught:
        datasets.load(name)
    assert str(folder / file) in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize("file", ["ratings.csv", "movies.csv"])
def test_empty_and_missing_files_are_named(home, file):
    files = members(registry.RELEASES["ml-32m"])
    folder = unpack(home / "ml-32m", files)
    (folder / file).write_bytes(files[file].splitlines(keepends=True)[0])
    with pytest.raises(DataError, match=rf"{file}: it holds no r(ating|ow)"):
        datasets.load("ml-32m")
    (folder / file).unlink()
    with pytest.raises(
        DataError, match=rf"ml-32m is not all of ml-32m: it lacks {file}; fetch http"
    ):
        datasets.load("ml-32m")


@pytest.mark.parametrize("name", ["ml-20m", "ml-1m", "ml-100k", "ml-10m"])
@pytest.mark.parametrize("kept", [5, 3, 8])
def test_a_file_that_was_cut_or_has_grown_is_refused(home, name, kept):
    files = members(registry.RELEASES[name])
    release = registry.RELEASES[name]
    rows = files[release.ratings].splitlines(keepends=True)
    rows = (rows + 2 * rows[-1:])[: kept + release.header]
    folder = unpack(home / name, files | {release.ratings: b"".join(rows)})
    with pytest.raises(DataError, match=f"holds {kept} ratings, and the published one 6") as caught:
        datasets.load(name)
    assert ("it was cut off" in str(caught.value)) == (kept < 6)
    assert release.ratings in str(caught.value)
    assert registry.RELEASES[name].url in str(caught.value)
    (folder / release.ratings).write_bytes(files[release.ratings])
    assert len(datasets.load(name).ratings) == 5
    rows = files[release.items].splitlines(keepends=True)
    (folder / release.items).write_bytes(b"".join(row for row in rows if b"1200" not in row))
    with pytest.raises(DataError, match="holds 4 items, and the published one 5: it was cut"):
        datasets.load(name)
