"""Invented items: genres in real company, their years, and titles that are all different."""

import numpy as np
import pytest

from recsys_lib.datasets.simulator import catalogue

GENRES = list(catalogue.GENRES)


def test_drawn_genres_follow_the_exact_distribution():
    n = 40_000
    genres = catalogue.draw_genres(n, np.random.default_rng(0))
    p = catalogue.genre_pairs()
    seen = genres.T.astype(float) @ genres / n
    # 19 x 19 dependent comparisons at 4.5 standard errors (plus one film, for the rarest pairs)
    assert (np.abs(seen - p) < 4.5 * np.sqrt(p * (1 - p) / n) + 1 / n).all()
    real = [0.293, 0.330, 0.240, 0.101, 0.028, 0.006]
    assert np.bincount(genres.sum(1), minlength=7)[1:] / n == pytest.approx(real, abs=0.01)


def test_genres_have_their_years():
    rng = np.random.default_rng(0)
    genres = catalogue.draw_genres(40_000, rng)
    years = catalogue.draw_years(genres, rng)
    assert np.quantile(years, [0.1, 0.5, 0.9]) == pytest.approx([1967, 1999, 2013], abs=3)
    noir, imax = (np.median(years[genres[:, GENRES.index(g)]]) for g in ("Film-Noir", "IMAX"))
    assert noir == pytest.approx(1954, abs=5)
    assert imax == pytest.approx(2011, abs=3)


def test_titles_are_all_different_and_reproducible():
    rng = np.random.default_rng(0)
    genres = catalogue.draw_genres(60_000, rng)
    years = catalogue.draw_years(genres, rng)
    names = catalogue.invent_titles(genres, years, np.random.default_rng(1))
    assert len(set(names)) == len(names)
    few = genres[:2_000], years[:2_000]
    again = [catalogue.invent_titles(*few, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]
    assert all(name == name.strip() and 4 < len(name) < 60 and "{" not in name for name in names)
    # A sequel is younger than its first part.
    when = dict(zip(names, years, strict=True))
    sequels = [name for name in names if name.endswith(", Part 2")]
    assert sequels
    assert all(when[name.removesuffix(", Part 2")] <= when[name] for name in sequels)
