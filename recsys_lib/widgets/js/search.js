// Finding titles: accents, case and the order of words do not matter, a word may be unfinished, and
// where nothing fits, spaces may be missing, or a letter or two may be wrong.

// Letters that Unicode does not take apart into a base and a mark.
const LETTERS = { ø: "o", æ: "ae", œ: "oe", ß: "ss", đ: "d", ð: "d", þ: "th", ł: "l", ı: "i" };

/** A text as it is compared: words of plain small letters, each after a space. */
export function plain(text) {
  const bare = text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const simple = bare.replace(/[øæœßđðþłı]/g, (letter) => LETTERS[letter]);
  return ` ${simple.replace(/['’]/g, "").replace(/[^\p{L}\p{N}]+/gu, " ").trim()}`;
}

/** Return a function from what is typed to the best known films that it fits, by index. */
export function finder(titles, byCount) {
  let prepared = null; // at the first search, not while the page opens
  return (typed, most) => {
    prepared ??= titles.map(plain);
    const query = plain(typed);
    const words = query.split(" ").filter(Boolean);
    if (words.length === 0) return [];
    const fits = (title) => words.every((word) => title.includes(` ${word}`));
    const begins = [];
    const others = [];
    for (const i of byCount) {
      if (!fits(prepared[i])) continue;
      (prepared[i].startsWith(query) ? begins : others).push(i);
      if (begins.length === most) break;
    }
    let found = [...begins, ...others];
    if (!found.length) found = byCount.filter((i) => joined(prepared[i]).includes(joined(query)));
    if (!found.length) found = nearly(words, prepared, byCount);
    return found.slice(0, most);
  };
}

/** A plain text without its spaces. */
function joined(text) {
  return text.replaceAll(" ", "");
}

/** The films that fit but for a few wrong letters, the fewest first; byCount breaks ties. */
function nearly(words, prepared, byCount) {
  const known = words.map(() => new Map()); // distances, by word of a title
  const wrong = (title) => {
    let sum = 0;
    for (const [k, word] of words.entries()) {
      const most = word.length < 4 ? 0 : word.length < 8 ? 1 : 2;
      let least = Infinity;
      for (const other of title.split(" ")) {
        if (!known[k].has(other)) known[k].set(other, distance(word, other));
        least = Math.min(least, known[k].get(other));
      }
      if (least > most) return Infinity;
      sum += least;
    }
    return sum;
  };
  const found = byCount.map((i) => [i, wrong(prepared[i])]).filter(([, sum]) => sum < Infinity);
  return found.sort((a, b) => a[1] - b[1]).map(([i]) => i);
}

/** Letters to change, add, drop or swap with the next until `word` is the beginning of `other`. */
function distance(word, other) {
  let [before, row] = [[], Array.from({ length: other.length + 1 }, (_, k) => k)];
  for (let a = 1; a <= word.length; a++) {
    const next = [a];
    for (let b = 1; b <= other.length; b++) {
      const same = word[a - 1] === other[b - 1];
      next[b] = Math.min(row[b] + 1, next[b - 1] + 1, row[b - 1] + (same ? 0 : 1));
      const swapped = a > 1 && b > 1 && word[a - 1] === other[b - 2] && word[a - 2] === other[b - 1];
      if (swapped) next[b] = Math.min(next[b], before[b - 2] + 1);
    }
    [before, row] = [row, next];
  }
  return Math.min(...row);
}
