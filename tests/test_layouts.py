"""The whole course on small releases in each published layout: their genres, scale, ids, titles."""

import numpy as np
import profiles
import pytest
import runner

from recsys_lib import datasets
from recsys_lib.datasets import registry
from tests.recsys_lib.datasets import published

SHORT = "ml-100k"  # whole stars, and genres as flags; the other layouts take `make test-long`
LAYOUTS = [SHORT, "ml-1m", "ml-10m", "ml-latest-small"]
CHAPTERS = [path.stem for path in runner.chapters()]
RARE = {"Children": "Children's"}  # a genre that the whole-star releases call otherwise


def films(items, old):
    """Films as a release writes them: odd titles first, an article moved, some without genres."""
    odd = [film[1] for film in published.FILMS]
    rows = []
    for number, (item, title, year, genres) in enumerate(items.itertuples(index=False)):
        if title.startswith("The "):
            title = f"{title.removeprefix('The ')}, The"
        title = odd[number] if number < len(odd) else f"{title} ({year})"
        names = [RARE.get(name, name) if old else name for name in genres.split("|")]
        rows.append((item, title, "" if number % 50 == 7 else "|".join(names)))
    return rows


@pytest.fixture(scope="module", params=LAYOUTS)
def release(request, tmp_path_factory):
    """Write a small release, have it read while the registry tells its size, and keep that copy."""
    name, folder = request.param, tmp_path_factory.mktemp("layout")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECSYS_DATA_HOME", str(folder))
        patch.setenv("RECSYS_CACHE", str(folder / "cache"))
        patch.setenv("RECSYS_OFFLINE", "1")
        patch.setattr(runner, "BUILD", folder)
        data = datasets.simulate_ratings(500, 800, 40_000, seed=1)
        facts = registry.RELEASES[name]
        half = facts.scale[0] == 0.5
        rated = data.ratings.to_frame()
        ids = rated["user_id"] * 3 + 1, rated["item_id"] * 7 - 3
        stars = rated["rating"] + 0.5 if half else np.ceil(rated["rating"]).astype(int)
        rows = list(zip(*ids, stars, rated["timestamp"], strict=True))
        items = data.items.assign(item_id=data.items["item_id"] * 7 - 3)
        people = [(user, "F", 25, "writer", "02139") for user in rated["user_id"].unique() * 3 + 1]
        titles = films(items[["item_id", "title", "year", "genres"]], not half)
        files = published.members(facts, titles, rows, people)
        published.unpack(folder / name, files)
        with pytest.MonkeyPatch.context() as sizes:
            published.publish(sizes, name, n_users=500, n_items=800, n_ratings=len(rows))
            datasets.load(name)
        yield name, folder


@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_runs(release, chapter):
    name, folder = release
    (source,) = runner.chapters(chapter)
    values, _ = runner.settled(profiles.parameters("quick", chapter, name))
    watch = runner.Watch(chapter, 600)
    assert runner.run_chapter(source, values, folder, "", watch).status == "ran"
