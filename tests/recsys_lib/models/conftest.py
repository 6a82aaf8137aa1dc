"""What the tests of models share: one small data set, and every model fitted to it once."""

import functools

import pytest

from recsys_lib import datasets, models, splits

# Parameters that make any model small; a model takes those that it has.
SMALL = {
    "n_factors": 6, "n_neighbors": 12, "n_epochs": 5, "n_samples": 6, "n_burn": 4, "threshold": 3.5,
    "hidden": (8,), "width": 6, "batch_size": 64, "history_size": 10,
}  # fmt: skip


@pytest.fixture(scope="session")
def small():
    """A function from a model's name to a small one, unfitted."""

    def make(name, **params):
        model = getattr(models, name)
        known = {key: value for key, value in SMALL.items() if key in model.parameter_names()}
        return model(**{**known, **params})

    return make


@pytest.fixture(scope="session")
def data():
    return datasets.load("synthetic", n_users=300, n_items=400, n_ratings=15_000, seed=1)


@pytest.fixture(scope="session")
def parts(data):
    return splits.random(data.ratings, valid=0.1, test=0.1, seed=0)


@pytest.fixture(scope="session")
def likes():
    """A function from a part and a threshold to R: a 1 for each like, (n_users, n_items)."""

    def read(part, threshold):
        liked = part.by_user.select(part.by_user.values >= threshold)
        return (liked.to_scipy(part.n_items) > 0).toarray().astype(float)

    return read


@pytest.fixture(scope="session")
def fitted(small, data, parts):
    """A function from a model's name to one that is fitted; it is not to be changed."""
    return functools.cache(lambda name: small(name).fit(*parts[:2], items=data.items))


@pytest.fixture(params=models.__all__)
def name(request):
    return request.param


@pytest.fixture
def model(fitted, name):
    return fitted(name)
