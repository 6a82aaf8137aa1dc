"""What somebody who adopts the course relies on: each page's head and foot, decks and a PDF."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site.conftest import serving


@pytest.fixture(scope="module")
def texts(html, names):
    return {name: (html / name).read_text("utf-8") for name in names if "/" in name}


def test_a_page_says_what_it_is_which_version_under_which_licence(html, texts):
    told = set()
    for name, text in texts.items():
        description = re.search(r'<meta name="description" content="([^"]{30,})"', text)
        assert description and "<" not in description[1], name
        told.add(description[1])
        picture = re.search(r'<meta property="og:image" content="(.+?)"', text)[1]
        assert ((html / name).parent / picture).read_bytes()[:4] == b"\x89PNG", name
        parts = "Version 0.1.0", "CC BY 4.0", "#how-to-cite", "#help"
        computed_on = "profile on <code>synthetic</code>", "<strong>synthetic data</strong>"
        for part in (*parts, *computed_on):
            assert part in text, name
        assert "mybinder" not in text and "/issues" not in text, "there is no repository here"
    assert len(told) == len(texts)


def test_no_page_shows_what_a_program_says_of_itself(texts):
    """No object's own description, no missing value and no table without rows."""
    for name, text in texts.items():
        shown = "".join(re.findall(r'<div class="output .*?</div>\n</div>', text, re.DOTALL))
        assert not re.search(r"&lt;[A-Z]\w+ [^&]{,60}&gt;| object at 0x|&lt;function", shown), name
        cells = re.findall(r"<td[^>]*>(?:<p>)?\s*(nan|NaN|NaT|None|&lt;NA&gt;)\s*<", text)
        assert cells == [], name
        assert not re.search(r"<tbody>\s*</tbody>|Empty DataFrame", text), name


def test_a_downloaded_notebook_says_what_it_needs_and_shows_its_figures_untrusted(html):
    for path in (html / "_sources" / "notebooks").glob("*.ipynb"):
        text = path.read_text("utf-8")
        assert text.index("This notebook needs Python 3.11") < 200, path.name
        assert text.count('"image/svg+xml"') == text.count('"image/png"'), path.name


TOC = """
root: book/intro
parts:
  - caption: "I: Ratings"
    numbered: 1
    chapters: [{file: notebooks/01-eda}, {file: notebooks/02-bias}]
  - {caption: Appendices, chapters: [{file: book/about}]}
"""


def test_decks_and_a_pdf_come_from_the_pages(html, root, tmp_path, browser):
    """Of two chapters: each is handled alike, and all of them take minutes."""
    site = shutil.copytree(html, tmp_path / "html")
    (tmp_path / "_toc.yml").write_text(TOC, "utf-8")
    code = f"""
import pathlib, press
press.ROOT = pathlib.Path({str(tmp_path)!r})
print(press.press(press.ROOT / "html"))"""
    command = [sys.executable, "-c", code]  # Playwright allows one of its kind in a process
    done = subprocess.run(command, cwd=root / "book", capture_output=True, text=True, check=True)
    pdf = Path(done.stdout.strip()).read_bytes()
    assert pdf[:5] == b"%PDF-" and 10 < pdf.count(b"/Type /Page\n") < 100
    titles = re.findall(rb"/Title \((.+?)\) *\n", pdf)
    assert not any(re.match(rb"(.{3,})\1", title) for title in titles), "a line is there twice"
    for once in (b"Contents", b"1. What the ratings look like", b"Solutions"):
        assert titles.count(once) == 1 + (once[:2] == b"1."), "a chapter's answers have its name"
    with serving(site) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(f"{address}/slides/part-1.html")
        assert page.locator("h1").all_inner_texts()[0] == "I: Ratings"
        assert page.locator("figure img").count() >= 6
        assert page.locator("img").evaluate_all("all => all.every((i) => i.naturalWidth)")
        assert "file:" not in page.content(), "a deck asks for files of the machine that made it"
        page.keyboard.press("End")
        assert abs(page.locator(".slide").last.bounding_box()["y"]) < 2
        assert "Damping" in page.locator(".slide").last.inner_text()  # the summary of chapter 2
        page.close()
