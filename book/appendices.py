"""Two pages of the appendix: what was tried against the software, and whose work it stands on."""

import json
import tomllib
from importlib import metadata
from pathlib import Path

import pandas as pd
from console import BUILD, ROOT
from supplies import WEB

CARRIED = ROOT / "book" / "carried.toml"  # what the site's _static holds of others
NOT_RUN = "\nThe long tests have not been run on this machine: `make test-long` runs them.\n"


def table(template: str, rows: pd.DataFrame) -> str:
    """Put a table at the end of a page."""
    return f"{template}\n```{{csv-table}}\n:header-rows: 1\n\n{rows.to_csv(index=False)}```\n"


def trials(template: str) -> str:
    """Put what the tests have tried (`_build/trials.json`) at the end of its page."""
    path = BUILD / "trials.json"
    told = json.loads(path.read_text("utf-8")) if path.exists() else []
    lacking = "" if any(one["long"] for one in told) else NOT_RUN
    names = {"what": "what was tried", "times": "how often", "seen": "what happened"}
    rows = pd.DataFrame(told, columns=[*names, "date"]).sort_values("what")
    return table(template + lacking, rows.rename(columns=names)) if told else template + lacking


def materials() -> list[dict[str, str]]:
    """Name every package that is installed here, and npm's: name, version, licence, kind."""
    found = {}
    for package in metadata.distributions():
        about = package.metadata
        classes = [text for text in about.get_all("Classifier") or () if "License ::" in text]
        said = [about.get("License-Expression"), ", ".join(c.split(" :: ")[-1] for c in classes)]
        licence = next(filter(None, [*said, (about.get("License") or "").split("\n")[0]]), "")
        found[about["Name"]] = (about["Name"], package.version, licence, "pypi")
    for place, fact in json.loads((WEB / "package-lock.json").read_text())["packages"].items():
        if place:
            name = place.removeprefix("node_modules/")
            found[place] = (name, fact["version"], fact.get("license", ""), "npm")
    keys = ("name", "version", "licence", "kind")
    return [dict(zip(keys, found[key], strict=True)) for key in sorted(found, key=str.lower)]


def licences(template: str, folder: Path) -> str:
    """Put the two lists at the end of their page; write ``sbom.json`` (CycloneDX) to a folder."""
    used = materials()
    parts = [
        {"type": "library", "name": one["name"], "version": one["version"]}
        | {"licenses": [{"license": {"name": one["licence"]}}]}
        | {"purl": f"pkg:{one['kind']}/{one['name'].lower()}@{one['version']}"}
        for one in used
    ]
    bill = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": parts}
    (folder / "sbom.json").write_text(json.dumps(bill, indent=1), "utf-8")
    carried = pd.DataFrame(tomllib.loads(CARRIED.read_text("utf-8"))["carried"])
    text = table(template + "\n## On the pages\n", carried[["name", "licence", "from"]])
    return table(text + "\n## Installed\n", pd.DataFrame(used)[["name", "version", "licence"]])
