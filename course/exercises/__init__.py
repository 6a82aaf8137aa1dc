"""Tell a reader whether the answer to an exercise is right and, if it is not, what is wrong.

The checkers stand in the modules of this package. Each prints one line, or raises `NotYet`, which
Jupyter shows as one line. A cell that still is a stub is no mistake. Whatever a reader passes, of
any type, and whatever a reader's function raises, becomes such a line.
"""

import functools
import tomllib
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import stats

OPEN = "Nothing to check yet: write your answer in place of the `...` and run the cell again."
CONCLUSIONS = ("smaller", "larger", "not decided")
GUESSES = tomllib.loads(Path(__file__).with_name("guesses.toml").read_text("utf-8"))


class NotYet(AssertionError):
    """An answer is not right yet. The text says why; Jupyter shows it without a traceback."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for it
        return [f"Not yet: {self}"]


def _stub() -> None: ...


def _is_open(answer: object) -> bool:
    """Whether an answer is still `...`, or a function whose body is `...`."""
    code = getattr(answer, "__code__", None)
    return answer is ... or (code is not None and code.co_code == _stub.__code__.co_code)


def _asked(answer: Any) -> Any:
    """Wrap a reader's function: what it raises becomes `NotYet`; anything else stays as it is."""
    if not callable(answer):
        return answer
    name = getattr(answer, "__name__", type(answer).__name__)

    def asked(*given: Any) -> Any:
        copies = [np.copy(one) if isinstance(one, np.ndarray) else one for one in given]
        try:
            found = answer(*copies)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            lines = [frame.lineno for frame in frames if frame.name == name]
            where = f" in line {lines[-1]} of its cell" if lines else ""
            what = f"{type(error).__name__}: {error}"
            raise NotYet(f"`{name}` stops{where} with {what}") from None
        if found is None:
            raise NotYet(f"`{name}` returns nothing: is a `return` missing?")
        return found

    return asked


def checker(check: Callable[..., str | None]) -> Callable[..., None]:
    """Decorate a function that raises `NotYet`, or returns what to print instead of "Right."."""

    @functools.wraps(check)
    def checked(*given: Any, **named: Any) -> None:
        if any(map(_is_open, (*given, *named.values()))):
            print(OPEN)
            return
        named = {name: _asked(one) for name, one in named.items()}
        try:
            print(check(*map(_asked, given), **named) or "Right.")
        except NotYet:
            raise
        except Exception as error:
            kind = type(error).__name__
            raise NotYet(f"this kind of answer cannot be checked ({kind}: {error})") from None

    return checked


def ask(condition: Any, reason: str) -> None:
    """Raise `NotYet` with a reason unless a condition holds."""
    if not condition:
        raise NotYet(reason)


def numbers(found: object, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return an answer as floats of this shape, or raise `NotYet` that says what is expected."""
    wanted = f"an array of shape {shape}" if shape else "a number" if shape == () else "numbers"
    array = np.asarray(found)
    if shape == () and array.size == 1:
        array = array.reshape(())
    has = type(found).__name__ + (f" of shape {array.shape}" if array.shape else "")
    kind = array.dtype.kind in "biuf"
    ask(kind and (shape is None or array.shape == shape), f"expected {wanted}, and not {has}")
    ask(not np.isnan(array).any(), "some numbers are NaN: was 0 or infinity divided?")
    return array.astype(float)


def compare(
    found: Any, right: Any, hint: str, wrong: Iterable[tuple[str, Any]] = (), within: float = 1e-6
) -> None:
    """Raise `NotYet` unless `found` equals `right` within a tolerance.

    `wrong` holds typical wrong results, each with the reason that is then told; otherwise it is
    the hint, and of a single number whether it is too small.
    """
    right = np.asarray(right, float)
    given = numbers(found, right.shape)
    if np.allclose(given, right, rtol=1e-7, atol=within):
        return
    for reason, value in wrong:
        ask(not np.allclose(given, np.asarray(value, float), rtol=1e-7, atol=within), reason)
    side = "" if right.shape else "too small: " if given < right else "too large: "
    raise NotYet(side + hint)


def task(
    right: Callable[..., Any],
    cases: Sequence[tuple[Any, ...]],
    hint: str,
    wrong: Mapping[str, Callable[..., Any]],
    within: float = 1e-6,
) -> Callable[..., None]:
    """Make the checker of a function: what it returns for each case is compared.

    `wrong` maps the reason that is told to a function that makes this mistake. What the checker
    knows of a task is its attribute `task`.
    """

    def check(answer: Callable[..., Any]) -> None:
        for case in cases:
            mistakes = ((reason, mistake(*case)) for reason, mistake in wrong.items())
            compare(answer(*case), right(*case), hint, mistakes, within)

    checked = checker(check)
    vars(checked)["task"] = SimpleNamespace(right=right, hint=hint, mistakes=wrong)
    return checked


@checker
def check_guess(key: str, guess: float, truth: float) -> str:
    """Check a prediction against what was computed, and say how far off it is."""
    told, given = GUESSES[key], float(numbers(guess, ()))
    off = given - float(truth)
    if abs(off) <= told["within"] * abs(truth):
        return f"Right: you predicted {given:.3g}, and the result is {truth:.3g}."
    side = "low" if off < 0 else "high"
    raise NotYet(f"{given:.3g} is too {side} by {abs(off):.2g}. {told[side]}")


@checker
def check_study(differences: Any, interval: Any, conclusion: str) -> str:
    """Check the evidence of an experiment, and that the conclusion follows from it.

    `differences` (n,) holds one paired difference per run, user or film. `interval` is the 95%
    interval of their mean; one that allows for runs that overlap, and so is wider, is right too.
    """
    d = numbers(differences)
    ask(d.ndim == 1, f"one difference each, in a flat array, and not an array of shape {d.shape}")
    ask(len(d) >= 5, f"{len(d)} differences are too few for an interval: take 5 or more")
    if conclusion == "not decided" and not d.any():
        return "Not decided: all differences are 0. In these data, are the two one and the same?"
    ask(np.ptp(d) > 0, "all differences are the same: does each run have its own seed?")
    low, high = numbers(interval, (2,))
    ask(low < high, "the lower end of the interval comes first")
    half = stats.t.ppf(0.975, len(d) - 1) * stats.sem(d)
    ask(low < d.mean() < high, "the interval does not hold the mean of the differences")
    ask(high - low > 1.3 * half, "the interval is too narrow: how sure is the *mean* of n values?")
    ask(high - low < 6 * half, "the interval is too wide: divide by the root of n")
    ask(conclusion in CONCLUSIONS, f"the conclusion is one of {', '.join(CONCLUSIONS)}")
    decided = CONCLUSIONS[0 if high < 0 else 1 if low > 0 else 2]
    reason = "the evidence has the other sign: which of the two is subtracted?"
    if decided == "not decided":
        reason = "the interval holds 0, so these data do not decide"
    elif conclusion == "not decided":
        reason = "0 lies outside of the interval, so these data decide"
    ask(conclusion == decided, reason)
    found = f"{d.mean():+z.4f} (95% {low:+z.4f} to {high:+z.4f}, n = {len(d):,}), {decided}."
    return "Right: " + found.replace("-", "−")
