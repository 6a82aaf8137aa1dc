"""What need not be done twice: a stamp beside a result holds the hash of what it was made from.

Standard library only: the environment is made with it.
"""

import hashlib
from pathlib import Path


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
    """Whether the result beside `path` was made from these `parts`, as `digest` takes them."""

    def __init__(self, path: Path, *parts: str | Path) -> None:
        self.path = path
        self.key = digest(*parts)

    def holds(self) -> bool:
        """Whether nothing has changed since it was set."""
        return self.path.exists() and self.path.read_text("utf-8") == self.key

    def set(self) -> None:
        """Say that the result now stands."""
        self.path.write_text(self.key, "utf-8")
