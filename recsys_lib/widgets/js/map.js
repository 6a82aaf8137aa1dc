// The latent space seen from the side that tells the known films apart best, with the reader in it.

import { drawn, element } from "./dom.js";
import { titleOf } from "./films.js";

const WIDTH = 640;
const HEIGHT = 420;
const EDGE = 26;
const LABELS = 22; // titles that are written without being asked for

/** Draw the map into `host`; returns a function that shows a taste on it. */
export function filmMap(host, films) {
  const shown = films.byCount.slice(0, films.mapped);
  const points = shown.map((i) => onPlane(films, films.vectors, i * films.size));
  const zoom = WIDTH / 2 - EDGE;
  const reachX = Math.max(1e-9, ...points.map(([x]) => Math.abs(x)));
  const reachY = Math.max(1e-9, ...points.map(([, y]) => Math.abs(y)));
  const at = ([x, y]) => [
    WIDTH / 2 + (x / reachX) * zoom,
    HEIGHT / 2 - (y / reachY) * (HEIGHT / 2 - EDGE),
  ];
  const marks = new Map();
  const dots = drawn("g", { class: "recsys-dots" });
  shown.forEach((i, k) => {
    const [cx, cy] = at(points[k]);
    marks.set(i, { cx, cy, dot: dots.appendChild(drawn("circle", { cx, cy, r: 2.6 })) });
  });
  const texts = drawn("g", { class: "recsys-labels" });
  const trail = drawn("polyline", { class: "recsys-trail" });
  const you = drawn("g", { class: "recsys-you" },
    drawn("circle", { r: 8 }), drawn("text", { y: -12, "text-anchor": "middle" }, "you"));
  const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" },
    drawn("path", { class: "recsys-axes", d: `M0 ${HEIGHT / 2}H${WIDTH}M${WIDTH / 2} 0V${HEIGHT}` }),
    dots, trail, texts, you);
  const hint = element("p", { class: "recsys-hint", "aria-hidden": "true" });
  host.append(svg, hint);
  const resting = "Films that the same people love lie near each other. You move as you rate.";
  hint.textContent = resting;
  svg.addEventListener("pointermove", (event) => {
    const film = nearest(svg, marks, event);
    hint.textContent = film === null ? resting : titleOf(films, film);
  });
  svg.addEventListener("pointerleave", () => (hint.textContent = resting));

  const steps = [];
  return (taste, listed) => {
    const [x, y] = onPlane(films, taste.row, 0);
    // People's factors are larger or smaller than films': only the direction has a meaning, so the
    // point is drawn where a film of that direction would be, no further than the edge.
    const place = at(softly(x, y, reachX, reachY));
    if (taste.rated.length === 0) steps.length = 0;
    steps.push(place);
    trail.setAttribute("points", steps.slice(-30).map((p) => p.join(",")).join(" "));
    you.setAttribute("transform", `translate(${place.join(" ")})`);
    const rated = new Set(taste.rated.map(([film]) => film));
    for (const [film, { dot }] of marks) {
      dot.setAttribute("class", rated.has(film) ? "rated" : listed.includes(film) ? "listed" : "");
    }
    const wanted = [...rated, ...listed, ...shown].filter((film) => marks.has(film));
    const letter = 11 * Math.min(1.8, Math.max(1, WIDTH / (svg.clientWidth || WIDTH)));
    svg.setAttribute("font-size", letter); // on a phone the drawing shrinks, the letters less
    label(texts, films, marks, [...new Set(wanted)], place, letter);
    svg.setAttribute("aria-label",
      `A map of ${shown.length} films. You have rated ${rated.size}; your point stands ` +
      `${side(place[0], WIDTH, "left", "right")} and ${side(HEIGHT - place[1], HEIGHT, "low", "high")}.`);
  };
}

function onPlane(films, vector, start) {
  return films.plane.map((axis) => axis.reduce((sum, a, k) => sum + a * vector[start + k], 0));
}

function softly(x, y, reachX, reachY) {
  const far = Math.hypot(x / reachX, y / reachY);
  const shrink = far > 0 ? Math.tanh(far) / far : 0;
  return [x * shrink, y * shrink];
}

function side(position, length, low, high) {
  if (Math.abs(position / length - 0.5) < 0.04) return "in the middle";
  return position < length / 2 ? low : high;
}

function nearest(svg, marks, event) {
  const box = svg.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * WIDTH;
  const y = ((event.clientY - box.top) / box.height) * HEIGHT;
  let found = null;
  let least = 14;
  for (const [film, { cx, cy }] of marks) {
    const far = Math.hypot(cx - x, cy - y);
    if (far < least) [found, least] = [film, far];
  }
  return found;
}

/** Write titles beside their films, the first ones first; none over another. */
function label(texts, films, marks, wanted, you, letter) {
  const taken = [[you[0] - 24, you[1] - 15 - letter, you[0] + 24, you[1] + 10]];
  texts.replaceChildren();
  for (const film of wanted) {
    if (texts.childElementCount === LABELS) return;
    const { cx, cy, dot } = marks.get(film);
    const title = films.titles[film];
    const text = title.length > 26 ? `${title.slice(0, 25).trimEnd()}…` : title;
    const width = 0.56 * letter * text.length;
    const left = cx + 6 + width > WIDTH;
    const x = left ? cx - 6 : cx + 6;
    const box = left ? [x - width, cy - letter, x, cy + letter / 2] : [x, cy - letter, x + width, cy + letter / 2];
    if (taken.some((o) => box[0] < o[2] && o[0] < box[2] && box[1] < o[3] && o[1] < box[3])) continue;
    taken.push(box);
    texts.append(drawn("text", {
      x, y: cy + 4, "text-anchor": left ? "end" : "start", class: dot.getAttribute("class"),
    }, text));
  }
}
