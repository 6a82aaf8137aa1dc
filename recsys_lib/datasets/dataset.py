"""What every loader returns: the ratings, the tables of items and users, and the source."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from recsys_lib.datasets.simulator.truth import Truth
from recsys_lib.ratings import Ratings


@dataclass
class Dataset:
    """A data set of ratings, or of watch ratios.

    Attributes
    ----------
    name : str
        The name, such as ``"ml-latest-small"``, ``"synthetic"`` or the name of a folder.
    ratings : Ratings
        The ratings. Its items are all rows of `items`, including those without a rating. For
        KuaiRec and simulated watches, the big matrix: values are watch ratios, the time watched
        over the length of the video.
    items : pandas.DataFrame
        ``item_id`` int64 (or text), ``title`` str, ``year`` Int64 (nullable), ``genres`` str: the
        genres' names joined by ``|``, empty if there are none.
    users : pandas.DataFrame or None
        What the source says about the users, if anything.
    info : dict
        ``path`` of what was read, None for simulated data; ``licence``, ``citation``, ``url``.
    truth : Truth or None
        For simulated data, the model that generated it; None for real data.
    full : Ratings or None
        For KuaiRec and simulated watches, the small matrix, in which nearly every pair of some
        users and some videos is observed. It has the users and items of `ratings`, and no pair in
        common with it.
    """

    name: str
    ratings: Ratings
    items: pd.DataFrame
    users: pd.DataFrame | None = None
    info: dict[str, Any] = field(default_factory=dict)
    truth: Truth | None = None
    full: Ratings | None = None
