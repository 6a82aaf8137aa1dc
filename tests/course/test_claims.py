"""Claims: what holds, what does not, and what is left open."""

import json
import math

import numpy as np
import pytest

from course.claims import FAILS, HOLDS, OPEN, Claims
from recsys_lib.errors import RecsysError


@pytest.fixture
def claims():
    return Claims("00-test", of=1)


def many():
    return Claims("00-test", of=100)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(("shift", "verdict"), [(-0.5, HOLDS), (0.5, FAILS), (0.0, OPEN)], ids=str)
def test_a_mean_is_decided_by_its_interval(rng, claims, shift, verdict):
    x = rng.standard_normal(400)
    x += shift - x.mean()
    made = claims.mean("a", "It is below 0", x, below=0, form=".3f")
    assert made.verdict == verdict
    reach = 1.966 * x.std(ddof=1) / 20
    low, high = f"{shift - reach:.3f}", f"{shift + reach:.3f}"
    assert f"95% {low} to {high}, n\N{NBSP}=".replace("-", "−") in repr(made)


def test_a_rounded_zero_has_no_sign(claims):
    made = claims.mean("a", "", np.linspace(-0.004, 0.003, 100), below=1, form=".2f")
    assert made.evidence.startswith("0.00, 95% 0.00 to 0.00")


def test_an_equality_needs_the_whole_interval_within_the_tolerance(rng):
    claims, x = many(), rng.standard_normal(10_000)
    x -= x.mean()
    assert claims.mean("a", "", x, within=(-0.1, 0.1)).verdict == HOLDS
    assert claims.mean("b", "", x, within=(-0.01, 0.01)).verdict == OPEN
    assert claims.mean("c", "", x + 0.5, within=(-0.1, 0.1)).verdict == FAILS


def test_few_observations_decide_nothing(rng):
    claims = many()
    for n, verdict in ((99, OPEN), (100, HOLDS)):
        assert claims.mean(f"users {n}", "", 9 + rng.random(n), above=0).verdict == verdict
    for n, verdict in ((1, OPEN), (4, OPEN), (5, HOLDS)):
        values = 9 + 0.01 * rng.random(n)
        assert claims.mean(f"seeds {n}", "", values, above=0, over="seeds").verdict == verdict


def test_nothing_is_decided_by_nothing():
    """As where no film has the genre that a claim is about."""
    claims = many()
    for n in (0, 1):
        made = claims.statistic(f"{n}", "", np.mean, np.zeros(n), above=-1)
        assert (made.verdict, made.evidence) == (OPEN, f"no number, n\N{NBSP}=\N{NBSP}{n}")
    found = claims.share("share", "", [], above=0), claims.mean("mean", "", [], above=0)
    for one in (*found, claims.trend("trend", "", [], [], above=0)):
        assert (one.verdict, one.evidence) == (OPEN, "no number, n\N{NBSP}=\N{NBSP}0")


def test_what_was_looked_at_together_is_corrected_for(rng):
    x = rng.standard_normal(200)
    x += 0.2 - x.mean()  # three standard errors above 0
    x *= 1 / x.std(ddof=1)
    assert Claims("one", of=1).mean("a", "", x, above=0).verdict == HOLDS
    assert many().mean("a", "", x, above=0).verdict == OPEN


def test_true_statements_are_seldom_denied(rng):
    """Over many data sets without an effect, 5% of single intervals leave it out."""
    denied = 0
    for _ in range(1000):
        made = Claims("one", of=1).mean("a", "", rng.standard_normal(100), within=(-9, 0))
        denied += made.verdict == FAILS
    assert abs(denied / 1000 - 0.025) < 0.018


def test_random_splits_share_their_training_part(claims):
    values = [0.01, 0.02, 0.03, 0.02, 0.02]
    error = np.std(values, ddof=1) * math.sqrt(1 / 5 + 0.25)
    made = claims.splits("a", "", values, 0.25, above=0, form=".6f")
    assert f"{0.02 - 2.7764451 * error:.6f}".replace("-", "−") in made.evidence
    assert made.evidence.endswith("=\N{NBSP}5 splits")


def test_a_share_has_wilsons_interval(claims):
    made = claims.share("a", "More than half", [True] * 80 + [False] * 20, above=0.5)
    assert repr(made) == "holds (80.0%, 95% 71.1% to 86.7%, n\N{NBSP}=\N{NBSP}100)"


def test_a_trend_is_a_rank_correlation(rng):
    claims, x = many(), np.arange(200.0)
    assert claims.trend("up", "", x, np.exp(x / 20) + rng.random(200), above=0).verdict == HOLDS
    assert claims.trend("down", "", x, -x, above=0).verdict == FAILS
    assert claims.trend("no", "", x, rng.random(200), above=0).verdict == OPEN
    curves = np.arange(5) + rng.random((6, 1))
    assert claims.trend("seeds", "", range(5), curves, above=0.9, over="seeds").verdict == HOLDS
    curves[0, 3:] = curves[0, :2]  # the mean's t interval would reach beyond 1, the largest value
    assert " to 1.00, n" in claims.trend("one", "", range(5), curves, above=0, form=".2f").evidence


def test_a_statistic_is_bootstrapped_with_its_samples_in_step(rng, claims):
    x = rng.standard_normal(300)
    samples = x, x + 0.1 * rng.random(300)
    made = claims.statistic("a", "", lambda *s: float(np.corrcoef(s)[0, 1]), *samples, above=0.9)
    assert made.verdict == HOLDS


def test_two_computations_agree_within_a_tolerance(rng):
    claims, x = many(), rng.random((20, 20))
    assert claims.agree("a", "", x, x + 5e-7, within=1e-6).verdict == HOLDS
    assert claims.agree("b", "", x, x + 5e-5, within=1e-6).verdict == FAILS


def test_a_claim_too_many_or_named_twice_or_without_a_range_is_refused(claims):
    x = np.ones(100)
    with pytest.raises(RecsysError, match="one of above"):
        claims.mean("a", "", x)
    claims.mean("a", "", x, above=0)
    with pytest.raises(RecsysError, match="two claims named 'a'"):
        claims.mean("a", "", x, above=0)
    with pytest.raises(RecsysError, match="more than 1 claims"):
        claims.mean("b", "", x, above=0)


def test_claims_are_written_for_the_builder(tmp_path, monkeypatch, rng):
    path = tmp_path / "00.claims.json"
    path.write_text("stale")
    monkeypatch.setenv("RECSYS_CLAIMS", str(path))
    claims = many()
    assert json.loads(path.read_text()) == []
    made = claims.mean("a", "It is so", rng.random(100), above=0, must=("synthetic",))
    (written,) = json.loads(path.read_text())
    kept = [written[name] for name in ("key", "statement", "must")]
    assert kept == ["a", "It is so", ["synthetic"]]
    assert f"{written['verdict']} ({written['evidence']})" == repr(made)
    linked = made._repr_markdown_()
    assert f'id="a" href="../book/appendix/claims.html#a">{made!r}</a>' in linked
