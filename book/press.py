"""Make a deck of slides for each part, and one PDF of all, from the built pages."""

import os
from pathlib import Path
from typing import Any

import finish
import supplies
import yaml
from console import ROOT
from runner import Results

TEMPLATES = ROOT / "book" / "templates"
FOOT = '<p style="font-size: 8px; margin: auto"><span class="pageNumber"></span></p>'


def measured(results: Results) -> dict[str, str]:
    """Return the substitutions of the page on classes: each chapter's time and memory in a run."""
    rows = ["| chapter | seconds | megabytes |", "| :-- | --: | --: |"]
    for chapter in results.chapters:
        place = f"[](../../notebooks/{chapter.path.stem})"
        rows.append(f"| {place} | {chapter.seconds:,.0f} | {chapter.peak / 1e6:,.0f} |")
    largest = max((chapter.peak for chapter in results.chapters), default=0)
    need = f"{40 * largest / 1e9:,.0f} GB"
    return {"measured": "\n".join(rows), "for_40": need, "processors": str(os.cpu_count())}


def press(site: Path) -> Path:
    """Write decks to `site/slides`, and a PDF of all pages beside the site; return its path."""
    from playwright.sync_api import sync_playwright

    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    parts = []
    for part in ({"caption": "", "chapters": [{"file": toc["root"]}]}, *toc["parts"]):
        pages = [p["file"] for top in part["chapters"] for p in (top, *top.get("sections", ()))]
        texts = [{"name": p, "text": (site / f"{p}.html").read_text("utf-8")} for p in pages]
        parts.append({"caption": part["caption"], "numbered": "numbered" in part, "pages": texts})
    target, slides = site.parent / "book.pdf", site / "slides"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=supplies.browser(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_page(color_scheme="light")
        page.goto((site / f"{toc['root']}.html").as_uri())
        given = {"parts": parts, "template": (TEMPLATES / "deck.html").read_text("utf-8")}
        decks = page.evaluate((TEMPLATES / "press.js").read_text("utf-8"), given)
        page.evaluate("MathJax.startup.promise.then(() => MathJax.typesetPromise())")
        margin: Any = dict.fromkeys(("top", "bottom", "left", "right"), "18mm")
        page.pdf(
            path=target, format="A4", margin=margin, scale=0.75, outline=True, tagged=True,
            display_header_footer=True, header_template="<p></p>", footer_template=FOOT,
        )  # fmt: skip
        browser.close()
    slides.mkdir(exist_ok=True)
    for name, text in decks.items():
        (slides / f"{name}.html").write_text(finish.guarded(text, f"slides/{name}"), "utf-8")
    return target
