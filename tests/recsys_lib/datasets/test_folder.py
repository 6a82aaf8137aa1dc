"""A folder of one's own ratings: whatever its columns are called, whatever is missing."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_lib import datasets
from recsys_lib.errors import DataError, UnknownDatasetError

HEADERS = {  # as some published data sets have them, and one's own
    "User-ID;ISBN;Book-Rating": ";",
    "userId,movieId,rating,timestamp": ",",
    "reviewerID,asin,overall,unixReviewTime": ",",
    "user_id\tbook_id\tStars\tdate": "\t",
    "customer|product_id|score|review_time|comment": "|",
}


def write(folder, **files):
    """Write files: `ratings`, `items` are CSV, `toml` says what they are."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        file = "dataset.toml" if name == "toml" else f"{name}.csv"
        (folder / file).write_text(text, "utf-8")
    return folder


def rows(n_columns, separator):
    """Draw 40 pairs of users and items, ids like 7 and 07X; ratings from 1 to 10, times, words."""
    rng = np.random.default_rng(0)
    pairs = enumerate(rng.choice(120, 40, replace=False))
    cells = [
        [f"{pair // 12}", f"0{pair % 12}X", f"{rng.integers(1, 11)}", f"{1_500_000_000 + k}", "aé"]
        for k, pair in pairs
    ]
    return [separator.join(row[:n_columns]) for row in cells]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("header", HEADERS)
def test_columns_are_known_by_their_usual_names(tmp_path, header, encoding):
    n = header.count(HEADERS[header]) + 1
    lines = [header, *rows(n, HEADERS[header])]
    (tmp_path / "ratings.csv").write_bytes("\r\n".join(lines).encode(encoding))
    data = datasets.load(str(tmp_path))
    found = data.ratings.to_frame()
    read = [*csv.reader(lines[1:], delimiter=HEADERS[header])]  # an independent reader
    wanted = sorted((int(row[0]), row[1], float(row[2])) for row in read)
    assert [*map(tuple, found[["user_id", "item_id", "rating"]].to_numpy().tolist())] == wanted
    assert ("timestamp" in found) == (n > 3)
    if n > 3:
        assert sorted(found["timestamp"]) == [1_500_000_000 + k for k in range(40)]
    assert (data.name, data.info["path"]) == (tmp_path.name, str(tmp_path))
    assert data.ratings.scale == (min(w[2] for w in wanted), max(w[2] for w in wanted))
    assert data.items["title"].tolist() == data.items["item_id"].tolist()
    assert (data.items["genres"] == "").all()
    assert data.items["year"].isna().all()


def test_items_are_described_and_all_of_them_are_there(tmp_path):
    items = (
        'id,name,Categories,published,year,pages\n7,"A, b","War|Love",x,1999,10\n2,,,y,,\n9,C,,,,3'
    )
    ratings = "user,item,rating\nann,7,3.5\nbob,30,1\nNA,2,2\n"
    data = datasets.load(write(tmp_path / "books", ratings=ratings, items=items))
    assert data.ratings.user_ids.tolist() == ["NA", "ann", "bob"]
    table = data.items.set_index("item_id")
    assert table.index.tolist() == data.ratings.item_ids.tolist() == [2, 7, 9, 30]
    assert table["title"].tolist() == ["2", "A, b", "C", "30"]
    assert table["genres"].tolist() == ["", "War|Love", "", ""]
    assert table["year"].isna().tolist() == [True, False, True, True]
    assert table["year"][7] == 1999
    assert table["published"].tolist() == ["y", "x", "", ""]
    assert table["pages"].fillna(-1).tolist() == [-1, 10, 3, -1]


def test_what_cannot_be_guessed_is_told(tmp_path):
    ratings = "who;what;item;item_id;how much\n1;2;x;y;0.1\n1;3;x;y;0.3\n2;2;x;y;0.2"
    toml = """name = "Mine"\nlicence = "CC0"\nscale = [0.1, 0.3]\nseparator = ";"
    [columns]\nuser = "who"\nitem = "what"\nrating = "how much" """
    data = datasets.load(write(tmp_path / "a", ratings=ratings, toml=toml))
    assert (data.name, data.info["licence"], data.ratings.scale) == ("Mine", "CC0", (0.1, 0.3))
    assert data.ratings.item_ids.tolist() == [2, 3]
    toml = toml.replace('"how much"', '""')
    ones = datasets.load(write(tmp_path / "a", toml=toml))
    assert ones.ratings.by_user.values.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("dtype", ["int64", "Int64", "float64", "str"])
def test_parquet_is_read_as_csv_is(tmp_path, dtype):
    frame = pd.DataFrame({"user": [3, 1, 1], "item": [10, 10, 20], "rating": [0.5, 1.5, 3.3]})
    frame["time"] = pd.to_datetime([5, 6, 7], unit="s").tz_localize("UTC")
    for kind in ("csv", "parquet"):
        (tmp_path / kind).mkdir()
    frame.to_csv(tmp_path / "csv" / "ratings.csv", index=False)
    frame["user"] = frame["user"].astype(dtype)
    frame.to_parquet(tmp_path / "parquet" / "ratings.parquet")
    items = pd.DataFrame({"item_id": [10, 20], "genres": [["a", "b"], []], "title": ["x", None]})
    items.to_parquet(tmp_path / "parquet" / "items.parquet")
    read = [datasets.load(tmp_path / kind) for kind in ("csv", "parquet")]
    pd.testing.assert_frame_equal(read[0].ratings.to_frame(), read[1].ratings.to_frame())
    assert read[0].ratings.of_user(1)["timestamp"].tolist() == [6, 7]
    assert read[1].items["genres"].tolist() == ["a|b", ""]
    assert read[1].items["title"].tolist() == ["x", "20"]


@pytest.mark.parametrize("factor", [1, 1e3, 1e6, 1e9])
def test_times_are_seconds_in_the_end(tmp_path, factor):
    lines = [f"1,{k},5,{int((1.6e9 + k) * factor)}" for k in range(5)]
    folder = write(tmp_path / "a", ratings="\n".join(["user,item,rating,time", *lines]))
    assert datasets.load(folder).ratings.timestamps.tolist() == [
        1_600_000_000 + k for k in range(5)
    ]


BIG = 2**60 + 1
PAIR = {"ratings": "user,item\n1,1\n"}


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"ratings": "user,item,rating\n1,1,5\n1,2,five\n"}, "csv, row 3: rating is 'five'"),
        ({"ratings": "user,item,rating\n1,1,5\n1,2,\n"}, "row 3: rating is ''"),
        ({"ratings": "user,item,rating\n1,1,0x13\n"}, "row 2: rating is '0x13'"),
        ({"ratings": "user,item,rating\n1,1,inf\n"}, "row 2: rating is 'inf'"),
        ({"ratings": "user,item,rating\n1,1,1e300\n"}, "row 2: rating is '1e300'"),
        ({"ratings": "user,item,time\n1,1,inf\n"}, "row 2: time is 'inf'"),
        ({"ratings": "user,item,rating\n1,1,5\n,2,4\n"}, "row 3: user is ''"),
        ({"ratings": "user,item\n1,1\n1.5e+18,2\n"}, "row 3: user is .* digits are lost"),
        ({"ratings": "user,item,rating,time\n1,1,5,tomorrow\n"}, "row 2: time is 'tomorrow'"),
        ({"ratings": "user,item,time\n1,1,16e8\n1,2,16e8\n2,1,1e20\n"}, "row 4: time is '1e20'"),
        ({"ratings": "user,item,rating\n1,1,5,6\n"}, "Expected 3 fields in line 2, saw 4"),
        ({"ratings": 'user,item,rating,note\n1,1,5,"never ends\n1,2,5,\n'}, "EOF inside string"),
        ({"ratings": "user,item,rating\n"}, "no row"),
        ({"ratings": ""}, "ratings.csv: "),
        ({"ratings": "user,item,item\n1,1,1\n"}, "two columns"),
        ({"ratings": "user,asin,parent,product_id\n1,1,1,1\n"}, "the item.*'asin' or 'product_id'"),
        ({"ratings": "1,31,2.5\n1,32,3\n"}, "user.*'1', '31', '2.5'.*dataset.toml can say"),
        ({**PAIR, "items": "id\n2\n"}, "no item is rated.*'2'.*'1'"),
        ({**PAIR, "items": "id,a\n1,x\n2,y\n1,z"}, "items.csv, row 4: id is '1'"),
        ({"items": "id\n1\n"}, "no ratings.csv and no ratings.parquet; it holds items.csv"),
        ({"ratings": "user,item,stars\n1,1,6\n", "toml": "scale = [1, 5]"}, "no number from 1"),
        ({**PAIR, "toml": "scale = [5, 1]"}, r"scale = \[5, 1\] has no mean"),
        ({**PAIR, "toml": "colums = 3"}, "colums = 3 has no meaning.*scale ="),
        ({**PAIR, "toml": "name = 'ml-1m'"}, "'ml-1m' is what a published"),
        ({**PAIR, "toml": "[columns]\nuser = 'who'"}, "the user.*'who'"),
        ({**PAIR, "toml": "name = "}, "dataset.toml: "),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(tmp_path, files, says):
    with pytest.raises(DataError, match=says) as caught:
        datasets.load(write(tmp_path / "mine", **files))
    assert str(tmp_path / "mine") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_path_is_told_from_a_name(home, tmp_path, monkeypatch):
    write(tmp_path / "mine", ratings=f"user,item\n{BIG},{BIG}\n{BIG + 1},1\n")
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "./mine", Path("mine"), "../" + tmp_path.name + "/mine"):
        assert datasets.resolve(name) == str(tmp_path / "mine")
        assert datasets.load(name).ratings.user_ids.tolist() == [BIG, BIG + 1]
    with pytest.raises(DataError, match="is a file"):
        datasets.load("mine/ratings.csv")
    with pytest.raises(DataError, match="/mime is not there"):
        datasets.resolve("./mime")
    with pytest.raises(UnknownDatasetError, match=r"'mime'.*by its path"):
        datasets.load("mime")
    with pytest.raises(DataError, match="takes no option seed"):
        datasets.load("mine", seed=1)
    (tmp_path / "ml-1m").mkdir()  # a name in the registry stays one
    with pytest.raises(DataError, match="published"):
        datasets.load("./ml-1m")
    write(tmp_path / "mine", ratings="user,item\n5,6\n")  # read anew, whatever was there before
    assert datasets.load("mine").ratings.user_ids.tolist() == [5]
