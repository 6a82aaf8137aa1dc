"""The rating demo in a real browser: the same lists as Python, found, rated, shared, undone."""

import json
import re

import numpy as np
import pytest

from recsys_lib import models
from recsys_lib.widgets import RatingDemo, assets
from recsys_lib.widgets.taste import noise_at, taste_of

PAGE = "notebooks/15-rating-demo.html"
N_RANDOM = 300
TOLERANCE = 1e-3  # stars

# What the tests need of the shipped code, under a name that a page can be asked for.
OPENED = """
window.recsysTest = (() => {{
{code}
return (state, sets, noise) => {{
  const bytes = Uint8Array.from(atob(state.rows.base64), (letter) => letter.charCodeAt(0));
  const films = unpackFilms({{ ...state, rows: new DataView(bytes.buffer) }});
  return sets.map((pairs) => {{
    const rated = pairs.map(([id, stars]) => [films.place.get(id), stars]);
    const taste = fold(films, rated);
    const scores = scoresOf(films, taste);
    const list = best(scores, 10, new Map(rated));
    const sigma = noiseAt(noise, pairs.length);
    return {{
      list: list.map((i) => [films.ids[i], scores[i], spreadOf(films, taste, i, sigma)]),
      pushes: list.length ? pushesOn(films, taste, list[0]).map(([j, p]) => [films.ids[j], p]) : [],
      genres: list.length ? genresOf(films, taste, list[0]) : [],
      near: neighbours(films, films.byCount[pairs.length], 5).map(([i, c]) => [films.ids[i], c]),
    }};
  }});
}};
}})();
"""


@pytest.fixture(scope="module", params=["ALS", "GenreALS", "GenreALS with popularity, ν = 0"])
def model(request, data):
    made = {
        "ALS": models.ALS(20, n_epochs=6),
        "GenreALS": models.GenreALS(12, lam=1.7, tau=2.0, beta=20.0, n_epochs=6, nu=1.0),
        "GenreALS with popularity, ν = 0": models.GenreALS(8, nu=0.0, popularity=10.0, n_epochs=6),
    }
    return made[request.param].fit(data.ratings, items=data.items)


def rating_sets(model, data):
    """Random ratings of one to sixty films, and the cases at the edges."""
    rng = np.random.default_rng(0)
    ids = model.item_ids_.tolist()
    sets = [{}, {ids[0]: 5.0}, {ids[0]: 0.5}]
    sets += [dict.fromkeys(ids[:20], stars) for stars in (0.5, 3.0, 5.0)]
    sets += [dict.fromkeys(ids, 4.0), dict.fromkeys(ids[:-3], 2.5)]
    counts = data.ratings.by_item.counts
    sets += [dict.fromkeys([ids[i] for i in np.flatnonzero(counts <= 1)], 5.0)]  # cold films
    for _ in range(N_RANDOM):
        some = rng.choice(ids, rng.integers(1, 60), replace=False).tolist()
        sets.append(dict(zip(some, (rng.integers(1, 11, len(some)) / 2).tolist(), strict=True)))
    return sets


def test_javascript_says_what_python_says(model, data, browser):
    assert (data.ratings.by_item.counts == 0).any(), "the data should have films nobody rated"
    noise = {0: 1.5, 1: 0.5, 20: 0.9}
    demo = RatingDemo(model, data.items, noise=noise)
    sets = rating_sets(model, data)
    page = browser.new_page()
    # The files that `demo` is made of, without the part that draws.
    page.add_script_tag(content=OPENED.format(code=assets.module("taste") + assets.module("films")))
    state = json.loads(re.search(r"<script[^>]*>(.*?)</script>", demo.to_html(), re.DOTALL)[1])
    pairs = [[[item, stars] for item, stars in ratings.items()] for ratings in sets]
    answers = page.evaluate(
        "([state, sets, noise]) => recsysTest(state, sets, noise)",
        [state["catalogue"], pairs, state["noise"]],
    )
    page.close()
    place = {item: i for i, item in enumerate(model.item_ids_.tolist())}
    by_count = np.argsort(-data.ratings.by_item.counts, kind="stable")
    for ratings, answer in zip(sets, answers, strict=True):
        taste = taste_of(model, ratings)
        every = model.recommend_for(ratings, n=len(place)).set_index("item_id")["score"]
        items = [item for item, _, _ in answer["list"]]
        scores = np.array([score for _, score, _ in answer["list"]])
        np.testing.assert_allclose(scores, every[:10], atol=TOLERANCE)
        np.testing.assert_allclose(scores, every[items], atol=TOLERANCE)
        gaps = -np.diff(every.to_numpy()[: len(items) + 1])
        if (gaps > 2 * TOLERANCE).all():  # no two films within the tolerance: one right order
            assert items == every.index[:10].tolist()
        sigma = noise_at(noise, len(ratings))
        spread = taste.spread(sigma, np.array([place[item] for item in items], int))
        np.testing.assert_allclose([s for _, _, s in answer["list"]], spread, atol=TOLERANCE)
        if items:
            pushes = dict(zip(ratings, taste.pushes(place[items[0]]), strict=True))
            assert dict(answer["pushes"]) == pytest.approx(pushes, abs=TOLERANCE)
        if items and isinstance(model, models.GenreALS):
            parts = model.explain(ratings, items[0]).set_index("part")["contribution"]
            genres = dict(answer["genres"])
            assert genres == pytest.approx(parts[list(genres)].to_dict(), abs=TOLERANCE)
        film = model.item_ids_[by_count[len(ratings)]] if len(ratings) < len(place) else None
        if film is not None and data.ratings.by_item.counts[place[film]]:
            near = model.similar_items(film, n=5)
            cosines = [cosine for _, cosine in answer["near"]]
            np.testing.assert_allclose(cosines, near["score"], atol=TOLERANCE)
    assert sum(len(answer["list"]) for answer in answers) > 9 * N_RANDOM


# ---- the page


@pytest.fixture
def shown(visit, complaints):
    """The demo's page, opened."""
    pages = visit([PAGE])
    page = next(pages)
    page.locator(".recsys-list > li").first.wait_for()
    yield page
    assert complaints == []


@pytest.fixture(scope="module")
def films(html):
    """What the page's own demo holds."""
    text = (html / PAGE).read_text("utf-8")
    return json.loads(re.search(r'json">(.*?)</script>', text, re.DOTALL)[1])["catalogue"]


def yours(page):
    return page.locator(".recsys-yours > li[data-film]")


def listed(page):
    return page.locator(".recsys-list > li > .recsys-row > bdi").all_inner_texts()


def find(page, text):
    page.get_by_role("combobox", name="Search for a film").fill(text)
    return page.locator(".recsys-search").get_by_role("option")


def unfolded(row):
    """The lines of a row that unfolds, and stays unfolded once it is."""
    if row.locator("details[open]").count() == 0:
        row.locator("summary").click()
    lines = row.locator("details li")
    lines.first.wait_for()
    return lines


def click_stars(row, stars, delay=0):
    box = row.locator(".recsys-stars").bounding_box()
    x = box["width"] * (stars - 0.25) / 5
    row.locator(".recsys-stars").click(position={"x": x, "y": box["height"] / 2}, delay=delay)


def test_find_rate_neighbours_rise_undo_share_reload(shown, films):
    page, before = shown, listed(shown)
    film = int(np.argmax(films["counts"]))
    find(page, films["titles"][film]).first.click()
    click_stars(yours(page).first, 4.5)
    assert yours(page).first.get_by_role("slider").get_attribute("aria-valuetext") == (
        "4.5 of 5 stars"
    )
    rated_once = listed(page)
    assert rated_once != before
    assert page.url.endswith(f"#rated={films['ids'][film]}:4.5")

    neighbour = unfolded(yours(page).first).locator("bdi").first.inner_text()
    find(page, neighbour.rpartition(" (")[0]).first.click()
    click_stars(yours(page).first, 5)
    assert yours(page).count() == 2
    link, rated_twice = page.url, listed(page)
    page.get_by_role("button", name="Undo").click()
    assert listed(page) == rated_once
    page.get_by_role("button", name="Undo").click()
    assert listed(page) == before
    assert page.get_by_role("button", name="Undo").is_disabled()

    page.goto("about:blank")
    page.goto(link)  # as somebody who was sent it
    assert listed(page) == rated_twice
    page.reload()
    assert listed(page) == rated_twice
    page.get_by_role("button", name="Clear").click()
    assert listed(page) == before


def test_it_can_be_used_by_keyboard_alone(shown, films):
    page = shown
    title = films["titles"][int(np.argmax(films["counts"]))]
    page.get_by_role("combobox", name="Search for a film").focus()
    page.keyboard.type(title.upper()[:12])
    first = page.get_by_role("option").first.locator("bdi").inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused) == f"Your stars for {first.split(' · ')[0]}"
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.value") == "3.5"
    assert "#rated=" not in page.url  # nothing is settled yet
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.value") == "0"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.url.endswith(":0.5")
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    assert page.evaluate(focused).startswith("Your stars for")
    page.keyboard.press("Tab")  # leaving settles
    page.wait_for_url("**:3.5")
    assert page.evaluate(focused).startswith("Remove ")
    page.keyboard.press("Enter")
    assert yours(page).count() == 0


def test_half_stars_by_touch(visit, films):
    page = next(visit([PAGE], has_touch=True, viewport={"width": 390, "height": 800}))
    find(page, films["titles"][0]).first.tap()
    stars = yours(page).first.locator(".recsys-stars")
    box = stars.bounding_box()
    stars.tap(position={"x": box["width"] * 0.28, "y": box["height"] / 2})
    assert page.url.endswith(":1.5")


def test_keys_are_settled_by_a_click_elsewhere_which_is_not_lost(opened):
    page, before = opened, listed(opened)
    row = page.locator(".recsys-list > li").nth(2)
    film = row.get_attribute("data-film")
    row.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    click_stars(page.locator(".recsys-list > li").nth(4), 4, delay=200)
    page.locator(f".recsys-yours [data-film='{film}']").wait_for()
    assert yours(page).count() == 2
    for _ in range(2):
        page.get_by_role("button", name="Undo").click()
    assert listed(page) == before


def test_searching_minds_neither_accents_nor_case_nor_order_nor_a_wrong_letter(browser):
    titles = ["Amélie", "The Matrix", "Matrix Reloaded", "Ocean’s Eleven", "Straße nach Øst", "8½"]
    page = browser.new_page()
    made = f"finder({json.dumps(titles)}, [5, 4, 3, 2, 1, 0])"
    page.add_script_tag(content=f"{assets.module('search')}\nwindow.found = {made};")
    finds = {
        "AMELIE": ["Amélie"],
        "matrix the": ["The Matrix"],
        "matri": ["Matrix Reloaded", "The Matrix"],
        "eleven oceans": ["Ocean’s Eleven"],
        "ost strasse": ["Straße nach Øst"],
        "thematrix": ["The Matrix"],  # a space is missing,
        "atrix": ["Matrix Reloaded", "The Matrix"],  # a letter is missing,
        "mtarix reloadde": ["Matrix Reloaded"],  # letters are swapped
        "rloadedd": ["Matrix Reloaded"],
        "mxtyix": [],  # two wrong letters of six are too many
        "the mxtrix zzzz": [],
        " . ": [],
    }
    for text, expected in finds.items():
        assert [titles[i] for i in page.evaluate("text => found(text, 8)", text)] == expected, text
    page.close()


def test_genres_and_years_are_shown_and_found(shown, films):
    page = shown
    film = int(np.argmax(films["counts"]))
    genres = ", ".join(films["genreNames"][k] for k in films["genres"][film])
    assert genres
    name = f"{films['titles'][film]} ({films['years'][film]})"
    found = find(page, f"{films['titles'][film]} {films['years'][film]} {genres}").first
    assert found.inner_text() == f"{name} · {genres}"
    found.click()
    assert yours(page).locator(".recsys-genres").inner_text() == genres
    assert page.locator(".recsys-list:visible .recsys-genres").count() == 10


def test_the_map_keeps_you_in_view(shown):
    page = shown
    page.emulate_media(reduced_motion="reduce")  # the point does not glide
    for _ in range(5):
        page.get_by_role("button", name="Closer").click()
    inside = """() => {
        const [a, b] = [".recsys-you circle", ".recsys-plane > svg"].map(
            (one) => document.querySelector(one).getBoundingClientRect());
        return a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom;
    }"""
    for index in (1, 2, 3):
        page.get_by_role("combobox", name="Ready-made").select_option(index=index)
        assert page.evaluate(inside)


@pytest.mark.parametrize("kind", ["ItemKNN", "Popularity"])
def test_another_models_ten_films_stand_beside(kind, data, mounted):
    model = models.ALS(2, n_epochs=1).fit(data.ratings)
    other = getattr(models, kind)(threshold=4.0).fit(data.ratings)
    demo = RatingDemo(model, data.items, beside={"other": other})
    ids = model.item_ids_.tolist()
    ratings = {ids[k]: stars for k, stars in ((3, 5.0), (20, 4.0), (31, 2.0), (44, 4.5))}
    page = mounted(demo)
    column = page.locator(".recsys-compared > section").nth(2)
    rows = column.locator("li")
    page.get_by_role("combobox", name="Compare with").select_option(index=1)
    assert ("4 stars or more" in column.inner_text()) == (kind == "ItemKNN")
    upload(page, [{"item_id": item, "rating": stars} for item, stars in ratings.items()])
    assert yours(page).count() == 4
    expected = other.recommend_for(ratings)["item_id"].tolist()
    assert [ids[int(row.get_attribute("data-film"))] for row in rows.all()] == expected
    film = rows.first.get_attribute("data-film")
    click_stars(rows.first, 2)
    assert yours(page).first.get_attribute("data-film") == film
    assert column.locator(f"[data-film='{film}']").count() == 0
    page.get_by_role("combobox", name="Compare with").select_option(index=0)
    assert not column.is_visible()


def upload(page, ratings):
    send(page, json.dumps({"format": "recsys-ratings", "ratings": ratings}))


def send(page, text):
    file = {"name": "x.json", "mimeType": "application/json", "buffer": text.encode()}
    page.evaluate("document.querySelector('.recsys-bar > [role=status]').textContent = ''")
    page.locator("input[type=file]").set_input_files(file)
    page.wait_for_function("document.querySelector('.recsys-bar > [role=status]').textContent")


def test_ratings_are_saved_to_a_file_and_loaded_again(opened):
    page = opened
    page.get_by_role("combobox", name="Ready-made").select_option(index=1)
    before = listed(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save to a file").click()
    text = download.value.path().read_text("utf-8")
    page.get_by_role("button", name="Clear").click()
    assert listed(page) != before
    send(page, text)
    assert listed(page) == before
    page.get_by_role("button", name="Undo").click()
    assert listed(page) != before


BAD_FILES = {
    "": "not JSON",
    "NaN": "not JSON",
    "[1, 2]": "holds no ratings",
    json.dumps({"format": "recsys-ratings", "ratings": {"1": 5}}): "holds no ratings",
    "x" * 1_000_001: "too large",
}


def test_a_bad_file_is_refused_with_its_reason_and_changes_nothing(opened, trial):
    page = opened
    page.get_by_role("combobox", name="Ready-made").select_option(index=1)
    before, film = listed(page), int(yours(page).first.get_attribute("data-film"))
    status = page.locator(".recsys-bar > [role=status]")
    for text, reason in BAD_FILES.items():
        send(page, text)
        assert reason in status.inner_text()
        assert listed(page) == before
    wrong = [-3, 0, 6, 1e999, "5", None, [5], {"a": 1}]
    for stars in wrong:
        text = json.dumps(
            {"format": "recsys-ratings", "ratings": [{"item_id": film, "rating": stars}]}
        )
        send(page, text.replace("Infinity", "1e999"))
        assert "Rating 1 is not from 0.5 to 5" in status.inner_text()
        assert listed(page) == before
    send(page, '{"format": "recsys-ratings", "ratings": [{"item_id": 1, "rating": NaN}]}')
    assert "not JSON" in status.inner_text()
    upload(page, [{"item_id": k, "rating": 3} for k in range(501)])
    assert "more than 500" in status.inner_text()
    assert listed(page) == before
    upload(page, [{"item_id": "no such film", "rating": 3}])
    assert "1 of films that are not in this demo" in status.inner_text()
    trial(
        "files that are no ratings, loaded into the demo",
        len(BAD_FILES) + len(wrong) + 3,
        "refused",
    )


def test_the_link_is_copied(visit):
    page = next(visit([PAGE], permissions=["clipboard-read", "clipboard-write"]))
    page.get_by_role("combobox", name="Ready-made").select_option(index=1)
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    assert "#rated=" in page.url


def test_the_map_is_looked_at_closely_and_films_on_it_are_rated(shown):
    page = shown
    dots = page.locator(".recsys-dots circle")
    apart = "([a, b]) => Math.hypot(a.x - b.x, a.y - b.y)"
    boxes = [dots.nth(k).bounding_box() for k in (0, 1)]
    before = page.evaluate(apart, boxes)
    for _ in range(2):
        page.get_by_role("button", name="Closer").click()
    boxes = [dots.nth(k).bounding_box() for k in (0, 1)]
    assert page.evaluate(apart, boxes) == pytest.approx(1.6**2 * before, rel=0.02)
    frame = page.locator(".recsys-plane > svg").bounding_box()
    middle = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    here = dots.first.bounding_box()
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 40, middle[1] - 25, steps=4)
    page.mouse.up()
    moved = dots.first.bounding_box()
    assert moved["x"] - here["x"] == pytest.approx(40, abs=1.5)
    assert moved["y"] - here["y"] == pytest.approx(-25, abs=1.5)
    assert yours(page).count() == 0  # dragging is no click
    page.get_by_role("button", name="The whole map").click()
    inside = dots.evaluate_all("""all => all.map((dot) => {
        const [a, b] = [dot, dot.ownerSVGElement].map((e) => e.getBoundingClientRect());
        return a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom;
    })""")
    assert all(inside)
    assert len(inside) > 100
    dots.last.click(force=True)
    assert yours(page).count() == 1
    name = yours(page).locator(".recsys-row > bdi").inner_text()
    dots.last.hover(force=True)
    assert page.locator(".recsys-hint").inner_text() == name


def test_a_taste_a_surprise_and_a_film_of_the_list_can_be_rated(shown):
    page = shown
    page.get_by_role("combobox", name="Ready-made").select_option(index=2)
    loved = yours(page).count()
    assert loved >= 5
    click_stars(page.locator(".recsys-list > li").nth(2), 2)
    assert yours(page).count() == loved + 1
    point = page.locator(".recsys-you").get_attribute("transform")
    page.get_by_role("button", name="Surprise me").click()
    assert yours(page).count() == 7 and page.get_by_text("Undo brings your ratings").is_visible()
    assert page.locator(".recsys-you").get_attribute("transform") != point


def test_reasons_add_up(shown):
    page = shown
    page.get_by_role("combobox", name="Ready-made").select_option(index=1)
    row = page.locator(".recsys-list > li").first
    lines = unfolded(row).all_inner_texts()
    parts = [float(line.split()[0].replace("−", "-")) for line in lines[:-1]]
    total = float(row.locator(".recsys-score strong").inner_text())
    assert sum(parts) == pytest.approx(total, abs=0.03)  # each is rounded to hundredths
    assert lines[-1].startswith("Its genres account for")


def test_it_works_from_a_disk(html, browser, films):
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((html / PAGE).as_uri() + f"#rated={films['ids'][0]}:5")
    page.locator(".recsys-list > li").first.wait_for()
    assert yours(page).count() == 1
    assert errors == []
    page.close()


ENTRIES = [
    "{}:NaN", "{}:-5", "{}:1e999", "{}:6", "-{}:5", "1e999:5", "__proto__:5", "{}", ":5:", "%:5",
    "%E0%A4%A:5", "9" * 5_000 + ":5", "<script>alert(1)</script>:5", "{}:'\"><img src=x>",
]  # fmt: skip


def test_a_link_with_garbage_leaves_the_demo_at_work(visit, films, complaints, trial):
    known = films["ids"]
    links = ["rated=" + ",".join(ENTRIES).replace("{}", str(known[0])), "rated=", "%00", ":has("]
    links.append("rated=" + ",".join(f"{item}:5" for item in known))  # a row for every film
    pages = visit([f"{PAGE}?{k}#{link}" for k, link in enumerate(links)])
    for page, link in zip(pages, links, strict=True):
        row = page.locator(".recsys-list > li").first
        row.wait_for()
        before = yours(page).count()
        assert before == (0 if link != links[-1] else min(500, len(known))), link
        if before < len(known):
            click_stars(row, 4)
            assert yours(page).count() == before + 1
        page.evaluate("localStorage.clear()")
    assert complaints == []
    tried = len(ENTRIES) + len(links)
    trial("garbage after the # of the rating demo's address", tried, "passed over; it works")


def test_without_javascript_there_is_a_list(visit):
    page = next(visit([PAGE], java_script_enabled=False))
    assert page.locator(".recsys-plain ol > li").count() == 10
    assert page.locator(".recsys-plain").is_visible()


@pytest.fixture(scope="module")
def demo(data):
    return RatingDemo(models.ALS(4, n_epochs=2).fit(data.ratings), data.items)


@pytest.fixture
def opened(mounted, demo):
    """A page that holds a demo and nothing else."""
    return mounted(demo)


def test_a_film_of_the_list_is_rated_by_keys_in_one_change(opened):
    page, before = opened, listed(opened)
    row = page.locator(".recsys-list > li").nth(2)
    film = row.get_attribute("data-film")
    row.get_by_role("slider").focus()
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    assert yours(page).count() == 0
    page.keyboard.press("Enter")
    assert yours(page).get_attribute("data-film") == film
    focused = "document.activeElement.closest('[data-film]').dataset.film"
    assert page.evaluate("document.activeElement.value") == "3.5"
    assert page.evaluate(focused) == film
    page.get_by_role("button", name="Undo").click()
    assert listed(page) == before
    assert yours(page).count() == 0


def test_rating_closes_no_reasons_and_removing_keeps_the_focus(opened):
    page = opened
    page.get_by_role("combobox", name="Ready-made").select_option(index=1)
    unfolded(yours(page).first)
    unfolded(yours(page).nth(1))
    click_stars(yours(page).nth(2), 4)
    assert yours(page).locator("details[open]").count() == 2
    assert yours(page).nth(1).locator("details li").first.is_visible()
    yours(page).first.get_by_role("button", name="Remove").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "Undo"


def test_ratings_are_there_again_and_only_in_this_browser(opened, browser):
    page, address = opened, opened.url
    page.get_by_role("combobox", name="Ready-made").select_option(index=1)
    before = listed(page)
    page.goto("about:blank")
    page.goto(address)
    assert listed(page) == before
    assert "#rated=" in page.url
    other = browser.new_context()
    fresh = other.new_page()
    fresh.goto(address)
    assert yours(fresh).count() == 0
    other.close()


def test_pages_are_light(visit):
    limits = {"notebooks/01-eda.html": 2_000_000, PAGE: 6_000_000}
    for page, limit in zip(visit([*limits]), limits.values(), strict=True):
        page.wait_for_load_state("networkidle")
        sizes = page.evaluate("performance.getEntries().map((one) => one.encodedBodySize ?? 0)")
        assert 100_000 < sum(sizes) < limit, f"{page.url}: {sum(sizes):,} bytes"
