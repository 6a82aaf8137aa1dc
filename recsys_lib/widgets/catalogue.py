"""The items of a model in a compact form for a page, and the error of that form."""

from typing import Any

import numpy as np
import pandas as pd

from recsys_lib.errors import DataError, RecsysError, check_whole
from recsys_lib.models import ALS, GenreALS, ItemKNN, Popularity

STEPS = 2**15 - 1  # an int16 reaches this far to either side
MAPPED = 500  # items that the map shows and that its plane is fitted to


def catalogue(
    model: ALS, items: pd.DataFrame, n_items: int | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return which items a demo shows, and their data for the browser: JSON types, and bytes.

    They are all, or the `n_items` with the most ratings, as positions (n,) int64 in the model's
    order. `DataError` is raised for an item that `items` lacks, and `RecsysError` if `n_items` is
    below 1 or the model has fewer than two factors: there is no map to draw.
    """
    if model.n_factors < 2:
        raise RecsysError(f"{model!r} has fewer than two factors; the demo draws a map of them")
    if n_items is not None:
        check_whole("n_items", n_items, 1)
    rated = model.known_ratings().indices
    counts = np.bincount(rated, minlength=len(model.item_ids_))
    positions = np.sort(np.argsort(-counts, kind="stable")[:n_items])
    ids = model.item_ids_[positions].tolist()
    table = rows_of(items, ids)
    rows, scale = quantised(model.item_rows_[positions])
    genres = table["genres"].fillna("") if "genres" in table else pd.Series("", table.index)
    names = sorted({name for text in genres for name in text.split("|") if name})
    known = {name: i for i, name in enumerate(names)}
    packed = {
        "ids": ids,
        "titles": table["title"].astype(str).tolist(),
        "years": _years(table),
        "genres": [[known[name] for name in text.split("|") if name] for text in genres],
        "genreNames": names,
        "genreRows": _genre_rows(model, names),
        "counts": counts[positions].tolist(),
        "columnScale": scale.tolist(),
        "rows": rows.astype("<i2").tobytes(),
        "plane": plane(model.item_factors_, counts).tolist(),
        "mu": model.mu_,
        "lam": model.lam,
        "tau": model.tau,
        "gamma": model.gamma,
        "nu": model.nu,
        "stars": list(model.scale_),
        "mapped": MAPPED,
    }
    return positions, packed


def beside(name: str, model: ItemKNN | Popularity, positions: np.ndarray) -> dict[str, Any]:
    """Return what the browser needs to rank the items at `positions` by another fitted model.

    Of an ItemKNN these are each item's nearest in the demo, and their similarities as uint16, in
    steps: a score of L likes is off by L half steps at most. Of a Popularity, its scores.
    """
    packed = {"name": name, "threshold": model.threshold}
    if isinstance(model, Popularity):
        return packed | {"scores": model.item_scores_[positions].tolist()}
    place = np.full(len(model.item_ids_), -1)
    place[positions] = np.arange(len(positions))
    counts = np.diff(model.neighbors_indptr_)
    owner = place[np.repeat(np.arange(len(counts)), counts)]
    near = place[model.neighbors_indices_]
    kept = (owner >= 0) & (near >= 0)
    alike = model.neighbors_values_[kept]
    step = float(alike.max(initial=1e-9)) / (2 * STEPS + 1)
    return packed | {
        "counts": np.bincount(owner[kept], minlength=len(positions)).tolist(),
        "near": near[kept].astype("<u2").tobytes(),
        "alike": np.round(alike / step).astype("<u2").tobytes(),
        "step": step,
    }


def rows_of(items: pd.DataFrame, ids: list[Any]) -> pd.DataFrame:
    """Return the rows of an items table for these ids, in their order; all must be there."""
    table = items.drop_duplicates("item_id").set_index("item_id")
    missing = sorted(set(ids) - set(table.index.tolist()))
    if missing:
        raise DataError(f"the items table has no row for item {missing[0]!r} of the model")
    return table.loc[ids]


def titles_of(table: pd.DataFrame) -> list[str]:
    """Return titles with their years, where those are known: what JavaScript's `titleOf` gives."""
    pairs = zip(table["title"].astype(str), _years(table), strict=True)
    return [title if year is None else f"{title} ({year})" for title, year in pairs]


def quantised(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows (n, D) as int16, and the size of a step in each column (D,).

    Each value is off by half a step at most: 1/65,534 of its column's largest. A half-precision
    float takes the same two bytes and is off by up to 1/4,096 of the value itself.
    """
    largest = np.abs(rows).max(axis=0).astype(np.float64)
    step = np.where(largest > 0, largest, 1) / STEPS
    return np.round(rows / step).astype(np.int16), step


def plane(factors: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return two directions (2, K) that tell the most rated items apart best.

    The first two principal axes of the `MAPPED` most rated items, about the origin, so that a
    reader of whom nothing is known stands in the middle. The signs are fixed: the largest entry
    of each is positive.
    """
    shown = factors[np.argsort(-counts, kind="stable")[:MAPPED]].astype(np.float64)
    axes = np.linalg.svd(shown - shown.mean(axis=0), full_matrices=False)[2][:2]
    if len(axes) < 2:
        axes = np.eye(2, factors.shape[1])
    largest = np.abs(axes).argmax(axis=1)
    return axes * np.sign(axes[[0, 1], largest])[:, None]


def _years(table: pd.DataFrame) -> list[int | None]:
    if "year" not in table:
        return [None] * len(table)
    return [None if pd.isna(year) else int(year) for year in table["year"]]


def _genre_rows(model: ALS, names: list[str]) -> list[list[float]] | None:
    """Return what each genre says of an item, a row for each of `names`; None without a prior."""
    if not isinstance(model, GenreALS):
        return None
    rows = dict(zip(model.genre_names_, model.genre_rows_.tolist(), strict=True))
    nothing = [0.0] * (model.n_factors + 1)
    return [[round(value, 6) for value in rows.get(name, nothing)] for name in names]
