"""Run the chapters, several at once, each with its profile's parameters, if anything changed."""

import contextlib
import dataclasses
import functools
import json
import logging
import os
import re
import sys
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Self

import nbformat
import papermill
import psutil
import supplies
import yaml
from console import BUILD, ROOT, Stamp, Stop, clock, digest, say
from filelock import FileLock, Timeout
from jupyter_client.kernelspec import NoSuchKernel
from nbclient.exceptions import CellTimeoutError
from papermill.exceptions import PapermillExecutionError
from papermill.execute import remove_error_markers
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from course import ledger

NOTEBOOKS = ROOT / "notebooks"
TABLE = ROOT / "book" / "profiles.toml"
Values = dict[str, Any]  # of parameters, by their names
FAILURES = (PapermillExecutionError, CellTimeoutError, RuntimeError, NoSuchKernel)
# What all chapters depend on; of the benchmarks' records, an own one may be shown.
SHARED = ("requirements.lock", "recsys_lib", "course", "benchmarks", "_build/bench/results.json")

ALONE = {"16-how-fast"}  # it measures times: nothing runs beside it
LONG = {"07-bpr", "09-networks", "12-how-sure", "17-spark"}  # begun first: none is waited for alone
ROOM = 3e9  # bytes of memory: more than a chapter takes, but for the largest data
THREADS = ("NUMBA", "OMP", "OPENBLAS", "MKL")  # who reads X_NUM_THREADS


class Chapter:
    """A chapter of a run: where it stands and, once it has been run, how it ended.

    `status` is "ran", "cached" or "failed", `took` the seconds that it needed, and `peak` the
    largest resident memory seen of its kernel, or of what that has started: bytes.
    """

    status, state, started, took, peak = "", "", 0.0, 0.0, 0

    def __init__(self, source: Path, folder: Path, limit: float) -> None:
        self.source, self.path, self.limit = source, folder / source.name, limit
        self.claims, self.label = ledger.path_of(self.path), source.stem

    def run(self, values: Values, common: str, threads: int = 1) -> Self:
        """Run it with these values, unless its last result is up to date; end it at its limit.

        `common` identifies what it depends on besides its source, the values and their data.
        """
        data = [data_key(value) for value in values.values() if isinstance(value, str)]
        before = digest(self.source, json.dumps(values, sort_keys=True), *data, common)
        stamp, results = self.path.with_suffix(".stamp"), (self.path, self.claims)
        if kept := Stamp(stamp, before, *results).facts():
            self.status, self.took, self.peak = "cached", kept["took"], kept["peak"]
            say(f"{self.label}  cached")
            return self
        for old in (stamp, *results):
            old.unlink(missing_ok=True)
        notebook = parameterize(self.source, values)
        self.started, self.state, failure = time.perf_counter(), "starting", None

        def started(cell: Any, cell_index: int) -> None:
            self.state = f"cell {cell_index + 1}/{len(notebook.cells)}"

        # By its claims' place, its kernel is told from others.
        own = {"RECSYS_PROGRESS": "off", "RECSYS_CLAIMS": str(self.claims)}
        own["RECSYS_FIGURES"] = str(self.path.parent / "figures" / self.source.stem)
        few = {f"{name}_NUM_THREADS": str(threads) for name in THREADS}
        try:
            papermill.execute_notebook(
                notebook,
                self.path,
                engine_name="course",
                progress_bar=False,
                start_timeout=300,  # seconds: on a busy machine a kernel may take more than 60
                request_save_on_cell_execute=False,
                # `cwd` would take this whole process there, and with it the other chapters.
                resources={"metadata": {"path": str(NOTEBOOKS)}},
                env={**few, **os.environ, **own},
                # At any other level it warns of its local transport at each start, and of its end.
                extra_arguments=["--log-level=50"],
                on_cell_start=started,
                on_cell_executed=lambda **_: self.look(),
                timeout_func=lambda _: max(1, round(self.limit - self.seconds)),
            )
            self.state = "its claims"
            ledger.check(self.path)
        except FAILURES as error:
            failure = error
        self.status, self.took = "failed" if failure else "ran", round(self.seconds, 1)
        say(f"{self.label}  {self.status} in {clock(self.seconds)}")
        if failure is None:
            Stamp(stamp, before, *results).set(took=self.took, peak=self.peak)
            return self
        late = isinstance(failure, CellTimeoutError)
        what = f"passed its limit of {clock(self.limit)}" if late else "failed"
        what = f"{what} at {self.state}"
        say(f"{self.source.stem} {what}:")
        lines = "\n".join(getattr(failure, "traceback", [str(failure)]))
        # No colours in a log.
        say(lines if sys.stdout.isatty() else re.sub(r"\x1b\[[\d;]*m", "", lines))
        if not self.path.exists():  # too late, or the kernel died: papermill has saved nothing
            nbformat.write(notebook, self.path)
        mark(self.path, f"This chapter {what}")
        return self

    @property
    def seconds(self) -> float:
        """Seconds since it was begun."""
        return time.perf_counter() - self.started

    def look(self) -> str:
        """Read the memory of its kernel and of what that has started; say where things stand."""
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):  # it may be gone
                if process.environ().get("RECSYS_CLAIMS") == str(self.claims):
                    self.peak = max(self.peak, process.memory_info().rss)
        return f"{self.label}  {self.state}  {clock(self.seconds)}"


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

    def report(self, page: Path | None) -> None:
        """Print a row for each chapter, the total, and what to open."""
        say(f"\n{'chapter':<24}{'time':>10}{'peak memory':>14}  status")
        for chapter in self.chapters:
            memory = f"{chapter.peak / 1e6:,.0f} MB"
            name, took = chapter.source.stem, clock(chapter.took)
            say(f"{name:<24}{took:>10}{memory:>14}  {chapter.status}")
        seconds = time.time() - psutil.Process().create_time()
        say(f"{'this call':<24}{clock(seconds):>10}{'':>14}  {self.profile}, {self.dataset}\n")
        say(f"Open {page}" if page else f"Executed notebook: {self.chapters[0].path}")


def run(profile: str, dataset: str | None = None, only: str | None = None) -> Results:
    """Run the chapters of a profile, or `only` one, on its data set or on another `dataset`.

    A chapter that fails does not stop the others.
    """
    sources, settings = chapters(only), settings_of(profile)
    name = resolve(dataset or settings["DATASET"])
    folder = BUILD / "runs" / f"{profile}-{Path(name).name}"  # of a folder, its own
    folder.mkdir(parents=True, exist_ok=True)
    # The packages, our own code and its records.
    common = digest(sys.version, *(ROOT / place for place in SHARED if (ROOT / place).exists()))
    cores, room = os.cpu_count() or 1, int(psutil.virtual_memory().available // ROOM)
    many = max(1, min(cores, room, settings["together"], len(sources)))
    every = [Chapter(source, folder, settings["limit"]) for source in sources]
    for number, chapter in enumerate(every, 1):
        chapter.label = f"[{number}/{len(every)}] {chapter.label}"

    def one(chapter: Chapter, threads: int) -> None:
        stem = chapter.source.stem
        # Its chapter runs again when Spark has appeared; 450 MB to bring are no quick look.
        spark = supplies.spark_to_show(profile != "quick") if stem == "17-spark" else ""
        values = parameters(profile, stem, dataset and name)
        chapter.run(values, common + spark, threads)

    told = time.perf_counter()
    with alone(folder):
        for lonely, n in ((False, many), (True, 1)):
            some = [c for c in every if (c.source.stem in ALONE) is lonely]
            some.sort(key=lambda chapter: chapter.source.stem not in LONG)
            with ThreadPoolExecutor(n) as pool:  # in a thread, nbclient takes no signals
                futures = {pool.submit(one, chapter, cores // n) for chapter in some}
                try:
                    while futures:
                        line = "  ".join(c.look() for c in some if c.state and not c.status)
                        if sys.stdout.isatty():
                            say(line, end="")
                        elif line and time.perf_counter() - told > 15:
                            told = time.perf_counter()
                            say(line)
                        over, futures = wait(futures, 0.1)
                        for future in over:
                            future.result()
                except BaseException:  # of the disk, say: no other chapter is to go on
                    pool.shutdown(wait=False, cancel_futures=True)
                    kill()
                    raise
    return Results(profile, name, every)


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


def settings_of(profile: str) -> Values:
    """Read a profile: values that every chapter gets, tables named after chapters, limits."""
    table = tomllib.loads(TABLE.read_text("utf-8"))
    if profile not in table:
        raise Stop(f"no profile {profile!r}: choose one of {', '.join(table)}")
    return table[profile]


def parameters(profile: str, chapter: str, dataset: str | None = None) -> Values:
    """Give the values for one chapter: those for all, then its own; data sets by concrete names.

    With `dataset`, a concrete name, that takes the place of the profile's.
    """
    table = settings_of(profile)
    values = {name: value for name, value in table.items() if name.isupper()}
    values |= table.get(chapter, {}) | ({"DATASET": dataset} if dataset else {})
    automatic = [name for name, value in values.items() if re.match("auto(:|$)", str(value))]
    return values | {name: resolve(values[name]) for name in automatic}


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


@functools.cache  # it tells what it finds, and many chapters ask for the same
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


def parameterize(source: Path, values: Values) -> Any:
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
