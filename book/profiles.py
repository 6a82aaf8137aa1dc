"""The table of profiles: which parameters a chapter gets."""

import tomllib
from typing import Any

from console import ROOT, Stop

TABLE = ROOT / "book" / "profiles.toml"
Values = dict[str, Any]


def load(profile: str) -> Values:
    """Read one profile: values that every chapter gets, tables named after chapters, a `limit`."""
    table = tomllib.loads(TABLE.read_text("utf-8"))
    if profile not in table:
        raise Stop(f"no profile {profile!r}: choose one of {', '.join(table)}")
    return table[profile]


def parameters(profile: str, chapter: str, dataset: str) -> Values:
    """Give the values for one chapter, its data set already resolved to a concrete name."""
    values = load(profile)
    common = {name: value for name, value in values.items() if name.isupper()}
    return {**common, **values.get(chapter, {}), "DATASET": dataset}
