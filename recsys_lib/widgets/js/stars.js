// Half stars by mouse, touch and keyboard: a native slider that lies invisible over its stars.

import { drawn, element } from "./dom.js";

const STAR = "M12 1.8l3.1 6.6 7.1.9-5.2 5 1.3 7.2L12 18l-6.3 3.5L7 14.3l-5.2-5 7.1-.9z";

/**
 * @param {string} label for screen readers
 * @param {number} value 0: not rated
 * @param {number[]} scale the lowest and the highest rating
 * @param {(value: number) => void} onRate called once a rating is settled: by a click, or after keys
 *   by Enter or by leaving; Escape takes the keys back
 */
export function starInput(label, value, [low, high], onRate) {
  const slider = element("input", {
    type: "range", min: 0, max: high, step: 0.5, value, "aria-label": label,
  });
  const stars = element("span", { class: "recsys-stars-drawn", "aria-hidden": "true" });
  const host = element("span", { class: "recsys-stars" }, stars, slider);
  const halves = [];
  for (let star = 0; star < high; star++) {
    const [left, right] = ["left", "right"].map((side) => drawn("path", { d: STAR, class: side }));
    halves.push(left, right);
    const outline = drawn("path", { d: STAR, class: "outline" });
    stars.append(drawn("svg", { viewBox: "0 0 24 24" }, left, right, outline));
  }
  const show = (stars) => {
    halves.forEach((half, k) => half.classList.toggle("on", k < 2 * stars));
    const said = stars ? `${stars} of ${high} stars` : "not rated";
    slider.setAttribute("aria-valuetext", stars === value ? said : `${said}: Enter settles it`);
  };
  const set = (stars) => {
    slider.value = stars && Math.max(stars, low);
    show(Number(slider.value));
  };
  const settle = () => {
    if (Number(slider.value) === value) return;
    value = Number(slider.value);
    show(value);
    onRate(value);
  };
  const under = (event) => {
    const box = stars.getBoundingClientRect();
    const halves = Math.ceil(((event.clientX - box.left) / box.width) * high * 2);
    return Math.max(low, Math.min(high, halves / 2));
  };
  // The slider's own thumb would not stay under the pointer: its keys are used, not its track.
  host.addEventListener("pointermove", (event) => show(under(event)));
  host.addEventListener("pointerleave", () => show(Number(slider.value)));
  host.addEventListener("pointercancel", () => show(Number(slider.value)));
  host.addEventListener("click", (event) => {
    slider.focus();
    set(under(event));
    settle();
  });
  slider.addEventListener("input", () => set(Number(slider.value)));
  slider.addEventListener("keydown", (event) => {
    if (event.key === "Enter") settle();
    else if (event.key === "Escape") set(value);
    else return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab has plans of its own for these keys
  });
  slider.addEventListener("blur", () => afterwards(settle));
  show(value);
  return host;
}

let pressed = false;
for (const [kind, down] of [["pointerdown", true], ["pointerup", false], ["pointercancel", false]]) {
  addEventListener(kind, () => (pressed = down), true);
}

/** Do it when the focus has arrived, and a click that moved it has found what it was made on. */
function afterwards(work) {
  if (pressed) addEventListener("pointerup", () => setTimeout(work), { once: true, capture: true });
  else setTimeout(work);
}
