// Films as points of a plane: looked at closely, moved, pointed at, with as many titles as fit.

import { drawn, element } from "./dom.js";

export const WIDTH = 640;
export const HEIGHT = 420;
export const EDGE = 26;
const LABELS = 22; // titles that are written without being asked for
const CLOSEST = 16;
const STEP = 1.6; // how much closer a button or a double click goes
const AWAY = 14; // no film is pointed at from further away
const STILL = 4; // a pointer that moved less was not dragging

/** Where points that reach so far from the middle are drawn: the plane's own units. */
export function fitted(reachX, reachY) {
  return ([x, y]) => [
    WIDTH / 2 + (x / reachX) * (WIDTH / 2 - EDGE),
    HEIGHT / 2 - (y / reachY) * (HEIGHT / 2 - EDGE),
  ];
}

/**
 * Draw films into `host`.
 *
 * @param {Map<unknown, number[]>} points film -> [x, y], in the plane's own units; those that come
 *   first are the first to get their titles written
 * @param {(film: unknown) => string} titleOf
 * @param {object} options `resting`: what stands below while no film is pointed at; `labelOf`: film ->
 *   its title on the map; `groupOf`: film -> number of its colour, or -1; `axes`: whether to draw
 *   them; `height` of the drawing, 640 wide; `onPick` is told the film that was clicked
 * @returns {{ svg, world, show, lookAt, follow }} `world`: a group for drawings of the caller's own, in the
 *   plane's units; `show(classes, avoid)` marks films, Map film -> class, the first ones first in
 *   line for a title, and keeps titles off the point `avoid`; `lookAt(films)` brings films into view,
 *   `follow(point)` a point
 */
export function plane(host, points, titleOf, options) {
  const { resting, labelOf = titleOf, groupOf = () => -1, axes = false, onPick } = options;
  const height = options.height ?? HEIGHT;
  let view = { zoom: 1, x: 0, y: 0 }; // drawn = view.zoom * point + (view.x, view.y)
  let marked = new Map();
  let avoided = null;
  const dotOf = new Map();
  const dots = drawn("g", { class: "recsys-dots" });
  for (const [film, [cx, cy]] of points) {
    dotOf.set(film, dots.appendChild(drawn("circle", { cx, cy })));
  }
  const texts = drawn("g", { class: "recsys-labels" });
  const measure = element("canvas").getContext("2d");
  const world = drawn("g", {}, dots);
  const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img" });
  if (axes) {
    const cross = `M0 ${height / 2}H${WIDTH}M${WIDTH / 2} 0V${height}`;
    world.prepend(drawn("path", { class: "recsys-axes", d: cross }));
  }
  svg.append(world, texts);
  const hint = element("p", { class: "recsys-hint", "aria-hidden": "true" }, resting);
  const middle = [WIDTH / 2, height / 2];
  const button = (text, label, onclick) =>
    element("button", { type: "button", "aria-label": label, onclick }, text);
  host.append(
    element("div", { class: "recsys-plane" }, svg,
      element("div", { class: "recsys-zoom" },
        button("+", "Closer", () => zoomAt(middle, STEP)),
        button("−", "Further away", () => zoomAt(middle, 1 / STEP)),
        button("⤢", "The whole map", () => setView({ zoom: 1, x: 0, y: 0 })))),
    hint);

  // ---- looking

  function setView({ zoom, x, y }) {
    const within = (offset, length) => Math.max(length * (1 - zoom), Math.min(0, offset));
    view = { zoom, x: within(x, WIDTH), y: within(y, height) };
    world.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${zoom})`);
    svg.style.setProperty("--zoom", zoom);
    svg.classList.toggle("recsys-close", zoom > 1);
    write();
  }

  function zoomAt([x, y], factor) {
    const zoom = Math.max(1, Math.min(CLOSEST, view.zoom * factor));
    const by = zoom / view.zoom;
    setView({ zoom, x: x - (x - view.x) * by, y: y - (y - view.y) * by });
  }

  function lookAt(films) {
    const [xs, ys] = [0, 1].map((side) => films.map((film) => points.get(film)[side]));
    const [left, right, top, bottom] = [
      Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const room = Math.min(WIDTH / (right - left + 8 * EDGE), height / (bottom - top + 4 * EDGE));
    const zoom = Math.max(1, Math.min(CLOSEST, room));
    setView({
      zoom,
      x: WIDTH / 2 - (zoom * (left + right)) / 2,
      y: height / 2 - (zoom * (top + bottom)) / 2,
    });
  }

  /** Move the view, where it is close, until a point is inside. */
  function follow([x, y]) {
    const into = (at, length) => Math.max(2 * EDGE - at, 0) + Math.min(length - 2 * EDGE - at, 0);
    const [dx, dy] = [into(view.zoom * x + view.x, WIDTH), into(view.zoom * y + view.y, height)];
    if (dx || dy) setView({ ...view, x: view.x + dx, y: view.y + dy });
  }

  const drawnAt = (film) => {
    const [x, y] = points.get(film);
    return [view.zoom * x + view.x, view.zoom * y + view.y];
  };

  // ---- pointing

  const held = new Map(); // pointers that are down: id -> where they were last
  let travelled = 0;
  const under = (event) => {
    const box = svg.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * WIDTH,
      ((event.clientY - box.top) / box.height) * height,
    ];
  };

  function nearest([x, y]) {
    let found = null;
    let least = AWAY;
    for (const film of points.keys()) {
      const [px, py] = drawnAt(film);
      const far = Math.hypot(px - x, py - y);
      if (far < least) [found, least] = [film, far];
    }
    return found;
  }

  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    zoomAt(under(event), Math.exp(-event.deltaY / 300));
  }, { passive: false });
  svg.addEventListener("dblclick", (event) => zoomAt(under(event), STEP));
  svg.addEventListener("pointerdown", (event) => {
    held.set(event.pointerId, under(event));
    if (held.size === 1) travelled = 0;
  });
  svg.addEventListener("pointermove", (event) => {
    const here = under(event);
    const before = held.get(event.pointerId);
    if (!before) {
      const film = nearest(here);
      hint.textContent = film === null ? resting : titleOf(film);
      return;
    }
    svg.setPointerCapture(event.pointerId);
    const others = [...held].filter(([id]) => id !== event.pointerId);
    travelled += Math.hypot(here[0] - before[0], here[1] - before[1]);
    held.set(event.pointerId, here);
    if (others.length) {
      const still = others[0][1];
      const apart = ([x, y]) => Math.hypot(x - still[0], y - still[1]) || 1;
      zoomAt(still, apart(here) / apart(before));
    } else {
      setView({ ...view, x: view.x + here[0] - before[0], y: view.y + here[1] - before[1] });
    }
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
    svg.addEventListener(end, (event) => held.delete(event.pointerId));
  }
  svg.addEventListener("pointerleave", () => (hint.textContent = resting));
  svg.addEventListener("click", (event) => {
    const film = travelled < STILL ? nearest(under(event)) : null;
    if (film !== null && onPick) onPick(film);
  });

  // ---- showing

  function show(classes, avoid = null) {
    [marked, avoided] = [classes, avoid];
    for (const [film, dot] of dotOf) {
      const group = groupOf(film);
      const kind = marked.get(film) ?? (group < 0 ? "" : `recsys-group-${group}`);
      if (dot.getAttribute("class") !== kind) dot.setAttribute("class", kind);
    }
    write();
  }

  /** Write titles beside their films, the marked ones first; none over another. */
  function write() {
    // On a phone the drawing shrinks, the letters less.
    const shrunk = WIDTH / (svg.clientWidth || WIDTH);
    const letter = 11 * Math.min(1.8, Math.max(1, shrunk));
    svg.setAttribute("font-size", letter);
    const { fontFamily } = getComputedStyle(svg);
    const taken = [[WIDTH - 48 * shrunk, 0, WIDTH, 122 * shrunk]]; // the buttons
    if (avoided) {
      const [x, y] = [view.zoom * avoided[0] + view.x, view.zoom * avoided[1] + view.y];
      taken.push([x - 24, y - 15 - letter, x + 24, y + 10]);
    }
    texts.replaceChildren();
    for (const film of new Set([...marked.keys(), ...points.keys()])) {
      if (texts.childElementCount === LABELS) return;
      if (!points.has(film)) continue;
      const [cx, cy] = drawnAt(film);
      if (cx < 0 || cx > WIDTH || cy < 0 || cy > height) continue;
      const title = labelOf(film);
      const text = title.length > 26 ? `${title.slice(0, 25).trimEnd()}…` : title;
      measure.font = `${marked.has(film) ? 600 : 400} ${letter}px ${fontFamily}`;
      const { width } = measure.measureText(text);
      const left = cx + 6 + width > WIDTH;
      const x = left ? cx - 6 : cx + 6;
      const [from, to] = left ? [x - width, x] : [x, x + width];
      const box = [from, cy - 0.7 * letter, to, cy + 0.7 * letter];
      if (box[1] < 0 || box[3] > height || from < 0) continue;
      if (taken.some((o) => from < o[2] && o[0] < to && box[1] < o[3] && o[1] < box[3])) continue;
      taken.push(box);
      texts.append(drawn("text", {
        x, y: cy + 0.36 * letter, "text-anchor": left ? "end" : "start", class: marked.get(film) ?? "",
      }, text));
    }
  }

  setView(view);
  new ResizeObserver(write).observe(svg); // a phone is turned
  return { svg, world, show, lookAt, follow };
}
