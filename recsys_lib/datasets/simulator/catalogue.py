"""Simulated items: genres that occur together as in MovieLens, years, and invented titles."""

import tomllib
from functools import cache
from importlib.resources import files
from itertools import combinations

import numpy as np

TABLES = tomllib.loads(files(__package__).joinpath("catalogue.toml").read_text("utf-8"))
GENRES: tuple[str, ...] = tuple(TABLES["genre"])
QUALITY, POPULARITY, _FIELD, _OLD = (
    np.array([genre[key] for genre in TABLES["genre"].values()])
    for key in ("quality", "popularity", "field", "old")
)
GENRE_SHARE = 0.4  # of the variance of an item's factors
_NOUNS = [genre["nouns"].split() for genre in TABLES["genre"].values()]
_ADJECTIVES, _PLACES, _NAMES = (words.split() for words in TABLES["words"].values())


@cache
def genre_sets() -> tuple[np.ndarray, np.ndarray]:
    """Return all sets of 1 to 6 genres, (43795, 19) float64 of 0 and 1, and their probabilities."""
    n = len(GENRES)
    chosen = [c for size in range(1, 7) for c in combinations(range(n), size)]
    sets = np.zeros((len(chosen), n))
    sets[np.repeat(np.arange(len(chosen)), [len(c) for c in chosen]), np.concatenate(chosen)] = 1
    couplings = np.zeros((n, n))
    couplings[np.triu_indices(n, 1)] = [
        tenths / 10 for genre in TABLES["genre"].values() for tenths in genre["couplings"]
    ]
    log_p = np.einsum("sg,g->s", sets, _FIELD) + np.einsum("sg,gh,sh->s", sets, couplings, sets)
    log_p += np.array(TABLES["size"])[sets.sum(1).astype(int)]
    p = np.exp(log_p - log_p.max())
    return sets, p / p.sum()


@cache
def genre_pairs() -> np.ndarray:
    """Return the simulator's exact P(both genres), (19, 19) float64; the diagonal is P(genre)."""
    sets, p = genre_sets()
    return np.einsum("sg,sh->gh", sets * p[:, None], sets)


def blend(genres: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return Σ_g values_g / √F_i over the F_i genres g of each film: (n,) or (n, K).

    It does not use BLAS, whose last bits may depend on the number of threads.
    """
    share = genres / np.sqrt(genres.sum(1, keepdims=True))
    return np.einsum("ig,g...->i...", share, values)


def standardised(x: np.ndarray) -> np.ndarray:
    """Return x (n,) or (n, K) with mean 0 and standard deviation 1 over the items."""
    return (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)


def draw_genres(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the genres of `n` films: (n, 19) bool, one to six per row, columns as `GENRES`."""
    sets, p = genre_sets()
    drawn = np.searchsorted(np.cumsum(p), rng.random(n))
    return sets[np.minimum(drawn, len(p) - 1)] > 0


def genre_texts(genres: np.ndarray) -> list[str]:
    """Return the names of each item's genres, joined by ``|``."""
    return ["|".join(np.array(GENRES)[row]) for row in genres]


def draw_years(genres: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the years of release, (n,) float64: 1999.5 is the middle of 1999.

    Years spread as in MovieLens, from 1902 to the end of 2017, shifted by genre: film noir is old,
    IMAX is new.
    """
    older = np.exp(blend(genres, _OLD))
    u = rng.random(len(genres))
    return np.minimum(np.interp(u / (u + (1 - u) * older), TABLES["made"], TABLES["years"]), 2017.9)


def genre_vectors(n_factors: int, rng: np.random.Generator) -> np.ndarray:
    """Return f_g, (19, K): genres that often occur together have similar rows.

    The rows are centred and scaled so that Σ_g f_g / √F_i has variance GENRE_SHARE over items.
    """
    sets, p = genre_sets()
    pairs = genre_pairs()
    raw = rng.standard_normal((len(pairs), n_factors))
    f = raw + np.einsum("gh,hk->gk", pairs / np.diag(pairs), raw)
    ones = np.ones(len(pairs))
    f -= np.einsum("s,sk->k", p, blend(sets, f)) / (p * blend(sets, ones)).sum()
    return f * np.sqrt(GENRE_SHARE / np.einsum("s,sk->k", p, blend(sets, f) ** 2))


def invent_titles(genres: np.ndarray, years: np.ndarray, rng: np.random.Generator) -> list[str]:
    """Invent a title for each film, all different; its rarest genre chooses the words.

    `genres` is (n, 19) bool with columns as `GENRES` and at least one genre per row; `years` (n,)
    are the years of release: a sequel never comes before its first part. Short titles are used
    first, then longer ones, and sequels when those are used up.
    """
    rarity = np.diag(genre_pairs()).argsort()
    lead = rarity[genres[:, rarity].argmax(1)]
    chances = rng.random((len(genres), 3, 6)).tolist()
    short, long = TABLES["titles"]["short"], TABLES["titles"]["long"]
    taken: dict[str, int] = {}
    titles = [""] * len(genres)
    for film in np.argsort(years, kind="stable").tolist():
        for templates, chance in zip((short, short, long), chances[film], strict=True):
            title = _title(templates, _NOUNS[lead[film]], chance)
            if title not in taken:
                break
        part = taken[title] = taken.get(title, 0) + 1
        # Part 2 and so on: only where even the long titles are used up.
        titles[film] = title if part == 1 else f"{title}, Part {part}"
    return titles


def _title(templates: list[str], nouns: list[str], chance: list[float]) -> str:
    """Fill one template, each slot with the word that a number in [0, 1) points to."""
    lists = {"noun": nouns, "other": nouns, "adjective": _ADJECTIVES, "place": _PLACES}
    pairs = zip([templates, *lists.values(), _NAMES], chance, strict=True)
    template, *words = (some[int(u * len(some))] for some, u in pairs)
    slots = dict(zip((*lists, "name"), words, strict=True))
    if slots["other"] == (noun := slots["noun"]):
        slots["other"] = nouns[nouns.index(noun) - 1]
    return template.format(**slots, article="An" if noun[0] in "AEIO" else "A")
