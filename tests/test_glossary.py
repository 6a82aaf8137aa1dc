"""What a reader looks up: each term is linked where it is first used, each reference is cited."""

import functools
import re

import nbformat

# Entries that are ordinary words as well, or have a second meaning of their own in statistics: a
# link is right where the glossary's meaning is meant, and cannot be demanded by spelling.
ORDINARY = {
    "activity", "factor", "rank", "power", "precision", "coverage", "shuffle", "split", "novelty",
}  # fmt: skip
# No prose, or prose where no link can stand: code, math, headings, other roles, HTML, links.
APART = re.compile(
    r"^(`{3,}|~{3,}|:{3,}).*|^\(.+\)=$|^#+ .*|^:\w+:.*|^<.*|\$\$[^$]*\$\$|`+[^`]+`+|\$[^$]+\$"
    r"|\{(?!term\})[a-z:]+\}`[^`]+`|\{term\}`[^`]+`|\[[^]]*\]\([^)]*\)|<[^>]+>",
    re.MULTILINE,
)


@functools.cache  # every entry is looked for in every cell
def fenced(source):
    """A Markdown cell with its listings (not its directives) blanked, at the same places."""
    block = re.compile(r"^(`{3,})(\{?).*?^\1$", re.MULTILINE | re.DOTALL)
    return block.sub(lambda found: found[0] if found[2] else re.sub(r"\S", " ", found[0]), source)


def forms(entry):
    """How an entry may be written: its plural too, and any case unless it is all capitals."""
    last = "(?:y|ies)" if re.search(r"[^aeiou]y$", entry) else re.escape(entry[-1]) + "(?:e?s)?"
    flags = 0 if entry.isupper() else re.IGNORECASE
    body = re.escape(entry[:-1]).replace(r"\ ", r"\s+") + last
    return re.compile(rf"(?<![\w-]){body}(?![\w-])", flags)


@functools.cache
def apart(source):
    return [found.span() for found in APART.finditer(source)]


def uses(cells, entry):
    """Where an entry is used in prose, linked or not: (cell, start, end, linked), in order."""
    spelt = forms(entry)
    for number, cell in enumerate(cells):
        source = fenced(cell.source)
        links = {
            found.span()
            for found in re.finditer(r"\{term\}`(?:[^`<]*<([^>`]+)>|([^`]+))`", source)
            if (found[1] or found[2]).lower() == entry.lower()
        }
        plain = [
            found.span()
            for found in spelt.finditer(source)
            if not any(a < found.end() and found.start() < b for a, b in apart(source))
        ]
        for start, end in sorted(links | {*plain}):
            yield number, start, end, (start, end) in links


def markdown(path):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown"]


def test_a_term_is_linked_where_a_chapter_uses_it_first(root):
    glossary = (root / "book" / "appendix" / "glossary.md").read_text("utf-8")
    entries, linked = re.findall(r"^(\S.*)\n  \S", glossary, re.MULTILINE), set()
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        cells, late = markdown(path), []
        for entry in entries:
            first = next(uses(cells, entry), None)
            if first and first[3]:
                linked.add(entry)
            elif first and entry not in ORDINARY:
                late.append((entry, cells[first[0]].source[max(first[1] - 30, 0) : first[2] + 30]))
        assert late == [], f"{path.name}: link the first use by {{term}}"
    assert {*entries} - linked - ORDINARY == set(), "an entry that no chapter uses"


def test_every_reference_is_cited_and_every_source_of_published_numbers(root):
    pages = [*(root / "notebooks").glob("*.ipynb"), *(root / "book").rglob("*.md")]
    roles = [r for p in pages for r in re.findall(r"\{cite(?::t)?\}`(.+?)`", p.read_text("utf-8"))]
    cited = {key.strip() for role in roles for key in role.split(",")}
    bibliography = (root / "book" / "references.bib").read_text("utf-8")
    assert cited == {*re.findall(r"^@\w+\{(\w+),", bibliography, re.MULTILINE)}
    published = (root / "benchmarks" / "published.toml").read_text("utf-8")
    assert {*re.findall('^cite = "(.+)"', published, re.MULTILINE)} <= cited
