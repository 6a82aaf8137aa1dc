"""What all tests share: where the project stands, its builder as modules, which tests are slow."""

import contextlib
import datetime
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book"))
LOCK, CITE = "requirements.lock", "CITATION.cff"  # which the pages are built from, too
ROOMS = ("benchmarks", "course", "course.dist-info", "recsys_lib", LOCK, CITE)

if not find_spec("pyspark"):
    collect_ignore = ["recsys_lib/spark"]  # for `make spark`, which brings it


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark as slow what needs the built site or a browser; leave out what is long."""
    for item in items:
        if item.path.is_relative_to(ROOT / "tests" / "site"):
            item.add_marker("slow")
    if "long" not in config.option.markexpr:
        items[:] = [item for item in items if not item.get_closest_marker("long")]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that runs Python in a process of its own, which must end with a status."""

    def run(*args: object, cwd: Path = ROOT, status: int = 0, **env: str):
        command, env = [sys.executable, *map(str, args)], {**os.environ, **env}
        done = subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stdout[-5000:] + done.stderr
        return done

    return run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty RECSYS_DATA_HOME, with an empty cache and without a network."""
    from recsys_lib import datasets
    from tests.recsys_lib.datasets.published import publish

    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("RECSYS_DATA_HOME", str(folder))
    monkeypatch.setenv("RECSYS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RECSYS_OFFLINE", "1")
    for name in datasets.available()["name"]:  # releases as small as those that tests write
        publish(monkeypatch, name, n_users=3, n_items=5, n_ratings=6)
    return folder


@pytest.fixture
def trial(request: pytest.FixtureRequest, root: Path) -> Callable[[str, int, str], None]:
    """Call it as ``trial(what, times, seen)`` to tell the appendix what a test has tried."""

    def tell(what: str, times: int, seen: str) -> None:
        path = root / "_build" / "trials.json"
        long = request.node.get_closest_marker("long") is not None
        new = {"what": what, "times": times, "seen": seen, "long": long}
        new["date"] = datetime.datetime.now(datetime.UTC).date().isoformat()
        path.parent.mkdir(exist_ok=True)
        with FileLock(path.with_suffix(".lock")):  # tests run in several processes
            told = json.loads(path.read_text("utf-8")) if path.exists() else []
            kept = [old for old in told if (old["what"], old["long"]) != (what, long)]
            part = path.with_suffix(".part")
            part.write_text(json.dumps([*kept, new], indent=1), "utf-8")
            part.replace(path)

    return tell


@pytest.fixture(scope="session")
def clone(root: Path) -> Callable[..., Path]:
    """A function that lays out a project whose only chapters are these notebooks."""

    def lay_out(folder: Path, *notebooks: Path) -> Path:
        shutil.copytree(root / "book", folder / "book", ignore=shutil.ignore_patterns("__pyc*"))
        for name in ROOMS:
            (folder / name).symlink_to(root / name)
        (folder / "notebooks").mkdir()
        for path in notebooks:
            shutil.copy(path, folder / "notebooks")
        chapters = [f"notebooks/{path.stem}" for path in notebooks]
        chapters += [f"book/appendix/{path.stem}" for path in (root / "book/appendix").glob("*.md")]
        parts = [{"caption": "all", "chapters": [{"file": file} for file in chapters]}]
        toc = {"format": "jb-book", "root": "book/intro", "parts": parts}
        (folder / "_toc.yml").write_text(yaml.safe_dump(toc), "utf-8")
        settings = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
        # The other chapters, which these refer to, are not there.
        settings["sphinx"]["config"]["suppress_warnings"] = [
            "ref", "myst.xref_missing", "mystnb.glue_ref",
        ]  # fmt: skip
        (folder / "_config.yml").write_text(yaml.safe_dump(settings), "utf-8")
        return folder

    return lay_out


@pytest.fixture(scope="session")
def build(root: Path) -> Callable[..., subprocess.Popen[str]]:
    """A function that starts `make book` in a clone, in the quick profile."""

    def start(
        folder: Path, *options: str, before: Callable[[], object] | None = None, **env: str
    ) -> subprocess.Popen[str]:
        import supplies

        supplies.scripts()
        (folder / "_build").mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (folder / "_build" / "web").symlink_to(supplies.STATIC.parent)
        return subprocess.Popen(
            [sys.executable, "book", "build", "--profile", "quick", *options],
            cwd=folder,
            env={**os.environ, "RECSYS_ENV": "current", "PYTHONPATH": str(folder), **env},
            preexec_fn=before,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start
