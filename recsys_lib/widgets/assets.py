"""The widgets' JavaScript and style sheet: small ES modules, joined where only one can be loaded.

JupyterLab gets a widget's code as one module; a page opened from a disk cannot load modules. So the
files are joined here: nothing is translated; `import` lines and the word `export` are removed.
"""

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)


@cache
def module(name: str) -> str:
    """Return ``js/NAME.js`` and all that it imports as the text of one ES module."""
    return "\n".join(_text(part) for part in _needed(name, []))


@cache
def style() -> str:
    """Return the style sheet of all widgets."""
    return (FOLDER / "widgets.css").read_text("utf-8")


def page_script(names: tuple[str, ...]) -> str:
    """Return a classic script that starts the widgets that a page holds as HTML.

    A classic script is loaded from ``file://`` too, and a page that forbids inline scripts takes
    it. `names` are those of modules with a default export.
    """
    parts = ['"use strict";\nconst recsysWidgets = {};']
    for name in names:
        body = _DEFAULT.sub("return ", module(name))
        parts.append(f"recsysWidgets[{name!r}] = (() => {{\n{body}}})();")
    parts.append(f"(() => {{\n{module('page')}}})();")
    return "\n".join(parts)


def _needed(name: str, found: list[str]) -> list[str]:
    """List a module and what it imports, each once, and none before what it needs itself."""
    for other in _IMPORT.findall((FOLDER / "js" / f"{name}.js").read_text("utf-8")):
        if other not in found:
            _needed(other, found)
    found.append(name)
    return found


def _text(name: str) -> str:
    return _EXPORT.sub("", _IMPORT.sub("", (FOLDER / "js" / f"{name}.js").read_text("utf-8")))
