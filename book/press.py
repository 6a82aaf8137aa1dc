"""Make a deck of slides for each part, and one PDF of all, from the built pages."""

import os
import re
from pathlib import Path
from typing import Any

import finish
import supplies
import yaml
from console import ROOT
from runner import Results

TEMPLATES = ROOT / "book" / "templates"
PAPER: Any = {
    "format": "A4", "margin": dict.fromkeys(("top", "bottom", "left", "right"), "18mm"),
    "scale": 0.75, "outline": True, "tagged": True, "display_header_footer": True,
    "header_template": "<p></p>",
    "footer_template": '<p style="font-size: 8px; margin: auto"><span class=pageNumber></span></p>',
}  # fmt: skip
# Chromium repeats the first line of a heading, in the outline, that has moved to the next page.
TWICE = re.compile(rb"/Title (?:\((.{3,})\1|<FEFF(.{12,})\2).*")


def measured(results: Results) -> dict[str, str]:
    """Return the substitutions of the page on classes: each chapter's time and memory in a run."""
    rows = ["| chapter | seconds | megabytes |", "| :-- | --: | --: |"]
    for chapter in results.chapters:
        place = f"[](../../notebooks/{chapter.path.stem})"
        rows.append(f"| {place} | {chapter.took:,.0f} | {chapter.peak / 1e6:,.0f} |")
    need = f"{max((40 * chapter.peak for chapter in results.chapters), default=0) / 1e9:,.0f} GB"
    return {"measured": "\n".join(rows), "for_40": need, "processors": str(os.cpu_count())}


def press(site: Path) -> Path:
    """Write decks to `site/slides`, and a PDF of all pages beside the site; return its path."""
    from playwright.sync_api import sync_playwright

    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    texts = {p.relative_to(site).as_posix(): p.read_text("utf-8") for p in site.rglob("*.html")}
    given = {"toc": toc, "texts": texts, "template": (TEMPLATES / "deck.html").read_text("utf-8")}
    target, slides = site.parent / "book.pdf", site / "slides"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=supplies.browser(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_page(color_scheme="light")
        page.goto((site / f"{toc['root']}.html").as_uri())
        decks = page.evaluate((TEMPLATES / "press.js").read_text("utf-8"), given)
        page.evaluate("MathJax.startup.promise.then(() => MathJax.typesetPromise())")
        pdf = page.pdf(**PAPER)
        pages = re.findall(rb"(\d+) 0 obj\n<</Type /Page\n", pdf)
        found = re.findall(rb"/Dest \[(\d+) 0 R .*\n/Parent (\d+)", pdf)
        top = [pages.index(place) + 1 for place, level in found if level == found[0][1]]
        page.evaluate("top => number(top)", top)
        pdf = page.pdf(**PAPER)
        browser.close()
    once = TWICE.sub(lambda m: m[0].replace(m[1] or m[2], b"", 1).ljust(len(m[0])), pdf)
    target.write_bytes(once)
    slides.mkdir(exist_ok=True)
    for name, text in decks.items():
        (slides / f"{name}.html").write_text(finish.guarded(text, f"slides/{name}"), "utf-8")
    return target
