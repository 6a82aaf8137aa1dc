"""A small world of simulated users that visit, for the tests of A/B tests and of the visits."""

import numpy as np
import pytest

from course import ab_test as ab
from course.simulated_users import SimulatedUsers
from recsys_lib import datasets, models

DAYS = 28
N_REPLAYS = 1500


@pytest.fixture(scope="session")
def data():
    return datasets.load("synthetic", n_users=2500, n_items=400, n_ratings=75_000, seed=1)


@pytest.fixture(scope="session")
def lists(data):
    fitted = {"loved": models.Popularity(by="mean"), "seen": models.Popularity()}
    everyone = data.ratings.user_ids
    return {name: m.fit(data.ratings).recommend(everyone, n=30) for name, m in fitted.items()}


@pytest.fixture(scope="session")
def users(data):
    return SimulatedUsers(data.truth)


@pytest.fixture(scope="session")
def arrivals(users):
    return users.arrive(DAYS, np.random.default_rng(0))


@pytest.fixture(scope="session")
def log(users, arrivals, lists):
    """What everybody does when shown the items with the best means."""
    return users.visit(arrivals, lists["loved"], np.random.default_rng(1))


@pytest.fixture(scope="session")
def aa(log):
    """Experiments with nothing in them, looked at every day."""
    return ab.replay(log, looks=range(1, DAYS + 1), n=N_REPLAYS, name="a-a")


@pytest.fixture(scope="session")
def tolerance():
    """How far a share of n draws may lie from its expectation: 3.5 standard errors."""
    return lambda share, n=N_REPLAYS: 3.5 * np.sqrt(share * (1 - share) / n)
