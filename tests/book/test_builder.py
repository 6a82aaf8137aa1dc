"""The builder: what it says to a user's mistake, what it runs again, what a failure leaves."""

import os
import sys

import bootstrap
import finish
import nbformat
import pages
import pytest
import runner
import supplies
from console import Stop

from course import ledger

pytestmark = pytest.mark.slow  # most of them start programs, or a kernel


@pytest.mark.parametrize(
    ("args", "env", "says"),
    [
        (["build", "--profile", "fast"], {}, "quick, standard, full"),
        (["build", "--dataset", "ml-33m"], {}, "ml-33m"),
        (["build", "--only", "99-none"], {}, "99-none"),
        (["spark"], {"JAVA_HOME": "no/such/java"}, "Java 17 or newer, and there is none"),
        (["build", "--dataset", "ml-1m"], {"RECSYS_DATA_HOME": "no/where"}, "RECSYS_DATA_HOME"),
    ],
)
def test_a_mistake_is_told_in_one_line(python, args, env, says):
    done = python("book", *args, status=2, **env)
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert says in done.stderr


def test_a_folder_of_ones_own_is_named_from_here_and_read_first(root, tmp_path, python):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "ratings.csv").write_text("user,item\n1,1\n,2\n")
    args = "build", "--dataset", "./mine", "--profile", "quick"
    done = python(root / "book", *args, cwd=tmp_path, status=2)
    assert done.stderr.count("\n") == 1
    assert f"error: {tmp_path}/mine/ratings.csv, row 3: user is ''" in done.stderr


def test_pages_name_a_folder_of_ones_own_and_not_where_it_lies():
    settings = pages.configuration(runner.Results("quick", "/somewhere/my <b>", []))["html"]
    for told in (settings["announcement"], settings["extra_footer"]):
        assert "my &lt;b&gt;" in told and "somewhere" not in told
    settings = pages.configuration(runner.Results("quick", "ml-1m", []))["html"]
    assert "announcement" not in settings and "<code>ml-1m</code>" in settings["extra_footer"]


def test_one_setting_gives_the_links_to_edit_to_report_and_to_launch(root, tmp_path, monkeypatch):
    results = runner.Results("quick", "ml-1m", [])
    for name in ("CITATION.cff", "_config.yml"):
        text = (
            (root / name).read_text("utf-8").replace('  url: ""', "  url: https://github.com/a/b")
        )
        (tmp_path / name).write_text(text, "utf-8")
    assert "launch_buttons" not in pages.configuration(results)
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    settings = pages.configuration(results)
    assert settings["html"]["use_edit_page_button"] and settings["html"]["use_issues_button"]
    assert settings["launch_buttons"]["binderhub_url"].startswith("https://")


def test_a_second_call_installs_nothing(capsys):
    if bootstrap.OWN or not bootstrap.inside():
        pytest.skip("not in the environment that the builder makes")
    bootstrap.environment()
    supplies.scripts()
    capsys.readouterr()
    bootstrap.environment()
    supplies.scripts()
    assert capsys.readouterr().out == ""


def write_java(folder, version):
    """Write a stand-in that says its version; return its path."""
    program = folder / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2023-10-17' >&2\n")
    program.chmod(0o755)
    return program


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_a_java_that_is_too_old_is_told(tmp_path, monkeypatch):
    program = write_java(tmp_path, "1.8.0_392")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(Stop, match=f"{program} is version 1: install it .*openjdk-17"):
        supplies.java()


def test_an_unknown_browser_is_told(monkeypatch):
    monkeypatch.setenv("RECSYS_BROWSER", "no-such-browser")
    with pytest.raises(Stop, match="no-such-browser"):
        supplies.browser()


def write_chapter(path, parameters, *sources):
    """Write a chapter of a title, its parameters and a cell for each source; return its path."""
    v4 = nbformat.v4
    cells = [
        v4.new_markdown_cell("# A chapter"),
        v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        *map(v4.new_code_cell, sources),
    ]
    notebook = v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "language": "python", "display_name": ""}
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def chapter(tmp_path):
    """A function that writes a chapter with the given cells after its parameters."""
    path = tmp_path / "01-chapter.ipynb"
    return lambda *sources: write_chapter(path, "A = 1\nDATASET = 'auto'", *sources)


@pytest.fixture
def run(tmp_path):
    """Run a chapter in a folder of the test's own."""
    folder = tmp_path / "runs"
    folder.mkdir()

    def one(source, values, common="key"):
        return runner.Chapter(source, folder, 1_200).run(values, common)

    return one


def test_a_chapter_runs_with_its_values_where_the_notebooks_are(run, chapter):
    told = "import os\nprint(A, DATASET, os.getcwd(), os.environ['RECSYS_CLAIMS'])"
    source, own = chapter(told, "x = bytearray(200_000_000)"), dict(os.environ)
    done = run(source, {"A": 7, "DATASET": "synthetic"})
    assert done.status == "ran"
    assert done.peak > 200e6
    cells = nbformat.read(done.path, as_version=4).cells
    claims = ledger.path_of(done.path)
    assert cells[3].outputs[0].text == f"7 synthetic {runner.NOTEBOOKS} {claims}\n"
    assert dict(os.environ) == own  # those of the chapters that run beside it are not touched


def test_a_chapter_is_run_again_only_when_something_changed(run, chapter, tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_DATA_HOME", str(tmp_path))
    source = chapter("import time\nprint(time.time_ns())")
    values = {"A": 1, "DATASET": "ml-1m", "WATCH": "synthetic-watch"}
    first = run(source, values)
    text = first.path.read_text()
    again = run(source, values)
    assert (again.status, again.took, again.peak) == ("cached", first.took, first.peak)
    assert first.path.read_text() == text

    stamp = first.path.with_suffix(".stamp")
    for cut in (64, -5):  # as a full disk does
        stamp.write_text(stamp.read_text()[:cut])
        assert run(source, values).status == "ran"
    assert run(source, {**values, "A": 2}).status == "ran"
    assert run(source, {**values, "A": 2}, common="another library").status == "ran"
    (tmp_path / "synthetic-watch.zip").write_bytes(b"")
    assert run(source, {**values, "A": 2}, common="another library").status == "ran"
    source = chapter("import time\nprint(time.time_ns(), 'changed')")
    assert run(source, {**values, "A": 2}, common="another library").status == "ran"


def test_a_failing_chapter_is_told_with_its_cell_and_run_again(run, chapter, capsys):
    source = chapter("1 / 0", "print('never')")
    for _ in range(2):
        done = run(source, {"DATASET": "synthetic"})
        assert done.status == "failed"
    said = capsys.readouterr().out
    assert "failed at cell 4/5" in said
    assert "ZeroDivisionError" in said
    cells = nbformat.read(done.path, as_version=4).cells
    assert "failed at cell 4/5" in cells[1].source
    assert [cell.outputs for cell in cells if "never" in cell.source] == [[]]
    assert not runner.Results("quick", "synthetic", [done]).passed


CLAIM = """from course.claims import Claims
made = Claims("01", of=1).mean("one", "It is 1", [A] * 100, within=(0.9, 1.1), must=("synthetic",))
"""


def test_a_claim_that_must_hold_fails_the_reference_build_where_it_does_not(
    run, chapter, capsys, monkeypatch
):
    source = chapter(CLAIM)
    assert run(source, {"A": 2}).status == "ran"
    monkeypatch.setitem(ledger.REFERENCES, "runs", "synthetic")
    done = run(source, {"A": 2}, common="another")
    assert done.status == "failed"
    said = capsys.readouterr().out
    assert "failed at its claims" in said and "one: It is 1: does not hold here (2.0" in said
    assert run(source, {"A": 1}).status == "ran"
    assert "does not" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "code",
    ["<script>x()</script>", "<SCRIPT type=module>x()</SCRIPT>", '<img src=x onerror="x()">',
     "<img onerror=x() src=y>", "<a title='>' onclick='x()'>"],
)  # fmt: skip
def test_a_script_that_is_not_ours_fails_the_build_and_names_the_page(code):
    page = "<meta charset='utf-8'><p title=\"' onclick='x()\">onclick='x()' &lt;script&gt;x()</p>"
    policy = finish.guarded(page, "notebooks/01-eda")
    assert "script-src" in policy and finish.hashed("x()") not in policy
    assert finish.hashed("window.print()") in policy  # of the list, whatever stands in the page
    with pytest.raises(Stop, match=r"notebooks/01-eda.html has a script .*x\(\)"):
        finish.guarded(page + code, "notebooks/01-eda")


FILL = """import resource
resource.setrlimit(resource.RLIMIT_AS, (4 << 30,) * 2)
kept = [bytearray(1 << 26) for _ in range(1000)]"""
ENDS = {
    "ends its process": "import os; os._exit(9)",
    "asks to be ended": "import sys; sys.exit(0)",
    "is killed, as by a system without memory": "import os; os.kill(os.getpid(), 9)",
    "asks for more memory than there is": "x = bytearray(1 << 60)",
    "fills the memory that it may have": FILL,
}


@pytest.mark.parametrize("what", ENDS)
def test_a_cell_that_ends_its_kernel_is_told_too(run, chapter, capsys, what, trial):
    done = run(chapter("1", ENDS[what]), {"DATASET": "synthetic"})
    assert done.status == "failed"
    assert "failed at cell 5/5" in capsys.readouterr().out
    assert "failed at cell 5/5" in nbformat.read(done.path, as_version=4).cells[1].source
    trial(f"a chapter that {what}", 1, "it failed, and its cell was named")


def test_a_file_that_is_no_notebook_is_told(run, tmp_path):
    source = tmp_path / "01-chapter.ipynb"
    source.write_text("{")
    with pytest.raises(Stop, match=r"01-chapter.ipynb is not a notebook"):
        run(source, {"DATASET": "synthetic"})


def test_data_in_a_local_folder_are_part_of_the_key(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_DATA_HOME", str(tmp_path))
    empty = runner.data_key("ml-100k")
    (tmp_path / "ml-100k.zip").write_bytes(b"one")
    one = runner.data_key("ml-100k")
    (tmp_path / "ml-100k.zip").write_bytes(b"other")
    assert len({empty, one, runner.data_key("ml-100k"), runner.data_key("ml-1m")}) == 4
    (tmp_path / "KuaiRec.zip").write_bytes(b"")
    assert "KuaiRec.zip" in runner.data_key("kuairec")
    key = runner.data_key(str(tmp_path))
    (tmp_path / "ratings.csv").write_bytes(b"user,item")
    assert "ratings.csv" not in key and "ratings.csv" in runner.data_key(str(tmp_path))


def test_spark_is_brought_where_java_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setattr(supplies, "BUILD", tmp_path)
    assert supplies.spark_to_show(False) == ""
    assert capsys.readouterr().out == ""  # it is not asked for
    assert supplies.spark_to_show(True) == ""
    assert "shows stored results: Spark needs Java 17" in capsys.readouterr().out
    write_java(tmp_path, "17.0.15")
    (tmp_path / "spark").mkdir()  # as if it had been brought before
    pins = bootstrap.LOCKS / "spark.txt"
    supplies.Stamp(tmp_path / "spark" / "course.stamp", sys.version, pins).set()
    assert supplies.spark_to_show(False) == str(tmp_path / "spark")


def test_a_profile_gives_common_and_own_values(home, tmp_path, monkeypatch):
    table = tmp_path / "profiles.toml"
    table.write_text(
        '[quick]\nDATASET = "auto:ml-32m"\nN = 1\nNAME = "automatic"\n'
        '[quick."01-a"]\nN = 2\nDATASET = "auto:kuairec"\n'
    )
    monkeypatch.setattr(runner, "TABLE", table)
    for name, found in (("01-a", ["synthetic-watch", 2]), ("02-b", ["synthetic-32m", 1])):
        assert [*runner.parameters("quick", name).values()] == [*found, "automatic"]
    assert runner.parameters("quick", "01-a", "ml-1m")["DATASET"] == "ml-1m"  # asked for


def test_what_pip_is_told_reaches_uv(monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels/of this machine")
    monkeypatch.setattr(bootstrap, "PYTHON", sys.executable)
    assert bootstrap.pip_settings()["find-links"] == "/wheels/of this machine"
