"""The ledger: what became of the claims of executed chapters, in each run.

A run has a folder of its own, named after its profile and its data set.
"""

import contextlib
import json
from pathlib import Path

import pandas as pd

# The runs in which a claim has to hold that says so: elsewhere the page tells that it does not.
REFERENCES = {"quick-synthetic": "synthetic", "standard-ml-latest-small": "ml-latest-small"}


def path_of(notebook: Path) -> Path:
    """Return the path of an executed chapter's claims."""
    return notebook.with_suffix(".claims.json")


def read(notebook: Path) -> pd.DataFrame:
    """Return an executed chapter's claims, one row each: the fields of `Verdict`, chapter, run."""
    claims = []
    with contextlib.suppress(OSError, ValueError):  # none were made, or a run was ended
        claims = json.loads(path_of(notebook).read_text("utf-8"))
    return pd.DataFrame(claims).assign(chapter=notebook.stem, run=notebook.parent.name)


def check(notebook: Path) -> None:
    """Raise `RuntimeError` for the claims that have to hold in this run and do not, a line each."""
    dataset = REFERENCES.get(notebook.parent.name)
    lost = [
        f"{claim['key']}: {claim['statement']}: {claim['verdict']} ({claim['evidence']})"
        for claim in read(notebook).to_dict("records")
        if dataset in claim["must"] and claim["verdict"] != "holds"
    ]
    if lost:
        raise RuntimeError("\n".join(lost))


def table(notebooks: list[Path]) -> pd.DataFrame:
    """Return the claims of the executed chapters of a run: what is claimed, and found by each run.

    The other runs are those in the folders beside it.
    """
    here = notebooks[0].parent
    runs = dict.fromkeys([here, *sorted(here.parent.glob("*-*"))])
    claims = pd.concat([read(run / path.name) for run in runs for path in notebooks])
    if "key" not in claims:
        return pd.DataFrame()
    claims = claims[claims["key"].isin(claims.loc[claims["run"] == here.name, "key"])]
    differ = claims.groupby("key")["verdict"].transform("nunique") > 1
    claims["found"] = claims["verdict"] + " (" + claims["evidence"] + ")"
    place = "../../notebooks/" + claims["chapter"] + ".html#" + claims["key"]
    claims["claim"] = '<a id="' + claims["key"] + '" href="' + place + '">' + claims["statement"]
    claims["claim"] += "</a> " + claims["teaches"].where(differ, "")
    first = claims.drop_duplicates("key").set_index("key")[["claim"]]
    found = claims.pivot_table(index="key", columns="run", values="found", aggfunc="first")
    return first.join(found).fillna("not run")
