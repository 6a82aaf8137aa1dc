// Finding titles: accents, case and the order of words do not matter, and a word may be unfinished.

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
    return [...begins, ...others].slice(0, most);
  };
}
