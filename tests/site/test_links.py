"""The built files alone: no link without a target, no picture without words, no third party."""

import importlib
import json
import posixpath
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from sphinx.util.inventory import InventoryFile


class Page(HTMLParser):
    """What a page points to, and what may be pointed to on it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.targets: set[str] = set()
        self.images: list[dict[str, str | None]] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.targets.update(values[name] or "" for name in ("id", "name") if name in values)
        if tag == "a":
            self.links.append(values.get("href") or "")
        if tag == "img":
            self.images.append(values)
        if tag in {"img", "script", "iframe", "source", "video"}:
            self.loads.append(values.get("src") or "")
        if tag == "link":
            self.loads.append(values.get("href") or "")


@pytest.fixture(scope="module")
def pages(html: Path) -> dict[str, Page]:
    paths = [path for path in html.rglob("*.html") if "_static" not in path.parts]
    return {path.relative_to(html).as_posix(): Page(path) for path in paths}


def inner(name: str, links: list[str]) -> Iterator[tuple[str, str]]:
    """The path and the anchor of each link that stays on the site."""
    for link in links:
        parts = urlsplit(urljoin(f"http://site/{name}", link))
        if link and parts.netloc == "site":
            yield unquote(parts.path).lstrip("/") or "index.html", unquote(parts.fragment)


def test_every_public_name_is_in_the_api_reference(html):
    """What `__all__` lists, and where there is none every public function and class."""
    with (html / "objects.inv").open("rb") as inventory:
        found = InventoryFile.load(inventory, "", posixpath.join)
    listed = {n for kind in found for n, entry in found[kind].items() if "/api/" in entry[2]}
    names = {"recsys_lib.spark.fit", "recsys_lib.ratings.Ratings", "recsys_lib.models.load"}
    rooms = ["datasets", "evaluation", "features", "errors", "metrics", "models", "splits"]
    for room in [*rooms, "widgets"]:
        module = importlib.import_module(path := f"recsys_lib.{room}")
        own = [n for n, v in vars(module).items() if getattr(v, "__module__", "") == path]
        public = getattr(module, "__all__", [name for name in own if not name.startswith("_")])
        names |= {f"{path}.{name}" for name in public}
    assert len(names) > 70
    assert names - listed == set()


def test_links_lead_somewhere(html, pages):
    broken = [
        f"{name}: {path}#{anchor}"
        for name, page in pages.items()
        for path, anchor in inner(name, page.links + page.loads)
        if not (html / path).is_file()
        or (anchor and path in pages and anchor not in pages[path].targets)
    ]
    assert broken == []
    rooted = [(n, link) for n, p in pages.items() for link in p.links + p.loads if link[:1] == "/"]
    assert rooted == [], "the site works below any path"


def test_pictures_say_in_words_what_they_show(pages):
    images = [(name, image) for name, page in pages.items() for image in page.images]
    assert images
    for name, image in images:
        if "logo__image" not in (image.get("class") or ""):  # the title stands beside it
            assert (image.get("alt") or "").strip(), f"{name}: {image.get('src')}"


def test_a_tables_numbers_have_minus_signs(html, pages):
    cells = [(n, c) for n in pages for c in re.findall(r"<t[dh]>[-−][^<]*", (html / n).read_text())]
    assert cells
    assert [cell for cell in cells if re.search(">-|>−[0.]+%?$", cell[1])] == []


def test_pages_load_nothing_from_elsewhere(html, pages):
    loads = [(name, load) for name, page in pages.items() for load in page.loads]
    assert [pair for pair in loads if urlsplit(pair[1]).netloc] == []
    address = re.compile(r"""(?:@import|url\()\s*["']?(?:https?:)?//""")
    sheets = [path for path in html.rglob("*.css") if address.search(path.read_text("utf-8"))]
    assert sheets == []


def test_every_part_has_a_licence(root, html):
    page = (root / "book" / "appendix" / "licences.md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()[-15:]]
    assert all(what and licence for what, licence, _, _ in rows)
    patterns = re.findall("`(.+?)`", " ".join(row[3] for row in rows))
    static = html / "_static"
    files = [p.relative_to(static).as_posix() for p in static.rglob("*") if p.is_file()]
    strays = [file for file in files if not any(fnmatch(file, pattern) for pattern in patterns)]
    assert strays == [], "of whom are these? say so in book/appendix/licences.md"
    bill = json.loads((static / "sbom.json").read_text("utf-8"))["components"]
    assert {"numpy", "mathjax", "Sphinx", "torch"} <= {part["name"] for part in bill}
    assert [part for part in bill if not part["licenses"][0]["license"]["name"]] == []
