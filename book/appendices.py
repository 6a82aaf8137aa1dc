"""For the appendix: what was tried against the software, and whose work it stands on."""

import json
from importlib import metadata

import pandas as pd
from console import BUILD
from supplies import WEB

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


def bill() -> str:
    """Name every package that is installed here, and npm's, in CycloneDX's form."""
    found = {}
    for package in metadata.distributions():
        about = package.metadata
        classes = [text for text in about.get_all("Classifier") or () if "License ::" in text]
        said = [about.get("License-Expression"), ", ".join(c.split(" :: ")[-1] for c in classes)]
        licence = next(filter(None, [*said, (about.get("License") or "").split("\n")[0]]), "")
        found[f"pkg:pypi/{about['Name'].lower()}@{package.version}"] = about["Name"], licence
    npm = json.loads((WEB / "package-lock.json").read_text("utf-8"))["packages"]
    for name, about in npm.items():
        name = name.removeprefix("node_modules/")
        if name:
            found[f"pkg:npm/{name}@{about['version']}"] = name, about.get("license", "")
    parts = [
        {"type": "library", "name": name, "version": url.rpartition("@")[2], "purl": url}
        | {"licenses": [{"license": {"name": licence}}]}
        for url, (name, licence) in sorted(found.items())
    ]
    kind = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}
    return json.dumps(kind | {"components": parts}, indent=1)
