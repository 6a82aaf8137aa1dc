"""Each page in a real browser that can reach nothing but the site."""

from pathlib import Path

import pytest
import supplies


@pytest.fixture(scope="module")
def names(html: Path) -> list[str]:
    paths = [path for part in ("book", "notebooks") for path in (html / part).rglob("*.html")]
    assert paths
    return [*sorted(path.relative_to(html).as_posix() for path in paths), "search.html"]


def test_pages_open_without_an_error_and_ask_nobody_else(visit, names, complaints):
    formulas = 0
    for page in visit(names):
        page.wait_for_load_state("networkidle")  # the fonts of the formulas come last
        raw = page.locator(".math").count()
        drawn = page.locator(".math mjx-container").count()
        formulas += drawn
        assert drawn >= raw, f"{page.url}: {raw} formulas, {drawn} drawn"
        assert page.locator("mjx-merror").count() == 0, f"{page.url}: a formula with an error"
        images = page.locator("img")
        # Those further down are fetched when they are scrolled to.
        images.evaluate_all("""all => Promise.all(all.map((image) => {
            image.loading = "eager";
            return image.decode().catch(() => null);
        }))""")
        sizes = images.evaluate_all("all => all.map(i => [i.currentSrc, i.naturalWidth])")
        assert [source for source, width in sizes if not width] == [], page.url
    assert formulas
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_of_a_narrow_screen(visit, names, scheme):
    options = {"viewport": {"width": 375, "height": 800}, "color_scheme": scheme}
    for page in visit(names, **options):
        assert page.locator("html").get_attribute("data-theme") == scheme
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 375, f"{page.url} is {wide} pixels wide"


SERIOUS = {"serious", "critical"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_is_found_by_axe(visit, names, scheme):
    options = {"resultTypes": ["violations"]}
    if scheme == "dark":  # where a page differs by its colours alone
        options["runOnly"] = ["color-contrast"]
    whole = "notebooks/01-eda.html"  # listings look alike everywhere: one page's are enough
    for page in visit(names, color_scheme=scheme):
        context = {"include": ["html"], "exclude": [] if whole in page.url else ["pre"]}
        page.evaluate(supplies.AXE.read_text("utf-8"))
        found = page.evaluate(
            "([context, options]) => axe.run(context, options)", [context, options]
        )
        serious = [
            (v["id"], v["nodes"][0]["html"][:200])
            for v in found["violations"]
            if v["impact"] in SERIOUS
        ]
        assert serious == [], page.url


def test_a_figure_keeps_its_place_before_it_arrives(visit, names):
    figures = 0
    for page in visit([name for name in names if name.startswith("notebooks/")]):
        images = page.locator("img[src*='_images/']")
        figures += images.count()
        heights = "all => all.map((image) => image.getBoundingClientRect().height)"
        before = images.evaluate_all(heights)
        images.evaluate_all("""all => Promise.all(all.map((image) => {
            image.loading = "eager";
            return image.decode();
        }))""")
        assert images.evaluate_all(heights) == pytest.approx(before, abs=1), page.url
    assert figures > 20


def test_search_finds_a_page(visit):
    (page,) = visit(["search.html?q=notation"])
    results = page.locator("#search-results li a")
    results.first.wait_for()
    assert any("notation" in href for href in results.evaluate_all("all => all.map(a => a.href)"))


def answered(box):
    """Answer a question somehow; whether it was judged and its truth is in sight."""
    kind = box.get_attribute("class")
    if "quiz" in kind:
        box.locator("button").last.click()
        return "Right." in box.inner_text() or "Not this one." in box.inner_text()
    if "number" in kind:
        box.get_by_role("textbox").fill("1")
    elif "choice" in kind:
        box.get_by_role("radio").first.check()
    box.get_by_role("button", name="Check").click()
    truth = box.locator("xpath=following-sibling::*[1]").locator("strong").first
    told = box.locator(".told").inner_text()
    return truth.is_visible() and ("Right." in told or "Not quite." in told)


def test_every_question_of_every_page_is_answered_and_judged(visit, names):
    kinds = set()
    for page in visit(names):
        boxes = page.locator(".answer").all()
        kinds |= {box.get_attribute("class").split()[-1] for box in boxes}
        assert page.locator("details.quiz:visible").count() == 0, page.url
        predictions = page.locator(".admonition.predict")
        assert page.locator(".answer.predict").count() == predictions.count(), page.url
        if page.url.split("/")[-1][:2].isdigit() and "15-" not in page.url:
            assert predictions.count() >= 2, page.url
        assert page.locator(".admonition.predict:visible").count() == 0, page.url
        assert [box.inner_text() for box in boxes if not answered(box)] == [], page.url
        if boxes:
            told = page.locator(".score p").inner_text()
            assert told.startswith(f"{len(boxes)} of {len(boxes)} questions"), page.url
            mark = page.locator(".bd-links .current .done")  # the first page is not in the list
            assert mark.count() == 1 or "intro" in page.url, page.url
    assert kinds == {"quiz", "number", "choice", "order", "point"}
