from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recsys_lib.errors import DataError, UnknownIdError
from recsys_lib.ratings import CSR, Ratings

DECIMALS = pd.ArrowDtype(pa.decimal128(5, 2))
ROWS = [("b", 30, 4.0, 5), ("a", 10, 3.5, 1), ("b", 10, 1.0, 2), ("a", 20, 5.0, 9)]


def frame(rows=ROWS):
    return pd.DataFrame(rows, columns=["user_id", "item_id", "rating", "timestamp"])


def test_both_sides_hold_every_rating_in_the_datas_own_ids():
    ratings = Ratings.from_frame(frame())
    assert ratings.user_ids.tolist() == ["a", "b"]
    assert ratings.item_ids.tolist() == [10, 20, 30]
    assert sorted(ratings.to_frame().itertuples(index=False, name=None)) == sorted(ROWS)
    dense = np.zeros((2, 3), np.float32)
    dense[ratings.user_of_rating(), ratings.by_user.indices] = ratings.by_user.values
    np.testing.assert_array_equal(ratings.by_item.to_scipy(2).toarray(), dense.T)
    assert ratings.by_user.indices.dtype == ratings.by_item.indices.dtype == np.int32
    assert ratings.by_user.values.dtype == ratings.by_item.values.dtype == np.float32
    assert ratings.mean == pytest.approx(13.5 / 4)
    assert ratings.density == pytest.approx(4 / 6)
    assert ratings.of_user("a").to_numpy().tolist() == [[10, 3.5, 1], [20, 5.0, 9]]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 9), st.integers(1, 10), st.integers(0, 5)),
        min_size=1,
        max_size=80,
    )
)
def test_of_repeated_ratings_the_latest_counts(rows):
    table, pair = frame(rows), ["user_id", "item_id"]
    for told, in_order in (
        (table, table.sort_values("timestamp", kind="stable")),
        (table.drop(columns="timestamp"), table.drop(columns="timestamp")),
    ):
        ratings = Ratings.from_frame(told)
        expected = in_order.drop_duplicates(pair, keep="last").sort_values(pair)
        np.testing.assert_array_equal(ratings.to_frame().to_numpy(), expected.to_numpy())
        assert ratings.n_duplicates == len(table) - len(expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0, 5.5, "four"])
def test_a_bad_rating_is_refused_with_its_row(bad):
    table = frame().astype({"rating": object})
    table.loc[2, "rating"] = bad
    with pytest.raises(DataError, match=r"row 2 \(user b, item 10\)"):
        Ratings.from_frame(table, scale=(0.5, 5))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (frame().drop(columns="item_id"), "no column 'item_id'"),
        (frame([]), "no row"),
        (frame().assign(user_id=["b", None, "b", "a"]), "row 1.*user_id"),
        (frame().assign(item_id=pd.Series([30, None, 10, 20], dtype=object)), "row 1.*item_id"),
        (frame([(1.5, 1, 3.0, 0)]), "row 0.*ids are integers or text"),
        (frame([(1, 1, 3.0, 0), ("x", 1, 3.0, 0)]), "row 0.*all integers or all text"),
        (frame([(1, 1, 3.0, None)]), "row 0.*not a time"),
        (frame([(1, 1, 3.0, 0), (1, 2, 3.0, 1e20)]), "row 1.*not a time"),
        (frame([(2**63 + 1, 1, 3.0, 0)]).astype({"user_id": "uint64"}), "row 0.*holds 92233"),
        (frame([(1.0, 1, 3.0, 0), (2.0**60, 1, 3.0, 0)]), r"row 1.*exact to 2\*\*53"),
        (frame([(2**70, 1, 3.0, 0)]), r"row 0.*exact to 2\*\*53"),
        (frame().assign(user_id=pd.Series(["\ud800"] * 4, dtype=object)), "row 0.*holds '.ud800'"),
        (frame().assign(rating=[1j, 2, 3, 4]), "row 0.*rating is 1j"),
        (frame().assign(rating=[10**400, 2, 3, 4]), "row 0.*rating is 1000"),
        (frame().assign(rating=pd.Timestamp(0)), "row 0.*rating is Timestamp"),
        (frame().assign(rating=[True] * 4), "row 0.*rating is True"),
        (frame().assign(rating=[3, 2, True, 4]), "row 2.*rating is True"),
        (frame().assign(rating=["3", "2", "3", "4"]), "row 0.*rating is '3'"),
        (frame().assign(rating=[Decimal("NaN"), *map(Decimal, "234")]), "row 0.*rating is Decimal"),
        (frame().assign(rating=pd.array([1, None, 3, 4], DECIMALS)), "row 1.*rating is <NA>"),
        (frame().assign(timestamp=["3", "2", "3", "4"]), "row 0.*not a time"),
        (frame().assign(timestamp=[1j, 2, 3, 4]), "row 0.*not a time"),
        (frame().assign(timestamp=pd.Timedelta(1)), "row 0.*not a time"),
        (frame().assign(timestamp=pd.Period("2020")), "row 0.*holds 2020; that is"),
    ],
)
def test_a_bad_table_is_refused_in_one_line(table, message):
    with pytest.raises(DataError, match=message) as error:
        Ratings.from_frame(table)
    assert "\n" not in str(error.value)


def test_ids_are_the_same_in_whatever_column_they_stand():
    wanted = Ratings.from_frame(frame()).to_frame()
    columns = frame().astype({"user_id": "category", "item_id": "category"})
    assert Ratings.from_frame(columns).to_frame().equals(wanted)
    assert Ratings.from_frame(frame().astype(object)).to_frame().equals(wanted)


def test_unknown_ids_are_named():
    ratings = Ratings.from_frame(frame())
    for odd in ("a\0", ["a", "b\0"]):  # NumPy's own text ends before a NUL
        with pytest.raises(UnknownIdError, match=r"no user .*x00"):
            ratings.user_index(odd)
    with pytest.raises(UnknownIdError, match="no user 'z'"):
        ratings.user_index(["a", "z"])
    with pytest.raises(KeyError, match="no item 11"):
        ratings.item_index(11)


def test_ids_without_a_rating_can_belong_to_the_data():
    ratings = Ratings.from_frame(frame(), item_ids=[40, 10, 5])
    assert ratings.item_ids.tolist() == [5, 10, 20, 30, 40]
    assert ratings.by_item.counts.tolist() == [0, 2, 1, 1, 0]


def test_a_selection_keeps_the_numbering():
    ratings = Ratings.from_frame(frame())
    part = ratings.select(ratings.by_user.values > 3)
    assert part.item_ids is ratings.item_ids
    assert part.by_item.counts.tolist() == [1, 1, 1]
    assert part.timestamps.tolist() == [1, 9, 5]
    rows = CSR(np.arange(129), np.zeros(128, np.int32), np.ones(128, np.float32))
    assert rows.take(np.array([127], np.int8)).counts.tolist() == [1]
    with pytest.raises(DataError, match="booleans"):
        ratings.select(np.array([1, 0]))


def test_datetimes_become_seconds():
    table = frame().assign(timestamp=pd.to_datetime([5, 1, 2, 9], unit="s", utc=True))
    zones = pd.Series(["UTC", "Asia/Tokyo", "UTC", "UTC"])
    mixed = table["timestamp"].astype(object).combine(zones, pd.Timestamp.tz_convert)
    for times in (table["timestamp"], mixed, mixed.map(pd.Timestamp.to_pydatetime).astype(object)):
        found = Ratings.from_frame(table.assign(timestamp=times))
        assert found.timestamps.tolist() == [1, 9, 2, 5]
    days = pd.Series(pd.to_datetime(["2020-01-02"] * 4).date).astype("date32[pyarrow]")
    assert {*Ratings.from_frame(table.assign(timestamp=days)).timestamps} == {1577923200}


def test_within_a_second_too_the_last_rating_of_a_pair_counts():
    rows = [(1, 1, 3.0, 10.75), (1, 1, 4.0, 10.25), (1, 2, 5.0, 9.5), (2, 1, 2.0, 11.0)]
    table = frame(rows)
    for times in (table["timestamp"], pd.to_datetime(table["timestamp"], unit="s")):
        found = Ratings.from_frame(table.assign(timestamp=times))
        assert found.by_user.values.tolist() == [3, 5, 2]
        assert found.timestamps.tolist() == [10, 9, 11]


def test_a_column_of_times_is_named_or_refused():
    table = frame().rename(columns={"timestamp": "when"})
    assert Ratings.from_frame(table).timestamps is None
    assert Ratings.from_frame(table, timestamp="when").timestamps.tolist() == [1, 9, 2, 5]
    with pytest.raises(DataError, match="no column 'wen'"):
        Ratings.from_frame(table, timestamp="wen")


def matrix(indptr=(0, 2, 3), indices=(0, 2, 1), values=(1, 2, 3)):
    return CSR(np.array(indptr), np.array(indices, np.int32), np.array(values, np.float32))


@pytest.mark.parametrize(
    ("by_user", "says"),
    [
        (matrix(indices=(0, 3, 1)), "indices must be from 0 to below 3"),
        (matrix(indices=(0, -1, 1)), "indices must be from 0"),
        (matrix(indices=(2, 0, 1)), "must ascend within each row"),
        (matrix(indices=(1, 1, 1)), "none may repeat"),
        (matrix(indptr=(0, 4, 3)), "indptr must ascend from 0"),
        (matrix(indptr=(1, 2, 3)), "indptr must ascend from 0"),
        (matrix(indptr=(0, 2, 4)), "to the number of ratings, 3"),
        (matrix(indptr=(0, 3)), r"indptr must be int64 \(3,\)"),
        (matrix(values=(1, 2)), r"values must be float32 \(3,\)"),
        (matrix(values=(1, np.nan, 3)), "no finite number"),
        (matrix(values=(1, np.inf, 3)), "no finite number"),
        (matrix()._replace(indices=np.array([0, 2, 1])), "indices must be int32"),
    ],
)
def test_a_matrix_that_kernels_could_not_trust_is_refused(by_user, says):
    ids = np.arange(2), np.arange(3)
    assert Ratings(*ids, matrix()).by_item.counts.tolist() == [1, 1, 1]
    with pytest.raises(DataError, match=says):
        Ratings(*ids, by_user)


def test_times_and_indices_that_do_not_fit_are_refused():
    ids = np.arange(2), np.arange(3)
    with pytest.raises(DataError, match=r"timestamps must be int64 \(3,\)"):
        Ratings(*ids, matrix(), timestamps=np.arange(2))
    users, values = np.array([0, 1], np.int32), np.ones(2, np.float32)
    for wrong in ([0, 3], [-1, 0]):
        with pytest.raises(DataError, match="item_index must be from 0 to below 3"):
            Ratings.from_arrays(users, np.array(wrong, np.int32), values, None, *ids, (1, 5))
    for times in (np.arange(1), np.arange(3), np.zeros(2)):
        with pytest.raises(DataError, match=r"timestamps must be int64 \(2,\)"):
            Ratings.from_arrays(users, users, values, times, *ids, (1, 5))


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: Ratings.from_frame({"user_id": [1]}), "not from dict"),
        (lambda: Ratings.from_frame(pd.concat([frame(), frame()], axis=1)), "two columns"),
        (lambda: Ratings.from_frame(frame(), item_ids=["x"]), "integers, the further ids are text"),
        (lambda: Ratings.from_frame(frame(), user_ids=[1]), "text, the further ids are integers"),
        (lambda: Ratings.from_frame(frame(), item_ids={1}), "are a set, not a sequence of ids"),
        (lambda: Ratings.from_frame(frame(), item_ids=np.eye(2)), "are a ndarray, not a sequence"),
        (lambda: Ratings.from_frame(frame(), user=["user_id"]), r"no column \['user_id'\]"),
        *(
            (
                lambda scale=scale: Ratings.from_frame(frame(), scale=scale),
                "the scale is .* must be",
            )
            for scale in (5, (1,), (5, 1), (np.nan, 5), (1, 1e300), (1, 10**400), (1, True), "15")
        ),
        (lambda: Ratings(np.array([1, 1]), np.arange(3), matrix()), "user_ids holds an id twice"),
        (lambda: Ratings(np.array(["a", None]), np.arange(3), matrix()), "integers or text"),
        (lambda: Ratings.from_frame(frame()).of_user(["a", "b"]), "one user id is asked for; 2"),
        (lambda: Ratings.from_frame(frame()).user_index.find_or_next("\ud800"), "ids are text"),
        (lambda: Ratings.from_frame(frame().drop(columns="rating")), "rating=None: there is none"),
        (lambda: Ratings.from_frame(frame(), rating=None, scale=(2, 5)), "rating is 1.0, not"),
        (
            lambda: Ratings.from_frame(frame()).select(pd.Series([True] * 4)),
            "the mask of booleans must be .*a Series",
        ),
    ],
)
def test_what_is_of_another_kind_is_refused_in_our_words(build, says):
    with pytest.raises(DataError, match=says):
        build()


FORMATS = ["csr_array", "csc_array", "coo_array", "lil_array", "dok_array", "csr_matrix"]


@pytest.mark.parametrize("form", FORMATS)
def test_a_sparse_matrix_of_scipy_becomes_ratings(form):
    """The same as the table of its pairs, whatever its format; ids in any order."""
    dense = np.where(np.random.default_rng(0).random((5, 7)) < 0.4, 3.5, 0)
    dense[2], dense[:, 4], dense[0, 0] = 0, 0, 1.25  # a user and an item without a rating
    matrix = getattr(sparse, form)(dense)
    names, numbers = ["d", "a", "c", "b", "e"], pd.Index([7, 3, 9, 1, 2, 8, 6])
    for ids in ((range(5), range(7)), (names, numbers)):
        found = Ratings.from_scipy(matrix, *(ids if ids[0] is names else ()), scale=(0, 5))
        users, items = np.nonzero(dense)
        columns = {"user_id": np.array(ids[0])[users], "item_id": np.array(ids[1])[items]}
        pairs = pd.DataFrame({**columns, "rating": dense[users, items]})
        expected = Ratings.from_frame(pairs, scale=(0, 5), user_ids=ids[0], item_ids=ids[1])
        assert found.same_universe(expected) and found.scale == (0, 5)
        pd.testing.assert_frame_equal(found.to_frame(), expected.to_frame())
    assert Ratings.from_scipy(matrix).scale == (1.25, 3.5)
    assert Ratings.from_scipy(matrix > 0).to_frame()["rating"].eq(1).all()
    zero = Ratings.from_scipy(coo([1, 0]), scale=(0, 1))
    assert zero.to_frame()["rating"].tolist() == [1, 0]


def coo(values, users=(0, 1), items=(2, 0)):
    return sparse.coo_array((values, (users, items)), shape=(2, 3))


def damaged(form, name, place, value):
    matrix = coo([1, 2]).asformat(form)
    getattr(matrix, name)[place] = value
    return matrix


@pytest.mark.parametrize(
    ("matrix", "more", "says"),
    [
        (np.eye(3), {}, "not a ndarray of float64"),
        (frame(), {}, "not a DataFrame"),
        (coo([1j, 2]), {}, "not a coo_array of complex128"),
        (coo([1, np.nan]), {}, r"row 1 \(user 1, item 0\): the rating is nan"),
        (coo([1, 1e300]), {}, "the rating is 1e.300"),
        (coo([1, 6]), {"scale": (1, 5)}, "not a number from 1 to 5"),
        (coo([1, 0]), {}, "stores zeros.*eliminate_zeros.*scale from 0"),
        (coo([1, 2], (0, 0), (1, 1)), {}, "a pair twice.*sum_duplicates"),
        (coo([], [], []), {}, "at least one"),
        (coo([1, 2]), {"user_ids": [1, 2, 3]}, "3 different ids, and .* 2 users"),
        (coo([1, 2]), {"item_ids": [1, 2, 1]}, "2 different ids, and .* 3 items"),
        (coo([1, 2]), {"user_ids": [1, "b"]}, "ids are all integers or all text"),
        (coo([1, 2]), {"user_ids": [[1], [2]]}, "ids are all integers or all text"),
        (damaged("csr", "indices", 0, 9), {}, "the matrix is damaged"),
        (damaged("csc", "indices", 0, -1), {}, "the matrix is damaged"),
        (damaged("csr", "indptr", -1, 999), {}, "the matrix is damaged"),
        (damaged("csc", "indptr", 1, -999), {}, "the matrix is damaged"),
        (damaged("coo", "row", 0, -1), {}, "the matrix is damaged"),
        (damaged("coo", "col", 0, 3), {}, "the matrix is damaged"),
    ],
)
def test_a_matrix_that_cannot_be_ratings_is_refused(matrix, more, says):
    with pytest.raises(DataError, match=says):
        Ratings.from_scipy(matrix, **more)


def test_a_table_without_ratings_says_who_has_what():
    table = pd.concat([frame(), frame([("a", 10, 2.0, 3)])])
    found = Ratings.from_frame(table.drop(columns="rating"), rating=None)
    assert found.to_frame().to_numpy().tolist() == [
        ["a", 10, 1, 3], ["a", 20, 1, 9], ["b", 10, 1, 2], ["b", 30, 1, 5]
    ]  # fmt: skip
    assert (found.scale, found.n_duplicates) == ((1, 1), 1)
    assert Ratings.from_frame(frame(), rating=None, scale=(0, 1)).scale == (0, 1)
