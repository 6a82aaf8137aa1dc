"""What all tests share: where the project stands, its builder as modules, which tests are slow."""

import datetime
import json
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SLOW = (ROOT / "tests" / "site", ROOT / "_build" / "nbval")  # a browser, the notebooks
sys.path.insert(0, str(ROOT / "book"))

if not find_spec("pyspark"):
    collect_ignore = ["recsys_lib/spark"]  # for `make spark`, which brings it


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark as slow what needs the built site, a browser or a kernel; leave out what is long."""
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in SLOW):
            item.add_marker("slow")
    if "long" not in config.option.markexpr:
        items[:] = [item for item in items if not item.get_closest_marker("long")]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture
def trial(request: pytest.FixtureRequest, root: Path) -> Callable[[str, int, str], None]:
    """Call it as ``trial(what, times, seen)`` to tell the appendix what a test has tried."""

    def tell(what: str, times: int, seen: str) -> None:
        path = root / "_build" / "trials.json"
        told = json.loads(path.read_text("utf-8")) if path.exists() else []
        long = request.node.get_closest_marker("long") is not None
        new = {"what": what, "times": times, "seen": seen, "long": long}
        new["date"] = datetime.datetime.now(datetime.UTC).date().isoformat()
        kept = [old for old in told if (old["what"], old["long"]) != (what, long)]
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps([*kept, new], indent=1), "utf-8")
        part.replace(path)

    return tell
