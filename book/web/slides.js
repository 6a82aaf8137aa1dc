// Arrow keys, Page Up and Down, Space, Home and End go from slide to slide.

const STEPS = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1, Home: -1e6, End: 1e6 };

addEventListener("keydown", (event) => {
  if (!(event.key in STEPS) || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const slides = [...document.querySelectorAll(".slide")];
  const shown = slides.findIndex((slide) => slide.getBoundingClientRect().bottom > innerHeight / 2);
  const next = Math.min(Math.max(shown + STEPS[event.key], 0), slides.length - 1);
  slides[next].scrollIntoView();
});
