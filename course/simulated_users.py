"""Simulated users of lists: when they visit, how far they look, what they watch and rate."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from course.ab_test import assign
from recsys_lib.datasets import RatingTruth
from recsys_lib.datasets.simulator.kernels import to_stars
from recsys_lib.errors import RecsysError

LIST = 10  # items shown at a time


@dataclass(frozen=True, eq=False)
class SimulatedUsers:
    """Users of a simulated data set as visitors of a service.

    A user arrives at a random time and comes back a random number of times. On each visit there is
    a list of ten. The user looks at the first film, goes on to the next with probability `patience`
    at each, and watches the first whose promise, the true enjoyment as far as a poster tells, is at
    least `bar`. What is watched is rated, as the truth says, with new noise, and gives up its place
    on later visits to the next in the recommender's order. Whether a film was ever seen elsewhere
    makes no difference: here people meet a film because it is listed. With `fame` above 0 a film's
    promise, not its enjoyment, is larger the more ratings it has (of 100 it is as it is).

    `RecsysError` is raised where there is no truth, or a number is out of range.
    """

    truth: RatingTruth  # ``data.truth`` of a simulated data set
    returns: float = 0.75  # probability to come back after a visit: 1 / (1 - returns) visits
    pause: float = 2.0  # mean of the days between two visits, exponentially distributed
    patience: float = 0.7  # probability to look at the next place, each time
    bar: float = 5.0  # the promise, in stars, from which on a film is watched
    glance: float = 0.5  # standard deviation of the promise, in stars, at each look at a film
    pleased: float = 4.0  # the lowest rating that makes a visit a conversion
    fame: float = 0.0  # stars that the promise gains with ten times as many ratings

    def __post_init__(self) -> None:
        if not isinstance(self.truth, RatingTruth):
            raise RecsysError(
                "only of simulated data is it known what users would enjoy: take the truth from "
                "data.truth of datasets.load('synthetic')"
            )
        for name, below in (("returns", 1), ("patience", 1), ("pause", np.inf), ("glance", np.inf)):
            value = getattr(self, name)
            if not 0 <= value < below:
                raise RecsysError(f"{name} is {value!r}; it must be 0 or more, and below {below:g}")

    def arrive(self, days: float, rng: np.random.Generator) -> pd.DataFrame:
        """Draw the visits: user_id and time in days, one row per visit, in the order of time.

        Every user of the data comes at least once. First visits are spread evenly over the period
        of `days`; later ones that fall outside are cut off.
        """
        if not days > 0:
            raise RecsysError(f"days is {days!r}; the period must have a length")
        ids = self.truth.ratings.user_ids
        counts = rng.geometric(1 - self.returns, len(ids))
        first = np.cumsum(counts) - counts
        gaps = self.pause * rng.standard_exponential(counts.sum())
        gaps[first] = days * rng.random(len(ids))
        passed = np.cumsum(gaps)
        time = passed - np.repeat(passed[first] - gaps[first], counts)
        visits = pd.DataFrame({"user_id": np.repeat(ids, counts), "time": time})
        visits = visits[visits["time"] < days]
        return visits.sort_values("time", kind="stable", ignore_index=True)

    def visit(
        self, arrivals: pd.DataFrame, lists: pd.DataFrame, rng: np.random.Generator
    ) -> pd.DataFrame:
        """Show each visitor a recommender's list; return what they watch and rate.

        `arrivals` are those of `arrive`; `lists` has user_id, rank (from 1) and item_id, as
        ``model.recommend(user_ids, n)`` returns it: with n above 10 there are films to take the
        place of what was watched. With two generators of one seed, two recommenders meet the same
        draws of the users.

        Returns one row per visit, in the order of `arrivals`: user_id, time, position (place in the
        list of what was watched, from 1; 0: nothing), item_id and rating (missing where nothing was
        watched), converted (rated `pleased` or more). Raises `RecsysError` where somebody who
        arrives has no list.
        """
        ids, users = np.unique(arrivals["user_id"].to_numpy(), return_inverse=True)
        items, enjoyment = self._shelf(ids, lists)
        n = len(arrivals)
        looked = rng.geometric(1 - self.patience, n)
        doubt = self.glance * rng.standard_normal((n, LIST))
        mood = rng.standard_normal(n)

        counts = self.truth.ratings.by_item.counts
        appeal = enjoyment + self.fame * (np.log10(1 + counts) - 2)[items]
        index = self.truth.ratings.user_index(ids)
        noise, halves = self.truth.user_noise[index], self.truth.user_halves[index]
        free = items >= 0
        position, chosen = np.zeros(n, np.int8), np.full(n, -1)
        rating = np.full(n, np.nan, np.float32)
        # A visit depends on what the same user watched before: all first visits, all second, ...
        turn = arrivals.groupby("user_id").cumcount().to_numpy()
        for rows in (np.flatnonzero(turn == k) for k in range(turn.max(initial=-1) + 1)):
            u = users[rows]
            shown = np.argsort(~free[u], axis=1, kind="stable")[:, :LIST]
            width = shown.shape[1]
            promise = appeal[u[:, None], shown] + doubt[rows, :width]
            tempting = (promise >= self.bar) & free[u[:, None], shown]
            tempting &= np.arange(width) < looked[rows, None]
            watched = tempting.any(axis=1)
            v, u, place = rows[watched], u[watched], tempting[watched].argmax(axis=1)
            column = shown[watched, place]
            free[u, column] = False
            position[v], chosen[v] = place + 1, items[u, column]
            rating[v] = to_stars(enjoyment[u, column] + noise[u] * mood[v], halves[u])
        films = pd.Series(self.truth.ratings.item_ids[chosen]).where(position > 0)
        return arrivals[["user_id", "time"]].assign(
            position=position,
            item_id=films.astype("Int64").to_numpy(),
            rating=rating,
            converted=rating >= self.pleased,
        )

    def experiment(
        self,
        arrivals: pd.DataFrame,
        arms: Mapping[str, pd.DataFrame],
        name: str,
        rng: np.random.Generator,
    ) -> pd.DataFrame:
        """Run an experiment: each user sees the lists of one arm, dealt by `assign`.

        `arms` maps the names of two arms or more to their lists, the control first. Returns what
        `visit` returns and the column arm (categorical), in the order of time.
        """
        dealt = assign(arrivals["user_id"].to_numpy(), name, [1 / len(arms)] * len(arms))
        seen = []
        for k, (arm, lists) in enumerate(arms.items()):
            visits = self.visit(arrivals[dealt == k], lists, rng)
            column = pd.Categorical([arm] * len(visits), list(arms))
            visits.insert(1, "arm", pd.Series(column, visits.index))
            seen.append(visits)
        return pd.concat(seen).sort_values("time", kind="stable", ignore_index=True)

    def _shelf(self, ids: np.ndarray, lists: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return the users' films by rank, (n, L) item indices padded with -1, and enjoyments."""
        row = pd.Index(ids).get_indexer(lists["user_id"])
        wanted = lists[row >= 0]
        row, place = row[row >= 0], wanted["rank"].to_numpy() - 1
        items = np.full((len(ids), max(place.max(initial=0) + 1, 1)), -1)
        items[row, place] = self.truth.ratings.item_index(wanted["item_id"])
        without = ids[(items < 0).all(axis=1)]
        if len(without):
            raise RecsysError(
                f"{len(without)} users arrive but have no list, the first is {without[0]}: pass "
                "model.recommend(user_ids, n) of them all"
            )
        enjoyment = np.full(items.shape, -np.inf, np.float32)
        enjoyment[row, place] = self.truth.enjoyment(wanted["user_id"], wanted["item_id"])
        return items, enjoyment
