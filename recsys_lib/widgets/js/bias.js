// Damping under the reader's finger: the films' cloud, and the top of the list. Twin of `bias.py`.

import { chart, line, ticksOf } from "./chart.js";
import { combobox } from "./combobox.js";
import { drawn, element, titled } from "./dom.js";
import { finder } from "./search.js";

const FINDS = 8;

/** Each film's estimate: its ratings, less their users' biases if that is `fair`, damped. */
export function estimatesOf({ counts, sums, mu }, gamma, fair) {
  return counts.map((n, i) => (sums[Number(fair)][i] + gamma * mu) / (n + gamma));
}

function render({ model, el }) {
  const fixed = model.get("fixed");
  const { titles, counts, gammas, mu } = fixed;
  const [low, high] = fixed.stars;
  const order = titles.map((_, i) => i);
  const byCount = [...order].sort((a, b) => counts[b] - counts[a] || a - b);
  const find = finder(titles, byCount);
  let followed = null;

  const most = counts[byCount[0]] * 1.1;
  const powers = [1, 10, 100, 1000, 10000, 100000].filter((tick) => tick <= most);
  const picture = chart({
    x: { ends: [0.9, most], ticks: powers, log: true, title: "number of ratings of the film" },
    y: { ends: [low - 0.1, high + 0.1], ticks: ticksOf(Math.ceil(low), high), title: "stars" },
    label: "Each film's estimate over its number of ratings",
  });
  // Counts are whole numbers: films of the same count stand beside, not upon, each other.
  const aside = order.map((i) => 0.94 + 0.12 * ((i * 0.618034) % 1));
  const dots = order.map((i) =>
    drawn("circle", { cx: picture.at([counts[i] * aside[i], mu])[0], r: 2.4 }));
  picture.add(
    line([picture.at([0.9, mu]), picture.at([most, mu])], "recsys-level"),
    drawn("g", { class: "recsys-dots recsys-moving" }, ...dots));

  const slider = element("input", {
    type: "range", min: 0, max: gammas.length - 1, step: 1, "aria-label": "Damping γ",
    oninput: () => change({ gamma: gammas[Number(slider.value)] }),
  });
  const said = element("output", {});
  const box = element("input", {
    type: "checkbox", onchange: () => change({ fair: box.checked }),
  });
  const list = element("ol", { class: "recsys-list" });
  const following = element("p", { class: "recsys-chosen", role: "status" });
  el.append(element("div", { class: "recsys" },
    element("div", { class: "recsys-knobs" },
      element("label", {}, "Damping γ", slider, said),
      element("label", {}, box, "take out the raters’ strictness")),
    picture.svg,
    element("div", { class: "recsys-columns" },
      element("section", { "aria-label": "The best films" },
        element("h4", { "aria-hidden": "true" }, "The best films"), list),
      element("section", { "aria-label": "A film to follow" },
        element("h4", { "aria-hidden": "true" }, "A film to follow"),
        combobox("Search for a film to follow", (typed) =>
          find(typed, FINDS).map((i) => [i, titles[i]]), (i) => {
          followed = i;
          show();
        }),
        following))));

  function change(values) {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
    show();
  }

  function show() {
    const [gamma, fair] = [model.get("gamma"), model.get("fair")];
    const estimates = estimatesOf(fixed, gamma, fair);
    const best = [...order].sort((a, b) => estimates[b] - estimates[a] || a - b).slice(0, fixed.best);
    slider.value = gammas.indexOf(gamma);
    slider.setAttribute("aria-valuetext", String(gamma));
    said.textContent = String(gamma);
    box.checked = fair;
    for (const i of order) {
      dots[i].setAttribute("cy", picture.at([1, Math.max(low, Math.min(high, estimates[i]))])[1]);
      dots[i].setAttribute("class", i === followed ? "rated" : best.includes(i) ? "listed" : "");
    }
    list.replaceChildren(...best.map((i) => element("li", {},
      element("div", { class: "recsys-row" }, titled(titles[i]), of(i, estimates[i])))));
    if (followed !== null) {
      following.replaceChildren(titled(titles[followed]), ": ", of(followed, estimates[followed]));
    }
  }

  function of(i, estimate) {
    const n = counts[i].toLocaleString("en");
    return element("span", { class: "recsys-score" },
      element("strong", {}, estimate.toFixed(2)), ` of ${n} rating${counts[i] === 1 ? "" : "s"}`);
  }

  model.on("change:gamma", show);
  model.on("change:fair", show);
  show();
  return () => {
    model.off("change:gamma", show);
    model.off("change:fair", show);
  };
}

export default { render };
