// Ratings in the part of an address that no server ever sees: #rated=ID:STARS,ID:STARS

const KEY = "#rated=";
export const MOST = 500; // ratings that a link or a file may hold: a page with a row for every film stands still

/** Write ratings, a list of [id, stars], as a fragment. */
export function toFragment(pairs) {
  return KEY + pairs.map(([id, stars]) => `${encodeURIComponent(id)}:${stars}`).join(",");
}

/** Read a fragment: those of its ratings that can be, as [film, stars]; null if it is another's. */
export function fromFragment(fragment, films) {
  if (!fragment.startsWith(KEY)) return null;
  const [low, high] = films.stars;
  const ids = new Map(films.ids.map((id, i) => [String(id), i]));
  const rated = new Map();
  for (const entry of fragment.slice(KEY.length).split(",")) {
    const [id, stars] = entry.split(":");
    const film = ids.get(decoded(id));
    const value = Number(stars);
    if (film !== undefined && value >= low && value <= high) rated.set(film, value);
    if (rated.size === MOST) break;
  }
  return [...rated];
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray percent sign: no id of ours
  }
}
