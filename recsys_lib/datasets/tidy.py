"""MovieLens titles as people write them: ``Matrix, The (1999)`` is *The Matrix*, of 1999."""

from __future__ import annotations

import re

# At the end, perhaps a range of years, perhaps followed by what IMDb adds for video and television.
_YEAR = re.compile(r"(?<=\S)\s*\((\d{4})(?:[-–]\d{0,4})?\)\s*(?:\((?:V|TV|VG|mini)\)\s*)?$")

# A title in another language or an older one, at the end; "Birdman: Or (The Unexpected Virtue of
# Ignorance)" has parentheses of its own.
_OTHER_TITLE = re.compile(r"(?<!\bOr)\s+\((?:[^()]|\([^()]*\))*\)$")

_ARTICLES = (
    "The|A|An|Da|"  # English, Da Sweet Blood of Jesus included
    "Le|La|Les|L'|L’|Un|Une|"  # French
    "Il|Lo|I|Gli|Uno|Una|"  # Italian
    "El|Los|Las|Els|"  # Spanish, Catalan
    "O|Os|As|Um|Uma|"  # Portuguese
    "Der|Die|Das|Ein|Eine|"  # German
    "De|Het|Een|Den|Det|En|Et|Ett"  # Dutch and Scandinavian
)
_MOVED_ARTICLE = re.compile(rf"^(.+), ({_ARTICLES})$")


def tidy_title(title: str) -> tuple[str, int | None]:
    """Split a title as MovieLens writes it into the title proper and the year.

    An article that was moved to the end comes back to the front; titles in other languages, which
    stand in parentheses behind, are dropped.

    Parameters
    ----------
    title : str
        As it stands in the file: ``"City of Lost Children, The (Cité ..., La) (1995)"``.

    Returns
    -------
    title : str
        ``"The City of Lost Children"``.
    year : int or None
        1995; of a range the first; None where the title has no year.
    """
    title = " ".join(title.split())
    year = None
    if found := _YEAR.search(title):
        year = int(found[1])
        title = title[: found.start()]
    while found := _OTHER_TITLE.search(title):
        title = title[: found.start()]
    if found := _MOVED_ARTICLE.match(title):
        body, article = found.groups()
        title = f"{article}{body}" if article.endswith(("'", "’")) else f"{article} {body}"
    return title, year
