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
    """Return ``js/NAME.js`` and all that it imports, each once, as the text of one ES module."""
    parts: dict[str, str] = {}

    def need(part: str) -> None:
        text = (FOLDER / "js" / f"{part}.js").read_text("utf-8")
        for other in _IMPORT.findall(text):  # none stands before what it needs itself
            if other not in parts:
                need(other)
        parts[part] = _EXPORT.sub("", _IMPORT.sub("", text))

    need(name)
    return "\n".join(parts.values())


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
