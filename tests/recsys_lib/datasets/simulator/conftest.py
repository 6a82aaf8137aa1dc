"""One simulated data set, which most tests look at."""

import pytest

from recsys_lib import datasets


@pytest.fixture(scope="session")
def rated():
    """Ratings of the default size."""
    return datasets.simulate_ratings(seed=4)


@pytest.fixture(scope="session")
def watched():
    """Watches of the default size."""
    return datasets.simulate_watches(seed=3)
