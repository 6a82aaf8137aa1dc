// A map to travel on: find a film, see its nearest in the space that the map was made from.

import { combobox } from "./combobox.js";
import { drawn, element, titled } from "./dom.js";
import { EDGE, plane, WIDTH } from "./plane.js";
import { finder } from "./search.js";

const FINDS = 8;
const TALL = 540;

function render({ model, el }) {
  const { points, titles, groups, names, near } = model.get("fixed");
  const order = titles.map((_, film) => film);
  const find = finder(titles, order);
  const reach = [0, 1].map((side) => Math.max(1e-9, ...points.map((p) => Math.abs(p[side]))));
  const unit = Math.min((WIDTH / 2 - EDGE) / reach[0], (TALL / 2 - EDGE) / reach[1]);
  const at = ([x, y]) => [WIDTH / 2 + x * unit, TALL / 2 - y * unit];
  const places = new Map(order.map((film) => [film, at(points[film])]));
  const mapHost = element("div", { class: "recsys-map" });
  const nearby = element("ol", { class: "recsys-near" });
  const heading = element("p", { class: "recsys-chosen", role: "status" });
  const legend = element("ul", { class: "recsys-legend" },
    ...names.map((name, k) => element("li", { class: `recsys-group-${k}` }, name)));
  el.append(element("div", { class: "recsys" },
    combobox("Search for a film on the map", (typed) =>
      find(typed, FINDS).map((film) => [film, titles[film]]), (film) => choose(film)),
    legend, mapHost, heading, nearby));
  const { svg, world, show, lookAt } = plane(mapHost, places, (film) => titles[film], {
    resting: "Point at a film for its title; click it, or search for it, to see its nearest.",
    groupOf: (film) => groups[film],
    height: TALL,
    onPick: choose,
  });
  const ties = drawn("g", { class: "recsys-ties" });
  world.append(ties);

  function choose(film) {
    model.set("chosen", film);
    model.save_changes();
    draw();
  }

  function draw() {
    const film = model.get("chosen");
    const found = film === null ? [] : near[film];
    const travelling = nearby.contains(document.activeElement);
    heading.replaceChildren(...(film === null ? [] : [
      "In the space of factors, nearest to ", element("strong", {}, titled(titles[film])), ":"]));
    nearby.replaceChildren(...found.map(([other, cosine]) => element("li", {},
      element("button", { type: "button", class: "recsys-go", onclick: () => choose(other) },
        titled(titles[other])),
      ` ${cosine.toFixed(2)}`)));
    if (travelling) nearby.querySelector("button")?.focus();
    ties.replaceChildren(...found.map(([other]) => {
      const [[x1, y1], [x2, y2]] = [places.get(film), places.get(other)];
      return drawn("line", { x1, y1, x2, y2 });
    }));
    const marked = film === null ? [] : [[film, "rated"], ...found.map(([other]) => [other, "listed"])];
    show(new Map(marked));
    if (film !== null) lookAt([film, ...found.map(([other]) => other)]);
    svg.setAttribute("aria-label", `A map of ${titles.length} films.`);
  }

  model.on("change:chosen", draw);
  draw();
  return () => model.off("change:chosen", draw);
}

export default { render };
