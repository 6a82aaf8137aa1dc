import inspect

from course.source import Source
from recsys_lib.kernels import als as kernels
from recsys_lib.models.als import reference_half_step


def test_source_is_that_of_the_functions():
    shown = Source(kernels.sum_products, reference_half_step)
    for function in (kernels.sum_products.py_func, reference_half_step):
        assert inspect.getsource(function) in repr(shown)
    block = shown._repr_markdown_()
    assert block.startswith("```python\n@njit") and block.endswith("\n```")
