"""Each page in a real browser that can reach nothing but the site."""

import re

import pytest


def assert_figures_keep_their_places(page):
    """Those further down are fetched when they are scrolled to; return how many there are."""
    images = page.locator("img[src*='_images/']")
    heights = "all => all.map((image) => image.getBoundingClientRect().height)"
    before = images.evaluate_all(heights)
    page.locator("img").evaluate_all("""all => Promise.all(all.map((image) => {
        image.loading = "eager";
        return image.decode().catch(() => null);
    }))""")
    assert images.evaluate_all(heights) == pytest.approx(before, abs=1), page.url
    sizes = page.locator("img").evaluate_all("all => all.map(i => [i.currentSrc, i.naturalWidth])")
    assert [source for source, width in sizes if not width] == [], page.url
    return len(before)


def assert_formulas_are_drawn(page):
    """Return how many there are."""
    raw = page.locator(".math").count()
    drawn = page.locator(".math mjx-container").count()
    assert drawn >= raw, f"{page.url}: {raw} formulas, {drawn} drawn"
    assert page.locator("mjx-merror").count() == 0, f"{page.url}: a formula with an error"
    return drawn


def assert_is_judged(box):
    """Answer a question somehow: its reason, or its truth, comes into sight."""
    kind = box.get_attribute("class")
    if "quiz" in kind:
        box.locator("button").last.click()
    elif "number" in kind:
        box.get_by_role("textbox").fill("1")
    elif "choice" in kind:
        box.get_by_role("radio").first.check()
    if "predict" in kind:
        truth = box.locator("xpath=following-sibling::*[1]").locator("strong").first
        assert not truth.is_visible(), box.inner_text()
        box.get_by_role("button", name="Check").click()
        assert truth.is_visible(), box.inner_text()
    assert re.match(r"(Right|Not quite|Not this one)\. .", box.locator(".told").inner_text())


def assert_questions_are_judged(page):
    """Return the kinds of questions of a page; chapters have two predictions, and all are asked."""
    assert page.locator("details.quiz:visible").count() == 0, page.url
    assert "$" not in "".join(page.locator("details.quiz").all_text_contents()), page.url
    boxes, predictions = page.locator(".answer").all(), page.locator(".admonition.predict").count()
    assert page.locator(".answer.predict").count() == predictions, page.url
    if re.search(r"/(?!15)\d\d-[^/]*$", page.url):
        assert predictions >= 2, page.url
    for box in boxes:
        assert_is_judged(box)
    assert page.locator(".held").count() == 0, page.url
    if boxes:
        told = page.locator(".score p").inner_text()
        assert told.startswith(f"{len(boxes)} of {len(boxes)} questions"), page.url
    if page.locator(".bd-links .current").count():  # the first page is not in the list
        assert page.locator(".bd-links .current > a .done").count() == bool(boxes), page.url
    return {box.get_attribute("class").split()[-1] for box in boxes}


def test_pages_open_without_an_error_and_ask_nobody_else(visit, names, complaints):
    figures = formulas = 0
    kinds = set()
    for page in visit(names):
        figures += assert_figures_keep_their_places(page)
        page.evaluate("document.fonts.ready.then(() => 0)")  # those of the formulas come last
        formulas += assert_formulas_are_drawn(page)
        kinds |= assert_questions_are_judged(page)
    assert figures > 20 and formulas
    assert kinds == {"quiz", "number", "choice", "order", "point"}
    assert complaints == []


def test_a_script_that_is_not_the_sites_is_refused(visit, complaints):
    page = next(visit(["notebooks/15-rating-demo.html"]))
    page.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
        document.body.insertAdjacentHTML("beforeend",
            "<img src='data:,' onerror='window.ran = true'>");
    }""")
    page.wait_for_timeout(200)
    assert page.evaluate("window.ran") is None
    assert len([text for text in complaints if "Content Security Policy" in text]) == 2


def test_search_finds_a_page(visit):
    (page,) = visit(["search.html?q=notation"])
    results = page.locator("#search-results li a")
    results.first.wait_for()
    assert any("notation" in href for href in results.evaluate_all("all => all.map(a => a.href)"))


ALS = "a[data-definition][href$='#term-ALS']"


def test_a_term_shows_its_definition(visit, complaints):
    """By mouse, by keyboard and by touch, where only a second tap follows the link."""
    page, definition = next(visit(["notebooks/03-als.html"])), "Alternating least squares"
    term, tip = page.locator(ALS).first, page.get_by_role("tooltip")
    term.hover()
    tip.get_by_text(definition).hover()
    page.locator("h1").last.hover()
    tip.wait_for(state="detached")
    term.focus()
    assert definition in tip.inner_text()
    page.keyboard.press("Escape")
    assert tip.count() == 0
    with_math = page.locator("a[data-definition*='\\\\sum']").first
    with_math.focus()
    tip.locator("mjx-container").wait_for()
    page = next(visit(["notebooks/03-als.html"], has_touch=True))
    term, tip = page.locator(ALS).first, page.get_by_role("tooltip")
    term.tap()
    assert definition in tip.inner_text() and page.url.endswith("03-als.html")
    term.tap()
    page.wait_for_url("**/glossary.html#term-ALS")
    assert complaints == []
