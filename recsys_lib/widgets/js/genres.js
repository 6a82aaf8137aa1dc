// Sliders for the genres of a film that nobody has rated. The twin of `genres.py`.

import { element } from "./dom.js";

/** What each reader would give a film of these weights, not clipped to the scale. */
export function predictionsFor({ names, rows, tastes, mu }, weights) {
  const size = rows[0].length;
  const film = new Float64Array(size);
  let squares = 0;
  names.forEach((name, genre) => {
    const weight = weights[name] ?? 0;
    squares += weight ** 2;
    for (let k = 0; k < size; k++) film[k] += weight * rows[genre][k];
  });
  const length = Math.sqrt(squares) || 1;
  return tastes.map((taste) => {
    let sum = mu + taste[size - 1] + film[size - 1] / length;
    for (let k = 0; k < size - 1; k++) sum += (taste[k] * film[k]) / length;
    return sum;
  });
}

function render({ model, el }) {
  const fixed = model.get("fixed");
  const [low, high] = fixed.stars;
  const sliders = fixed.names.map((name) => {
    const slider = element("input", {
      type: "range", min: 0, max: 1, step: 0.1, "aria-label": name,
      oninput: () => {
        const weights = { ...model.get("weights") };
        if (Number(slider.value)) weights[name] = Number(slider.value);
        else delete weights[name];
        model.set("weights", weights);
        model.save_changes();
        show();
      },
    });
    return slider;
  });
  const bars = fixed.readers.map(() => element("span", { class: "recsys-range" }));
  const values = fixed.readers.map(() => element("span", { class: "recsys-score" }));
  const lines = fixed.readers.map((reader, k) => element("li", {},
    element("div", { class: "recsys-row" }, element("bdi", {}, reader), values[k]),
    element("div", { class: "recsys-scale", "aria-hidden": "true" }, bars[k])));
  el.append(element("div", { class: "recsys recsys-genres" },
    element("div", { class: "recsys-columns" },
      element("section", { "aria-label": "Genres of the film", class: "recsys-sliders" },
        ...fixed.names.map((name, k) => element("label", {}, name, sliders[k]))),
      element("section", { "aria-label": "Predicted stars" }, element("ul", {}, ...lines)))));

  function show() {
    const weights = model.get("weights");
    sliders.forEach((slider, k) => (slider.value = weights[fixed.names[k]] ?? 0));
    predictionsFor(fixed, weights).forEach((stars, k) => {
      values[k].textContent = `${stars.toFixed(2)} stars`;
      const share = Math.max(0, Math.min(1, (stars - low) / (high - low)));
      bars[k].style.left = "0";
      bars[k].style.right = `${100 * (1 - share)}%`;
    });
  }

  model.on("change:weights", show);
  show();
  return () => model.off("change:weights", show);
}

export default { render };
