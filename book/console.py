"""The builder's messages and progress, its calls of programs, and stamps of finished work.

Standard library only: the environment is made with it.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"


class Stop(Exception):
    """An error that ends the command with one line and exit status 2."""


def say(message: str) -> None:
    """Print a line at once, also where the output goes to a file."""
    print(message, flush=True)


def clock(seconds: float) -> str:
    """Return a duration as text: 4.2 s, 1:05 min."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02} min"


def quietly(
    command: Sequence[str | Path],
    what: str,
    log: str,
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    show: bool = True,
) -> None:
    """Run a program with its output in `_build/logs/LOG.log`; where it fails, `show` the end."""
    path = BUILD / "logs" / f"{log}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, **(env or {})}
    with path.open("wb") as file:
        status = subprocess.call(command, stdout=file, stderr=file, cwd=cwd, env=env)
    if status:
        tail = path.read_text("utf-8", "replace").splitlines()[-30:] if show else []
        print(*tail, sep="\n", end="\n" * show, file=sys.stderr)
        raise Stop(f"{what} failed (the whole log: {path.relative_to(ROOT)})")


class Progress:
    """A progress line: rewritten in place on a terminal, else printed every 15 seconds."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.live = sys.stdout.isatty()
        self.started = self.told = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started

    def tick(self, state: str) -> None:
        """Show the present state; cheap to call often."""
        line = f"{self.label}  {state}  {clock(self.seconds)}"
        if self.live:
            print(f"\r\x1b[2K{line}", end="", flush=True)
        elif time.perf_counter() - self.told > 15:
            self.told = time.perf_counter()
            say(line)

    def done(self, state: str) -> None:
        """End the line."""
        say(("\r\x1b[2K" if self.live else "") + f"{self.label}  {state}")


def digest(*parts: str | Path) -> str:
    """Hash texts, files and whole folders; of a folder, each file's place and bytes."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            found.update(part.encode() + b"\0")
            continue
        for path in sorted(part.rglob("*")) if part.is_dir() else [part]:
            if path.is_file() and "__pycache__" not in path.parts:
                found.update(str(path.relative_to(part.parent)).encode() + b"\0")
                found.update(path.read_bytes() + b"\0")
    return found.hexdigest()


class Stamp:
    """A stamp beside a result, at `path`: the hash of the `parts` that it was made from."""

    def __init__(self, path: Path, *parts: str | Path) -> None:
        self.path, self.key = path, digest(*parts)

    def facts(self) -> dict[str, Any] | None:
        """Return what was recorded with it, or None where anything has changed since."""
        with contextlib.suppress(OSError, ValueError):  # there is none, or it was cut
            key, _, facts = self.path.read_text("utf-8").partition("\n")
            return json.loads(facts or "{}") if key == self.key else None
        return None

    def holds(self) -> bool:
        """Return whether nothing has changed since it was set."""
        return self.facts() is not None

    def set(self, **facts: Any) -> None:
        """Record that the result is up to date, and facts of how it was made."""
        self.path.write_text(f"{self.key}\n{json.dumps(facts)}", "utf-8")
