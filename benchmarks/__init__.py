"""Measuring. Models beside each other: `protocols`, `comparison`, and ``make reproduce``, ``tune``.

The library beside those that people would pick instead: ``make bench``. Each measurement is a
process of its own, on the same files of ratings. A peer runs in an environment apart
(`_build/peers`): of our modules, its process imports `benchmarks.worker` alone.
"""

import argparse
import sys
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """A parser that tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        """End the command."""
        print(f"error: {message} ({self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)
