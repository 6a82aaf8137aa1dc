// Learning curves of many fits: two sliders choose one, all the others stay in the background.

import { chart, line, ticksOf } from "./chart.js";
import { element } from "./dom.js";

function render({ model, el }) {
  const { names, values, epochs, train, valid, best } = model.get("fixed");
  const all = [...train.flat(2), ...valid.flat(2)];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const last = epochs.at(-1);
  const picture = chart({
    x: { ends: [epochs[0] - 0.5, last + 0.5], ticks: ticksOf(epochs[0], last), title: "epoch" },
    y: { ends: [low - 0.01, high + 0.01], ticks: ticksOf(low, high), title: "RMSE (stars)" },
    label: "RMSE over epochs of the chosen fit, in training and in validation",
  });
  const curve = (numbers, kind) =>
    line(numbers.map((rmse, k) => picture.at([epochs[k], rmse])), kind);
  const sliders = names.map((name, side) => element("input", {
    type: "range", min: 0, max: values[side].length - 1, step: 1, "aria-label": name,
    oninput: () => {
      model.set("chosen", sliders.map((slider) => Number(slider.value)));
      model.save_changes();
      show();
    },
  }));
  const said = names.map(() => element("output", {}));
  const told = element("p", { class: "recsys-chosen", role: "status" });
  const cells = values[0].map((_, a) => values[1].map((_, b) =>
    element("td", {}, valid[a][b].at(-1).toFixed(3))));
  const table = element("table", { class: "recsys-grid" },
    element("caption", {}, `RMSE in validation at the end, ${names[0]} down, ${names[1]} across`),
    element("tr", {}, element("td", {}),
      ...values[1].map((value) => element("th", { scope: "col" }, String(value)))),
    ...values[0].map((value, a) =>
      element("tr", {}, element("th", { scope: "row" }, String(value)), ...cells[a])));
  el.append(element("div", { class: "recsys" },
    element("div", { class: "recsys-knobs" },
      ...names.map((name, side) => element("label", {}, name, sliders[side], said[side]))),
    element("ul", { class: "recsys-legend" },
      element("li", { class: "recsys-train" }, "training"),
      element("li", { class: "recsys-valid" }, "validation"),
      element("li", {}, "validation of the others")),
    picture.svg, told, element("div", { class: "recsys-wide" }, table)));

  function show() {
    const [a, b] = model.get("chosen");
    sliders.forEach((slider, side) => {
      const value = String(values[side][[a, b][side]]);
      slider.value = [a, b][side];
      slider.setAttribute("aria-valuetext", value);
      said[side].textContent = value;
    });
    picture.clear();
    picture.add(
      ...valid.flat().map((numbers) => curve(numbers, "recsys-behind")),
      curve(train[a][b], "recsys-train"), curve(valid[a][b], "recsys-valid"));
    cells.forEach((row, i) => row.forEach((cell, j) => {
      cell.classList.toggle("recsys-here", i === a && j === b);
      cell.classList.toggle("recsys-best", i === best[0] && j === best[1]);
    }));
    const ends = [train, valid].map((part) => part[a][b].at(-1).toFixed(3));
    const lowest = Math.min(...valid[a][b]);
    told.textContent = `After ${last} epochs: ${ends[0]} in training, ${ends[1]} in validation, ` +
      `whose lowest was ${lowest.toFixed(3)} after ${epochs[valid[a][b].indexOf(lowest)]}.`;
  }

  model.on("change:chosen", show);
  show();
  return () => model.off("change:chosen", show);
}

export default { render };
