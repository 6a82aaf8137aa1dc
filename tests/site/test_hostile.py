"""Titles and genres that are no titles: a book built on them shows them as text, and runs none."""

import pytest

from recsys_lib import datasets
from tests.site.conftest import serving

HOSTILE = [
    "<script>document.title=1</script>", '"><img src=x onerror="document.title=2">',
    "' onmouseover='document.title=3", "[x](javascript:document.title=4)", "</script></div>",
    "$$x$$", r"$\alpha$", r"\(y\)", r"\begin{align}1\end{align}", "{math}`x`", "{eval}`1/0`",
    "{{ 1 }}", "`code`", "*star* _under_", "# heading", "1. item", "- dash", "% comment",
    "<!-- c -->", "&lt;b&gt; &amp;", "::: danger", "~~s~~ <b>", "a | b", "^sup^", "千と千尋",
    "\u202ereversed", "bell\x07",
]  # fmt: skip
GENRES = [r"$\sum_{$", '<img src=x onerror="document.title=5">', "*x* `y`"]
CHAPTERS = ["eda", "bias", "rating-demo"]
MORE = ["als", "genres", "lists", "bpr", "linear", "latent-space", "newcomers", "how-sure"]
MORE += ["ab-test"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of simulated ratings, of a reader's own as it were, whose titles are hostile."""
    folder, made = tmp_path_factory.mktemp("data"), datasets.simulate_ratings(500, 800, 40_000)
    made.ratings.to_frame().to_csv(folder / "ratings.csv", index=False)
    titles = [f"{HOSTILE[k % len(HOSTILE)]} {k}" for k in range(len(made.items))]
    more = [GENRES[k % len(GENRES)] for k in range(len(made.items))]
    items = made.items.assign(title=titles, genres=made.items["genres"] + "|" + more)
    items.to_csv(folder / "items.csv", index=False)
    return folder


@pytest.fixture(
    scope="module", params=[CHAPTERS, pytest.param(CHAPTERS + MORE, marks=pytest.mark.long)]
)
def site(request, root, clone, build, data, tmp_path_factory):
    """A site of these chapters; Sphinx's warnings, and whatever a cell says on stderr, fail it."""
    found = [[*(root / "notebooks").glob(f"[0-9]*-{name}.ipynb")] for name in request.param]
    notebooks = sorted(path for (path,) in found)
    folder = clone(tmp_path_factory.mktemp("hostile") / "clone", *notebooks)
    process = build(folder, "--dataset", str(data), RECSYS_CACHE=str(data / "cache"))
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return folder / "_build" / "html"


@pytest.fixture(scope="module")
def address(site):
    with serving(site) as address:
        yield address


def test_titles_and_genres_are_text(site, visit, complaints, trial):
    names = [path.relative_to(site).as_posix() for path in (site / "notebooks").glob("*.html")]
    texts = ""
    for page in visit([*names, "search.html?q=onerror"]):
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        title = page.title()
        page.wait_for_load_state("networkidle")
        for hovered in page.locator("main svg:visible, .recsys-list > li:visible").all()[:20]:
            hovered.hover(force=True)
        assert page.title() == title and not title.isdigit()
        made = "img[src=x], a[href^='javascript:'], [onmouseover]"
        made += ", .recsys :is(mjx-container, img, b)"
        told = ".cell_output td :is(mjx-container, b, .math)"  # its own tables have formulas
        assert page.locator(f"{made}, {told}").count() == 0, page.url
        texts += page.locator("body").inner_text()
    assert complaints == []
    shown = [title for title in HOSTILE if f"{title} " in texts]
    assert len(shown) > 15, shown
    assert "\u202e" not in texts and "\x07" not in texts
    trial("titles and genres that are code, in pages", len(names) * len(HOSTILE), "shown as text")
