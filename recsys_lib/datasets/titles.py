"""Invented films: genres that keep company as MovieLens' do, years, and titles of no real film."""

from functools import cache
from itertools import combinations

import numpy as np

# Genre sets come from the distribution of greatest entropy that has the frequencies of
# ml-latest-small's genres, of their pairs, and of films with 1 to 6 of them (films with none or
# more, 0.5 %, set aside): log p(set) = sum of its fields + sum of its pairs' couplings
# + _SIZE[size] + const, fitted by maximum likelihood and rounded. Every P(genre | genre) comes out
# within 0.023 of the real one.
#
# Columns: genre | field | quality, stars (ridge regression of ml-latest-small's film means on
# genres and log count) | log-popularity, standard deviations | log-odds of
# being old | tenths of a coupling with each genre further down.
_TABLE = """
Action      | -2.06 | -.26 |  .5 |   -.4 | 23 8 -10 -1 18 -25 -5 9 -17 -5 19 -14 -3 -4 17 15 20 7
Adventure   | -2.94 |  .04 |  .6 |   -.3 | 10 24 1 -5 -13 0 21 -6 -13 14 0 2 5 13 4 8 12
Animation   | -3.24 |  .60 | -.2 |  -1.1 | 29 2 0 -16 -7 13 0 -4 11 14 6 0 11 -11 0 -8
Children    | -3.34 | -.45 |  .2 |     0 | 8 -5 -22 -4 16 -9 -16 11 16 7 -6 -1 -16 -8 -2
Comedy      |  0.40 | -.14 |   0 |     0 | 7 -26 -14 4 -27 -7 -2 4 -3 13 -5 -12 -4 -7
Crime       | -2.93 |  .18 |  .1 |    .1 | -15 9 -6 25 -8 3 -4 13 -4 -14 19 -14 -2
Documentary | -.64 |  .60 | -1.0 |   -.6 | -33 -17 -16 -32 14 1 -12 -26 -32 -29 5 -19
Drama       |  .51 |  .39 | -.2 |    .2 | 2 -1 -15 2 2 6 12 -4 3 19 -4
Fantasy     | -3.50 | -.02 |  .1 |   -.4 | -3 12 16 10 14 10 4 1 -6 -4
Film-Noir   | -4.60 |  .50 |   0 |   5.0 | -17 -4 -8 14 4 -2 8 -10 -7
Horror      | -1.48 | -.32 | -.3 |   -.1 | 4 -6 10 -12 11 18 -13 -5
IMAX        | -5.57 |  .12 |  1.5 |  -3.0 | 13 4 3 16 7 3 2
Musical     | -3.60 |  .12 |  .1 |   1.9 | -1 12 -4 -15 -8 13
Mystery     | -3.89 |  .21 |  .1 |     0 | 7 7 23 -9 -2
Romance     | -2.40 |  .05 |   0 |    .3 | -1 0 3 2
Sci-Fi      | -2.44 | -.07 |  .5 |   -.3 | 8 -8 -7
Thriller    | -1.97 | -.10 |  .3 |   -.3 | -1 -3
War         | -4.16 |  .37 |  .1 |   1.0 | 7
Western     | -3.42 |  .31 |  .1 |   1.8 |
"""
_ROWS = [[cell.strip() for cell in line.split("|")] for line in _TABLE.strip().splitlines()]
_SIZE = np.array([0.0, 0.0, 0.0, -0.44, -1.63, -3.53, -6.01])  # by the number of genres

GENRES: tuple[str, ...] = tuple(row[0] for row in _ROWS)
_FIELD, QUALITY, POPULARITY, _AGE = np.array([[float(c) for c in row[1:5]] for row in _ROWS]).T

# Share of films made by the end of a year, as in ml-latest-small.
_MADE = np.array([0.0, 0.003, 0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 1.0])
_YEARS = np.array([1902, 1924, 1934, 1954, 1967, 1988, 1999, 2008, 2013, 2018])


@cache
def genre_sets() -> tuple[np.ndarray, np.ndarray]:
    """Return all sets of 1 to 6 genres, (43795, 19) float64 of 0 and 1, and their probabilities."""
    n = len(GENRES)
    chosen = [c for size in range(1, 7) for c in combinations(range(n), size)]
    sets = np.zeros((len(chosen), n))
    sets[np.repeat(np.arange(len(chosen)), [len(c) for c in chosen]), np.concatenate(chosen)] = 1
    couplings = np.zeros((n, n))
    couplings[np.triu_indices(n, 1)] = [int(v) / 10 for row in _ROWS for v in row[5].split()]
    log_p = np.einsum("sg,g->s", sets, _FIELD) + np.einsum("sg,gh,sh->s", sets, couplings, sets)
    log_p += _SIZE[sets.sum(1).astype(int)]
    p = np.exp(log_p - log_p.max())
    return sets, p / p.sum()


@cache
def genre_pairs() -> np.ndarray:
    """Return the simulator's exact P(both genres), (19, 19) float64; the diagonal is P(genre)."""
    sets, p = genre_sets()
    return np.einsum("sg,sh->gh", sets * p[:, None], sets)


def blend(genres: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return Σ_g values_g / √F_i, g the film's genres and F_i their number: (n,) or (n, K).

    Not by BLAS, whose last bits may depend on its threads.
    """
    share = genres / np.sqrt(genres.sum(1, keepdims=True))
    return np.einsum("ig,g...->i...", share, values)


def draw_genres(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the genres of `n` films: (n, 19) bool, one to six in a row, columns as `GENRES`."""
    sets, p = genre_sets()
    drawn = np.searchsorted(np.cumsum(p), rng.random(n))
    return sets[np.minimum(drawn, len(p) - 1)] > 0


def draw_years(genres: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw when films were made, (n,) float64: 1999.5 is the middle of 1999.

    Years spread as in MovieLens, from 1902 to the end of 2017, shifted by genre: film noir is old,
    IMAX is new.
    """
    older = np.exp(blend(genres, _AGE))
    u = rng.random(len(genres))
    return np.minimum(np.interp(u / (u + (1 - u) * older), _MADE, _YEARS), 2017.9)


_NOUNS = {
    "Action": "Fuse Convoy Ambush Countdown Pursuit Outpost Gauntlet Payload Siege Vanguard Decoy",
    "Adventure": "Sextant Expedition Lagoon Caravan Summit Treasure Cartographer Island Raft Map",
    "Animation": "Teapot Dragonfly Robot Marble Snowman Otter Paintbox Puppet Acorn Cloud Firefly",
    "Children": "Kite Treehouse Sandcastle Hedgehog Bicycle Snowball Biscuit Pony Puddle Scarecrow",
    "Comedy": "Bridegroom Landlord Neighbour Casserole Parade Reunion Dentist Moustache Picnic",
    "Crime": "Alibi Ledger Heist Witness Syndicate Verdict Getaway Pawnshop Informer Vault Bribe",
    "Documentary": "Glacier Harvest Orchestra Archive Reef Factory Lighthouse Railway Beekeeper",
    "Drama": "Harbour Ferry Orchard Winter Daughter Promise Silence Bridge Attic Season Tenant",
    "Fantasy": "Wizard Crown Griffin Amulet Kingdom Enchanter Labyrinth Sceptre Oracle Prophecy",
    "Film-Noir": "Alley Shadow Stranger Nightclub Streetlight Dame Boulevard Motive Trenchcoat Lie",
    "Horror": "Cellar Hollow Whisper Crypt Séance Marsh Asylum Mirror Curse Graveyard Doll Fog",
    "IMAX": "Canyon Orbit Ocean Monsoon Volcano Stratosphere Savanna Avalanche Delta Summit",
    "Musical": "Melody Chorus Serenade Tango Encore Ballad Piano Carousel Overture Foxtrot",
    "Mystery": "Cipher Riddle Keyhole Portrait Locket Manuscript Absence Footprint Riverboat Clock",
    "Romance": "Kiss Postcard Valentine Balcony Engagement Rose Umbrella Sweetheart Dowry Vow",
    "Sci-Fi": "Android Signal Colony Paradox Starship Satellite Theorem Comet Airlock Nebula",
    "Thriller": "Deadline Conspiracy Passenger Hostage Corridor Dossier Accomplice Ransom Deceit",
    "War": "Regiment Trench Armistice Sergeant Bunker Ration Telegram Battalion Flag Bugle Truce",
    "Western": "Saddle Sheriff Stagecoach Canteen Rustler Prairie Homestead Spur Ranch Posse",
}
_NOUN_LISTS = [_NOUNS[genre].split() for genre in GENRES]
_WORDS = {
    "adjective": (
        "Last Silent Broken Hidden Golden Crimson Distant Forgotten Endless Borrowed Wandering "
        "Velvet Frozen Burning Secret Gentle Restless Paper Glass Northern Southern Second Lonely "
        "Patient Reluctant Vanishing Scarlet Copper Quiet Wild Tender Perfect Crooked Emerald "
        "Unlikely Eternal Faithful Stolen Painted Wayward Invisible Brave Bitter Autumn Midnight "
        "Thirteenth Tall Lost"
    ),
    "place": (
        "Oslo Trieste Tangier Lisbon Ghent Tartu Valparaíso Odense Cork Bergamo Salamanca Kyoto "
        "Goa Montevideo Galway Riga Antwerp Cádiz Nantes Lucerne Samarkand Halifax Bruges Porto "
        "Tbilisi Reykjavík Malmö Seville Kraków Bordeaux Perth Nairobi Quito Dundee Tampere "
        "Calais Leipzig Saskatoon Palermo Hobart Izmir Fresno Tulsa Duluth Savannah Lugano "
        "Aberdeen Mombasa"
    ),
    "name": (
        "Ingrid Tobias Marguerite Elias Wilhelmina Octavia Rufus Beatrix Leopold Ottilie Casimir "
        "Mae Ambrose Clementine Horatio Isolde Barnaby Philippa Lucian Greta Anselm Rosalind "
        "Mateo Noor Thaddeus Yuki Amara Cornelius Delphine Emeka Florian Henrietta Ignatius "
        "Juniper Kaspar Lena Magnus Nadia Oswin Priya Quentin Sunniva Theodora Ulrich Violetta "
        "Winston Xenia Zoltan"
    ),
}
_ADJECTIVES, _PLACES, _NAMES = (words.split() for words in _WORDS.values())
_SHORT = (
    "The {adjective} {noun}",
    "{adjective} {noun}",
    "The {noun} of {place}",
    "{name}'s {noun}",
    "{article} {noun} for {name}",
    "Midnight in {place}",
    "Farewell to {place}",
    "One Summer in {place}",
    "{name} of {place}",
    "The {noun} and the {other}",
    "The {noun} from {place}",
)
_LONG = (
    "The {adjective} {noun} of {place}",
    "{name} and the {adjective} {noun}",
    "{name}'s {adjective} {noun}",
    "Beyond the {adjective} {other} of {place}",
    "The {noun} and the {adjective} {other}",
    "{name} and the {noun} of {place}",
)


def invent_titles(genres: np.ndarray, years: np.ndarray, rng: np.random.Generator) -> list[str]:
    """Invent a title for each film, all different; its rarest genre chooses the words.

    Parameters
    ----------
    genres : (n, 19) bool
        Columns as `GENRES`, at least one in a row.
    years : (n,) array
        When the films were made: a sequel never comes before its first part.
    rng : np.random.Generator
        The only source of chance.

    Returns
    -------
    list of str
        Short titles while they last, longer ones in a large catalogue, and sequels after those.
    """
    rarity = np.diag(genre_pairs()).argsort()
    lead = rarity[genres[:, rarity].argmax(1)]
    chances = rng.random((len(genres), 3, 6)).tolist()
    taken: dict[str, int] = {}
    titles = [""] * len(genres)
    for film in np.argsort(years, kind="stable").tolist():
        for templates, chance in zip((_SHORT, _SHORT, _LONG), chances[film], strict=True):
            title = _title(templates, _NOUN_LISTS[lead[film]], chance)
            if title not in taken:
                break
        part = taken[title] = taken.get(title, 0) + 1
        # Part 2 and so on: only where even the long titles are used up.
        titles[film] = title if part == 1 else f"{title}, Part {part}"
    return titles


def _title(templates: tuple[str, ...], nouns: list[str], chance: list[float]) -> str:
    """Fill one template, each slot with the word that a number in [0, 1) points to."""
    lists = (templates, nouns, nouns, _ADJECTIVES, _PLACES, _NAMES)
    template, noun, other, adjective, place, name = (
        words[int(u * len(words))] for words, u in zip(lists, chance, strict=True)
    )
    if other == noun:
        other = nouns[nouns.index(noun) - 1]
    return template.format(
        noun=noun,
        other=other,
        adjective=adjective,
        place=place,
        name=name,
        article="An" if noun[0] in "AEIO" else "A",
    )
