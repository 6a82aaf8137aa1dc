// The rating demo: search, rate, and see what the model makes of it. Everything is computed here;
// in a live kernel Python is told the ratings, and may send a list of its own.

import { combobox } from "./combobox.js";
import { element, titled } from "./dom.js";
import { loadFile, saveFile } from "./files.js";
import { genresLine, titleOf, unpackFilms } from "./films.js";
import { fromFragment, toFragment } from "./link.js";
import { filmMap } from "./map.js";
import { finder } from "./search.js";
import { starInput } from "./stars.js";
import {
  best, fold, genresOf, neighbours, noiseAt, pushesOn, scoresBeside, scoresOf, spreadOf,
} from "./taste.js";

const SHOWN = 10;
const FINDS = 8;
const REASONS = 3;
const NEAR = 5;
const WELL_KNOWN = 200; // "surprise me" rates only these

function render({ model, el }) {
  const films = unpackFilms(model.get("catalogue"));
  const high = films.stars[1];
  const beside = model.get("beside");
  const words = films.titles.map((_, i) => `${titleOf(films, i)} ${genresLine(films, i)}`);
  const find = finder(words, films.byCount);
  let rated = new Map(); // film -> stars, in the order of rating
  let earlier = []; // what `rated` was before each change
  let found = null; // a film that waits for its stars

  const titleAnd = (i) => titled(titleOf(films, i));
  const genres = (i) => element("small", { class: "recsys-genres" }, genresLine(films, i));
  const button = (text, onclick) => element("button", { type: "button", onclick }, text);
  const yours = element("ul", { class: "recsys-yours" });
  const list = element("ol", { class: "recsys-list" });
  const other = element("ol", { class: "recsys-list" });
  const otherPart = element("section", { hidden: "" },
    element("h4", { "aria-hidden": "true" }), other);
  const status = element("p", { class: "recsys-heard", role: "status" });
  const undo = button("Undo", () => change(earlier.pop(), false));
  const clear = button("Clear", () => change(new Map()));
  const told = element("span", { role: "status" });
  const tastes = element("select", {
    "aria-label": "Ready-made tastes",
    onchange: () => {
      const pairs = model.get("tastes")[tastes.value]?.[1] ?? [];
      tastes.value = "";
      change(new Map(placed(pairs)));
    },
  }, element("option", { value: "" }, "A ready-made taste…"));
  model.get("tastes").forEach(([name], k) => tastes.append(element("option", { value: k }, name)));
  const picker = element("select", { "aria-label": "Compare with", onchange: () => show() },
    element("option", { value: "" }, "Compare with…"));
  beside.forEach(({ name }, k) => picker.append(element("option", { value: k }, name)));
  const file = element("input", {
    type: "file", accept: ".json,application/json", hidden: "", onchange: load,
  });
  const bar = element("div", { class: "recsys-bar" },
    undo, clear, button("Surprise me", () => change(surprise(films))), tastes);
  if (beside.length) bar.append(picker);
  if (model.inPage) bar.append(button("Copy link", share));
  bar.append(button("Save to a file", () => saveFile(films, [...rated])),
    button("Load a file", () => file.click()), file, told);
  const mapHost = element("div", { class: "recsys-map" });
  let columns;
  const live = element("div", { class: "recsys recsys-demo" },
    combobox("Search for a film to rate", (typed) =>
      find(typed, FINDS).map((i) => [i, [titleOf(films, i), genresLine(films, i)].filter(Boolean).join(" · ")]), add),
    bar,
    columns = element("div", { class: "recsys-columns" },
      element("section", { "aria-label": "Your ratings" },
        element("h4", { "aria-hidden": "true" }, "Your ratings"), yours),
      element("section", { "aria-label": "Ten films for you" },
        element("h4", { "aria-hidden": "true" }, "Ten films for you"), list),
      otherPart),
    mapHost, status);
  el.append(live);
  const showOnMap = filmMap(mapHost, films, add);

  function placed(pairs) {
    return pairs.filter(([id]) => films.place.has(id)).map(([id, stars]) => [films.place.get(id), stars]);
  }

  function pairsNow() {
    return [...rated].map(([film, stars]) => [films.ids[film], stars]);
  }

  /** Take up other ratings; `remembered`: whether undo leads back to the present ones. */
  function change(next, remembered = true) {
    const lost = [...rated].filter(([film, stars]) => next.get(film) !== stars).length;
    if (remembered) earlier.push(rated);
    rated = next;
    found = null;
    model.set("ratings", pairsNow());
    model.save_changes();
    if (model.inPage) {
      history.replaceState(null, "", toFragment(pairsNow()));
      remember(toFragment(pairsNow()));
    }
    show();
    if (remembered && lost > 1) told.textContent = "Undo brings your ratings back.";
  }

  function rate(film, stars) {
    const next = new Map(rated);
    if (stars) next.set(film, stars);
    else next.delete(film);
    change(next);
  }

  /** A film that was found: its stars are at hand. */
  function add(film) {
    if (!rated.has(film)) {
      found = film;
      show();
    }
    yours.querySelector(`[data-film="${film}"] input`)?.focus();
  }

  function share() {
    const done = () => (told.textContent = "Copied.");
    const not = () => (told.textContent = "The address above is the link.");
    if (navigator.clipboard) navigator.clipboard.writeText(location.href).then(done, not);
    else not();
  }

  async function load() {
    const [chosen] = file.files;
    file.value = ""; // the same file may be chosen again
    if (!chosen) return;
    try {
      const { rated: read, unknown } = await loadFile(films, chosen);
      change(new Map(read));
      const left = unknown ? `${unknown} of films that are not in this demo were left out. ` : "";
      told.textContent = `${read.length} ratings loaded. ${left}${told.textContent}`;
    } catch (error) {
      told.textContent = error.message;
    }
  }

  /** Draw everything anew. */
  function show() {
    const kept = keepPlace();
    const taste = fold(films, [...rated]);
    const scores = scoresOf(films, taste);
    const noise = noiseAt(model.get("noise"), rated.size);
    const rows = best(scores, SHOWN, rated).map((i) => [
      i, scores[i], spreadOf(films, taste, i, noise)]);
    yours.replaceChildren(...[...rated].reverse().map(([film, stars]) => ratedRow(film, stars, scores)));
    if (found !== null) yours.prepend(ratedRow(found, 0, scores));
    else if (rated.size === 0) {
      yours.append(element("li", { class: "recsys-none" },
        "None yet: search for a film, or begin with a ready-made taste. Until then the list is what the model recommends to someone whom it does not know."));
    }
    list.replaceChildren(...rows.map((row) => listedRow(taste, row)));
    compare(rows.map(([film]) => film));
    showOnMap(taste, rows.map(([film]) => film));
    undo.disabled = earlier.length === 0;
    clear.disabled = rated.size === 0;
    told.textContent = "";
    if (rows.length) {
      status.textContent = `${rated.size} rated. First now: ${titleOf(films, rows[0][0])}, ` +
        `${rows[0][1].toFixed(1)} stars.`;
    }
    kept();
  }

  /** Show the ten films of another model, if one is chosen. */
  function compare(mine) {
    const chosen = beside[picker.value];
    otherPart.hidden = !chosen;
    columns.classList.toggle("recsys-compared", Boolean(chosen));
    if (!chosen) return other.replaceChildren();
    otherPart.setAttribute("aria-label", chosen.name);
    otherPart.firstChild.textContent = chosen.name;
    const scores = scoresBeside(films, chosen, rated);
    const rows = best(scores, SHOWN, rated).filter((film) => scores[film] > 0);
    other.replaceChildren(...rows.map((film) => {
      const both = mine.includes(film) ? "in both lists" : "";
      return element("li", { "data-film": film },
        element("div", { class: "recsys-row" },
          titleAnd(film), element("span", { class: "recsys-hint" }, both), genres(film)),
        starInput(`Rate ${titleOf(films, film)}`, 0, films.stars, (stars) => rate(film, stars)));
    }));
    if (rows.length === 0) {
      other.append(element("li", { class: "recsys-none" },
        `This model learns from likes: give a film ${chosen.threshold ?? films.stars[0]} stars or more.`));
    }
  }

  /** Return a function that opens again what was open, and puts the focus where it was. */
  function keepPlace() {
    const parts = [yours, list, other];
    const open = parts.flatMap((part) =>
      [...part.querySelectorAll("details[open]")].map((line) => [part, filmOf(line)]));
    const active = document.activeElement;
    const part = parts.find((one) => one.contains(active));
    return () => {
      for (const [where, film] of open) {
        where.querySelector(`[data-film="${film}"] details`)?.setAttribute("open", "");
      }
      if (!part) return;
      // A film that was rated has gone from the list to the ratings; one that was removed is gone.
      const row = `[data-film="${filmOf(active)}"]`;
      (part.querySelector(`${row} ${active.localName}`) ?? yours.querySelector(`${row} input`) ?? undo)
        .focus();
    };
  }

  function filmOf(node) {
    return node.closest("[data-film]").dataset.film;
  }

  function ratedRow(film, stars, scores) {
    const name = titleOf(films, film);
    return element("li", { "data-film": film },
      element("div", { class: "recsys-row" },
        titleAnd(film),
        element("span", { class: "recsys-controls" },
          starInput(`Your stars for ${name}`, stars, films.stars, (settled) => rate(film, settled)),
          element("button", {
            type: "button", class: "recsys-remove", "aria-label": `Remove ${name}`,
            onclick: () => change(new Map([...rated].filter(([one]) => one !== film))),
          }, "×")),
        genres(film)),
      folding("Similar films", () => neighbours(films, film, NEAR).map(([near, cosine]) =>
        element("li", {}, titleAnd(near), `: similarity ${cosine.toFixed(2)}, for you ${scores[near].toFixed(2)} stars`))));
  }

  function listedRow(taste, [film, score, spread]) {
    const name = titleOf(films, film);
    const share = (stars) => `${(100 * Math.max(0, Math.min(1, stars / high))).toFixed(1)}%`;
    const range = element("span", { class: "recsys-range" });
    range.style.left = share(score - spread);
    range.style.right = `${100 - parseFloat(share(score + spread))}%`;
    const middle = element("span", { class: "recsys-middle" });
    middle.style.left = share(score);
    return element("li", { "data-film": film },
      element("div", { class: "recsys-row" },
        titleAnd(film),
        element("span", { class: "recsys-score" },
          element("strong", {}, score.toFixed(2)), ` ± ${spread.toFixed(1)}`),
        genres(film)),
      element("div", { class: "recsys-scale", "aria-hidden": "true" }, range, middle),
      starInput(`Rate ${name}`, 0, films.stars, (stars) => rate(film, stars)),
      folding("Why", () => reasons(taste, film)));
  }

  /** A line that unfolds; its content is made when it first does. */
  function folding(title, make) {
    const inside = element("ul", {});
    return element("details", {
      ontoggle: () => inside.childElementCount || inside.append(...make()),
    }, element("summary", {}, title), inside);
  }

  function reasons(taste, film) {
    const stars = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
    const everyone = films.mu + films.vectors[(film + 1) * films.size - 1];
    const lines = [element("li", {}, `${everyone.toFixed(2)} before any of your ratings`)];
    const pushes = pushesOn(films, taste, film);
    for (const [other, push] of pushes.slice(0, REASONS)) {
      lines.push(element("li", {},
        element("strong", {}, stars(push)), ` your ${rated.get(other)} for `, titleAnd(other)));
    }
    const rest = pushes.slice(REASONS).reduce((sum, [, push]) => sum + push, 0);
    if (pushes.length > REASONS) {
      const n = pushes.length - REASONS;
      lines.push(element("li", {},
        element("strong", {}, stars(rest)), ` your other ${n === 1 ? "rating" : `${n} ratings`}`));
    }
    const genres = genresOf(films, taste, film).slice(0, REASONS);
    if (genres.length) {
      const parts = genres.map(([name, value]) => `${name} ${stars(value)}`);
      lines.push(element("li", {}, `Its genres account for: ${parts.join(", ")}`));
    }
    return lines;
  }

  function onRatings() {
    const next = new Map(placed(model.get("ratings")));
    if (toFragment([...next]) === toFragment([...rated])) return;
    earlier.push(rated);
    rated = next;
    show();
  }

  const linked = model.inPage
    ? fromFragment(location.hash, films) ?? fromFragment(remembered(), films) : null;
  rated = new Map(linked ?? placed(model.get("ratings")));
  if (model.inPage && rated.size) history.replaceState(null, "", toFragment(pairsNow()));
  model.on("change:ratings", onRatings);
  show();
  return () => model.off("change:ratings", onRatings);
}

/** Somebody's taste: a direction drawn at random, and the well-known films at its two ends. */
function surprise(films) {
  const [low, high] = films.stars;
  const row = Float64Array.from({ length: films.size }, () => Math.random() - 0.5);
  row[films.size - 1] = 0;
  const scores = scoresOf(films, { row });
  const known = films.byCount.slice(0, WELL_KNOWN).sort((a, b) => scores[b] - scores[a]);
  const loved = known.slice(0, 4).map((film) => [film, high]);
  const not = known.slice(4).slice(-3).map((film) => [film, Math.max(low, 1.5)]);
  return new Map([...loved, ...not]);
}

// The pages of a site remember the ratings in this browser, until they are cleared, and nowhere else.
const MEMORY = `recsys-demo ${location.pathname.split("/").slice(0, -2).join("/")}`;

function remember(fragment) {
  try {
    localStorage.setItem(MEMORY, fragment);
  } catch {
    // A browser may refuse: then nothing is remembered.
  }
}

function remembered() {
  try {
    return localStorage.getItem(MEMORY) ?? "";
  } catch {
    return "";
  }
}

export default { render };
