"""Inline expressions in Markdown cells: ``{eval}`expression` ``. Code is left alone."""

import ast
import re
from collections.abc import Iterator

# What may hold an expression, after what may not: fenced code.
_INLINE = re.compile(r"^```(?!\{).*?^```|\{eval\}`([^`]+)`", re.MULTILINE | re.DOTALL)


def expressions(source: str) -> list[str]:
    """Return the inline expressions of a Markdown cell, in their order."""
    return [found[1] for found in _INLINE.finditer(source) if found[1]]


def text_of(bundle: dict[str, str]) -> str:
    """Return what is written in the place of an expression with that value, a MIME bundle."""
    if "text/markdown" in bundle:
        return bundle["text/markdown"]
    plain = bundle["text/plain"]
    return str(ast.literal_eval(plain)) if plain[0] in "'\"" else plain


def filled(source: str, values: Iterator[str]) -> str:
    """Return a Markdown cell with a value in the place of each expression."""
    return _INLINE.sub(lambda found: next(values) if found[1] else found[0], source)
