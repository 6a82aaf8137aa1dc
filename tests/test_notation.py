"""The notation page lists every symbol that a chapter writes, each once."""

import re

from tests.test_glossary import fenced, markdown

GREEK = (
    "alpha beta gamma delta ell epsilon varepsilon eta theta kappa lambda mu nu xi pi rho sigma tau"
    " varphi omega Lambda Omega Sigma Phi"
).replace(" ", "|")
# What is no symbol: words, signs, functions, powers, Euler's number and the d of a derivative.
OTHER = re.compile(
    r"\\(?:text|operatorname|mathrm|begin|end)\{[^{}]*\}|\\mathcal N|(?<![a-zA-Z])e(?=\^)"
    r"|\^(?:\{(?:[^{}]|\{[^{}]*\})*\}|\\[a-z]+|.)|\\frac\{d\}\{dx\}"
    rf"|\\(?!(?:hat|tilde|bar|{GREEK})(?![a-zA-Z]))(?:[a-zA-Z]+|.)"
)
SYMBOL = re.compile(
    rf"(?:\\(hat|tilde|bar)\s*)?(\\(?:{GREEK})(?![a-zA-Z])|[a-zA-Z])('?)"
    rf"(?:_(\{{[^{{}}]*\}}|\\(?:{GREEK})|[a-zA-Z0-9]))?((?<=[fgPO\\a])\()?"
)


def symbols(tex):
    """Letters with accent and subscript, where another item j is as good as i; f(...) is f(."""
    found, tex = set(), re.sub(r"_\{\\text\{(\w+)\}\}", r"_{\1}", tex)
    for accent, letter, prime, index, call in SYMBOL.findall(OTHER.sub(" ", tex)):
        index = re.sub(r"[{}\s,()]|\\cdot", "", index)
        index = index if "i" in index else index.replace("j", "i")
        called = "(" if call and letter in {"f", "g", "P", "O"} else ""
        found.add(" ".join(filter(None, [accent, letter + prime + called, index])))
    return found


def maths(source):
    code = re.compile(r"^`{3,}.*|\{[a-z]+\}`[^`]*`|`+[^`]+`+", re.MULTILINE)
    formulas = re.findall(r"\$\$(.+?)\$\$|\$([^$]+)\$", code.sub(" ", fenced(source)), re.DOTALL)
    return [a or b for a, b in formulas]


def test_every_symbol_of_a_chapter_is_on_the_notation_page_once(root):
    page = (root / "book" / "appendix" / "notation.md").read_text("utf-8")
    rows = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| $")]
    listed = [symbol for row in rows for symbol in {s for m in maths(row) for s in symbols(m)}]
    assert sorted({symbol for symbol in listed if listed.count(symbol) > 1}) == []
    missing = {}
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        used = {s for cell in markdown(path) for m in maths(cell.source) for s in symbols(m)}
        assert used or path.stem == "a1-data-sets"
        for symbol in used - {*listed}:
            missing.setdefault(symbol, []).append(path.stem)
    assert missing == {}
