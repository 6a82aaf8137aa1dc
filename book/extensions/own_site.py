"""A Sphinx extension that keeps the pages to the site's own files: no third party is asked."""

from typing import Any

from sphinx.application import Sphinx

WIDGET = "data-recsys="  # what marks the place of a widget of recsys_lib


def drop_thebe(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Take sphinx-thebe's scripts off a page: they name a CDN, and no page has a live kernel."""
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script.filename} {script.attributes.get('body')}".lower()
    ]


def add_widgets(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Give the widgets' script and style to the pages that have one, and to no other."""
    if WIDGET in context.get("body", ""):
        app.add_css_file("widgets.css")
        app.add_js_file("widgets.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect; thebe's scripts are dropped after sphinx-thebe has added them."""
    app.connect("html-page-context", add_widgets)
    app.connect("html-page-context", drop_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
