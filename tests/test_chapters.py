"""The chapters' form: prose in Markdown, results computed, conclusions claimed."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from course.inline import expressions

PAGES = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
CHAPTERS = [path for path in PAGES if path.stem[0].isdigit()]
CELLS, WORDS = 60, 3000
PRACTICE = 30  # cells from the exercises on
GRADES = {"Predict": 1, "Code": 2, "Investigate": 1}  # and how many exercises of each, at least
OPENING = ("**What you will do.**", "**After this chapter you can**", "**Time.**")
MINUTES = {15: "A quarter of an hour", 30: "Half an hour", 45: "Three quarters of an hour"}
SECTIONS = ["Exercises", "Quiz", "Summary", "What is next"]  # the last ones, in this order
# Numbers that are no results: what a question assumes, a level by convention, a name.
ALLOWED = {
    "02-bias": ["exactly 4.5", "overall mean is 3.5", "γ = 2.5"],
    "01-eda": ["a probability of 95%", "is 3.5", "3.5: that", "than 3.5", "2.75", "0.5 to 5"],
    "11-leaderboard": ["95% confidence interval", "95% interval"],
    "10-latent-space": ["ten times as wide", "two times as wide"],
    "15-rating-demo": ["60% to 75%", "68.3%", "68%"],
    "12-how-sure": ["68%", "80%", "an R-hat below 1.1"],
    "13-ab-test": [
        "takes four times the users", "power of 80%", "probability of 5%",
        "its 95% quantile in 5%", "Below 0.001", "p was below 0.05", "p is below 0.05",
    ],
    "14-newcomers": ["RMSE of 1.0", "have 0.9", "About 0.9", "1.0, until"],
    "04-tuning": [
        "level of 95%: the mean plus and minus 1.96", "τ = 2.8", "τ = 1.4", "mean 0.850",
        "mean 0.847", "deviation of 0.004",
    ],
}  # fmt: skip
NO_PROSE = re.compile(
    r"^```.*?^```|\$\$.*?\$\$|`[^`]*`|\$[^$]+\$|\]\([^)]*\)|<[^>]+>", re.MULTILINE | re.DOTALL
)
RESULT = re.compile(
    r"\d\.\d|\d ?%|\bper ?cent\b|\b(?:\d+|two|three|four|five|six|seven|eight|nine|ten) times\b"
    r"|\btwice as\b|\bhalf as\b",
    re.IGNORECASE,
)


class Chapter:
    """A chapter's cells, as the checks want them."""

    def __init__(self, path):
        self.name = path.stem
        self.cells = nbformat.read(path, as_version=4).cells
        self.markdown = [cell.source for cell in self.cells if cell.cell_type == "markdown"]
        self.code = [cell.source for cell in self.cells if cell.cell_type == "code"]
        self.asked = [one for source in self.markdown for one in expressions(source)]

    def number(self, tested):
        """Number of the first cell that passes a test."""
        return next(number for number, cell in enumerate(self.cells) if tested(cell))


def tags(cell):
    return cell.metadata.get("tags", [])


def folded(cell):
    """Whether a code cell is folded in the site and in JupyterLab."""
    hidden = cell.metadata.get("jupyter", {}).get("source_hidden", False)
    return hidden and bool({"hide-cell", "hide-input"} & {*tags(cell)})


def prose_of(source):
    """A Markdown cell without code, math, roles, addresses and HTML."""
    return NO_PROSE.sub(" ", source)


@pytest.fixture(scope="module", params=CHAPTERS, ids=lambda path: path.stem)
def chapter(request):
    return Chapter(request.param)


def test_the_map_of_the_course_is_right_and_its_times_add_up(root):
    """The first page lists each chapter by its title, with the time that the chapter says."""
    text = (root / "book" / "intro.md").read_text("utf-8")
    rows = re.findall(
        r"^\| \d+ \| \[(.+)\]\(\.\./notebooks/(.+)\) \|.+\| (\d+) \|$", text, re.MULTILINE
    )
    assert [name for _, name, _ in rows] == [path.stem for path in CHAPTERS]
    for (title, _, minutes), path in zip(rows, CHAPTERS, strict=True):
        found = Chapter(path).markdown
        assert found[0].startswith(f"# {title}\n")
        assert f"**Time.** {MINUTES[int(minutes)]}" in "\n".join(found)
    total = sum(int(minutes) for _, _, minutes in rows)
    assert f"| | | Together | {total} |" in text


@pytest.mark.parametrize("chapter", PAGES, ids=lambda path: path.stem, indirect=True)
def test_no_code_writes_prose(chapter):
    """Text is written in Markdown cells, where a reader finds it and can change it.

    Nor does a pandas Styler write tables: it shows a title that is HTML as HTML.
    """
    writes = r"\b(Markdown|HTML)\b|\.style\."
    assert [source for source in chapter.code if re.search(writes, source)] == []


def test_results_are_not_typed(chapter):
    found = []
    for source in chapter.markdown:
        for allowed in ALLOWED.get(chapter.name, []):
            source = source.replace(allowed, "")
        text = prose_of(source)
        found += [text[max(hit.start() - 40, 0) : hit.end() + 20] for hit in RESULT.finditer(text)]
    assert found == [], "write an inline expression, or allow what is no result"


def test_a_chapter_is_short(chapter):
    """Half an hour is for the text: the cells of the exercises have a bound of their own.

    A reader meets an exercise's stub, and its folded hint and solution only if they are wanted.
    With one bound for both, each further exercise would cost a part of the text.
    """
    words = sum(len(re.findall(r"[^\W\d_]{2,}", prose_of(source))) for source in chapter.markdown)
    text = chapter.number(lambda cell: "## Exercises" in cell.source)
    assert text <= CELLS
    assert len(chapter.cells) - text <= PRACTICE
    assert words <= WORDS


@pytest.mark.parametrize("chapter", PAGES, ids=lambda path: path.stem, indirect=True)
def test_code_fits_its_box(chapter):
    """On a screen of 1280 pixels."""
    assert [line for source in chapter.code for line in source.splitlines() if len(line) > 90] == []


def test_every_chapter_has_the_same_sections(chapter):
    text = "\n".join(chapter.markdown)
    places = [text.find(part) for part in OPENING]
    assert -1 not in places and places == sorted(places), OPENING
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert sections[-len(SECTIONS) :] == SECTIONS
    assert text.find(OPENING[-1]) < text.find("\n## ")


def test_goals_are_actions(chapter):
    """Each begins with a verb in its base form."""
    text = "\n".join(chapter.markdown)
    goals = re.findall(r"^\* (\w+)", text[text.find(OPENING[1]) : text.find(OPENING[2])], re.M)
    assert 3 <= len(goals) <= 6
    assert [goal for goal in goals if goal in {"how", "why", "that", "what", "which", "when"}] == []


def test_parameters_and_imports_are_folded_and_below_the_goals(chapter):
    """The demo's chapter begins with the demo: there they are above the goals, and folded too."""
    demo_first = chapter.name == "15-rating-demo"
    goals = chapter.number(lambda cell: OPENING[1] in cell.source)
    for number, cell in enumerate(chapter.cells):
        stub = "..." in cell.source  # of an exercise: it brings its checker
        if "parameters" in tags(cell) or (not stub and re.match(r"(import|from) ", cell.source)):
            assert (number > goals or demo_first) and folded(cell), f"cell {number + 1}"


def test_exercises_have_one_form(chapter):
    """A question of some grade, a stub with its checker, the two folds, the folded solution."""
    first = chapter.number(lambda cell: "## Exercises" in cell.source)
    part = chapter.cells[first : chapter.number(lambda cell: "## Quiz" in cell.source)]
    grades = []
    for question, stub, folds, solution in zip(*(part[k::4] for k in range(4)), strict=True):
        grades += re.findall(r"^```\{exercise\} (\w+): ", question.source, re.MULTILINE)
        for cell in (stub, solution):
            assert re.search(r"^check_\w+\(", cell.source, re.MULTILINE), cell.source
            assert "def check" not in cell.source, "it belongs to course/exercises"
        assert re.search(r"^def .*: \.\.\.| = \.\.\.", stub.source, re.MULTILINE), stub.source
        names = re.findall(r"^```\{admonition\} (\w+)\n:class: dropdown$", folds.source, re.M)
        assert names == ["Hint", "Solution"]
        assert folded(solution) and "solution" in tags(solution)
        assert solution.source.startswith("# A solution.\n"), "JupyterLab shows the first line"
    assert 4 <= len(grades) == len(part) / 4 <= 6 and {*grades} == {*GRADES}
    assert all(grades.count(grade) >= least for grade, least in GRADES.items())


def test_inline_expressions_are_python(chapter):
    for one in chapter.asked:
        ast.parse(one, mode="eval")
    spread = [s for s in chapter.markdown if s.count("{eval}`") != len(expressions(s))]
    assert spread == [], "an expression holds a backtick"
    assert not [one for one in chapter.asked if " if " in one], "a sentence is written once"


def assigned(node):
    """Return the names that code assigns, outside of functions and comprehensions."""
    if isinstance(
        node, ast.FunctionDef | ast.Lambda | ast.ListComp | ast.DictComp | ast.GeneratorExp
    ):
        return set()
    own = {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else set()
    return own.union(*map(assigned, ast.iter_child_nodes(node)))


def test_what_a_sentence_shows_is_not_changed_by_later_cells(chapter):
    """JupyterLab evaluates an expression when the kernel is free: when all cells have run."""
    shown = set()
    for cell in chapter.cells:
        if cell.cell_type == "code":
            assert not shown & assigned(ast.parse(cell.source))
        for one in expressions(cell.source) if cell.cell_type == "markdown" else ():
            nodes = [*ast.walk(ast.parse(one))]
            bound = {node.arg for node in nodes if isinstance(node, ast.arg)}
            shown |= {node.id for node in nodes if isinstance(node, ast.Name)} - bound


def test_every_claim_is_shown_and_every_verdict_is_a_claims(chapter):
    """And they are as many as the chapter says, since their intervals are corrected for that."""
    made, of = [], 0
    for node in ast.walk(ast.parse("\n".join(chapter.code))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if ast.unparse(node.func.value) == "claims":
                made.append(ast.literal_eval(node.args[0]))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "Claims":
            of = next(ast.literal_eval(word.value) for word in node.keywords if word.arg == "of")
            assert ast.literal_eval(node.args[0]) == chapter.name
    shown = {
        found for one in chapter.asked for found in re.findall(r"claims\[['\"](.+?)['\"]\]", one)
    }
    assert sorted(made) == sorted({*made}) and {*made} == shown
    assert len(made) == of
    assert not [one for one in chapter.asked if ".verdict" in one], "it stands with its evidence"


def test_conclusions_are_claims(chapter):
    """A bold sentence has a computed number; what the summary says was claimed or derived."""
    text = "\n\n".join(chapter.markdown)
    for block in re.split(r"\n\n+|\n(?=\* )", text):
        bold = re.findall(r"\*\*([^*]+)\*\*", block)
        sentences = [text for text in bold if len(text.split()) > 5 and text.endswith(".")]
        assert sentences == [] or "{eval}" in block, sentences
    summary = text[text.find("## Summary") : text.find("## What is next")]
    bullets = re.findall(r"^\* .+?(?=^\* |\Z|\n\n)", summary, re.MULTILINE | re.DOTALL)
    assert len(bullets) >= 3
    assert [b for b in bullets if "{eval}" not in b and "$" not in b] == []
