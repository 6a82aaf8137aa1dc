"""Inline expressions in Markdown cells, ``{eval}`expression` ``; a value is text and no markup."""

import ast
import re
from collections.abc import Iterator

# What may hold an expression, after what may not: fenced code.
_INLINE = re.compile(r"^```(?!\{).*?^```|\{eval\}`([^`]+)`", re.MULTILINE | re.DOTALL)
# The signs that Markdown, MyST, Jinja or HTML might read; some only where a line begins.
_SIGNS = re.compile(r"""[\n\r"#$&()*+\-:<=>@\[\\\]^_`{|}~]|^%|^\d+\.(?=\s)""")


def plain(text: object) -> str:
    """Return a text from the data as Markdown that shows just this text: titles are not markup."""
    return _SIGNS.sub(
        lambda found: "".join(f"&#{ord(sign)};" for sign in found[0]), str(text).strip()
    )


def expressions(source: str) -> list[str]:
    """Return the inline expressions of a Markdown cell, in their order."""
    return [found[1] for found in _INLINE.finditer(source) if found[1]]


def text_of(bundle: dict[str, str]) -> str:
    """Return what is written in the place of an expression with that value, a MIME bundle."""
    if "text/markdown" in bundle:
        return bundle["text/markdown"]
    value = bundle["text/plain"]
    value = ast.literal_eval(value) if value[0] in "'\"" else value
    minus = "−" if re.search("[1-9]", value) else ""  # no hyphen; nor has a rounded zero a sign
    return plain(re.sub(r"^-(?=[\d.,]+%?$)", minus, value))


def filled(source: str, values: Iterator[str]) -> str:
    """Return a Markdown cell with a value in the place of each expression."""
    return _INLINE.sub(lambda found: next(values) if found[1] else found[0], source)
