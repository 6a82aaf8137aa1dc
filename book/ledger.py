"""The ledger: every claim of the course with its verdict on each data set that was run."""

import json
from pathlib import Path
from typing import Any

from console import BUILD

PAGE = Path("book") / "appendix" / "claims.md"
# The runs in which a claim that must hold has to: elsewhere the page says that it does not.
REFERENCES = {"quick-synthetic", "standard-ml-latest-small"}


def path_of(notebook: Path) -> Path:
    """Return where an executed chapter's claims lie."""
    return notebook.with_suffix(".claims.json")


def read(notebook: Path) -> dict[str, Any]:
    """Return an executed chapter's claims by their keys."""
    path = path_of(notebook)
    claims = json.loads(path.read_text("utf-8")) if path.exists() else []
    return {claim["key"]: claim for claim in claims}


def lost(notebook: Path) -> list[str]:
    """Return the claims that had to hold in this run and did not, a line each."""
    run = notebook.parent.name
    dataset = run.partition("-")[2] if run in REFERENCES else None
    return [
        f"{claim['key']}: {claim['statement']}: {claim['verdict']} ({claim['evidence']})"
        for claim in read(notebook).values()
        if dataset in claim["must"] and claim["verdict"] != "holds"
    ]


def page(chapters: list[Path], template: str) -> str:
    """Put a table for each executed chapter at the end of the ledger's page.

    Beside the run of `chapters` stands the latest run on each other data set.
    """
    latest = {chapters[0].parent.name.partition("-")[2]: chapters[0].parent}
    runs = sorted((BUILD / "runs").glob("*-*"), key=lambda folder: -folder.stat().st_mtime)
    for run in runs:
        latest.setdefault(run.name.partition("-")[2], run)
    parts = [template]
    for chapter in chapters:
        claims = {name: read(run / chapter.name) for name, run in latest.items()}
        rows = [row(chapter.stem, key, claims) for key in read(chapter)]
        if rows:
            head = ["| claim | " + " | ".join(latest) + " |", "|---" * (len(latest) + 1) + "|"]
            parts.append("\n".join([f"## {chapter.stem}\n", *head, *rows, ""]))
    return "\n".join(parts)


def row(chapter: str, key: str, claims: dict[str, dict[str, Any]]) -> str:
    """Write one claim, linked to its place, and what was found on each data set."""
    found = {name: run.get(key) for name, run in claims.items()}
    first = next(filter(None, found.values()))
    place = f"../../notebooks/{chapter}.html#{key}"
    text = f'<a id="{key}" href="{place}">{first["statement"]}</a>'
    if len({claim["verdict"] for claim in found.values() if claim}) > 1 and first["teaches"]:
        text += f" *{first['teaches']}*"
    cells = [f"{c['verdict']} ({c['evidence']})" if c else "not run" for c in found.values()]
    return f"| {' | '.join([text, *cells])} |"
