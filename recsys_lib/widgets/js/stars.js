// Half stars by mouse, touch and keyboard: a native slider that lies invisible over its stars.

import { drawn, element } from "./dom.js";

const STAR = "M12 1.8l3.1 6.6 7.1.9-5.2 5 1.3 7.2L12 18l-6.3 3.5L7 14.3l-5.2-5 7.1-.9z";

/**
 * @param {string} label for screen readers
 * @param {number} value 0: not rated
 * @param {number[]} scale the lowest and the highest rating
 * @param {(value: number, byKey: boolean) => void} onRate called once a rating is settled; a key
 *   moves by half a star, so a rating by keys comes in steps
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
    slider.setAttribute("aria-valuetext", stars ? `${stars} of ${high} stars` : "not rated");
  };
  const settle = (stars, byKey) => {
    slider.value = stars && Math.max(stars, low);
    show(Number(slider.value));
    if (Number(slider.value) !== value) onRate((value = Number(slider.value)), byKey);
  };
  const under = (event) => {
    const box = stars.getBoundingClientRect();
    const halves = Math.ceil(((event.clientX - box.left) / box.width) * high * 2);
    return Math.max(low, Math.min(high, halves / 2));
  };
  // The slider's own thumb would not stay under the pointer: its keys are used, not its track.
  host.addEventListener("pointermove", (event) => show(under(event)));
  host.addEventListener("pointerleave", () => show(value));
  host.addEventListener("pointercancel", () => show(value));
  host.addEventListener("click", (event) => {
    slider.focus();
    settle(under(event), false);
  });
  slider.addEventListener("input", () => settle(Number(slider.value), true));
  show(value);
  return host;
}
