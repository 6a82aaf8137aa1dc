"""Base classes of the widgets, which also have a form as HTML for pages without a kernel."""

import base64
import html
import inspect
import io
import json
from collections.abc import Callable
from typing import Any, ClassVar

import anywidget
import traitlets

from recsys_lib.errors import taking
from recsys_lib.widgets import assets

Draw = Callable[..., Any]  # returns a widget's figure (Matplotlib's); each says what it is given
Plain = tuple[str, tuple[Any, ...]]  # what is said instead of a widget, and what its figure draws


class PageWidget(anywidget.AnyWidget):
    """A widget whose logic is in JavaScript, ``js/PAGE.js``, so that it needs no kernel.

    Beside the live view it returns ``text/html``: its state as JSON, which the site's script finds
    and mounts, and a plain form for readers without JavaScript.
    """

    page_name: ClassVar[str]  # of the ES module, and of the mount in a page

    def __init_subclass__(cls, page: str = "", **kwargs: Any) -> None:
        if page:  # a subclass made on the fly, when traits are added, has what its parent has
            cls.page_name, cls._esm, cls._css = page, assets.module(page), assets.style()
            checked = taking(f"what {cls.__name__} is given", traitlets.TraitError)
            setattr(cls, "__init__", checked(cls.__init__))  # noqa: B010 # mypy wants no assignment
            _, *given = inspect.signature(cls.__init__).parameters.values()
            setattr(cls, "__signature__", inspect.Signature(given))  # noqa: B010 # as written
        super().__init_subclass__(**kwargs)

    def _plain(self) -> str:
        """Return HTML for print, and for readers without JavaScript."""
        raise NotImplementedError

    def to_html(self) -> str:
        """Return the widget as HTML for the site's script: its traits that are tagged `page`."""
        told = self.get_state([*self.traits(page=True)])
        state = json.dumps(told, default=_bytes, separators=(",", ":"))
        # Inside a script element only "</script" and "<!--" mean anything: let there be no "<".
        state = state.replace("<", "\\u003c")
        return (
            f'<div class="recsys-widget" data-recsys="{self.page_name}">'
            f'<script type="application/json">{state}</script>'
            f'<div class="recsys-plain">{self._plain()}</div></div>'
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:  # the widget is closed
            return None
        return {**bundle[0], "text/html": self.to_html()}, bundle[1]


class Explorer(PageWidget):
    """A small widget: constants in `fixed`, values that the reader sets, and a figure for print.

    A subclass says in `_still` what stands for it in print, in words and as the figure's data.
    """

    fixed = traitlets.Dict().tag(sync=True, page=True)

    def __init__(self, figure: Draw | None, fixed: dict[str, Any], **chosen: Any) -> None:
        self.figure = figure
        super().__init__(fixed=fixed, **chosen)

    def _still(self) -> Plain:
        raise NotImplementedError

    def _plain(self) -> str:
        """Return the figure as it is set, if there is one, and words."""
        said, data = self._still()
        words = f"<p>{html.escape(said)}</p>"
        return words if self.figure is None else _image(self.figure(*data), said) + words


def _bytes(value: object) -> dict[str, str]:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} has no place in a widget's state")
    return {"base64": base64.b64encode(value).decode("ascii")}


def _image(figure: Any, said: str) -> str:
    """Return a figure as HTML that asks for no file; `said` is read where it cannot be seen."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    data = base64.b64encode(file.getvalue()).decode("ascii")
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    size = f'width="{width}" height="{height}"'
    return f'<img alt="{html.escape(said)}" {size} src="data:image/svg+xml;base64,{data}">'
