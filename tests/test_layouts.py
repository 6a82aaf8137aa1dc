"""The whole course on small data in each published layout, and on tables of a reader's own.

Genres, scale, ids and titles are as published; the ratings are simulated.
"""

from collections import Counter
from pathlib import Path

import nbformat
import numpy as np
import pytest
import runner

from recsys_lib import datasets
from recsys_lib.datasets import registry
from tests.recsys_lib.datasets import published
from tests.recsys_lib.datasets import test_kuairec as kuairec

# What every run of the tests looks at: whole stars, genres as flags, and what reads them. All else
# takes `make test-long`.
SHORT = {("ml-100k", name) for name in ("01-eda", "05-genres", "10-latent-space", "14-newcomers")}
LAYOUTS = ["ml-100k", "ml-1m", "ml-10m", "ml-latest-small"]
OWN = ["books", "plays"]
RAN: Counter[str] = Counter()  # chapters, by layout
# The chapters, less the one that always simulates its users.
CHAPTERS = [path.stem for path in runner.chapters() if path.stem != "13-ab-test"]
LIGHTER = {  # what takes long in the quick profile and does not depend on the data's form
    "03-als": {"LONG": [3, 6, 12], "KS": [2, 20], "SGD_EPOCHS": 5},
    "04-tuning": {"N_TRIALS": 6, "N_RUNS": 2, "N_SPLITS": 2},
    "05-genres": {"N_TRIALS": 1, "N_EPOCHS": 5},
    "07-bpr": {"EPOCHS": [1, 2, 4], "N_TRIALS": 1, "MAX_EPOCHS": 10, "TWIN_STEPS": 1000},
    "09-networks": {"MAX_EPOCHS": 2, "N_STARTS": 2, "N_TRIALS": 1, "MOST_WATCHERS": 300},
    "10-latent-space": {"N_EPOCHS": 8, "N_PAIRS": 5, "N_SPLITS": 2, "MAP_FILMS": 200},
    "14-newcomers": {"N_DRAWS": 5, "POINTS": 2},
    "11-leaderboard": {"SPLITS": [0, 1]},
    "08-linear": {"KS": [4, 8], "LAMBDAS": [30.0, 200.0], "NEIGHBOURS": [10, 40], "N_EPOCHS": 2},
}
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


def release(folder, name):
    """Write a small release and have it read once, while the registry tells its size."""
    data, facts = datasets.simulate_ratings(500, 800, 40_000, seed=1), registry.RELEASES[name]
    half = facts.scale[0] == 0.5
    rated = data.ratings.to_frame()
    stars = rated["rating"] + 0.5 if half else np.ceil(rated["rating"]).astype(int)
    ids = rated["user_id"] * 3 + 1, rated["item_id"] * 7 - 3
    rows = list(zip(*ids, stars, rated["timestamp"], strict=True))
    people = [(user, "F", 25, "writer", "02139") for user in ids[0].unique()]
    items = data.items.assign(item_id=data.items["item_id"] * 7 - 3)
    titles = films(items[["item_id", "title", "year", "genres"]], not half)
    published.unpack(folder / name, published.members(facts, titles, rows, people))
    with pytest.MonkeyPatch.context() as sizes:
        published.publish(sizes, name, n_users=500, n_items=800, n_ratings=len(rows))
        datasets.load(name)
    return name


def watches(folder, name):
    """Write a small KuaiRec, and have it read."""
    data = datasets.simulate_watches(300, 400, 20_000, 60, 120)
    items, users = data.ratings.item_ids.tolist(), data.ratings.user_ids.tolist()
    captions = [(i, kuairec.NO, f"第 {i} 个", "[]", *[5, "时尚"] * 3) for i in items]
    first = kuairec.DAILY[1][1:]
    with pytest.MonkeyPatch.context() as small:
        for which, part in (("BIG", data.ratings), ("SMALL", data.full)):
            rows = part.to_frame()
            times = rows.get("timestamp", [None] * len(rows))
            ids = rows["user_id"], rows["item_id"]
            rows = zip(*ids, 1e4 * rows["rating"], [10_000] * len(rows), times, strict=True)
            small.setattr(kuairec, which, list(rows))
        small.setattr(kuairec, "CAPTIONS", captions)
        small.setattr(kuairec, "DAILY", [(i, *first) for i in items])
        people = published.table(kuairec.user(0), [kuairec.user(u).values() for u in users])
        published.unpack(folder / name, kuairec.files(**{"user_features.csv": people}))
        size = {"n_users": 300, "n_items": 400, "n_ratings": 20_000, "n_full": len(data.full)}
        published.publish(small, name, **size)
        datasets.load(name)
    return name


def table(folder, name):
    """Write a table of another domain; ids are text, and nobody says when or of which genre.

    Books have ratings from 1 to 10 and titles; of plays one knows only that they were played.
    """
    data = datasets.simulate_ratings(500, 800, 20_000, seed=1, min_ratings=2)
    rated = data.ratings.to_frame()
    rated["User-ID"] = "Zoë " + rated["user_id"].astype(str)
    rated["ISBN"] = "0-" + rated["item_id"].astype(str) + "-X"
    rated["Book-Rating"] = (2 * rated["rating"]).astype(int)
    (folder / name).mkdir()
    columns = ["User-ID", "ISBN", *["Book-Rating"] * (name == "books")]
    rated[columns].to_csv(folder / name / "ratings.csv", index=False)
    if name == "books":
        items = rated[["ISBN"]].drop_duplicates()[:-20]
        items["title"] = ['Tales; or, "$5"' if n % 9 else "" for n in items.index]
        items.to_csv(folder / name / "items.csv", index=False)
    return str(folder / name)


WRITE = {**dict.fromkeys(LAYOUTS, release), "kuairec": watches, **dict.fromkeys(OWN, table)}
PAIRS = [
    pytest.param(name, chapter, marks=() if (name, chapter) in SHORT else pytest.mark.long)
    for name in WRITE
    for chapter in CHAPTERS
]


@pytest.fixture(scope="module")
def data(request, tmp_path_factory):
    """Return the data set's name, for the chapters, and a folder for what they become."""
    folder = tmp_path_factory.mktemp("layout")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECSYS_DATA_HOME", str(folder))
        patch.setenv("RECSYS_CACHE", str(folder / "cache"))
        patch.setenv("RECSYS_OFFLINE", "1")
        yield WRITE[request.param](folder, request.param), folder


@pytest.mark.slow
@pytest.mark.parametrize(("data", "chapter"), PAIRS, indirect=["data"])
def test_every_chapter_runs(data, chapter, trial):
    name, folder = data
    (source,) = runner.chapters(chapter)
    values = runner.parameters("quick", chapter, name)
    values |= LIGHTER.get(chapter, {}) | ({"WATCH": name} if name == "kuairec" else {})
    done = runner.Chapter(source, folder, 7_200).run(values, "")
    assert done.status == "ran"
    outputs = [one for cell in nbformat.read(done.path, 4).cells for one in cell.get("outputs", [])]
    warnings = [one.text for one in outputs if one.get("name") == "stderr"]
    assert warnings == [], "the site is not built with these"
    layout = Path(name).name
    RAN[layout] += 1
    trial(f"chapters on data laid out as {layout}", RAN[layout], "each ran, without a warning")
