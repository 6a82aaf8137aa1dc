"""Simulated ratings of films and watches of videos, with the model that generated them."""

from recsys_lib.datasets.simulator.ratings import simulate_ratings
from recsys_lib.datasets.simulator.truth import RatingTruth, Truth, WatchTruth
from recsys_lib.datasets.simulator.watches import simulate_watches

__all__ = ["RatingTruth", "Truth", "WatchTruth", "simulate_ratings", "simulate_watches"]
