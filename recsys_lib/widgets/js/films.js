// The model's films as Python packed them: unpacked once, read by all.

/**
 * @param {object} packed what `catalogue.py` made; `rows` is a DataView of int16, a film a row
 * @returns {object} the same, with `vectors` (n × size, the bias last) as numbers
 */
export function unpackFilms(packed) {
  const { buffer, byteOffset, byteLength } = packed.rows;
  const steps = new Int16Array(buffer.slice(byteOffset, byteOffset + byteLength));
  const size = packed.columnScale.length;
  const vectors = new Float64Array(steps.length);
  for (let k = 0; k < steps.length; k++) vectors[k] = steps[k] * packed.columnScale[k % size];
  const n = packed.ids.length;
  const place = new Map(packed.ids.map((id, i) => [id, i]));
  const byCount = Array.from({ length: n }, (_, i) => i);
  byCount.sort((a, b) => packed.counts[b] - packed.counts[a] || a - b);
  return { ...packed, vectors, size, n, place, byCount };
}

/** A film's title with its year, where that is known. */
export function titleOf(films, i) {
  return films.years[i] === null ? films.titles[i] : `${films.titles[i]} (${films.years[i]})`;
}

/** A film's genres in one line. */
export function genresLine(films, i) {
  return films.genres[i].map((genre) => films.genreNames[genre]).join(", ");
}
