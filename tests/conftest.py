"""What all tests share: where the project stands, and its builder as importable modules."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book"))

if not find_spec("pyspark"):
    collect_ignore = ["recsys_lib/spark"]  # for `make spark`, which brings it


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT
