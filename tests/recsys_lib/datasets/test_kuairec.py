"""KuaiRec's reader, on files in the published form, quirks included."""

import hashlib
import logging

import numpy as np
import pandas as pd
import pytest

from benchmarks import protocols
from recsys_lib import datasets
from recsys_lib.datasets import kuairec, registry
from recsys_lib.errors import DataError
from recsys_lib.features import genre_matrix
from recsys_lib.ratings import Ratings
from tests.recsys_lib.datasets.published import (
    archive,
    assert_same,
    damaged,
    publish,
    table,
    unpack,
)
from tests.recsys_lib.mutations import short_and_long

WATCHED = (
    "user_id", "video_id", "play_duration", "video_duration", "time", "date", "timestamp",
    "watch_ratio",
)  # fmt: skip
# user, video, played and whole length (ms), seconds. User 0 watches video 2 three times: the last
# in time stands in the middle of the file.
BIG = [
    (0, 2, 13838, 10867, 1593878903.438),
    (3, 0, 0, 9800, 1593900000.0),
    (0, 2, 41000, 10867, 1594000000.25),
    (1, 7, 9000, 3000, 1593888888.0),
    (0, 2, 1000, 10867, 1593950000.0),
    (3, 1, 11000, 11000, 1593911111.5),
]
SMALL = [(0, 0, 4900, 9800, 1593999999.9), (0, 1, 33000, 11000, None), (1, 0, 9800, 9800, None)]
NO = kuairec.UNKNOWN
CAPTIONS = [
    # a caption in two lines with a bare CR, as four of the published ones are
    (0, NO, "教练：“我希望开启\r一段王朝”", "[]", 6, "明星娱乐", -124, NO, -124, NO),
    (1, "高品质", NO, "[裤子,商家]", 5, "时尚", 737, "营销售卖", 2596, "女装"),
    (2, NO, "", "[长高,育儿]", -124, NO, -124, NO, -124, NO),
    (7, NO, "我\u202e一是\u202c个, \"创\" " + 60 * "好", "[]", 8, "颜值", 673, "颜值", -124, NO),
    (9, NO, "", "[]", 8, "颜值", 673, "颜值随拍", -124, NO),
]  # fmt: skip
# video, day, the static columns, and a count. Video 1's author is unknown on the first day.
DAILY = [
    (1, 20200705, "", "NORMAL", "2020-03-30", NO, 11e3, 10),
    (1, 20200706, 50, "NORMAL", "2020-03-30", "Kmovie", 11e3, 30),
    (0, 20200705, 9, "AD", "2019-12-31", "ShortImport", "", 0),
]


def user(number, codes=None):
    """Return one row of user_features.csv."""
    row = dict.fromkeys(kuairec.USER_NUMBERS, number)
    row |= dict.fromkeys(kuairec.USER_TEXT, "(0,10]")
    row |= dict.fromkeys(kuairec.USER_CODES, 1) | (codes or {})
    return {"user_id": number, **row, "user_active_degree": "UNKNOWN"}


def watches(rows):
    """Return a matrix's file: a missing time leaves three cells empty."""
    lines = []
    for who, what, played, length, second in rows:
        time = date = ""
        if second is not None:
            time = pd.Timestamp(second, unit="s").isoformat(" ")
            date = time[:10].replace("-", "") + ".0"
        lines.append((who, what, played, length, time, date, second, played / length))
    return table(WATCHED, lines, "\n")


def files(**changed):
    people = [user(0), user(1, {"onehot_feat4": "", "onehot_feat17": 0}), user(2), user(3)]
    levels = [
        f"{n}_level_category_{k}" for n in ("first", "second", "third") for k in ("id", "name")
    ]
    caption = CAPTIONS[0][2]  # csv quotes its CR; the published file does not
    captions = table(
        ("video_id", "manual_cover_text", "caption", "topic_tag", *levels), CAPTIONS, "\n"
    )
    content = {
        "big_matrix.csv": watches(BIG),
        "small_matrix.csv": watches(SMALL),
        "kuairec_caption_category.csv": captions.replace(f'"{caption}"'.encode(), caption.encode()),
        "user_features.csv": table(people[0], [person.values() for person in people], "\n"),
        "item_daily_features.csv": table(
            ("video_id", "date", *kuairec.STATIC, "play"), DAILY, "\n"
        ),
        "social_network.csv": b"user_id,friend_list\n0,[3]\n",
    }
    return content | changed


@pytest.fixture(autouse=True)
def release(home, monkeypatch):
    publish(monkeypatch, "kuairec", n_users=4, n_items=5, n_ratings=len(BIG), n_full=len(SMALL))


@pytest.fixture
def data(home):
    unpack(home / "kuairec", files())
    return datasets.load("kuairec")


def test_the_big_matrix_keeps_the_last_watch_of_each_pair(data):
    frame = data.ratings.to_frame()
    assert frame[["user_id", "item_id"]].to_numpy().tolist() == [[0, 2], [1, 7], [3, 0], [3, 1]]
    np.testing.assert_allclose(frame["rating"], [41000 / 10867, 3, 0, 1], rtol=1e-6)
    assert frame["timestamp"].tolist() == [1594000000, 1593888888, 1593900000, 1593911111]
    assert data.ratings.n_duplicates == 2
    assert data.ratings.user_ids.tolist() == [0, 1, 2, 3]  # user 2 has watched nothing
    assert data.ratings.item_ids.tolist() == [0, 1, 2, 7, 9]
    assert data.ratings.scale == data.full.scale == (0.0, float(np.float32(41000 / 10867)))


def test_the_small_matrix_has_the_same_universe_and_no_times(data):
    frame = data.full.to_frame()
    assert frame.columns.tolist() == ["user_id", "item_id", "rating"]
    assert frame.to_numpy().tolist() == [[0, 0, 0.5], [0, 1, 3], [1, 0, 1]]
    np.testing.assert_array_equal(data.full.user_ids, data.ratings.user_ids)
    np.testing.assert_array_equal(data.full.item_ids, data.ratings.item_ids)


def test_without_times_the_row_furthest_down_counts(home):
    rows = [(u, v, played, length, None) for u, v, played, length, _ in BIG]
    unpack(home / "kuairec", files(**{"big_matrix.csv": watches(rows)}))
    ratings = datasets.load("kuairec").ratings
    assert ratings.timestamps is None
    assert ratings.of_user(0)["rating"].tolist() == [float(np.float32(1000 / 10867))]


def test_captions_and_categories_of_videos(data):
    items = data.items.set_index("item_id")
    assert items["caption"][0] == "教练：“我希望开启 一段王朝”"
    assert items["title"][:3].tolist() == [items["caption"][0], "高品质", "长高 育儿"]
    assert items["title"][9] == "video 9"
    assert items["title"][7] == '我一是个, "创" ' + 37 * "好" + "…"
    assert len(items["title"][7]) == kuairec.TITLE
    assert items["caption"][7].endswith(60 * "好")
    assert items["genres"].tolist() == [
        "明星娱乐",
        "时尚|营销售卖|女装",
        "",
        "颜值",
        "颜值|颜值随拍",
    ]
    assert items["year"].fillna(0).tolist() == [2019, 2020, 0, 0, 0]
    assert genre_matrix(data.items)[0].sum() == 7
    # the first value known
    assert items.loc[1, ["author_id", "upload_type"]].tolist() == ["50", "Kmovie"]
    assert np.isnan(items.loc[0, "video_duration"])
    assert items.loc[[2, 7, 9], [*kuairec.STATIC]].isna().all(axis=None)


def test_users_have_their_31_columns(data):
    header = files()["user_features.csv"].decode().splitlines()[0].split(",")
    assert sorted(data.users.columns) == sorted(header)
    assert data.users.shape == (4, 31)
    assert data.users["user_id"].tolist() == [0, 1, 2, 3]
    assert data.users["onehot_feat4"].isna().tolist() == [False, True, False, False]
    assert data.users["onehot_feat17"].tolist() == [1, 0, 1, 1]
    assert data.users["follow_user_num"].dtype == np.int64


def test_an_archive_is_read_like_a_folder_and_the_copy_like_both(home, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "recsys_lib")
    archive(home / "KuaiRec.zip", registry.RELEASES["kuairec"], files())
    raw = (home / "KuaiRec.zip").read_bytes()
    publish(
        monkeypatch, "kuairec", hash=f"md5:{hashlib.md5(raw, usedforsecurity=False).hexdigest()}"
    )
    first, second = datasets.load("auto:kuairec"), datasets.load("kuairec")
    assert sum("reading kuairec" in r.getMessage() for r in caplog.records) == 1
    assert first.name == second.name == "kuairec"
    assert "CIKM" in first.info["citation"]
    (home / "KuaiRec.zip").unlink()
    unpack(home / "KuaiRec" / "KuaiRec 2.0" / "data", files())
    third = datasets.load("kuairec")
    assert_same(first, second)
    assert_same(first, third)
    assert isinstance(second.full.by_user.values, np.memmap)


def test_a_folder_of_side_tables_is_told_what_it_lacks(home, caplog):
    side = {name: raw for name, raw in files().items() if "matrix" not in name}
    folder = unpack(home / "kuairec", side)
    with pytest.raises(DataError, match=r"lacks big_matrix.csv, small_matrix.csv; fetch http\S+"):
        datasets.load("kuairec")
    assert datasets.resolve("auto:kuairec") == "synthetic-watch"
    assert f"passed over {folder}: no big_matrix.csv, small_matrix.csv" in caplog.text


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("big_matrix.csv", b"3,0,0,9800", b"8,0,0,9800", "row 3: user_id is 8, not in user_fea"),
        ("big_matrix.csv", b"1,7,9000", b"1,,9000", "row 5: video_id is nan, an empty cell"),
        ("big_matrix.csv", b",3.0\n", b",-3.0\n", "row 5: watch_ratio is -3.0, no watch"),
        ("big_matrix.csv", b",1593888888.0,", b",1e300,", r"row 5: timestamp is 1e\+300, no time"),
        ("small_matrix.csv", b"0,1,33000", b"0,x,33000", "small_matrix.csv, row 3: "),
        ("small_matrix.csv", b"watch_ratio", b"ratio", "small_matrix.csv: .*watch_ratio"),
        ("kuairec_caption_category.csv", b"\n2,UN", b"\n1,UN", "row 4: video_id is '1', as in an"),
        ("kuairec_caption_category.csv", b"topic_tag", b"tag", "lacks topic_tag"),
        (
            "user_features.csv",
            b"\n0,0,0",
            b"\n0,yes,0",
            "row 2: is_lowactive_period is 'yes', no whole",
        ),
        ("item_daily_features.csv", b"author_id", b"author", "lacks author_id"),
    ],
)
def test_a_row_that_is_not_as_published_is_named(home, file, old, new, says):
    content = files()
    assert old in content[file]
    content[file] = content[file].replace(old, new, 1)
    unpack(home / "kuairec", content)
    with pytest.raises(DataError, match=says):
        datasets.load("kuairec")


@pytest.mark.parametrize("file", ["big_matrix.csv", "small_matrix.csv"])
def test_a_matrix_that_was_cut_off_is_refused(home, file):
    content = files()
    content[file] = b"".join(content[file].splitlines(keepends=True)[:-1])
    unpack(home / "kuairec", content)
    with pytest.raises(DataError, match=rf"{file}: it holds \d ratings, .*it was cut off"):
        datasets.load("kuairec")


def test_a_pair_in_both_matrices_is_found_out(home, monkeypatch):
    publish(monkeypatch, "kuairec", n_full=4)
    unpack(home / "kuairec", files(**{"small_matrix.csv": watches(SMALL + BIG[-1:])}))
    with pytest.raises(DataError, match=r"1 pairs are in the big matrix .* user 3's"):
        protocols.fully_observed(datasets.load("kuairec"))


def test_what_has_no_small_matrix_has_no_such_protocol():
    ratings = Ratings.from_frame(pd.DataFrame({"user_id": [1], "item_id": [2], "rating": [3.0]}))
    with pytest.raises(DataError, match="mine has no fully observed matrix; take kuairec"):
        protocols.fully_observed(datasets.Dataset("mine", ratings, pd.DataFrame()))


@short_and_long(100, 4_000)
def test_a_damaged_file_is_refused_or_read(tmp_path, n, trial):
    release, rng, read = registry.RELEASES["kuairec"], np.random.default_rng(n), 0
    found = damaged(kuairec.read, release, tmp_path / "it", files(), release.files, rng, n)
    for _, _, parts in found:
        read += 1
        np.testing.assert_array_equal(parts.items["item_id"], parts.ratings.item_ids)
    assert 0 < read < n
    trial("damaged files, kuairec", n, f"{n - read} refused, {read} read")
