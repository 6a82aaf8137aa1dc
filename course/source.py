"""The source of functions, as a chapter shows it: the code that runs."""

import inspect
from collections.abc import Callable
from typing import Any


class Source:
    """Python functions, compiled ones among them, shown as a block of code."""

    def __init__(self, *functions: Callable[..., Any]) -> None:
        plain = [getattr(function, "py_func", function) for function in functions]
        self.text = "\n\n".join(map(inspect.getsource, plain))

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.text}```"
