"""The small widgets in a real browser: what they show is what Python says."""

import numpy as np
import pandas as pd

from recsys_lib import models, splits
from recsys_lib.widgets import BiasExplorer, FitExplorer, GenreSliders, ItemMap


def test_genre_sliders_say_what_python_says(data, mounted):
    model = models.GenreALS(6, n_epochs=5).fit(data.ratings, items=data.items)
    sliders = GenreSliders(model)
    page = mounted(sliders)
    said = []
    for name, presses in ((model.genre_names_[2], 4), (model.genre_names_[5], 9)):
        page.get_by_role("slider", name=name, exact=True).focus()
        for _ in range(presses):
            page.keyboard.press("ArrowRight")
        sliders.weights = {**sliders.weights, name: presses / 10}
        shown = page.locator(".recsys-score").all_inner_texts()
        assert shown == [f"{stars:.2f} stars" for stars in sliders.predictions()]
        said.append(shown)
    assert said[0] != said[1]


def shown_best(page):
    rows = page.locator(".recsys-list > li")
    titles = rows.locator("bdi").all_inner_texts()
    return list(zip(titles, rows.locator(".recsys-score").all_inner_texts(), strict=True))


def said_best(explorer):
    table = explorer.best()
    many = [f"{n:,} rating" + "s" * (n != 1) for n in table["ratings"]]
    scores = [f"{value:.2f} of {n}" for value, n in zip(table["estimate"], many, strict=True)]
    return list(zip(table["title"], scores, strict=True))


def test_the_bias_explorer_lists_what_python_lists(data, mounted):
    gammas = [0, 1.0, 5.0, 30.0]
    explorer = BiasExplorer(models.BiasALS().fit(data.ratings), data.items, gammas)
    page = mounted(explorer)
    lists = []
    for fair in (False, True):
        explorer.fair = fair
        page.get_by_role("checkbox").set_checked(fair)
        page.get_by_role("slider", name="Damping").focus()
        page.keyboard.press("Home")
        for gamma in gammas:
            explorer.gamma = gamma
            assert shown_best(page) == said_best(explorer)
            lists.append(shown_best(page))
            page.keyboard.press("ArrowRight")
    assert len({str(one) for one in lists}) == len(lists)


def test_a_film_is_followed_through_the_dampings(data, mounted):
    model = models.BiasALS().fit(data.ratings)
    page = mounted(BiasExplorer(model, data.items, [0.0, 10.0]))
    film = int(np.argmax(data.ratings.by_item.counts))
    page.get_by_role("combobox").fill(data.items["title"].iloc[film])
    page.get_by_role("option").first.click()
    dot = page.locator(".recsys-dots .rated")
    _, stars = data.ratings.by_item.row(film)
    places = []
    for gamma in (0, 10):
        places.append(dot.bounding_box()["y"])
        value = (stars.sum() + gamma * data.ratings.mean) / (len(stars) + gamma)
        assert f"{value:.2f} of {len(stars)} ratings" in page.locator(".recsys-chosen").inner_text()
        page.get_by_role("slider").focus()
        page.keyboard.press("ArrowRight")
    above = stars.mean() > data.ratings.mean
    assert (places[1] > places[0]) == above  # downwards, if it stood above the mean of all


def test_the_fit_explorer_shows_the_chosen_fit(data, mounted):
    train, valid, _ = splits.random(data.ratings, seed=0)
    pairs = [(k, tau) for k in (2, 8) for tau in (0.1, 1.0, 4.0)]
    fits = [
        models.ALS(k, tau=tau, n_epochs=4).fit(train, valid).training_log_.assign(K=k, tau=tau)
        for k, tau in pairs
    ]
    columns = ["K", "tau", "epoch", "rmse_train", "rmse_valid"]
    table = pd.concat(fits)[columns]
    page = mounted(FitExplorer(table))
    ends = {(k, tau): fit.iloc[-1] for (k, tau), fit in zip(pairs, fits, strict=True)}
    page.get_by_role("slider", name="tau").focus()
    for tau in (0.1, 1.0, 4.0):
        text = page.locator(".recsys-chosen").inner_text()
        end = ends[2, tau]
        assert f"{end['rmse_train']:.3f} in training, {end['rmse_valid']:.3f} in valid" in text
        assert page.locator(".recsys-here").inner_text() == f"{end['rmse_valid']:.3f}"
        page.keyboard.press("ArrowRight")
    page.get_by_role("slider", name="K").press("ArrowRight")
    assert (
        f"{ends[8, 4.0]['rmse_train']:.3f} in training"
        in page.locator(".recsys-chosen").inner_text()
    )
    best = min(end["rmse_valid"] for end in ends.values())
    assert page.locator(".recsys-best").inner_text() == f"{best:.3f}"
    assert page.locator(".recsys-behind").count() == len(pairs)


def test_the_map_finds_a_film_and_travels_to_its_nearest(mounted):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((60, 5))
    titles = [f"Film <b>{k}</b>" for k in range(60)]
    groups = rng.integers(-1, 2, 60)
    atlas = ItemMap(vectors[:, :2], titles, vectors, groups, ["odd", "even"])
    page = mounted(atlas)
    page.get_by_role("combobox").fill("film b 7")
    page.get_by_role("option").first.click()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit[7]
    order = [int(k) for k in np.argsort(-cosines) if k != 7][:6]
    expected = [f"{titles[k]} {cosines[k]:.2f}" for k in order]
    near = page.locator(".recsys-near > li")
    assert near.all_inner_texts() == expected
    assert page.locator(".recsys-ties line").count() == 6
    frame = page.locator(".recsys-plane > svg").bounding_box()
    for dot in page.locator(".recsys-dots :is(.rated, .listed)").all():
        box = dot.bounding_box()
        assert frame["x"] <= box["x"] <= frame["x"] + frame["width"]
        assert frame["y"] <= box["y"] <= frame["y"] + frame["height"]
    near.first.get_by_role("button").click()
    assert titles[order[0]] in page.locator(".recsys-chosen").inner_text()
    assert page.evaluate("document.activeElement.closest('.recsys-near') !== null")
    drawn = page.locator(".recsys-dots .recsys-group-1, .recsys-dots .recsys-group-0").count()
    assert drawn >= (groups >= 0).sum() - 7


def test_no_title_on_the_map_lies_over_another(mounted):
    """Nor after a phone was turned; a marked film's title is bold, and wider."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((120, 5))
    titles = [f"The WWW Memorandum MMM{k}" for k in range(120)]
    page = mounted(ItemMap(vectors[:, :2], titles, vectors, rng.integers(-1, 2, 120), ["a", "b"]))
    for width in (390, 844, 390):
        page.set_viewport_size({"width": width, "height": 800})
        for film in ("mmm7", "mmm50"):
            page.get_by_role("combobox").fill(film)
            page.get_by_role("option").first.click()
            page.wait_for_timeout(100)  # a title is written once the size is known
            boxes = page.locator(".recsys-labels text").evaluate_all(
                "all => all.map((text) => text.getBBox()).map((b) => [b.x, b.y, b.width, b.height])"
            )
            assert len(boxes) >= 3
            for k, (x, y, wide, tall) in enumerate(boxes):
                for x1, y1, wide1, tall1 in boxes[:k]:
                    across = min(x + wide, x1 + wide1) - max(x, x1)
                    down = min(y + tall, y1 + tall1) - max(y, y1)
                    assert across < 1 or down < 1
