"""What all tests share: where the project stands, and its builder as importable modules."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book"))


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT
