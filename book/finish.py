"""Finish the built pages: remove what they need not load, and let no foreign code run.

The theme writes these parts of a page by itself, out of reach of Sphinx's settings and events.
"""

import base64
import hashlib
import html
import re
from pathlib import Path
from urllib.parse import unquote

from console import ROOT, Stop

CHANGED = (
    # The theme draws its icons twice: by a web font of 156 kB, and by 1.5 MB of JavaScript.
    (r'<script [^>]*src="[^"]*/fontawesome\.js[^"]*"></script>\n?', ""),
    # No page has a live kernel, and thebe would ask a third party for one.
    (r"<script(?:[^>]*thebe[^>]*>|>[^<]*thebe[^<]*)</script>\n?", ""),
    (r"<img (?![^>]*\bloading=)", '<img loading="lazy" '),  # loaded when it is scrolled to
    # Docutils lists references in links of their own, which a list by that role may not hold.
    (r'(<div) role="list"( class="citation-list")', r"\1\2"),
    # The theme's arrow beside a page that has pages of its own has no name.
    (r'<summary>(?=<span class="toctree-toggle")', '<summary aria-label="Its pages">'),
    # A default that a dataclass makes anew has no name of its own.
    (r"&lt;factory&gt;", "..."),
    # A table's numbers have a minus sign, no hyphen; a rounded zero has none.
    (r"(<t[dh]>)-(?=[0.]+%?</)", r"\1"),
    (r"(<t[dh]>)-(?=[\d.])", r"\1−"),
    # A mark after a formula stays with it, and a bracket before it, when a line ends there.
    (r"(?<=\\\))</span>([.,;:!?)]+)", r"\1</span>"),
    (r"([(\[]+)(<span class=\"math[^>]*>)(?=\\\()", r"\2\1"),
)
# Searching happens on its own page, which brings these itself.
_SEARCH = re.compile(r"<script [^>]*(searchtools|language_data|searchindex)\.js[^>]*></script>\n?")
_DRAWING = re.compile(r'<img (?![^>]*\swidth=)[^>]*?\ssrc="([^":]+\.svg)"')
_SIZE = re.compile(r'<svg [^>]*\bwidth="([\d.]+)pt" height="([\d.]+)pt"')
# A page that has a widget, and no other, gets their script and style.
WIDGETS = """<link rel="stylesheet" type="text/css" href="{0}_static/widgets.css" />
<script defer src="{0}_static/widgets.js"></script>
</head>"""
_DATA = 'type="(?:application/json|text/x-thebe-config)"'  # which nothing runs
_INLINE = re.compile(rf"(?is)<script(?![^>]* (?:src=|{_DATA}))[^>]*>(.*?)</script>")
_HANDLER = re.compile(r"""(?i)<[a-z](?:"[^"]*"|'[^']*'|[^"'>])*?\son\w+=["']?([^"'>]*)""")
_CHARSET = re.compile(r"<meta charset=[^>]*>")
KNOWN = ROOT / "book" / "scripts.txt"
_ENTRY = re.compile(r'<dt id="(term-[^"]+)">.*?</dt><dd>(.*?)</dd>', re.DOTALL)
_TERM = re.compile(r'(?<=<a class="reference internal" )(?=href="[^"]*#(term-[^"]+)")')


def pages(folder: Path) -> None:
    """Rewrite every page of a built site in its place."""
    entries = dict(_ENTRY.findall((folder / "book/appendix/glossary.html").read_text("utf-8")))
    for path in folder.rglob("*.html"):
        place = path.relative_to(folder)
        if "_static" in place.parts:
            continue
        text = path.read_text("utf-8")
        for old, new in CHANGED:
            text = re.sub(old, new, text)
        if path.stem != "search":
            text = _SEARCH.sub("", text)
        if "data-recsys=" in text:
            up = "../" * (len(place.parts) - 1)
            text = text.replace("</head>", WIDGETS.format(up), 1)
        text = sized(defined(text, entries), path.parent)
        path.write_text(guarded(text, place.with_suffix("").as_posix()), "utf-8")


def hashed(code: str) -> str:
    """Return the hash by which a policy allows a script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}"


def defined(text: str, entries: dict[str, str]) -> str:
    """Give each link to a glossary entry its definition, which the page's script shows."""

    def with_words(found: re.Match[str]) -> str:
        words = re.sub(r"<[^>]+>", "", entries[found[1]])  # formulas stay as TeX
        return f'data-definition="{html.escape(html.unescape(" ".join(words.split())))}" '

    return _TERM.sub(with_words, text)


def sized(text: str, folder: Path) -> str:
    """Write each figure's size into the page, so that nothing moves when it loads."""

    def with_size(found: re.Match[str]) -> str:
        size = _SIZE.search((folder / unquote(found[1])).read_text("utf-8")[:2000])
        if size is None:  # the logo, whose size is the style sheet's
            return found[0]
        # Figures are drawn in points, of which there are 72 to 96 pixels.
        width, height = (round(float(length) * 96 / 72) for length in size.groups())
        return f'{found[0]} width="{width}" height="{height}"'

    return _DRAWING.sub(with_size, text)


def guarded(text: str, name: str) -> str:
    """Give a page a Content-Security-Policy: only the site's files and known scripts run.

    Inline scripts and handlers in attributes are allowed by the hashes in `KNOWN`, whichever of
    them a page has; `Stop` is raised for any other. Styles may be inline: MathJax and drawings
    write them. The policy is part of the page, whatever serves it.
    """
    known = set(re.findall(r"^sha256-\S+", KNOWN.read_text("utf-8"), re.MULTILINE))
    known.add(hashed(f"DOCUMENTATION_OPTIONS.pagename = '{name}';"))
    code = [found[1] for found in _INLINE.finditer(text)]
    code += [html.unescape(found[1]) for found in _HANDLER.finditer(text)]
    for part in filter(None, code):
        if hashed(part) not in known:
            raise Stop(f"{name}.html has a script unknown to {KNOWN.name}: {hashed(part)} {part!r}")
    hashes = [f"'{key}'" for key in sorted(known)]
    policy = [
        "default-src 'self'",  # Firefox fetches the next page ahead
        "object-src 'none'; frame-src 'none'; media-src 'none'; worker-src 'none'",
        " ".join(["script-src 'self' 'unsafe-hashes'", *hashes]),
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
    ]
    content = html.escape("; ".join(policy))
    meta = f'<meta http-equiv="Content-Security-Policy" content="{content}" />'
    return _CHARSET.sub(lambda found: f"{found[0]}\n    {meta}", text, count=1)
