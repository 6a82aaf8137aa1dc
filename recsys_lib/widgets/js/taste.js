// A stranger's taste from a few ratings. The twin of `taste.py`, where every quantity is defined;
// a test holds the two equal.

/** Solve (λ Σ z zᵀ + n^ν D) x = λ Σ z y for the row x; `rated` is a list of [film, rating]. */
export function fold(films, rated) {
  const { size, vectors, mu, lam, tau, gamma, nu } = films;
  const bias = size - 1;
  const weight = Math.max(rated.length, 1) ** nu;
  const system = new Float64Array(size * size);
  for (let k = 0; k < size; k++) system[k * size + k] = weight * (k < bias ? tau : gamma);
  const right = new Float64Array(size);
  const surprise = [];
  for (const [film, rating] of rated) {
    const z = vectorOf(films, film);
    const y = rating - mu - vectors[film * size + bias];
    surprise.push(y);
    for (let a = 0; a < size; a++) {
      right[a] += y * z[a];
      for (let b = 0; b < size; b++) system[a * size + b] += lam * z[a] * z[b];
    }
  }
  const inverse = invert(system, size).map((value) => lam * value); // λ A⁻¹
  return { rated, surprise, inverse, row: times(inverse, right) };
}

/** z = [q; 1]: what meets the reader's factors and bias. */
function vectorOf(films, film) {
  const z = films.vectors.slice(film * films.size, (film + 1) * films.size);
  z[films.size - 1] = 1;
  return z;
}

/** The predicted ratings of all films, not clipped to the scale. */
export function scoresOf(films, taste) {
  const { size, vectors, n, mu } = films;
  const bias = size - 1;
  const scores = new Float64Array(n);
  for (let i = 0, at = 0; i < n; i++, at += size) {
    let sum = mu + vectors[at + bias] + taste.row[bias];
    for (let k = 0; k < bias; k++) sum += vectors[at + k] * taste.row[k];
    scores[i] = sum;
  }
  return scores;
}

/** The standard deviation of a new rating of a film: σ √(1 + λ zᵀA⁻¹z). */
export function spreadOf(films, taste, film, noise) {
  const z = vectorOf(films, film);
  return noise * Math.sqrt(1 + dot(z, times(taste.inverse, z)));
}

/** σ for `n` known ratings; `noise` has a [number, σ] for 0 and for some more, ascending. */
export function noiseAt(noise, n) {
  return noise.findLast(([known]) => known <= n)[1];
}

/** What each rating adds to a film's score: [film, stars], the strongest first. Exact. */
export function pushesOn(films, taste, film) {
  const toward = times(taste.inverse, vectorOf(films, film));
  const pushes = taste.rated.map(([other], j) => [
    other,
    taste.surprise[j] * dot(vectorOf(films, other), toward),
  ]);
  return pushes.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
}

/**
 * What each genre of a film adds to its score: [name, stars], the strongest first.
 *
 * Where the model has a prior by genres, the part of it that meets this taste. Elsewhere the
 * ratings' pushes, each shared among the genres that its film has in common with this one.
 */
export function genresOf(films, taste, film) {
  const mine = films.genres[film];
  const parts = new Map(mine.map((genre) => [genre, 0]));
  if (films.genreRows) {
    const meets = Float64Array.from(taste.row);
    meets[films.size - 1] = 1;
    for (const genre of mine) {
      parts.set(genre, dot(films.genreRows[genre], meets) / Math.sqrt(mine.length));
    }
  } else {
    for (const [other, push] of pushesOn(films, taste, film)) {
      const common = films.genres[other].filter((genre) => parts.has(genre));
      for (const genre of common) parts.set(genre, parts.get(genre) + push / common.length);
    }
  }
  const named = [...parts].map(([genre, stars]) => [films.genreNames[genre], stars]);
  return named.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
}

/**
 * Another model's scores: the same for everyone, or Σ s_ij over the liked films j among the nearest
 * of i; `other` is what `catalogue.beside` packed, `rated` has a star number for each film.
 */
export function scoresBeside(films, other, rated) {
  if (other.scores) return Float64Array.from(other.scores);
  const { near, alike, step, threshold } = other;
  const scores = new Float64Array(films.n);
  for (let i = 0, at = 0; i < films.n; i++) {
    for (const end = at + other.counts[i]; at < end; at++) {
      if (rated.get(near.getUint16(2 * at, true)) >= threshold) {
        scores[i] += step * alike.getUint16(2 * at, true);
      }
    }
  }
  return scores;
}

/** The `n` best films that are not to be left out; ties go to the lower index. */
export function best(scores, n, leaveOut) {
  const found = [];
  for (let i = 0; i < scores.length; i++) {
    if (found.length === n && scores[i] <= scores[found[n - 1]]) continue;
    if (leaveOut.has(i)) continue;
    let at = found.length;
    while (at > 0 && scores[i] > scores[found[at - 1]]) at--;
    found.splice(at, 0, i);
    if (found.length > n) found.pop();
  }
  return found;
}

/** The films whose factors point most nearly the same way: [film, cosine]. */
export function neighbours(films, film, n) {
  const { size, vectors } = films;
  const cosine = new Float64Array(films.n);
  const leaveOut = new Set([film]);
  const length = (at) => {
    let sum = 0;
    for (let k = 0; k < size - 1; k++) sum += vectors[at + k] ** 2;
    return Math.sqrt(sum);
  };
  const own = film * size;
  for (let i = 0, at = 0; i < films.n; i++, at += size) {
    let product = 0;
    for (let k = 0; k < size - 1; k++) product += vectors[own + k] * vectors[at + k];
    const lengths = length(own) * length(at);
    if (lengths > 0) cosine[i] = product / lengths;
    else leaveOut.add(i); // nothing is known of it
  }
  return best(cosine, n, leaveOut).map((i) => [i, cosine[i]]);
}

function dot(a, b) {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}

function times(matrix, vector) {
  const size = vector.length;
  return Float64Array.from(vector, (_, k) => dot(matrix.subarray(k * size, (k + 1) * size), vector));
}

/** The inverse of a positive definite matrix, by Cholesky's L Lᵀ. */
function invert(matrix, size) {
  const lower = Float64Array.from(matrix);
  for (let a = 0; a < size; a++) {
    for (let b = 0; b <= a; b++) {
      let sum = lower[a * size + b];
      for (let k = 0; k < b; k++) sum -= lower[a * size + k] * lower[b * size + k];
      lower[a * size + b] = a === b ? Math.sqrt(sum) : sum / lower[b * size + b];
    }
  }
  const inverse = new Float64Array(size * size);
  for (let column = 0; column < size; column++) {
    const x = new Float64Array(size);
    x[column] = 1;
    for (let a = 0; a < size; a++) {
      for (let k = 0; k < a; k++) x[a] -= lower[a * size + k] * x[k];
      x[a] /= lower[a * size + a];
    }
    for (let a = size - 1; a >= 0; a--) {
      for (let k = a + 1; k < size; k++) x[a] -= lower[k * size + a] * x[k];
      x[a] /= lower[a * size + a];
    }
    for (let a = 0; a < size; a++) inverse[a * size + column] = x[a];
  }
  return inverse;
}
