"""The ledger in the appendix: each claim's verdict in each run, and the tests' trials."""

import contextlib
import json
from pathlib import Path

import pandas as pd
from console import BUILD

NOT_RUN = "\nThe long tests have not been run on this machine: `make test-long` runs them.\n"
# The runs in which a claim has to hold that says so: elsewhere the page tells that it does not.
REFERENCES = {"quick-synthetic": "synthetic", "standard-ml-latest-small": "ml-latest-small"}


def path_of(notebook: Path) -> Path:
    """Return the path of an executed chapter's claims."""
    return notebook.with_suffix(".claims.json")


def read(notebook: Path) -> pd.DataFrame:
    """Return an executed chapter's claims, one row each; `run` is the profile and the data set."""
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


def page(chapters: list[Path], template: str) -> str:
    """Put the claims of executed chapters at the end of the ledger's page, one column per run."""
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
    return _with_table(template, table)


def trials(template: str) -> str:
    """Put what the tests have tried (`_build/trials.json`) at the end of its page."""
    path = BUILD / "trials.json"
    told = json.loads(path.read_text("utf-8")) if path.exists() else []
    lacking = "" if any(one["long"] for one in told) else NOT_RUN
    names = {"what": "what was tried", "times": "how often", "seen": "what happened"}
    rows = pd.DataFrame(told, columns=[*names, "date"]).sort_values("what")
    rows["date"] = rows["date"].str.replace("-", "\N{NON-BREAKING HYPHEN}")  # in one line
    return _with_table(template + lacking, rows.rename(columns=names))


def _with_table(template: str, rows: pd.DataFrame) -> str:
    if rows.empty:
        return template
    return f"{template}\n```{{csv-table}}\n:header-rows: 1\n\n{rows.to_csv(index=False)}```\n"
