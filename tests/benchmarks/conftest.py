"""Small data that models are compared on."""

import pytest

from recsys_lib import datasets


@pytest.fixture(scope="session")
def data():
    return datasets.load("synthetic", n_users=80, n_items=120, n_ratings=4000, seed=1)


@pytest.fixture(scope="session")
def watched():
    return datasets.simulate_watches(
        n_users=300, n_items=400, n_watches=20_000, n_small_users=80, n_small_items=150, seed=1
    )
