"""Two eyes on a chapter that runs: which cell it is at, and how much memory it has taken."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import psutil
from console import Progress


class Watch(Progress):
    """Follows one chapter: shows its cell and its time, ends it when `limit` seconds are over.

    `peak` is the largest resident memory seen of its kernel, or of what that has started: bytes.
    """

    peak, state = 0, "starting"

    def __init__(self, label: str, limit: float) -> None:
        super().__init__(label)
        self.limit = limit

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Follow what happens inside."""
        over = threading.Event()

        def follow() -> None:
            while not over.wait(0.1):
                self._look()
                self.tick(self.state)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

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
