"""The ratings that all contenders read, written once as plain arrays: the same bits for all."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from benchmarks.protocols import fold_numbers
from recsys_lib import datasets, splits
from recsys_lib.datasets.dataset import Dataset
from recsys_lib.features import item_features
from recsys_lib.ratings import CSR, Ratings

ML_32M = 200_948, 87_585, 32_000_204  # users, items, ratings
# As MovieLens has grown from 1 to 32 million: more users and items, each with as many ratings.
SIZES = {
    "tiny": (600, 300, 20_000),
    **{f"{n}m": tuple(count * n // 32 for count in ML_32M) for n in (1, 2, 4, 8, 16, 32, 64)},
}
REAL = "ml-latest-small"
FOLDS = tuple(f"{REAL}-fold-{n}" for n in range(1, 6))  # each of its ratings is tested on once


def load(size: str) -> Dataset:
    """Return the data of that name: simulated, or the one real set that is small."""
    if size.startswith(REAL):
        return datasets.load(REAL)
    n_users, n_items, n_ratings = SIZES[size]
    return datasets.load("synthetic", n_users=n_users, n_items=n_items, n_ratings=n_ratings, seed=0)


def write(size: str, folder: Path) -> None:
    """Write the training part by user and by item, and the test part, by user: a tenth, or a fold.

    Files: ``{user,item,test}_{indptr,indices,values}.npy``, and ``{train,test}.parquet``, since
    Spark reads no arrays. Of a fold also the items' table, ``items.parquet``, and its features:
    ``features_{indptr,indices,values}.npy``, and ``features_kinds.npy``, each kind's columns.
    """
    data, features = load(size), {}
    if size in FOLDS:
        here = fold_numbers(len(data.ratings), len(FOLDS), 0) == FOLDS.index(size)
        train, test = data.ratings.select(~here), data.ratings.select(here)
        features = {"features": write_items(data.items, train, folder)}
    else:
        train, _, test = splits.random(data.ratings, valid=0, test=0.1, seed=0)
    sides = {"user": train.by_user, "item": train.by_item, "test": test.by_user, **features}
    for side, csr in sides.items():
        for name, array in csr._asdict().items():
            np.save(folder / f"{side}_{name}.npy", array)
    for name, part in (("train", train), ("test", test)):
        columns = {
            "user": part.user_of_rating(),
            "item": part.by_user.indices,
            "rating": part.by_user.values,
        }
        pa.parquet.write_table(pa.table(columns), folder / f"{name}.parquet")


def write_items(items: pd.DataFrame, train: Ratings, folder: Path) -> CSR:
    """Write the items' table by their numbers; return their genres and years as features."""
    items = items.set_index("item_id").loc[train.item_ids].assign(item_id=range(train.n_items))
    items.to_parquet(folder / "items.parquet", index=False)
    kinds, counts = ["genres", "years"], train.by_item.counts
    features, names = item_features(kinds, items["item_id"].to_numpy(), counts, items)
    n_genres = sum(name.startswith("genre: ") for name in names)
    np.save(folder / "features_kinds.npy", [n_genres, len(names) - n_genres])
    return features


def write_raw(size: str, folder: Path) -> None:
    """Write ``ml-32m/ratings.csv`` and ``movies.csv``, laid out as MovieLens 32M is."""
    data = load(size)
    release = folder / "ml-32m"
    release.mkdir()
    write_ratings(data.ratings, release / "ratings.csv")
    sizes = data.ratings.n_users, data.ratings.n_items, len(data.ratings)
    np.save(folder / "sizes.npy", np.array(sizes))
    genres = data.items["genres"].replace("", "(no genres listed)")
    movies = pd.DataFrame(
        {"movieId": data.items["item_id"], "title": data.items["title"], "genres": genres}
    )
    movies.to_csv(release / "movies.csv", index=False)


def write_ratings(ratings: Ratings, path: Path) -> None:
    """Write the file of ratings."""
    stars = pa.array([f"{half / 2:.1f}" for half in range(11)])  # 4.0, as published, not 4
    csr = ratings.by_user
    columns = {
        "userId": ratings.user_ids[ratings.user_of_rating()],
        "movieId": ratings.item_ids[csr.indices],
        "rating": stars.take(pa.array((2 * csr.values).astype(np.int8))),
        "timestamp": ratings.timestamps,
    }
    options = pa.csv.WriteOptions(include_header=False, quoting_style="none")
    with path.open("wb") as file:
        file.write((",".join(columns) + "\r\n").encode())
        pa.csv.write_csv(pa.table(columns), file, options)


def make(size: str, folder: Path, raw: bool) -> None:
    """Write one set into a folder that is whole or absent."""
    scratch = folder.with_name(f".{folder.name}")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    (write_raw if raw else write)(size, scratch)
    scratch.rename(folder)
