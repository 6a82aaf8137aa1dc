"""The builder's messages, its calls of programs, and stamps of finished work.

Standard library only: the environment is made with it.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"


class Stop(Exception):
    """An error that ends the command with one line and exit status 2."""


def say(message: str, end: str = "\n") -> None:
    """Print a line at once, also to a file; on a terminal, in place of one that has no end yet."""
    print("\r\x1b[2K" * sys.stdout.isatty() + message, end=end, flush=True)


def clock(seconds: float) -> str:
    """Return a duration as text: 4.2 s, 1:05 min."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02} min"


def quietly(
    command: Sequence[str | Path], what: str, log: str, env: Mapping[str, str] | None = None
) -> None:
    """Say `what` a program does, and run it with its output in `_build/logs/LOG.log`.

    `env` is added to the environment. Where it fails, the log's end is the note of the `Stop`.
    """
    say(what)
    path = BUILD / "logs" / f"{log}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        whole = os.environ | (env or {})
        status = subprocess.call(command, stdout=file, stderr=file, cwd=ROOT, env=whole)
    if status:
        stop = Stop(f"{what} failed (the whole log: {path.relative_to(ROOT)})")
        stop.add_note("\n".join(path.read_text("utf-8", "replace").splitlines()[-30:]))
        raise stop


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
