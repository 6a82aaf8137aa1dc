// The latent space seen from the side that tells the known films apart best, with the reader in it.

import { drawn } from "./dom.js";
import { titleOf } from "./films.js";
import { fitted, HEIGHT, plane, WIDTH } from "./plane.js";

const STEPS = 30; // of the reader's way that are drawn

/** Draw the map into `host`; returns a function that shows a taste on it. */
export function filmMap(host, films, onPick) {
  const shown = films.byCount.slice(0, films.mapped);
  const places = shown.map((i) => onPlane(films, films.vectors, i * films.size));
  const reachX = Math.max(1e-9, ...places.map(([x]) => Math.abs(x)));
  const reachY = Math.max(1e-9, ...places.map(([, y]) => Math.abs(y)));
  const at = fitted(reachX, reachY);
  const points = new Map(shown.map((film, k) => [film, at(places[k])]));
  const { svg, world, show, follow } = plane(host, points, (film) => titleOf(films, film), {
    resting: "Films that the same people love lie near each other. You move as you rate.",
    labelOf: (film) => films.titles[film],
    axes: true,
    onPick,
  });
  const trail = drawn("polyline", { class: "recsys-trail" });
  const you = drawn("g", { class: "recsys-you" },
    drawn("g", { class: "recsys-unzoomed" },
      drawn("circle", { r: 8 }), drawn("text", { y: -12, "text-anchor": "middle" }, "you")));
  world.append(trail, you);

  const steps = [];
  return (taste, listed) => {
    const [x, y] = onPlane(films, taste.row, 0);
    // People's factors are larger or smaller than films': only the direction has a meaning, so the
    // point is drawn where a film of that direction would be, no further than the edge.
    const place = at(softly(x, y, reachX, reachY));
    if (taste.rated.length === 0) steps.length = 0;
    steps.push(place);
    trail.setAttribute("points", steps.slice(-STEPS).map((p) => p.join(",")).join(" "));
    you.setAttribute("transform", `translate(${place.join(" ")})`);
    follow(place);
    const rated = taste.rated.map(([film]) => [film, "rated"]);
    show(new Map([...rated, ...listed.map((film) => [film, "listed"])]), place);
    svg.setAttribute("aria-label",
      `A map of ${shown.length} films. You have rated ${rated.length}; your point stands ` +
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
