"""What every loader returns: the ratings, the tables beside them and where they came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from recsys_lib.ratings import Ratings

if TYPE_CHECKING:
    from recsys_lib.datasets.synthetic import Truth

__all__ = ["Dataset"]


@dataclass
class Dataset:
    """A data set of explicit ratings.

    Attributes
    ----------
    name : str
        The concrete name, such as ``"ml-latest-small"`` or ``"synthetic"``.
    ratings : Ratings
        The ratings. Its item universe is every row of `items`, films that nobody rated included.
    items : pandas.DataFrame
        ``item_id`` int64, ``title`` str, ``year`` Int64 (nullable), ``genres`` str: the genres'
        names joined by ``|``, empty when there are none.
    users : pandas.DataFrame or None
        What is known about the users, where the source says anything.
    info : dict
        ``name``, ``source`` ("local", "cache", "download" or "synthetic"), ``path``, ``licence``,
        ``citation``, ``url`` and whatever else the loader can say.
    truth : Truth or None
        For simulated data, the model that made it; None for real data.
    """

    name: str
    ratings: Ratings
    items: pd.DataFrame
    users: pd.DataFrame | None = None
    info: dict[str, Any] = field(default_factory=dict)
    truth: Truth | None = None
