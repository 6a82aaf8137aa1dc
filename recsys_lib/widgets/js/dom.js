// Elements in one line. Text only ever becomes text: no title can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element; `options` are attributes, and listeners under names such as "onclick". */
export function element(tag, options = {}, ...children) {
  return filled(document.createElement(tag), options, children);
}

/** The same, of a drawing. */
export function drawn(tag, options = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), options, children);
}

function filled(node, options, children) {
  for (const [name, value] of Object.entries(options)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** A title on its own: its writing direction does not reach the text around it. */
export function titled(text) {
  return element("bdi", {}, text);
}

let made = 0;

/** An id that nothing else on the page has. */
export function freshId(kind) {
  made += 1;
  return `recsys-${kind}-${made}-${Math.random().toString(36).slice(2, 8)}`;
}
