"""The ledger: every claim of the course with its verdict in each run."""

import contextlib
import json
from pathlib import Path

import appendices
import pandas as pd
from console import BUILD

# The runs in which a claim has to hold that says so: elsewhere the page tells that it does not.
REFERENCES = {"quick-synthetic": "synthetic", "standard-ml-latest-small": "ml-latest-small"}


def path_of(notebook: Path) -> Path:
    """Return where an executed chapter's claims lie."""
    return notebook.with_suffix(".claims.json")


def read(notebook: Path) -> pd.DataFrame:
    """Return an executed chapter's claims, a row each; `run` is the profile and the data set."""
    path = path_of(notebook)
    claims = pd.DataFrame()
    with contextlib.suppress(OSError, ValueError):  # none were made, or a run was ended
        claims = pd.DataFrame(json.loads(path.read_text("utf-8")))
    return claims.assign(chapter=notebook.stem, run=notebook.parent.name)


class Lost(Exception):
    """Claims that had to hold and did not: `traceback` has a line each."""

    traceback: list[str]


def check(notebook: Path) -> None:
    """Raise `Lost` for the claims that have to hold in this run and do not."""
    dataset, error = REFERENCES.get(notebook.parent.name), Lost()
    error.traceback = [
        f"{claim['key']}: {claim['statement']}: {claim['verdict']} ({claim['evidence']})"
        for claim in read(notebook).to_dict("records")
        if dataset in claim["must"] and claim["verdict"] != "holds"
    ]
    if error.traceback:
        raise error


def page(chapters: list[Path], template: str) -> str:
    """Put the claims of executed chapters at the end of the ledger's page, a column a run."""
    here, runs = chapters[0].parent, sorted((BUILD / "runs").glob("*-*"))
    order = dict.fromkeys([here, *runs])
    claims = pd.concat([read(run / path.name) for run in order for path in chapters])
    if "key" not in claims:
        return template
    claims = claims[claims["key"].isin(claims.loc[claims["run"] == here.name, "key"])]
    differ = claims.groupby("key")["verdict"].transform("nunique") > 1
    claims["found"] = claims["verdict"] + " (" + claims["evidence"] + ")"
    place = "../../notebooks/" + claims["chapter"] + ".html#" + claims["key"]
    claims["claim"] = '<a id="' + claims["key"] + '" href="' + place + '">' + claims["statement"]
    claims["claim"] += "</a> " + claims["teaches"].where(differ, "")
    first = claims.drop_duplicates("key").set_index("key")[["claim"]]
    found = claims.pivot_table(index="key", columns="run", values="found", aggfunc="first")
    table = first.join(found).fillna("not run")
    return appendices.table(template, table)
