"""The house stays small: lines a room, lines a file and a class; tests lie as the code does."""

import ast

import pytest

# Where the rooms stand. They are to come down to 10,000, 4,000, 1,100 and 14,000: whoever adds a
# line takes one away.
BUDGETS = {"recsys_lib": 11_593, "course": 3_983, "book": 1_313, "tests": 15_117}
FILE, CLASS, PARAMETERS = 350, 250, 9
WIDE = 11  # functions of more parameters than that: fewer is better, more is not allowed
# What other libraries call public for all its underscore: named tuples, os, Spark's bridge to Java.
PUBLIC = {"_asdict", "_replace", "_fields", "_jsc", "_jvm", "_exit"}
# Tests of what is no module of its own: a contract, or what several modules do together.
TOGETHER = {
    "recsys_lib/models/test_check_model.py",
    "recsys_lib/models/test_linear_models.py",
    "recsys_lib/spark/test_checkpoints.py",
    "recsys_lib/spark/test_cluster.py",
    "recsys_lib/spark/test_fit.py",
    "course/figures/test_lines.py",
    "recsys_lib/spark/test_serving.py",
    "benchmarks/test_benchmarks.py",
}


@pytest.fixture(scope="module")
def sources(root):
    """The text of every Python file, by its path from the root."""
    return {
        path.relative_to(root): path.read_text("utf-8")
        for room in BUDGETS
        for path in sorted((root / room).rglob("*.py"))
    }


@pytest.fixture(scope="module")
def trees(sources):
    """The code of every file that is no test."""
    return {
        path: ast.parse(text) for path, text in sources.items() if not path.is_relative_to("tests")
    }


def nodes(trees, *kinds):
    return [(path, node) for path in trees for node in ast.walk(trees[path]) if type(node) in kinds]


@pytest.mark.parametrize("room", BUDGETS)
def test_a_room_keeps_to_its_budget(sources, room):
    lines = sum(text.count("\n") for path, text in sources.items() if path.is_relative_to(room))
    assert 0 < lines <= BUDGETS[room]


def test_no_file_and_no_class_is_long(sources, trees):
    long = {str(path): n for path in trees if (n := sources[path].count("\n")) > FILE}
    for path, node in nodes(trees, ast.ClassDef):
        if (n := node.end_lineno - node.lineno + 1) > CLASS:
            long[f"{path}: {node.name}"] = n
    assert long == {}


def test_nobody_reaches_into_anothers_private_names(trees):
    """A private name may be used in the file that defines it, and on `self`, `cls`, `super()`."""
    reaches = []
    for path, tree in trees.items():
        own = set(PUBLIC)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                own.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                own.add(node.attr)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr not in own:
                private = node.attr.startswith("_") and not node.attr.startswith("__")
                if private and ast.unparse(node.value) not in {"self", "cls", "super()"}:
                    reaches.append(f"{path}:{node.lineno}: {ast.unparse(node)}")
    assert reaches == []


def test_no_more_functions_take_many_parameters(trees):
    wide = []
    for path, node in nodes(trees, ast.FunctionDef, ast.AsyncFunctionDef):
        names = [
            arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        ]
        if len(names) - (names[:1] in (["self"], ["cls"])) > PARAMETERS:
            wide.append(f"{path}: {node.name}")
    assert len(wide) <= WIDE, wide


def test_tests_lie_as_the_code_does(root):
    """tests/room/part/test_name.py tests room/part/name, a module or a package, or room/part."""
    strays = []
    for room in ("recsys_lib", "course", "benchmarks"):
        for path in (root / "tests" / room).rglob("test_*.py"):
            place = path.relative_to(root / "tests")
            code = root / place.with_name(place.stem.removeprefix("test_"))
            found = (
                code.is_dir() or code.with_suffix(".py").exists() or code.name == place.parts[-2]
            )
            if not found and place.as_posix() not in TOGETHER:
                strays.append(place.as_posix())
    assert strays == []
    gone = [name for name in TOGETHER if not (root / "tests" / name).exists()]
    assert gone == [], "no such tests: take them off the list"
