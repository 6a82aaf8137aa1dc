"""The repository's promises to itself: what stands in two places is equal, sources are clean."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import bootstrap
import nbformat
import pytest
import supplies
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@pytest.fixture(scope="module")
def pyproject(root):
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def required(pyproject):
    """Every direct dependency: what the library, the book and the tests need."""
    project = pyproject["project"]
    extras = (project["optional-dependencies"][name] for name in ("ann", "book", "dev", "nets"))
    return [Requirement(text) for text in sum(extras, project["dependencies"])]


@pytest.fixture(scope="module")
def notebooks(root):
    found = {path: nbformat.read(path, 4) for path in (root / "notebooks").glob("*.ipynb")}
    assert found
    return found


CONDA_NAMES = {"pytorch": "torch"}  # where conda-forge calls a package by another name


def normal(requirement):
    name = CONDA_NAMES.get(requirement.name, requirement.name)
    return canonicalize_name(name), str(requirement.specifier)


def test_conda_users_get_the_same_dependencies(root, pyproject, required):
    listed = yaml.safe_load((root / "environment.yml").read_text("utf-8"))["dependencies"]
    *pip, ours = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    assert ours == "-e ."  # so that a launched copy can import the library, and `course` beside it
    conda = [Requirement(entry) for entry in listed if isinstance(entry, str)]
    versions = {normal(entry) for entry in conda if entry.name in {"python", "pip", "make"}}
    assert ("python", pyproject["project"]["requires-python"]) in versions
    others = [entry for entry in conda if entry.name not in {"python", "pip", "make", "nodejs"}]
    assert {*map(normal, others), *map(normal, map(Requirement, pip))} == {*map(normal, required)}


def versions(lock):
    return re.findall(r"^([\w.-]+)==([^\s;]+)", lock, re.MULTILINE)


def pinned(lock):
    return dict(versions(lock))


@pytest.fixture(scope="module")
def locks(root):
    """The text of each list of pins and of what they are made from, by its file's name."""
    paths = [root / "requirements.lock", *(root / "book" / "locks").iterdir()]
    return {path.name: path.read_text("utf-8") for path in paths}


def test_what_is_locked_has_hashes(locks):
    for name, lock in locks.items():
        blocks = re.split(r"^(?=\S)", lock, flags=re.MULTILINE)
        pins = [block for block in blocks if "==" in block and not name.endswith(".in")]
        assert [block for block in pins if "--hash=sha256:" not in block] == []


def test_the_lock_file_holds_every_dependency(locks, required):
    lock, torch, tools = (locks[n] for n in ("requirements.lock", "torch.txt", "tools.txt"))
    pins = pinned(lock)
    assert "torch" not in pins  # its builds come from elsewhere: see book/bootstrap.py
    for name, version in pinned(torch).items():
        assert pins.setdefault(name, version) == version
    more = dict({*versions(tools)} - {*versions(lock)})
    assert {"mypy", "playwright", "pytest", "ruff", "usearch"} <= more.keys()  # no reader's need
    assert not more.keys() & pins.keys()
    for requirement in required:
        assert requirement.specifier.contains((more | pins)[canonicalize_name(requirement.name)])
    assert f"torch=={pins['torch']}" in locks["torch.in"]
    cpu = locks["torch-cpu.txt"]
    assert pinned(cpu) == {"torch": f"{pins['torch']}+cpu"} and cpu.count("--hash=sha256:") >= 8
    assert "nvidia" not in lock


def test_the_peers_are_locked_apart(pyproject, required):
    peers = [Requirement(text) for text in pyproject["dependency-groups"]["peers"]]
    pins = supplies.pinned_peers()
    assert list(pins) == [peer.name for peer in peers]
    for peer in peers:
        assert peer.specifier.contains(pins[peer.name].removeprefix(f"{peer.name}=="))
    assert not {peer.name for peer in peers} & {other.name for other in required}


def test_spark_is_locked_apart(locks, pyproject):
    (spark,) = map(Requirement, pyproject["project"]["optional-dependencies"]["spark"])
    (wanted,) = map(Requirement, locks["spark.in"].split())
    assert normal(wanted) == normal(spark)
    pins = pinned(locks["spark.txt"])
    assert spark.specifier.contains(pins.pop("pyspark"))
    assert list(pins) == ["py4j"]  # the rest of what it needs is the course's own, and pinned there


def tracked(root):
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return [root / name for name in listed.split("\0") if name and (root / name).is_file()]


def test_no_file_names_a_place_to_download_packages_from(root):
    """Which index or mirror serves a package is the machine's matter; the hashes are ours."""
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    names = ["pypi", "pythonhosted", "registry.npmjs", "registry.yarnpkg", "conda.anaconda"]
    host = re.compile("|".join(rf"{re.escape(name)}\.(?:org|com)\b" for name in names))
    found = [path for path in tracked(root) if host.search(path.read_text("utf-8", "replace"))]
    assert found == []


def test_notebooks_carry_no_outputs_but_the_checked_ones(notebooks):
    for path, notebook in notebooks.items():
        for number, cell in enumerate(notebook.cells, 1):
            if cell.cell_type != "code":
                continue
            where = f"{path.name}, cell {number}: `make outputs` clears what does not belong"
            checked = "nbval-check-output" in cell.metadata.get("tags", [])
            assert bool(cell.outputs) == checked, where
            assert cell.execution_count is None, where
            assert all(output.output_type == "stream" for output in cell.outputs), where


def test_figures_and_exercises_have_names_of_their_own_in_the_whole_book(notebooks):
    names = []
    for notebook in notebooks.values():
        for cell in notebook.cells:
            names.append(cell.metadata.get("mystnb", {}).get("figure", {}).get("name"))
            names += re.findall(r"^:(?:label|name): (\S+)$", cell.source, re.MULTILINE)
    names = [name for name in names if name]
    assert len(names) > 20
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_profiles_name_only_parameters_that_a_chapter_has(root, notebooks):
    table = tomllib.loads((root / "book" / "profiles.toml").read_text("utf-8"))
    names = {}
    for path, notebook in notebooks.items():
        cells = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
        assert len(cells) == 1, f"{path.name} has {len(cells)} cells tagged `parameters`"
        lines = ast.parse(cells[0].source).body
        assert all(isinstance(line, ast.Assign) for line in lines), path.name
        names[path.stem] = {target.id for line in lines for target in line.targets}
        assert "DATASET" in names[path.stem], path.name
    for profile, values in table.items():
        for key, value in values.items():
            if isinstance(value, dict):
                assert key in names, f"{profile} names {key}, and there is no such chapter"
                assert value.keys() <= names[key], f"{profile}, {key}"
            elif key not in {"limit", "together"}:
                assert all(key in known for known in names.values()), f"{profile}: {key}"


@pytest.mark.slow
def test_the_readme_quickstart_runs_as_it_stands(root, tmp_path, python):
    readme = (root / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert blocks, "README.md has no python block"
    assert all(len(block.strip().splitlines()) <= 12 for block in blocks)
    python("-c", "".join(blocks), cwd=tmp_path)


@pytest.mark.slow
def test_modules_import_only_what_stands_below_them(root):
    program = bootstrap.BIN / "lint-imports"
    env = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [program, "--no-cache"], cwd=root, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_wheel_holds_the_library_with_its_data_and_nothing_else(root, tmp_path, python):
    python("-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {path.relative_to(root).as_posix() for path in tracked(root)}
    assert names == {name for name in files if name.startswith("recsys_lib/")}
    assert {Path(name).suffix for name in names} >= {".py", ".toml", ".js", ".css"}


@pytest.mark.slow
def test_a_kernel_finds_the_course_where_notebooks_are(root):
    """By the editable install alone, as in a plain JupyterLab."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = "import benchmarks, course, recsys_lib"
    subprocess.run([sys.executable, "-c", code], cwd=root / "notebooks", env=env, check=True)


def test_the_version_is_the_same_wherever_it_stands(root, pyproject):
    version = pyproject["project"]["version"]
    cited = yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))
    about = (root / "book" / "about.md").read_text("utf-8")
    assert cited["version"] == version
    assert f"version = {{{version}}}" in about and f"{{{cited['title']}}}" in about
    assert (root / "CHANGELOG.md").read_text("utf-8").split("\n## ")[1].startswith(f"{version}\n")


@pytest.mark.slow
def test_the_capstones_baseline_prints_what_the_page_says(root, python):
    text = (root / "book" / "instructor" / "capstone.md").read_text("utf-8")
    code, shown = re.findall(r"^```(?:python|text)\n(.*?)^```", text, re.M | re.S)
    assert python("-c", code).stdout == shown
    assert max(map(len, code.splitlines())) <= 88
