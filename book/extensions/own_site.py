"""A Sphinx extension that keeps the pages to the site's own files: no third party is asked."""

from typing import Any

from sphinx.application import Sphinx


def drop_thebe(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Take sphinx-thebe's scripts off a page: they name a CDN, and no page has a live kernel."""
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script.filename} {script.attributes.get('body')}".lower()
    ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect after sphinx-thebe has added what is to be dropped."""
    app.connect("html-page-context", drop_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
