"""Run the chapters, several at once, each with its profile's parameters, if anything changed."""

import contextlib
import dataclasses
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import ledger
import nbformat
import papermill
import profiles
import psutil
import supplies
import yaml
from console import BUILD, ROOT, Progress, Stop, clock, digest, say
from filelock import FileLock, Timeout
from jupyter_client.kernelspec import NoSuchKernel
from nbclient.exceptions import CellTimeoutError
from papermill.exceptions import PapermillExecutionError
from papermill.execute import remove_error_markers
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

NOTEBOOKS = ROOT / "notebooks"
FAILURES = (
    PapermillExecutionError, CellTimeoutError, RuntimeError, NoSuchKernel, ledger.Lost
)  # fmt: skip
# What all chapters depend on; of the benchmarks' records, an own one may be shown.
SHARED = ("requirements.lock", "recsys_lib", "course", "benchmarks", "_build/bench/results.json")

ALONE = {"16-how-fast"}  # it measures times: nothing runs beside it
LONG = {"07-bpr", "09-networks", "12-how-sure", "17-spark"}  # begun first: none is waited for alone
ROOM = 3e9  # bytes of memory: more than a chapter takes, but for the largest data
THREADS = ("NUMBA", "OMP", "OPENBLAS", "MKL")  # who reads X_NUM_THREADS


class Watch(Progress):
    """Follows one chapter: its cell and its time; ends it when `limit` seconds are over.

    `env` is the environment of its kernel, by which it is told from others. `peak` is the largest
    resident memory seen of the kernel, or of what that has started: bytes.
    """

    peak, state = 0, "starting"

    def __init__(self, label: str, limit: float, threads: int = 1) -> None:
        super().__init__(label)
        self.limit = limit
        few = {f"{name}_NUM_THREADS": str(threads) for name in THREADS}
        self.env = {**few, **os.environ, "RECSYS_PROGRESS": "off"}

    def hooks(self, cells: int) -> dict[str, Any]:
        """Return what nbclient, for a notebook of so many cells, is to call."""

        def started(cell: Any, cell_index: int) -> None:
            self.state = f"cell {cell_index + 1}/{cells}"

        return {
            "on_cell_start": started,
            "on_cell_executed": lambda **_: self.look(),
            "timeout_func": lambda _: max(1, round(self.limit - self.seconds)),
        }

    def look(self) -> str:
        """Read the memory of the kernel and of what it has started; say where things stand."""
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):  # it may be gone
                if process.environ().get("RECSYS_CLAIMS") == self.env.get("RECSYS_CLAIMS"):
                    self.peak = max(self.peak, process.memory_info().rss)
        return f"{self.label}  {self.state}  {clock(self.seconds)}"


@dataclasses.dataclass
class Chapter:
    """The result of one chapter: `status` is "ran", "cached" or "failed"."""

    name: str
    path: Path
    status: str
    seconds: float = 0.0
    peak: int = 0


@dataclasses.dataclass
class Results:
    """The results of a run: its profile, the data set that it used and its chapters in order."""

    profile: str
    dataset: str
    chapters: list[Chapter]

    @property
    def passed(self) -> bool:
        """Return whether no chapter failed."""
        return all(chapter.status != "failed" for chapter in self.chapters)

    def report(self, seconds: float, page: Path | None = None) -> None:
        """Print a row for each chapter, the total, and what to open."""
        say(f"\n{'chapter':<24}{'time':>10}{'peak memory':>14}  status")
        for chapter in self.chapters:
            memory = f"{chapter.peak / 1e6:,.0f} MB"
            say(f"{chapter.name:<24}{clock(chapter.seconds):>10}{memory:>14}  {chapter.status}")
        say(f"{'this call':<24}{clock(seconds):>10}{'':>14}  {self.profile}, {self.dataset}\n")
        say(f"Open {page}" if page else f"Executed notebook: {self.chapters[0].path}")


def run(profile: str, dataset: str | None = None, only: str | None = None) -> Results:
    """Run the chapters of a profile, or `only` one, on its data set or on another `dataset`.

    A chapter that fails does not stop the others.
    """
    sources, settings = chapters(only), profiles.load(profile)
    name = resolve(dataset or settings["DATASET"])
    folder = BUILD / "runs" / f"{profile}-{Path(name).name}"  # of a folder, its own
    folder.mkdir(parents=True, exist_ok=True)
    common, cores = shared_key(name), os.cpu_count() or 1
    room = int(psutil.virtual_memory().available // ROOM)
    many = max(1, min(cores, room, settings["together"], len(sources)))
    at_work: list[Watch] = []
    done: dict[Path, Chapter] = {}

    def one(source: Path, threads: int) -> None:
        label = f"[{sources.index(source) + 1}/{len(sources)}] {source.stem}"
        at_work.append(watch := Watch(label, settings["limit"], threads))
        values = profiles.parameters(profile, source.stem, name)
        # 450 MB to bring are no quick look.
        values, others = settled(values, source.stem, spark=profile != "quick")
        done[source] = run_chapter(source, values, folder, common + others, watch)
        at_work.remove(watch)

    progress = Progress("chapters")
    with alone(folder):
        for lonely, n in ((False, many), (True, 1)):
            some = [source for source in sources if (source.stem in ALONE) is lonely]
            some.sort(key=lambda source: source.stem not in LONG)
            with ThreadPoolExecutor(n) as pool:  # in a thread, nbclient takes no signals
                futures = {pool.submit(one, source, cores // n) for source in some}
                try:
                    while futures:
                        progress.tick("  ".join(watch.look() for watch in [*at_work]))
                        over, futures = wait(futures, 0.1)
                        for future in over:
                            future.result()
                except BaseException:  # of the disk, say: no other chapter is to go on
                    pool.shutdown(wait=False, cancel_futures=True)
                    kill()
                    raise
    return Results(profile, name, [done[source] for source in sources])


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock a folder against other builds; `Stop` names the process that holds it."""
    holder = folder / "build.pid"
    try:
        with FileLock(folder / "build.lock", timeout=0):  # let go where this process dies, too
            holder.write_text(str(os.getpid()), "utf-8")
            yield
    except Timeout:
        who = holder.read_text("utf-8") if holder.exists() else "unknown"
        raise Stop(
            f"another `make book` (process {who}) is at work in {folder}: wait for its end"
        ) from None


def end(number: int, _: Any) -> None:
    """End all that this process has started, and then itself: at a signal."""
    kill()
    say("\ninterrupted")
    os._exit(128 + number)


def kill() -> None:
    """End all that this process has started, kernels above all."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it may be gone
            process.kill()


def settled(
    values: profiles.Values, chapter: str = "", spark: bool = False
) -> tuple[profiles.Values, str]:
    """Turn a chapter's further data sets (``auto:...``) into those used; return their state too.

    The chapter on Spark runs again when Spark has appeared; with `spark`, it is brought.
    """
    further = [name for name, value in values.items() if str(value).startswith("auto:")]
    found = {name: resolve(values[name]) for name in further}
    brought = supplies.spark(spark) if chapter == "17-spark" else ""
    return values | found, "".join([*map(data_key, found.values()), brought])


def chapters(only: str | None = None) -> list[Path]:
    """List the chapters in the order of the table of contents, or `only` the one so named."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    files = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    sources = [ROOT / f"{file}.ipynb" for file in files if file.startswith("notebooks/")]
    if only is None:
        return sources
    found = [source for source in sources if source.stem.startswith(Path(only).stem)]
    if len(found) != 1:
        names = ", ".join(source.stem for source in found or sources)
        raise Stop(f"{'more than one' if found else 'no'} chapter {only!r}: {names}")
    return found


def resolve(dataset: str) -> str:
    """Turn `auto` and its like into the data set that will be used, fetching it where it must."""
    from recsys_lib import datasets
    from recsys_lib.errors import RecsysError

    if home := os.environ.get("RECSYS_DATA_HOME"):  # the chapters run in another folder
        os.environ["RECSYS_DATA_HOME"] = str((ROOT / Path(home).expanduser()).resolve())
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    logging.getLogger("recsys_lib").setLevel(logging.INFO)
    try:
        return datasets.resolve(dataset)
    except RecsysError as error:
        raise Stop(str(error)) from None


def shared_key(dataset: str) -> str:
    """Hash what all chapters depend on: the packages, our own code and its records, the data."""
    shared = [ROOT / name for name in SHARED if (ROOT / name).exists()]
    return digest(sys.version, *shared, data_key(dataset))


def data_key(dataset: str) -> str:
    """Return what identifies a state of a data set without reading it: its files' sizes and times.

    Only a local folder can change: what is downloaded is checked by a checksum, and synthetic data
    follow from the code.
    """
    home = os.environ.get("RECSYS_DATA_HOME")
    everything = sorted(Path(home).iterdir()) if home else []
    tops = [path for path in everything if path.name.lower().startswith(dataset)]
    tops += [Path(dataset)] if Path(dataset).is_absolute() else []
    paths = [path for top in tops for path in (top, *sorted(top.rglob("*")))]
    facts = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in paths]
    return "\n".join([dataset, *facts])


def run_chapter(
    source: Path, values: profiles.Values, folder: Path, common: str, watch: Watch
) -> Chapter:
    """Run one chapter, unless its last result is up to date."""
    path = folder / source.name
    record = path.with_suffix(".json")
    key = digest(source.read_text("utf-8"), json.dumps(values, sort_keys=True), common)
    claims = ledger.path_of(path)
    if record.exists():
        with contextlib.suppress(ValueError, KeyError, TypeError):  # one that was cut is none
            kept = json.loads(record.read_text("utf-8"))
            if (kept.pop("key"), kept.pop("made")) == (key, digest(path, claims)):
                chapter = Chapter(source.stem, path, "cached", **kept)
                watch.done("cached")
                return chapter
    record.unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    figures = folder / "figures" / source.stem
    claims.unlink(missing_ok=True)
    watch.env |= {"RECSYS_FIGURES": str(figures), "RECSYS_CLAIMS": str(claims)}
    notebook = parameterize(source, values)
    failure = None
    try:
        papermill.execute_notebook(
            notebook,
            path,
            engine_name="course",
            progress_bar=False,
            request_save_on_cell_execute=False,
            # `cwd` would take this whole process there, and with it the other chapters.
            resources={"metadata": {"path": str(NOTEBOOKS)}},
            env=watch.env,
            # At any other level it warns of its local transport at each start, and of its end.
            extra_arguments=["--log-level=50"],
            **watch.hooks(len(notebook.cells)),
        )
        watch.state = "its claims"
        ledger.check(path)
    except FAILURES as error:
        failure = error
    status = "failed" if failure else "ran"
    watch.done(f"{status} in {clock(watch.seconds)}")
    chapter = Chapter(source.stem, path, status, round(watch.seconds, 1), watch.peak)
    if failure is None:
        made = {"key": key, "made": digest(path, claims)}
        kept = made | {"seconds": chapter.seconds, "peak": chapter.peak}
        record.write_text(json.dumps(kept), "utf-8")
        return chapter
    late = isinstance(failure, CellTimeoutError)
    what = f"passed its limit of {clock(watch.limit)} at" if late else "failed at"
    say(f"{source.stem} {what} {watch.state}:")
    lines = "\n".join(getattr(failure, "traceback", [str(failure)]))
    say(lines if watch.live else re.sub(r"\x1b\[[\d;]*m", "", lines))  # no colours in a log
    if not path.exists():  # too late, or the kernel died: papermill has saved nothing
        nbformat.write(notebook, path)
    mark(path, f"This chapter {what} {watch.state}")
    return chapter


def parameterize(source: Path, values: profiles.Values) -> Any:
    """Read a chapter and put the values of its parameters after its `parameters` cell."""
    try:
        notebook = load_notebook_node(str(source))
        return parameterize_notebook(notebook, values, comment="What this run changes")
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise Stop(f"{source.name} is not a notebook that can be run: {error}") from None


def mark(path: Path, message: str) -> None:
    """Say at the top of a failed chapter's page what is wrong, in place of papermill."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = remove_error_markers(notebook).cells
    text = f":::{{danger}}\n{message}. Do not rely on what follows.\n:::"
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(text))
    nbformat.write(notebook, path)
