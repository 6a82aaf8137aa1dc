import numpy as np
import pytest

from course.exercises import engineering as checkers

# A checker, a right answer, a wrong one, and the hint that it gets.
ANSWERS = [
    ("multiplications", lambda n, K: n * (K + 2) * (K + 3), lambda n, K: n * (K + 2) ** 2, "angle"),
    ("least_time", lambda o, b, p, w: max(o / p, b / w), lambda o, b, p, w: o / p + b / w, "wait"),
    ("expected_blocks", lambda n, B: B - B * (1 - 1 / B) ** n, np.minimum, "not met"),
    (
        "break_even", lambda a, s: -(-a * (1 - s) // (1 - a * s)) if a * s < 1 else np.inf,
        lambda a, s: a * (1 - s) / (1 - a * s), "whole",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "right", "wrong", "hint"), ANSWERS)
def test_a_checker_takes_the_right_answer_and_no_other(capsys, name, right, wrong, hint):
    check = getattr(checkers, f"check_{name}")
    check(right)
    assert capsys.readouterr().out == "Right.\n"
    with pytest.raises(AssertionError, match=hint):
        check(wrong)
