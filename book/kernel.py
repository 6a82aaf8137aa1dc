"""papermill's engine with two eyes: which cell runs, and how much memory its kernel has taken."""

import threading
from pathlib import Path
from typing import Any

import psutil
from console import Progress
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines


class Watch:
    """Follows one chapter: shows its cell and its time, keeps the kernel's peak memory.

    Attributes
    ----------
    peak : int
        The largest resident memory seen, in bytes.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.peak = 0
        self.state = "starting"
        self.kernel: psutil.Process | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def look(self) -> None:
        """Read the kernel's memory now."""
        if self.kernel is not None:
            self.peak = max(self.peak, peak_memory(self.kernel))

    def _follow(self) -> None:
        while not self._over.wait(0.25):
            self.look()
            self.progress.tick(self.state)


def peak_memory(process: psutil.Process) -> int:
    """Give the bytes that a process has held at most, or holds now where no system counts that."""
    try:
        with Path(f"/proc/{process.pid}/status").open() as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass  # not a Linux, or the kernel is gone
    try:
        memory = process.memory_info()
    except psutil.Error:
        return 0
    return int(getattr(memory, "peak_wset", memory.rss))


class _Client(PapermillNotebookClient):
    """papermill's client, telling a `Watch` about the kernel and each cell."""

    watch: Watch

    def papermill_execute_cells(self) -> None:
        self.watch.kernel = psutil.Process(self.km.provisioner.pid)
        super().papermill_execute_cells()
        self.watch.look()

    def execute_cell(self, cell: Any, cell_index: int, *args: Any, **options: Any) -> Any:
        self.watch.state = f"cell {cell_index + 1}/{len(self.nb.cells)}"
        return super().execute_cell(cell, cell_index, *args, **options)


class CourseEngine(NBClientEngine):
    """The engine named "course"; it takes the `watch` that papermill hands on to it."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, watch: Watch, start_timeout: int = 60, **_: Any
    ) -> None:
        """Run the cells of `nb_man` in a kernel of their own."""
        client = _Client(
            nb_man,
            kernel_name=kernel_name,
            startup_timeout=start_timeout,
            timeout=None,
            # At any other level it warns of its local transport at each start, and of its end.
            extra_arguments=["--log-level=50"],
        )
        client.watch = watch
        client.execute()


papermill_engines.register("course", CourseEngine)
