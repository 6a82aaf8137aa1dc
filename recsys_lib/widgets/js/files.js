// Ratings as a file of JSON that the reader keeps: written, and read with every doubt.

import { MOST } from "./link.js";

const FORMAT = "recsys-ratings";
const LARGEST = 1_000_000; // bytes

/** Let the browser save ratings, a list of [film, stars], under a name. */
export function saveFile(films, rated) {
  const ratings = rated.map(([film, stars]) => ({
    item_id: films.ids[film], title: films.titles[film], rating: stars,
  }));
  const text = JSON.stringify({ format: FORMAT, ratings }, null, 1);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = "my-ratings.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/**
 * Read a file that `saveFile` wrote; throw an Error that a reader understands for any other.
 *
 * @returns {Promise<{ rated: Array, unknown: number }>} [film, stars] each, and how many films of
 *   the file are not in this demo
 */
export async function loadFile(films, file) {
  if (file.size > LARGEST) throw new Error("The file is too large to hold ratings.");
  let told;
  try {
    told = JSON.parse(await file.text());
  } catch {
    throw new Error("The file is not JSON.");
  }
  if (told?.format !== FORMAT || !Array.isArray(told.ratings)) {
    throw new Error(`The file holds no ratings: its "format" is not "${FORMAT}".`);
  }
  if (told.ratings.length > MOST) throw new Error(`The file holds more than ${MOST} ratings.`);
  const [low, high] = films.stars;
  const rated = new Map();
  let unknown = 0;
  for (const [k, one] of told.ratings.entries()) {
    const stars = one?.rating;
    if (typeof stars !== "number" || !(stars >= low && stars <= high)) {
      const name = one?.title ?? one?.item_id ?? "";
      const shown = `${name} ${JSON.stringify(stars)}`.slice(0, 60);
      throw new Error(`Rating ${k + 1} is not from ${low} to ${high}: ${shown}`);
    }
    const film = films.place.get(one.item_id);
    if (film === undefined) unknown += 1;
    else rated.set(film, stars);
  }
  return { rated: [...rated], unknown };
}
