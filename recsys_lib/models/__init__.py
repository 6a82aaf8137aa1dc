"""The models. They share one interface, that of `recsys_lib.models.Recommender`.

`__all__` is the only list of models: tests, tuning and benchmarks iterate over it.
"""

import os

from recsys_lib import io
from recsys_lib.errors import DataError, RecsysError, taking
from recsys_lib.models.als import ALS, BiasALS
from recsys_lib.models.autoencoder import AutoEncoder
from recsys_lib.models.base import Recommender as Recommender
from recsys_lib.models.bayesian_als import BayesianALS
from recsys_lib.models.bpr import BPR
from recsys_lib.models.ease import EASE
from recsys_lib.models.genre_als import GenreALS
from recsys_lib.models.implicit_als import ImplicitALS
from recsys_lib.models.item_knn import ItemKNN
from recsys_lib.models.parameters import check_state
from recsys_lib.models.popularity import Popularity
from recsys_lib.models.pure_svd import PureSVD
from recsys_lib.models.two_tower import TwoTower

__all__ = [
    "ALS",
    "BPR",
    "EASE",
    "AutoEncoder",
    "BayesianALS",
    "BiasALS",
    "GenreALS",
    "ImplicitALS",
    "ItemKNN",
    "Popularity",
    "PureSVD",
    "TwoTower",
]


def load(path: str | os.PathLike[str]) -> Recommender:
    """Return the model that `Recommender.save` wrote to `path`.

    Raise `DataError` if there is no such file, or it holds no model of this library.
    """
    arrays, meta = io.load_arrays(path)
    if meta.get("class") not in __all__ or "known.indptr" not in arrays:
        raise DataError(f"{os.fspath(path)!r} holds no fitted model that this version knows")
    with taking(repr(os.fspath(path)), RecsysError):
        model: Recommender = globals()[meta["class"]].from_saved(arrays, meta)
        model.check_parameters()
        check_state(model)
    return model
