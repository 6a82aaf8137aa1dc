// Brings to life the widgets that stand in a page as HTML: what JupyterLab does with a kernel.
// `recsysWidgets`, by name, is what the site's script has put before this.

/** A widget's state without a kernel: read and set, with nobody at the other end. */
class PageModel {
  inPage = true;

  constructor(state) {
    this.state = state;
  }

  get(name) {
    return this.state[name];
  }

  set(name, value) {
    this.state[name] = value;
  }

  save_changes() {}

  on() {}

  off() {}
}

/** Bytes came as {base64: text}, for JSON has none. */
function revive(_, value) {
  if (typeof value?.base64 !== "string") return value;
  const bytes = Uint8Array.from(atob(value.base64), (letter) => letter.charCodeAt(0));
  return new DataView(bytes.buffer);
}

for (const host of document.querySelectorAll("[data-recsys]")) {
  const state = JSON.parse(host.querySelector("script").textContent, revive);
  const el = document.createElement("div");
  host.append(el);
  recsysWidgets[host.dataset.recsys].render({ model: new PageModel(state), el });
  host.classList.add("recsys-mounted");
}
