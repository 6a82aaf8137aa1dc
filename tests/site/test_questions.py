"""Quizzes and predictions: answered by mouse and by keys, judged, remembered, and forgotten."""

import json
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "course" / "web"
# What the book's builder makes of an author's Markdown.
PREDICTION = """<p>{kind}?</p><div class="dropdown predict {kind} admonition">
<p class="admonition-title">{title}</p><p>It is <strong>{truth}</strong>, computed.</p></div>
<div class="cell"><div class="cell_output"><pre>{truth}</pre></div></div>"""
POINT = "epochs, 0 to 50 · RMSE, 0.8 to 1 · ± 10%"
PAGE = f"""<main>
<nav class="bd-links"><a href="#">Here</a><a href="other.html">Other</a></nav>
{PREDICTION.format(kind="number", title="In percent, ± 5", truth="1,027")}
{PREDICTION.format(kind="choice", title="EASE · ALS · BPR", truth="BPR")}
{PREDICTION.format(kind="order", title="EASE · ALS · BPR", truth="BPR · EASE · ALS")}
{PREDICTION.format(kind="point", title=POINT, truth="20 · 0.9")}
{PREDICTION.format(kind="number", title="RMSE, ± 5", truth="not computed yet")}
<p>Which?</p>
<details class="quiz wrong"><summary>First</summary>It is the first.</details>
<details class="quiz right"><summary>Second</summary>It is <b>two</b>.</details>
<details class="quiz wrong"><summary>Third</summary>It is the third.</details>
<p>End</p></main>"""


@pytest.fixture
def opened(written):
    """A page with one question of each kind."""
    script, style = (WEB.joinpath(f"questions.{kind}").read_text("utf-8") for kind in ("js", "css"))
    return written(f"{PAGE}<style>{style}</style><script>{script}</script>")


def asked(page, kind):
    return page.locator(f".answer.{kind}").first


def truth_of(page, kind):
    return page.locator(f".predict.{kind}.admonition").first


def test_a_number_is_judged_by_its_distance_once_it_is_written(opened):
    box = asked(opened, "number")
    assert truth_of(opened, "number").is_hidden() and opened.locator("pre").first.is_hidden()
    field = box.get_by_label("In percent")
    field.fill("about ten")
    field.press("Enter")
    assert box.get_by_role("status").inner_text() == "Write a number."
    assert truth_of(opened, "number").is_hidden()
    field.fill("1.100,5")
    field.press("Enter")
    assert truth_of(opened, "number").is_hidden()  # no number either
    field.fill("997,5")
    field.press("Enter")
    assert "too low, by 29.5: it is 1,027" in box.get_by_role("status").inner_text()
    assert truth_of(opened, "number").is_visible() and opened.locator("pre").first.is_visible()
    field.fill("1027")
    field.press("Enter")  # too late
    assert "too low" in box.get_by_role("status").inner_text()


@pytest.mark.parametrize("text", ["1,022", "1032", "1 027".replace(" ", ""), "1027%"])
def test_a_number_within_the_tolerance_is_right(opened, text):
    asked(opened, "number").get_by_label("In percent").fill(text)
    asked(opened, "number").get_by_role("button", name="Check").click()
    assert "Right." in asked(opened, "number").get_by_role("status").inner_text()


def test_a_choice_is_made_by_keys(opened):
    box = asked(opened, "choice")
    box.get_by_role("button", name="Show the result").click()
    assert opened.locator("pre").nth(1).is_visible() and truth_of(opened, "choice").is_hidden()
    box.get_by_role("button", name="Check").click()
    assert box.get_by_role("status").inner_text() == "Choose one."
    box.get_by_label("ALS").focus()
    opened.keyboard.press("Space")
    opened.keyboard.press("Enter")
    assert "You said ALS, and it is BPR." in box.get_by_role("status").inner_text()
    assert truth_of(opened, "choice").is_visible()


def test_an_order_is_made_by_keys_and_the_focus_stays(opened):
    box = asked(opened, "order")
    for item in ("ALS", "EASE", "BPR"):  # each to the top: the last is the first
        box.get_by_role("button", name=f"{item}: up").focus()
        for _ in range(2):
            opened.keyboard.press("Enter")
            assert opened.evaluate("document.activeElement.ariaLabel") == f"{item}: up"
    rows = [row.split()[-1] for row in box.locator("li").all_inner_texts()]
    assert rows == ["BPR", "EASE", "ALS"]
    box.get_by_role("button", name="BPR: down").click()
    box.get_by_role("button", name="Check").click()
    assert "2 of 3 pairs" in box.locator(".told").inner_text()
    assert truth_of(opened, "order").is_visible()


def test_a_point_is_set_by_mouse_and_by_keys(opened):
    box = asked(opened, "point")
    area = box.locator("svg").bounding_box()
    box.locator("svg").click(position={"x": area["width"] * 0.9, "y": area["height"] * 0.9})
    assert float(box.get_by_label("epochs").input_value()) > 40
    assert float(box.get_by_label("RMSE").input_value()) < 0.85
    box.get_by_label("RMSE").focus()
    for _ in range(3):
        opened.keyboard.press("ArrowUp")
    before = float(box.get_by_label("RMSE").input_value())
    box.get_by_role("button", name="Check").click()
    told = box.locator(".told").inner_text()
    assert "too high in epochs" in told and f"{0.9 - before:.3g} too low in RMSE" in told
    assert box.locator("circle.truth").count() == 1


def test_what_is_not_computed_yet_stays_a_fold(opened):
    assert opened.locator(".answer").count() == 5
    assert opened.locator(".predict.admonition").last.is_visible()


def test_a_quiz_gives_one_reason_at_a_time_and_counts_the_first_answer(opened):
    box = asked(opened, "quiz")
    assert opened.locator("details.quiz:visible").count() == 0
    assert box.get_attribute("aria-labelledby")
    for option, reason in (
        ("First", "Not this one. It is the first."),
        ("Second", "Right. It is two."),
    ):
        box.get_by_role("button", name=option).focus()
        opened.keyboard.press("Enter")
        assert box.get_by_role("status").inner_text() == reason
        assert opened.evaluate("document.activeElement.textContent") == option
        assert box.locator("[aria-pressed=true]").inner_text() == option
    score = opened.locator(".score p")
    assert score.inner_text().startswith("1 of 5 questions on this page answered, 0 right")
    assert opened.locator(".bd-links .done").all_inner_texts() == [" 1/5"]


def test_answers_are_remembered_here_and_forgotten_when_asked(opened, browser):
    orders = set()
    for _ in range(8):  # other readers
        context = browser.new_context()
        other = context.new_page()
        other.goto(opened.url)
        orders.add(tuple(other.locator(".answer.quiz button").all_inner_texts()))
        assert other.locator(".done, .told:not(:empty)").count() == 0
        context.close()
    assert len(orders) > 1
    options = opened.locator(".answer.quiz button").all_inner_texts()
    asked(opened, "quiz").get_by_role("button", name="Second").click()
    asked(opened, "number").get_by_label("In percent").fill("3")
    asked(opened, "number").get_by_role("button", name="Check").click()
    opened.reload()
    assert opened.locator(".answer.quiz button").all_inner_texts() == options
    assert "Right. It is two." in asked(opened, "quiz").inner_text()
    assert "too low" in asked(opened, "number").inner_text()
    assert asked(opened, "number").get_by_label("In percent").input_value() == "3"
    assert opened.locator(".score p").inner_text().startswith("2 of 5")
    opened.get_by_role("button", name="Begin this page again").click()
    assert opened.locator(".score p").inner_text().startswith("0 of 5")
    assert truth_of(opened, "number").is_hidden()
    assert opened.locator(".done, .told:not(:empty)").count() == 0


KEPT = '{"answers":{"KEY":{"answer":%s}},"pages":{}}'
GARBAGE = ["", "{", "null", '{"answers":1,"pages":{}}', '{"answers":{}}']
GARBAGE += [KEPT % answer for answer in ('[7,"x",-1]', '{"length":2}', "null")]


def test_a_garbled_memory_does_no_harm(opened):
    asked(opened, "quiz").get_by_role("button", name="Second").click()
    keys = list(json.loads(opened.evaluate("localStorage['recsys-course']"))["answers"])
    for garbage in GARBAGE:
        opened.evaluate(
            "text => (localStorage['recsys-course'] = text)", garbage.replace("KEY", keys[0])
        )
        opened.reload()
        assert opened.locator(".answer").count() == 5
        asked(opened, "quiz").get_by_role("button", name="Second").click()
        assert "Right." in asked(opened, "quiz").inner_text()
