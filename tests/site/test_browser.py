"""Each page in a real browser that can reach nothing but the site."""

from pathlib import Path

import pytest
import supplies

SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def names(html: Path) -> list[str]:
    paths = [path for part in ("book", "notebooks") for path in (html / part).rglob("*.html")]
    assert paths
    return [*sorted(path.relative_to(html).as_posix() for path in paths), "search.html"]


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


def assert_a_quiz_marks_itself(page):
    """Return how many answers were tried."""
    marked = 0
    for kind in ("right", "wrong"):
        option = page.locator(f"details.quiz.{kind}").first
        if option.count():
            option.locator("summary").click()
            verdict = option.locator("summary").evaluate(
                "e => getComputedStyle(e, '::after').content"
            )
            assert ("Right" in verdict) == (kind == "right"), f"{page.url}: {verdict}"
            marked += 1
    return marked


def assert_axe_finds_nothing_serious(page, **options):
    whole = "notebooks/01-eda.html"  # listings look alike everywhere: one page's are enough
    context = {"include": ["html"], "exclude": [] if whole in page.url else ["pre"]}
    page.evaluate(supplies.AXE.read_text("utf-8"))
    asked = [context, {"resultTypes": ["violations"], **options}]
    found = page.evaluate("([context, options]) => axe.run(context, options)", asked)
    serious = [
        (v["id"], v["nodes"][0]["html"][:200])
        for v in found["violations"]
        if v["impact"] in SERIOUS
    ]
    assert serious == [], page.url


def assert_nothing_sticks_out_of_a_narrow_screen(page):
    page.set_viewport_size({"width": 375, "height": 800})
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 375, f"{page.url} is {wide} pixels wide"


def test_pages_open_without_an_error_and_ask_nobody_else(visit, names, complaints):
    figures = formulas = marked = 0
    for page in visit(names, color_scheme="light"):
        assert page.locator("html").get_attribute("data-theme") == "light"
        figures += assert_figures_keep_their_places(page)
        page.wait_for_load_state("networkidle")  # the fonts of the formulas come last
        formulas += assert_formulas_are_drawn(page)
        marked += assert_a_quiz_marks_itself(page)
        assert_axe_finds_nothing_serious(page)
        assert_nothing_sticks_out_of_a_narrow_screen(page)
    assert figures > 20 and formulas and marked >= 2
    assert complaints == []


def test_pages_can_be_read_in_the_dark(visit, names):
    for page in visit(names, color_scheme="dark"):
        assert page.locator("html").get_attribute("data-theme") == "dark"
        # Where a page differs by its colours alone.
        assert_axe_finds_nothing_serious(page, runOnly=["color-contrast"])
        assert_nothing_sticks_out_of_a_narrow_screen(page)


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
