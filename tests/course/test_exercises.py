"""The exercises: their solutions are right, typical mistakes are named, and nothing else happens.

The solutions and the calls of the checkers are those of the notebooks, with small data around them.
"""

import ast
import re
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import nbformat
import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from numpy.linalg import norm
from scipy import stats

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
    common |= {"counts": ratings.by_item.counts, "film": ratings.item_ids[0], "z": abs(five)}
    common |= {name: rng.normal(size=(50, 3)) for name in "pq"}
    common |= {"taste_of": taste_of, "rng": rng, "n_i": np.arange(50) % 20}
    common["unit"] = lambda x: (x.T / norm(x.T, axis=0)).T
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
            names |= {name: CHECKERS[name], **dict(zip([given], answer, strict=False))}
        exec(compile(ast.Module([statement], []), name, "exec"), names)


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


# Typical wrong answers with the reason that each is told: of a task, those that it names, and one
# that it does not; of other checkers by hand.
CHECKERS = {
    name: check
    for module in iter_modules(exercises.__path__)
    for name, check in vars(import_module(f"course.exercises.{module.name}")).items()
    if name.startswith("check_")
}
WRONG = {
    "check_gamma": [(1.0, "too large: .* 4.700"), (4, "too small"), (-2.0, "not negative")],
    "check_als_known": [
        (lambda ratings, least, n: [0] * n, "ids of films|only|already|better"),
        (lambda ratings, least, n: [], "a list of"),
        (lambda ratings, least, n: [-1] * n, "ids of films"),
    ],
    "check_split_films": [
        (lambda r, s, seed: divided(r, np.arange(len(r)) % 5 == 0), "both parts"),
        (lambda r, s, seed: divided(r, films(r, s, 0)), "another seed"),
        (lambda r, s, seed: divided(r, films(r, 2 * s, seed)), "take the share"),
        (lambda r, s, seed: (r, r), "both parts"),
    ],
    "check_show": [
        (lambda r, film, n: r.select(first_n(r, film, 0)), "has 0 ratings"),
        (lambda r, film, n: r.select(first_n(r, film, n) & (np.arange(len(r)) > 99)), "ratings"),
        (lambda r, film, n: r, "with n = 0"),
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
    "check_cheapest": [
        (lambda table: table["fit_seconds"].idxmin(), "decided"),
        (lambda table: table.index[0], "faster model"),
        (lambda table: table.iloc[0], "name of a model"),
    ],
    "check_needed": [
        (lambda s, e, share: 2 * (s * 2.8016 / e) ** 2, "arm"),
        (lambda s, e, share: 4 * (s * 2.8016 / e) ** 2, "share of 0.1"),
        (lambda s, e, share: -1, "positive"),
    ],
    "check_bar": [(0.05, "too lax: it stops 1"), (0.01, "too strict"), (2.41, "p-value")],
}  # fmt: skip
for _name, _check in CHECKERS.items():
    if task := vars(_check).get("task"):
        other = task.hint, lambda *given, right=task.right: np.add(right(*given), 7.31)
        mistakes = [*task.mistakes.items(), other]
        WRONG[_name] = [(mistake, re.escape(reason)) for reason, mistake in mistakes]
ANSWERS = [(name, *one) for name, some in WRONG.items() for one in some]


def test_each_exercise_has_a_checker_with_three_typical_mistakes():
    assert set(CODED) == set(CHECKERS) == set(WRONG)
    assert [name for name in WRONG if len(WRONG[name]) < 3] == []
    assert set(GUESSED) == set(exercises.GUESSES)
    chapters = {path.stem for path in CHAPTERS}
    assert {*GUESSED.values()} == {*STUDIED} == chapters


@pytest.mark.parametrize("name", CHECKERS)
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


@pytest.mark.parametrize("name", CHECKERS)
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
    exercises.check_study(0 * PAIRED, (0, 0), "not decided")  # as where every rating is a like


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
