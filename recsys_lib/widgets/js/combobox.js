// A search box whose finds can be gone through by keyboard: ARIA's combobox with a list below.

import { element, freshId, titled } from "./dom.js";

/**
 * @param {string} label
 * @param {(typed: string) => Array<[unknown, string]>} find what fits: [key, text] each
 * @param {(key: unknown) => void} onChoose
 */
export function combobox(label, find, onChoose) {
  const listId = freshId("finds");
  const input = element("input", {
    type: "text", role: "combobox", "aria-label": label, "aria-autocomplete": "list",
    "aria-expanded": "false", "aria-controls": listId, autocomplete: "off", spellcheck: "false",
    placeholder: label,
  });
  const list = element("ul", { role: "listbox", id: listId, "aria-label": "Finds", hidden: "" });
  const none = element("p", { class: "recsys-none", role: "status" });
  let finds = [];
  let active = -1;

  const close = () => {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const choose = (key) => {
    input.value = "";
    none.textContent = "";
    close();
    onChoose(key);
  };
  const mark = (next) => {
    active = next;
    [...list.children].forEach((option, k) => {
      option.setAttribute("aria-selected", String(k === active));
      if (k === active) {
        input.setAttribute("aria-activedescendant", option.id);
        option.scrollIntoView({ block: "nearest" });
      }
    });
  };
  const search = () => {
    finds = find(input.value);
    list.replaceChildren(
      ...finds.map(([key, text], k) =>
        element("li", {
          role: "option", id: `${listId}-${k}`, "aria-selected": "false",
          onpointerdown: (event) => event.preventDefault(), // the box keeps the focus
          onclick: () => choose(key),
        }, titled(text)),
      ),
    );
    none.textContent = input.value.trim() && finds.length === 0 ? "No film of that title." : "";
    close(); // nothing is marked yet
    if (finds.length === 0) return;
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
  };
  input.addEventListener("focus", () => find(""), { once: true }); // gets ready: finds nothing
  input.addEventListener("input", search);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" && list.hidden) search();
    if (event.key === "Escape") close();
    else if (list.hidden) return;
    else if (event.key === "Enter") choose(finds[Math.max(active, 0)][0]); // none marked: the first
    else if (event.key === "ArrowDown") mark((active + 1) % finds.length);
    else if (event.key === "ArrowUp") mark((active < 1 ? finds.length : active) - 1);
    else return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab has plans of its own for these keys
  });
  return element("div", { class: "recsys-search" }, input, list, none);
}
