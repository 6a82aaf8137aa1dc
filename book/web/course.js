// What is too wide for its column scrolls by itself: let it be reached by keyboard as well.

const WIDE = `.bd-article :is(
  mjx-container[display], pre, figure, .pst-scrollable-table-container, .cell_output, .text_html,
  .recsys-wide)`;

function reachable() {
  for (const box of document.querySelectorAll(WIDE)) {
    const scrolls = ["auto", "scroll"].includes(getComputedStyle(box).overflowX);
    if (scrolls && box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  // The page changes its size with the window, and where something is unfolded or answered.
  new ResizeObserver(reachable).observe(document.body);
});

// On a phone a figure scrolls, too (pages.css): a tap shows all of it, and the next one its words.
addEventListener("click", ({ target }) => {
  if (target.matches?.(".bd-article :is(figure, .cell_output) img")) target.classList.toggle("whole");
});

// A term of the glossary shows its definition: where the mouse rests, on focus, at the first tap.
const tip = document.createElement("div");
tip.id = "definition";
tip.className = "mathjax_process";
tip.setAttribute("role", "tooltip");
let shown = null;
let leaving = 0;

function define(link) {
  clearTimeout(leaving);
  if (shown === link) return;
  forget();
  shown = link;
  const words = link.dataset.definition; // formulas are TeX, which a page without any leaves so
  tip.textContent = window.MathJax ? words : words.replace(/\\[()]/g, "");
  document.body.append(tip);
  link.setAttribute("aria-describedby", tip.id);
  window.MathJax?.typesetPromise?.([tip]);
  const box = link.getClientRects()[0];
  const left = Math.min(box.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
  const below = box.bottom + tip.offsetHeight + 8 < innerHeight;
  tip.style.left = `${scrollX + Math.max(8, left)}px`;
  tip.style.top = `${scrollY + (below ? box.bottom + 4 : box.top - tip.offsetHeight - 4)}px`;
}

function forget() {
  shown?.removeAttribute("aria-describedby");
  shown = null;
  tip.remove();
}

const termOf = ({ target }) => target.closest?.("a[data-definition]");
let tapped = null;

addEventListener("pointerover", (event) => {
  const link = termOf(event);
  if (event.pointerType !== "mouse") return;
  if (link) define(link);
  else if (tip.contains(event.target)) clearTimeout(leaving);
  else if (shown && shown !== document.activeElement) leaving = setTimeout(forget, 200);
});
addEventListener("pointerdown", (event) => {
  const link = termOf(event);
  tapped = event.pointerType !== "mouse" && link !== shown ? link : null;
  if (!link && !tip.contains(event.target)) forget();
});
addEventListener("click", (event) => {
  const link = termOf(event);
  if (!link || link !== tapped) return;
  event.preventDefault(); // the second tap follows the link
  define(link);
});
addEventListener("focusin", (event) => {
  if (termOf(event)) define(termOf(event));
});
addEventListener("focusout", forget);
addEventListener("keydown", ({ key }) => {
  if (key === "Escape") forget();
});
