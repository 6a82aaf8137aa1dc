"""The exercises: their solutions are right, typical mistakes are named, and nothing else happens.

The solutions and the calls of the checkers are those of the notebooks, with small data around them.
"""

import ast
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from numpy.linalg import norm
from scipy import stats
from scipy.special import softmax

from course import exercises
from course.exercises import NotYet
from recsys_lib import datasets, models
from recsys_lib.widgets.taste import taste_of

CHAPTERS = sorted((Path(__file__).parents[2] / "notebooks").glob("[01]*.ipynb"))


def calls(source):
    """Yield the name and the arguments of each call of a checker, and the statements before it."""
    body = ast.parse(source).body
    for place, node in enumerate(body):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            name = ast.unparse(node.value.func)
            if name.startswith("check_"):
                yield name, node.value.args, body[:place], body[place]


def cells(chapter, part):
    for cell in nbformat.read(chapter, as_version=4).cells:
        if cell.cell_type == "code" and cell.id.startswith("ex-") and cell.id.endswith(part):
            yield cell.source


CODED, GUESSED, STUDIED = {}, {}, []
for _path in CHAPTERS:
    for _source in cells(_path, "solution"):
        for _name, _given, *_code in calls(_source):
            if _name == "check_guess":
                GUESSED[ast.literal_eval(_given[0])] = _path.stem
            elif _name == "check_study":
                STUDIED.append(_path.stem)
            else:
                CODED.setdefault(_name, (_path.stem, _given[0].id, *_code))


@pytest.fixture(scope="module")
def world():
    """Return what a solution and its check need of the chapter before them, by chapter."""
    rng = np.random.default_rng(0)
    ratings = datasets.load("synthetic", n_users=120, n_items=150, n_ratings=2500, seed=3).ratings
    model = models.ALS(4, n_epochs=3).fit(ratings)
    five = rng.standard_normal((100_000, 5)).cumsum(axis=1) / np.sqrt(np.arange(1, 6))
    common = {"np": np, "pd": pd, "model": model, "train": ratings, "ratings": ratings}
    common |= {"counts": ratings.by_item.counts, "film": ratings.item_ids[0], "five": abs(five)}
    common |= {
        "p": rng.normal(size=(50, 3)),
        "q": rng.normal(size=(50, 3)),
        "taste_of": taste_of,
        "rng": rng,
    }
    common |= {
        "n_i": np.arange(50) % 20,
        "unit": lambda x: (x.T / norm(x.T, axis=0)).T,
    }
    common["sample_size"] = lambda sigma, d: 2 * (sigma * (1.9600 + 0.8416) / d) ** 2
    theirs = dict(zip(model.item_ids_[:6].tolist(), [5.0, 1.0, 4.0, 3.0, 2.0, 4.5], strict=True))
    demo = {"ratings": theirs, "taste": taste_of(model, theirs), "item": 9, "titles": {}}
    demo |= {"candidates": model.item_ids_[6:].tolist(), "first": model.item_ids_[9]}
    return {path.stem: common | (demo if path.stem.startswith("15") else {}) for path in CHAPTERS}


def judge(world, name, *answer):
    """Check the solution of a notebook, or another answer in its place."""
    chapter, given, before, call = CODED[name]
    names = dict(world[chapter])
    for statement in [*before, call]:
        if statement is call:
            exec(f"from course.exercises.{MODULES[name]} import {name}", names)
            names |= dict(zip([given], answer, strict=False))
        exec(compile(ast.Module([statement], []), name, "exec"), names)


def rows(n):
    return np.arange(len(n))


def films(ratings, share, seed):  # held out, with all their ratings
    rated = np.flatnonzero(ratings.by_item.counts)
    drawn = np.random.default_rng(seed).permutation(rated)[: round(share * len(rated))]
    return np.isin(ratings.by_user.indices, drawn)


def divided(ratings, out):
    return ratings.select(~out), ratings.select(out)


def first_n(ratings, film, n):
    keep = np.ones(len(ratings), bool)
    keep[np.flatnonzero(ratings.by_user.indices == film)[n:]] = False
    return keep


def permuted(statistic, labels, groups, n, compared):
    order = [np.lexsort((np.random.default_rng(k).random(40), groups)) for k in range(n)]
    place = np.argsort(groups, kind="stable")
    mixed = np.array([labels] * n)
    for row, one in zip(mixed, order, strict=True):
        row[place] = labels[one]
    return (1 + sum(compared(statistic(one), statistic(labels)) for one in mixed)) / (n + 1)


def cov(X, y):
    return (X - X.mean(axis=0)).T @ (y - y.mean()) / len(y)


NOISE = np.random.default_rng(1).normal(size=(9999, 100))
# Of each checker its module, and typical wrong answers with the reason that each is told.
WRONG = {
    "ratings": {
        "check_filter": [
            (lambda n: ((n > 10).mean(), n[n > 10].sum() / n.sum()), "with ten ratings"),
            (lambda n: ((n >= 10).sum(), n[n >= 10].sum()), "not numbers"),
            (lambda n: ((n >= 10).mean(), n[n >= 10].sum() / len(n)), "all ratings, not films"),
        ],
        "check_means": [
            (lambda r, s, n: (r.mean(), (s / np.maximum(n, 1)).mean()), "without a rating"),
            (lambda r, s, n: (r.mean(), s.sum() / n.sum()), "count once each"),
            (lambda r, s, n: ((s[n > 0] / n[n > 0]).mean(), r.mean()), "other way round"),
        ],
        "check_future": [
            (lambda train, test: np.mean(test.timestamps < train.timestamps.max()), "same user"),
            (lambda train, test: 0.3, "too small|too large"),
            (lambda train, test: [0.3, 0.2], "expected a number"),
        ],
        "check_gamma": [(1.0, "too large: .* 4.700"), (4, "too small"), (-2.0, "not negative")],
        "check_user_biases": [
            (lambda u, r, mu, g: np.bincount(u, r - mu) / np.bincount(u), "forgot γ"),
            (lambda u, r, mu, g: np.bincount(u, r) / (np.bincount(u) + g), "forgot to subtract"),
            (lambda u, r, mu, g: np.bincount(u, r - mu) / (len(u) + g), "their own n"),
            (lambda u, r, mu, g: (r - mu) / (1 + g), r"shape \(3,\), and not ndarray of shape"),
        ],
        "check_als_gradient": [
            (lambda x, z, y, lam, w: lam * z.T @ (y - z @ x) - w * x, "the sign"),
            (lambda x, z, y, lam, w: -lam * z.T @ (y - z @ x), "forgot the penalty"),
            (lambda x, z, y, lam, w: w * x - z.T @ (y - z @ x), "λ weighs"),
        ],
        "check_als_reached": [
            (lambda x, s: int(np.argmax(x[0] - x >= s * (x[0] - x[-1]))), "from 1"),
            (lambda x, s: int(np.argmax(x[0] - x >= s * (x[0] - x[-1]))) + 2, "too late"),
            (lambda x, s: len(x), "from the first loss"),
        ],
        "check_als_known": [
            (lambda ratings, least, n: [0] * n, "ids of films|only|already|better"),
            (lambda ratings, least, n: [], "a list of"),
            (lambda ratings, least, n: [-1] * n, "ids of films"),
        ],
        "check_prior_row": [
            (lambda rows, flags: rows[flags].mean(axis=0), "root"),
            (lambda rows, flags: rows[flags].sum(axis=0), "its length grows"),
            (lambda rows, flags: rows[flags].sum(axis=0) / np.sqrt(len(flags)), "all genres"),
        ],
        "check_prior_bias": [
            (lambda e, c, g, nu: (sum(e) + g * c) / (len(e) + g) if e else c, "grows with"),
            (lambda e, c, g, nu: sum(e) / (len(e) + g * len(e) ** nu) if e else 0.0, "to 0"),
            (lambda e, c, g, nu: np.mean(e) if e else c, "too large: the weighted"),
        ],
        "check_split_films": [
            (lambda r, s, seed: divided(r, np.arange(len(r)) % 5 == 0), "both parts"),
            (lambda r, s, seed: divided(r, films(r, s, 0)), "another seed"),
            (lambda r, s, seed: divided(r, films(r, 2 * s, seed)), "take the share"),
            (lambda r, s, seed: (r, r), "both parts"),
        ],
        "check_user_update": [
            (lambda e, g, nu: np.mean(e) if len(e) else 0, "forgot the penalty"),
            (lambda e, g, nu: np.sum(e) / (len(e) + g), "grows with n"),
            (lambda e, g, nu: np.sum(e) / g / max(len(e), 1) ** nu, "alone"),
        ],
        "check_show": [
            (lambda r, film, n: r.select(first_n(r, film, 0)), "has 0 ratings"),
            (lambda r, film, n: r.select(first_n(r, film, n) & (rows(r) > 99)), "ratings"),
            (lambda r, film, n: r, "with n = 0"),
        ],
        "check_listed": [
            (lambda places, rare: rare[places].mean(), "not places"),
            (lambda places, rare: rare[places].all(axis=1).mean(), "one film is enough"),
            (lambda places, rare: rare[places].any(axis=1).sum(), "a share"),
        ],
    },
    "lists": {
        "check_best_precision": [
            (lambda R: R.mean() / 10, "above what"),
            (lambda R: np.minimum(R, 10).mean(), "too large"),
            (lambda R: np.mean(np.minimum(R, 10) / R), "recall"),
        ],
        "check_ndcg": [
            (lambda hits, n: sum(h / np.log2(k + 2) for k, h in enumerate(hits)), "best possible"),
            (lambda hits, n: sum(h / (k + 1) for k, h in enumerate(hits)), "discounted hits"),
            (lambda hits, n: sum(hits) / n, "discounted hits"),
        ],
        "check_sampled_hit": [
            (lambda rank, n, m: stats.hypergeom(n - 1, rank - 1, m).cdf(10), "eleventh"),
            (lambda rank, n, m: stats.binom(m, (rank - 1) / (n - 1)).cdf(9), "back"),
            (lambda rank, n, m: stats.hypergeom(n - 1, rank - 1, m).pmf(9), "too small"),
        ],
        "check_auc": [
            (lambda s, r: (s[r][:, None] > s[~r]).mean(), "as wrong"),
            (lambda s, r: (s[r][:, None] >= s[~r]).mean(), "as right"),
            (lambda s, r: 0.5 - 0.5 * np.sign(s[r][:, None] - s[~r]).mean(), "wrong order"),
        ],
        "check_draw_ratio": [
            (lambda n, N: (N - n.max()) / (N - n.min()), "more than 1"),
            (lambda n, N: n.max() / n.min(), "equally often"),
            (lambda n, N: 1, "has not rated"),
        ],
        "check_ridge_column": [
            (lambda R, j, lam: np.linalg.solve(R.T @ R + lam * np.eye(6), R.T @ R[:, j]), "own"),
            (lambda R, j, lam: R[0], "one weight"),
            (lambda R, j, lam: R[0, 1:], r"shape \(6,\)"),
        ],
        "check_implicit_loss": [
            (lambda p, q, G, a: p @ G @ p / 2 + (1 + a) * ((1 - q @ p) ** 2).sum() / 2, "as well"),
            (lambda p, q, G, a: p @ G @ p + sum((1 + a) * (1 - q @ p) ** 2 - (q @ p) ** 2), "half"),
            (lambda p, q, G, a: (p @ G @ p + a * ((1 - q @ p) ** 2).sum()) / 2, "too"),
        ],
        "check_multinomial_gradient": [
            (lambda z, r: softmax(z) - r, "more than one like"),
            (lambda z, r: r - r.sum() * softmax(z), "the sign"),
            (lambda z, r: r.sum() * np.exp(z) / np.exp(z).sum() - r, "NaN|overflow"),
        ],
        "check_histories": [
            (lambda H: np.tile(H.mean(axis=0), (len(H), 1)), "still in"),
            (lambda H: (H.sum(axis=0) - H) / len(H), "divide by that"),
            (lambda H: H.sum(axis=0) - H, "not their mean"),
        ],
        "check_rivals": [
            (lambda s, r, pi, a, n: np.log1p(np.exp(r - s).sum()), "nothing is corrected"),
            (lambda s, r, pi, a, n: np.inf, "second way"),
            (lambda s, r, pi, a, n: np.log1p(np.exp(r - s) @ (1 / (a * pi + (1 - a) / n))), "by m"),
        ],
    },
    "space": {
        "check_turn": [
            (lambda a, b: np.linalg.lstsq(b, a)[0], "stretches"),
            (lambda a, b: b.T @ a, "singular values"),
            (lambda a, b: np.eye(4), "is closer"),
        ],
        "check_damped": [
            (lambda film, n, k: [film] * n, "itself"),
            (lambda film, n, k: [0] * n, "without ratings"),
            (lambda film, n, k: np.arange(1, n + 1), "better|itself"),
        ],
        "check_taste": [
            (lambda p, q, i, j: q[i] @ q[j] / norm(q[i]) / norm(q[j]), "own vectors"),
            (lambda p, q, i, j: q[i] @ q[j], "as can be"),
            (lambda p, q, i, j: np.corrcoef(p @ q[i], p @ q[j])[0, 1], "nothing is subtracted"),
        ],
        "check_next_film": [
            (lambda taste, item, some: some[-1], "tells more|least"),
            (lambda taste, item, some: -5, "one of the candidates"),
            (lambda taste, item, some: some, "one of the candidates"),
        ],
        "check_taken_back": [
            (lambda model, r, film, listed: 0.0, "fold in"),
            (lambda model, r, film, listed: r[film], "fold in"),
            (lambda model, r, film, listed: np.zeros(3), "expected a number"),
        ],
        "check_permuted": [
            (lambda f, x, g, n: permuted(f, x, g * 0, n, np.greater_equal), "left its group"),
            (lambda f, x, g, n: permuted(f, x, g, n, np.greater_equal) - 1 / (n + 1), "cannot be"),
            (lambda f, x, g, n: permuted(f, x, g, n, np.greater), "as large counts"),
            (lambda f, x, g, n: permuted(f, x, g, n, np.less_equal), "at least as large"),
            (lambda f, x, g, n: permuted(f, x, g, 9, np.greater_equal), "9 shuffles"),
        ],
    },
    "trust": {
        "check_paired": [
            (lambda a, b: reach(a - b, np.hypot(a.std(), b.std()) / np.sqrt(len(a))), "no user"),
            (lambda a, b: reach(a - b, np.std(a - b, ddof=1)), "root of n"),
            (lambda a, b: reach(b - a, np.std(a - b) / np.sqrt(len(a))), "the sign"),
        ],
        "check_luck": [
            (lambda n, sd: NOISE[:, :n].min(axis=1).mean() * sd, "positive"),
            (lambda n, sd: -NOISE[:, :n].min(axis=1).mean(), "sd"),
            (lambda n, sd: sd * np.sqrt(2 * np.log(n)), "bound"),
        ],
        "check_cheapest": [
            (lambda table: table["fit_seconds"].idxmin(), "decided"),
            (lambda table: table.index[0], "faster model"),
            (lambda table: table.iloc[0], "name of a model"),
        ],
        "check_users_needed": [
            (lambda x, d: 1.96 * np.std(x) / d, "square"),
            (lambda x, d: (2 * 1.96 * np.std(x) / d) ** 2, "one side"),
            (lambda x, d: (np.std(x) / d) ** 2, "68 %"),
        ],
        "check_rmse_of_mean": [
            (lambda d, r, s: np.mean(np.sqrt(np.mean((d.clip(*s) - r) ** 2, axis=1))), "errors"),
            (lambda d, r, s: np.sqrt(np.mean((d.clip(*s).mean(0) - r) ** 2)), "then clip"),
            (lambda d, r, s: np.sqrt(np.mean((d.mean(0) - r) ** 2)), "scale"),
        ],
        "check_ratings_needed": [
            (lambda sigma, s, spread: np.ceil(sigma**2 / spread**2), "prior"),
            (lambda sigma, s, spread: int(sigma**2 * (spread**-2 - s**-2)), "round up"),
            (lambda sigma, s, spread: sigma**2 * (spread**-2 - s**-2), "whole"),
            (lambda sigma, s, d: np.ceil(sigma**2 * (d**-2 - s**-2)), "too small"),
        ],
    },
    "experiments": {
        "check_needed": [
            (lambda s, e, share: 2 * (s * 2.8016 / e) ** 2, "arm"),
            (lambda s, e, share: 4 * (s * 2.8016 / e) ** 2, "share of 0.1"),
            (lambda s, e, share: -1, "positive"),
        ],
        "check_bar": [(0.05, "too lax: it stops 1"), (0.01, "too strict"), (2.41, "p-value")],
        "check_ips": [
            (lambda r, a, old, new: np.mean(r * (old / new)[rows(a), a]), "upside down"),
            (lambda r, a, old, new: np.average(r, weights=(new / old)[rows(a), a]), "divide by n"),
            (lambda r, a, old, new: np.mean(r * new[rows(a), a]), "was logged"),
        ],
        "check_adjust": [
            (lambda y, X: y - X @ np.linalg.lstsq(X, y)[0], "centre them"),
            (lambda y, X: y - cov(X, y) / X.var(axis=0) @ (X - X.mean(axis=0)).T, "correlated"),
            (lambda y, X: y - y.mean() - (z := X - X.mean(0)) @ np.linalg.pinv(z) @ y, "is gone"),
        ],
    },
    "engineering": {
        "check_multiplications": [
            (lambda n, K: 2 * n * (K + 2) ** 2, "symmetric"),
            (lambda n, K: n * (K + 2) * (K + 3) / 2, "an epoch has two"),
            (lambda n, K: n * (K + 2) * (K + 1), "diagonal"),
        ],
        "check_least_time": [
            (lambda ops, size, peak, band: ops / peak + size / band, "add up"),
            (lambda ops, size, peak, band: min(ops / peak, size / band), "slower"),
            (lambda ops, size, peak, band: 1.0, "too large: .* which of them"),
        ],
        "check_expected_blocks": [
            (lambda n, J: np.minimum(n, J), "largest number"),
            (lambda n, J: 1 - (1 - 1 / J) ** n, "J of them"),
            (lambda n, J: J * (1 - 1 / J) ** n, "not"),
        ],
        "check_break_even": [
            (lambda t, phi: t * (1 - phi) / (1 - t * phi) if t * phi < 1 else np.inf, "round up"),
            (lambda t, phi: np.ceil(t), "not divided"),
            (lambda t, phi: np.ceil(t * (1 - phi) / (1 - t * phi)), "no number"),
        ],
    },
}  # fmt: skip
MODULES = {name: module for module, table in WRONG.items() for name in table}
ANSWERS = [(name, *one) for table in WRONG.values() for name, some in table.items() for one in some]


def reach(d, error):
    return d.mean(), d.mean() - 1.96 * error, d.mean() + 1.96 * error


def test_each_exercise_has_a_checker_with_three_typical_mistakes():
    assert set(CODED) == set(MODULES)
    assert [name for table in WRONG.values() for name in table if len(table[name]) < 3] == []
    assert set(GUESSED) == set(exercises.GUESSES)
    chapters = {path.stem for path in CHAPTERS}
    assert {*GUESSED.values()} == {*STUDIED} == chapters


@pytest.mark.parametrize("name", MODULES)
def test_a_solution_is_right(world, capsys, name):
    judge(world, name)
    assert capsys.readouterr().out.splitlines()[-1] == "Right."


@pytest.mark.parametrize(("name", "answer", "reason"), ANSWERS)
def test_a_typical_mistake_is_refused_with_its_reason(world, name, answer, reason):
    with pytest.raises(NotYet, match=reason) as caught:
        judge(world, name, answer)
    assert "cannot be checked" not in str(caught.value)


def fails(*given):
    return [][3]


@pytest.mark.parametrize("name", MODULES)
def test_no_answer_ends_in_an_error_that_is_not_about_the_answer(world, capsys, name):
    kinds = [None, "text", 3 + 4j, [], {}, object, np.zeros((2, 2)), pd.DataFrame(), fails]
    kinds += [lambda *given, kind=kind: kind for kind in ("text", [], {}, np.nan, np.eye(2))]
    for kind in kinds:
        with pytest.raises(NotYet) as caught:
            judge(world, name, kind)
        assert str(caught.value)
    if name not in ("check_gamma", "check_bar"):
        with pytest.raises(NotYet, match=r"`fails` stops in line .* IndexError: list"):
            judge(world, name, fails)
        with pytest.raises(NotYet, match="returns nothing"):
            judge(world, name, lambda *given: print())
    capsys.readouterr()
    for stub in (..., an_empty_one):
        judge(world, name, stub)
        assert capsys.readouterr().out == exercises.OPEN + "\n"


def an_empty_one(*given): ...


@pytest.mark.parametrize("key", exercises.GUESSES)
def test_a_guess_is_told_how_far_off_it_is_and_why(capsys, key):
    within, low, high = (exercises.GUESSES[key][name] for name in ("within", "low", "high"))
    exercises.check_guess(key, 4 * (1 + 0.9 * within), 4.0)
    assert capsys.readouterr().out.endswith("and the result is 4.\n")
    for guess, side, why in ((4 * (1 - 1.1 * within), "low", low), (12, "high", high)):
        with pytest.raises(NotYet) as caught:
            exercises.check_guess(key, guess, 4.0)
        assert f"too {side} by {abs(guess - 4):.2g}. {why}" in str(caught.value)
    for kind in (None, "half", [1, 2], np.nan, {}, fails):
        with pytest.raises(NotYet):
            exercises.check_guess(key, kind, 4.0)
    exercises.check_guess(key, ..., 4.0)
    assert capsys.readouterr().out == exercises.OPEN + "\n"


PAIRED = np.random.default_rng(1).normal(1, 1, 40)
RIGHT = tuple(stats.t.interval(0.95, 39, PAIRED.mean(), stats.sem(PAIRED)))


def test_the_evidence_of_an_experiment_decides_the_conclusion(capsys):
    for sign, conclusion in ((1, "larger"), (-1, "smaller")):
        ends = sorted(sign * end for end in RIGHT)
        exercises.check_study(sign * PAIRED, ends, conclusion)
        assert f"n = 40), {conclusion}." in capsys.readouterr().out
    exercises.check_study(PAIRED - PAIRED.mean(), np.subtract(RIGHT, PAIRED.mean()), "not decided")


@pytest.mark.parametrize(
    ("differences", "interval", "conclusion", "reason"),
    [
        (PAIRED[:4], RIGHT, "larger", "4 differences are too few"),
        (PAIRED.reshape(2, 20), RIGHT, "larger", "flat array"),
        (np.ones(40), RIGHT, "larger", "all differences are the same"),
        (PAIRED * np.nan, RIGHT, "larger", "NaN"),
        (PAIRED, RIGHT[::-1], "larger", "comes first"),
        (PAIRED, (-0.5, 0.5), "not decided", "does not hold the mean"),
        (PAIRED, (PAIRED.mean() - 0.01, PAIRED.mean() + 0.01), "larger", "too narrow"),
        (PAIRED, (PAIRED.mean() - 1.96, PAIRED.mean() + 1.96), "not decided", "too wide"),
        (PAIRED, RIGHT, "not decided", "outside of the interval"),
        (PAIRED, RIGHT, "smaller", "the other sign"),
        (PAIRED, RIGHT, "it is larger", "one of smaller, larger"),
        (PAIRED - 1, np.subtract(RIGHT, 1), "larger", "do not decide"),
        (None, RIGHT, "larger", "not NoneType"),
        (PAIRED, 0.3, "larger", "expected an array"),
        (PAIRED, RIGHT, None, "one of smaller"),
    ],
)
def test_a_conclusion_without_its_evidence_is_refused(differences, interval, conclusion, reason):
    with pytest.raises(NotYet, match=reason):
        exercises.check_study(differences, interval, conclusion)


def test_a_notebook_shows_one_line_and_no_traceback(capsys):
    shell = InteractiveShell()
    shell.run_cell("from course.exercises.ratings import check_gamma\ncheck_gamma(1.0)")
    shown = capsys.readouterr().out
    assert shown == "Not yet: too large: with this γ the damped mean is 4.700\n"
