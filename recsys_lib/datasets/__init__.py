"""Data sets: MovieLens and KuaiRec by name, simulated ones, and folders of your own ratings.

>>> from recsys_lib import datasets
>>> data = datasets.load("synthetic", n_users=50, n_items=80, n_ratings=1500, seed=0)
>>> data.ratings
Ratings(50 users x 80 items, 1,500 ratings from 0.5 to 5, 37.50% of all pairs)
>>> data = datasets.load("ml-latest-small")  # doctest: +SKIP
>>> data = datasets.load("path/to/folder")  # doctest: +SKIP
"""

from recsys_lib.datasets.dataset import Dataset
from recsys_lib.datasets.loader import load, resolve
from recsys_lib.datasets.registry import available
from recsys_lib.datasets.simulator.ratings import simulate_ratings
from recsys_lib.datasets.simulator.truth import RatingTruth, Truth, WatchTruth
from recsys_lib.datasets.simulator.watches import simulate_watches

__all__ = [
    "Dataset",
    "RatingTruth",
    "Truth",
    "WatchTruth",
    "available",
    "load",
    "resolve",
    "simulate_ratings",
    "simulate_watches",
]
