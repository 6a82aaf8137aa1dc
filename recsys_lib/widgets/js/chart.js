// Lines and points over two axes: as much of a chart as the small widgets need.

import { drawn } from "./dom.js";

const WIDE = 640;
const HIGH = 330;
const [LEFT, RIGHT, TOP, BOTTOM] = [62, 12, 10, 42];

/**
 * An empty chart.
 *
 * @param {{ x: object, y: object, label: string }} options an axis has `ends` [low, high], `ticks`,
 *   `title`, and `log` if equal ratios are to be equally long
 * @returns {{ svg, at, add, clear }} `at([x, y])`: where it is drawn; `add(...nodes)`; `clear()`
 */
export function chart({ x, y, label }) {
  const share = ({ ends: [low, high], log }, value) =>
    log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  const across = (value) => LEFT + share(x, value) * (WIDE - LEFT - RIGHT);
  const up = (value) => HIGH - BOTTOM - share(y, value) * (HIGH - TOP - BOTTOM);
  const svg = drawn("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": label,
    class: "recsys-chart" });
  const frame = drawn("g", { class: "recsys-frame" });
  for (const tick of x.ticks) {
    frame.append(
      drawn("path", { d: `M${across(tick)} ${TOP}V${HIGH - BOTTOM}` }),
      drawn("text", { x: across(tick), y: HIGH - BOTTOM + 16, "text-anchor": "middle" },
        tick.toLocaleString("en")));
  }
  for (const tick of y.ticks) {
    frame.append(
      drawn("path", { d: `M${LEFT} ${up(tick)}H${WIDE - RIGHT}` }),
      drawn("text", { x: LEFT - 6, y: up(tick) + 4, "text-anchor": "end" },
        tick.toLocaleString("en")));
  }
  const middle = (TOP + HIGH - BOTTOM) / 2;
  frame.append(
    drawn("text", { x: (LEFT + WIDE - RIGHT) / 2, y: HIGH - 6, "text-anchor": "middle" }, x.title),
    drawn("text", { transform: `translate(14 ${middle}) rotate(-90)`, "text-anchor": "middle" },
      y.title));
  const content = drawn("g");
  svg.append(frame, content);
  return {
    svg,
    at: ([a, b]) => [across(a), up(b)],
    add: (...nodes) => content.append(...nodes),
    clear: () => content.replaceChildren(),
  };
}

/** A line through points that `at` has placed. */
export function line(points, kind) {
  return drawn("polyline", { class: kind, points: points.map((p) => p.join(",")).join(" ") });
}

/** Round numbers that an axis from `low` to `high` is marked at, about five of them. */
export function ticksOf(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) {
    ticks.push(Number((k * step).toPrecision(12)));
  }
  return ticks;
}
