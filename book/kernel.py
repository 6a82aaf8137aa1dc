"""Two eyes on a chapter that runs: which cell it is at, and how much memory it has taken."""

import contextlib
import threading
from typing import Any

import psutil
from console import Progress


class Watch(Progress):
    """Follows one chapter: shows its cell and its time, ends it when `limit` seconds are over.

    `peak` is the largest resident memory seen of its kernel, or of what that has started: bytes.
    """

    def __init__(self, label: str, limit: float) -> None:
        super().__init__(label)
        self.limit = limit
        self.peak = 0
        self.state = "starting"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def hooks(self, cells: int) -> dict[str, Any]:
        """Return what nbclient, for a notebook of so many cells, is to call."""

        def started(cell: Any, cell_index: int) -> None:
            self.state = f"cell {cell_index + 1}/{cells}"

        return {
            "on_cell_start": started,
            "on_cell_executed": lambda **_: self._look(),
            "timeout_func": lambda _: max(1, round(self.limit - self.seconds)),
        }

    def _look(self) -> None:
        """Read the memory of whatever this process has started: the kernel."""
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):  # it may be gone
                self.peak = max(self.peak, process.memory_info().rss)

    def _follow(self) -> None:
        while not self._over.wait(0.1):
            self._look()
            self.tick(self.state)
