// What is too wide for its column scrolls by itself: let it be reached by keyboard as well.

const WIDE = ".bd-article :is(mjx-container[display], pre, table, .cell_output, .text_html)";

function reachable() {
  for (const box of document.querySelectorAll(WIDE)) {
    const scrolls = ["auto", "scroll"].includes(getComputedStyle(box).overflowX);
    if (scrolls && box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  reachable();
});
addEventListener("resize", reachable);
