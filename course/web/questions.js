// Questions that answer back. An author writes folds in Markdown; without this script they stay so.
//
//   Quiz        <details class="quiz right"><summary>an option</summary>its reason</details>, one
//               for each option, the wrong ones with `wrong`.
//   Prediction  an {admonition} with `:class: dropdown predict KIND`. What is bold first in it is the
//               truth, and its title is what the reader is asked for, by KIND:
//     number    In percent, ± 5            or a part of the truth: RMSE, ± 10%
//     choice    EASE · item-kNN · ALS      the truth is one of them
//     order     EASE · item-kNN · ALS      the truth is all of them, in their order
//     point     epochs, 0 to 60 · RMSE, 0.8 to 1 · ± 10%     the truth: 12 · 0.87
//
// Answers are kept in this browser's localStorage and are sent nowhere.

(() => {
  "use strict";
  const STORE = "recsys-course";
  const BREAK = " · ";
  const ANSWER = "answer"; // the class of what this script puts before a fold

  // ---- memory: a seed for the order of options, answers by question, questions by page

  let here = null;

  function memory() {
    const isObject = (value) => value !== null && typeof value === "object";
    try {
      const kept = JSON.parse(localStorage.getItem(STORE));
      if (isObject(kept) && isObject(kept.answers) && isObject(kept.pages)) return kept;
    } catch {
      // Refused, or not ours: then it lasts as long as the page.
    }
    return here ?? { seed: Math.floor(Math.random() * 2 ** 31), answers: {}, pages: {} };
  }

  function change(edit) {
    here = memory(); // another tab may have answered since
    edit(here);
    try {
      localStorage.setItem(STORE, JSON.stringify(here));
    } catch {
      // Refused or full.
    }
  }

  change(() => {});

  /** What was answered before: a list of numbers or texts, or null. */
  function given(key) {
    const old = here.answers[key]?.answer;
    const known = (one) => typeof one === "number" || typeof one === "string";
    return Array.isArray(old) && old.length && old.every(known) ? old : null;
  }

  function keep(key, answer, right) {
    change((kept) => (kept.answers[key] = { answer, right }));
    tell();
  }

  // ---- small tools

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  const button = (text, onclick, more = {}) =>
    make("button", { type: "button", onclick, ...more }, ...[text].flat());
  const copies = (nodes) => [...nodes].map((node) => node.cloneNode(true));

  /** A number as people write it: 1,234 · 0,5 · −3 · 20%; NaN for anything else. */
  function number(text) {
    const bare = text.trim().replace(/\s?%$/, "").replace("−", "-").replace(/,(?=\d{3}(?!\d))/g, "");
    return /\d/.test(bare) ? Number(bare.replace(",", ".")) : NaN;
  }

  const short = (value) => String(Number(value.toPrecision(3))).replace("-", "−");

  function hash(text) {
    let value = 2166136261; // FNV-1a
    for (const letter of text) value = Math.imul(value ^ letter.codePointAt(0), 16777619);
    return value >>> 0;
  }

  /** The same order for the same reader and question, another for others. */
  function shuffled(list, key) {
    const rank = new Map(list.map((one, k) => [one, hash(`${here.seed} ${key} ${k}`)]));
    return [...list].sort((a, b) => rank.get(a) - rank.get(b));
  }

  // The page's name, on the site and in JupyterLab: 03-als of …/03-als.html or …/03-als.ipynb.
  const stem = (path) => decodeURIComponent(path).split("/").pop().replace(/\.\w+$/, "");

  /** A name for a question that is the same at each visit: formulas are drawn in many ways. */
  function keyOf(kind, fold, nodes) {
    const text = [fold.previousElementSibling ?? fold, ...nodes].map((node) => {
      const copy = node.cloneNode(true);
      copy.querySelectorAll(".math, .katex, mjx-container").forEach((one) => one.remove());
      return copy.textContent.replace(/\s+/g, " ").trim();
    });
    return `${stem(location.pathname)} ${kind} ${hash(text.join("|")).toString(36)}`;
  }

  /** The box of a question, named by the paragraph before its fold. */
  function box(fold, kind, ...children) {
    let asked = fold.previousElementSibling ?? fold.parentElement.previousElementSibling;
    if (asked?.classList.contains(ANSWER)) asked = null;
    if (asked) asked.id ||= `asked-${hash(asked.textContent).toString(36)}`;
    const name = asked ? { "aria-labelledby": asked.id } : { "aria-label": "Question" };
    const node = make("div", { class: `${ANSWER} ${kind}`, role: "group", ...name }, ...children);
    node.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab's keys
    node.addEventListener("dblclick", (event) => event.stopPropagation()); // it would edit the cell
    return node;
  }

  // ---- a quiz: one option at a time, with its reason

  function quiz(folds, key) {
    let tried = (given(key) ?? []).filter((k) => folds[k]);
    const told = make("div", { class: "told", role: "status" });
    const shown = (fold) => {
      const right = fold.classList.contains("right");
      told.classList.toggle("right", right);
      const reason = [...fold.childNodes].filter((node) => node.localName !== "summary");
      told.replaceChildren(make("strong", {}, right ? "Right. " : "Not this one. "), ...copies(reason));
      buttons.forEach((one, other) => {
        one.setAttribute("aria-pressed", String(other === fold));
        if (tried.includes(folds.indexOf(other))) {
          one.classList.add(other.classList.contains("right") ? "right" : "wrong");
        }
      });
    };
    const choose = (fold) => {
      tried = [...tried, folds.indexOf(fold)];
      keep(key, tried, folds[tried[0]].classList.contains("right"));
      shown(fold);
    };
    const buttons = new Map(shuffled(folds, key).map((fold) => [
      fold,
      button(copies(fold.querySelector("summary").childNodes), () => choose(fold), { "aria-pressed": "false" }),
    ]));
    const last = folds[tried.at(-1)];
    if (last) shown(last);
    return box(folds[0], "quiz", ...buttons.values(), told);
  }

  // ---- predictions: each kind gives controls, the answer they hold, and what is said of it

  const KINDS = {
    number(title, truth) {
      const [, label, tolerance, percent] = title.match(/^(.*?),?\s*±\s*([\d.]+)\s*(%?)$/) ?? [];
      const target = number(truth);
      if (!label || Number.isNaN(target)) return null;
      const allowed = percent ? Math.abs(target) * tolerance / 100 : Number(tolerance);
      const field = make("input", { type: "text", inputmode: "decimal", size: 8, autocomplete: "off" });
      return {
        controls: [make("label", {}, `${label} `, field, ` ± ${tolerance}${percent}`)],
        set: (answer) => (field.value = answer),
        read: () => (Number.isNaN(number(field.value)) ? "Write a number." : [field.value]),
        judge([text]) {
          const off = number(String(text)) - target;
          if (Math.abs(off) <= allowed * (1 + 1e-9)) return [true, `Your ${text} is close enough to ${truth}.`];
          return [false, `Your ${text} is too ${off > 0 ? "high" : "low"}, by ${short(Math.abs(off))}: it is ${truth}.`];
        },
      };
    },

    choice(title, truth, key) {
      const options = title.split(BREAK);
      if (!options.includes(truth)) return null;
      let chosen = null;
      const radios = new Map(shuffled(options, key).map((option) => [option, make("input", {
        type: "radio", name: key, onchange: () => (chosen = option),
      })]));
      return {
        controls: [...radios].map(([option, radio]) => make("label", {}, radio, ` ${option}`)),
        set: ([option]) => radios.has(option) && (radios.get((chosen = option)).checked = true),
        read: () => (chosen === null ? "Choose one." : [chosen]),
        judge: ([option]) => [option === truth, `You said ${option}, and it is ${truth}.`],
      };
    },

    order(title, truth, key) {
      const target = truth.split(BREAK);
      let order = shuffled(title.split(BREAK), key);
      if (order.length !== target.length || !target.every((one) => order.includes(one))) return null;
      const list = make("ol");
      const heard = make("span", { class: "heard", role: "status" });
      const rows = new Map(order.map((item) => [item, make("li", {},
        button("↑", () => move(item, -1), { "aria-label": `${item}: up` }),
        button("↓", () => move(item, 1), { "aria-label": `${item}: down` }), ` ${item}`)]));
      const draw = () => list.append(...order.map((item) => rows.get(item)));
      function move(item, by) {
        const [from, active] = [order.indexOf(item), document.activeElement];
        const to = Math.max(0, Math.min(order.length - 1, from + by));
        order.splice(to, 0, ...order.splice(from, 1));
        draw();
        active.focus(); // a row that is moved loses it
        heard.textContent = `${item} is number ${to + 1} of ${order.length}.`;
      }
      draw();
      return {
        controls: [list, heard],
        set: (answer) => answer.length === order.length && answer.every((one) => rows.has(one)) &&
          ((order = [...answer]), draw()),
        read: () => [...order],
        judge(answer) {
          const place = (one) => target.indexOf(one);
          const pairs = answer.flatMap((one, k) => answer.slice(k + 1).map((other) => place(one) < place(other)));
          const right = pairs.filter(Boolean).length;
          const said = `${right} of ${pairs.length} pairs stand in the right order. It is ${truth}.`;
          return [right === pairs.length, said];
        },
      };
    },

    point(title, truth) {
      const parts = title.split(BREAK);
      const axes = parts.slice(0, 2).map((part) => part.match(/^(.*), (\S+) to (\S+)$/));
      const tolerance = Number(parts[2]?.match(/± ?([\d.]+) ?%/)?.[1]);
      const target = truth.split(BREAK).map(number);
      if (axes.includes(null) || axes.length < 2 || !tolerance || target.length < 2 || target.some(Number.isNaN)) {
        return null;
      }
      const [width, height, edge] = [320, 200, 12];
      const ranges = axes.map(([, , low, high]) => [number(low), number(high)]);
      const sliders = axes.map(([, name], k) => make("input", {
        type: "range", min: ranges[k][0], max: ranges[k][1], step: "any", "aria-label": name, oninput: () => draw(),
      }));
      const steps = ranges.map(([low, high]) => (high - low) / 50);
      sliders.forEach((slider, k) => {
        slider.step = steps[k];
        slider.value = (ranges[k][0] + ranges[k][1]) / 2;
      });
      const shape = (tag, more) => {
        const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
        Object.entries(more).forEach(([name, value]) => node.setAttribute(name, value));
        return node;
      };
      const place = (values) => values.map((value, k) => {
        const share = (value - ranges[k][0]) / (ranges[k][1] - ranges[k][0]);
        return k ? height - edge - share * (height - 2 * edge) : edge + share * (width - 2 * edge);
      });
      const dot = (kind, values) => {
        const [cx, cy] = place(values);
        return shape("circle", { class: kind, cx, cy, r: 6 });
      };
      const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
      const frame = shape("rect", { x: edge, y: edge, width: width - 2 * edge, height: height - 2 * edge });
      const read = () => sliders.map((slider) => Number(slider.value));
      const values = axes.map(() => make("output"));
      const draw = (...more) => {
        svg.replaceChildren(frame, dot("given", read()), ...more);
        values.forEach((value, k) => (value.textContent = short(read()[k])));
      };
      svg.addEventListener("click", (event) => {
        const area = svg.getBoundingClientRect();
        const across = ((event.clientX - area.left) / area.width * width - edge) / (width - 2 * edge);
        const up = 1 - ((event.clientY - area.top) / area.height * height - edge) / (height - 2 * edge);
        [across, up].forEach((share, k) => (sliders[k].value = ranges[k][0] + share * (ranges[k][1] - ranges[k][0])));
        draw();
      });
      draw();
      const knobs = axes.map(([, name, low, high], k) =>
        make("label", {}, `${k ? "↑" : "→"} ${name} `, make("span", {}, `${low} `, sliders[k], ` ${high}`), values[k]));
      return {
        controls: [svg, ...knobs],
        set: (answer) => (answer.forEach((value, k) => (sliders[k].value = value)), draw()),
        read,
        judge(answer) {
          draw(dot("truth", target));
          const off = answer.map((value, k) => value - target[k]);
          const right = off.every((by, k) => Math.abs(by) <= (ranges[k][1] - ranges[k][0]) * tolerance / 100);
          const said = off.map((by, k) => `${short(Math.abs(by))} too ${by > 0 ? "high" : "low"} in ${axes[k][1]}`);
          return [right, right ? "Your point is close enough to the true one." : `Your point is ${said.join(" and ")}.`];
        },
      };
    },
  };

  /** The cells right after a prediction, whose tables and figures would give it away. */
  function resultsAfter(fold) {
    const cells = [];
    for (let next = fold.nextElementSibling; next?.matches(".cell"); next = next.nextElementSibling) cells.push(next);
    return cells.filter((cell) => cell.querySelector(".cell_output"));
  }

  function prediction(fold, title, truth, key) {
    const kind = Object.keys(KINDS).find((name) => fold.classList.contains(name));
    const ask = KINDS[kind]?.(title, truth, key);
    if (!ask) return null; // not evaluated yet, or badly written: it stays a fold
    const told = make("p", { class: "told", role: "status" });
    const results = resultsAfter(fold);
    const skip = button("Show the result", () => {
      checks.focus();
      hold(false);
    });
    const hold = (held) => {
      for (const cell of results) cell.classList.toggle("held", held);
      if (held && results.length) buttons.append(skip);
      else skip.remove();
    };
    const reveal = (answer) => {
      hold(false);
      const [right, said] = ask.judge(answer);
      checks.setAttribute("aria-disabled", "true"); // the focus stays on it
      told.classList.toggle("right", right);
      told.replaceChildren(make("strong", {}, right ? "Right. " : "Not quite. "), said);
      fold.hidden = false;
      fold.open = true;
      fold.classList.remove("dropdown", "toggle-hidden"); // the theme folds it, too
      fold.classList.add("known");
      return right;
    };
    const check = () => {
      if (given(key)) return; // the truth is known by now
      const answer = ask.read();
      if (typeof answer === "string") told.textContent = answer;
      else keep(key, answer, reveal(answer));
    };
    const checks = button("Check", check);
    const buttons = make("div", { class: "buttons" }, checks);
    const node = box(fold, `predict ${kind}`, make("em", {}, "Predict first"), ...ask.controls, buttons, told);
    const old = given(key);
    if (old) {
      ask.set(old);
      reveal(old);
    } else hold(true);
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.localName === "input") check();
    });
    return node;
  }

  // ---- finding them, and telling how far one is

  const done = new WeakMap(); // a fold -> the box that stands before it

  function ask(fold, others, made) {
    done.set(fold, made);
    fold.before(made);
    for (const one of others) one.hidden = true;
  }

  function find() {
    for (const made of document.querySelectorAll(`.${ANSWER}`)) {
      if (!made.fold?.isConnected) made.remove(); // its cell was written anew
    }
    const open = (fold) => !done.get(fold)?.isConnected;
    for (const fold of document.querySelectorAll("details.quiz")) {
      const before = fold.previousElementSibling;
      if (before?.matches("details.quiz") || !open(fold)) continue;
      const folds = [fold];
      while (folds.at(-1).nextElementSibling?.matches("details.quiz")) folds.push(folds.at(-1).nextElementSibling);
      const key = keyOf("quiz", fold, folds.map((one) => one.querySelector("summary")));
      ask(fold, folds, named(quiz(folds, key), fold, key));
    }
    for (const fold of document.querySelectorAll(".predict:is(details, .admonition)")) {
      const title = fold.querySelector(".admonition-title, summary");
      const truth = fold.querySelector("strong")?.textContent.trim();
      if (!open(fold) || !title || !truth) continue;
      const key = keyOf("predict", fold, [title]);
      const hidden = fold.hidden;
      fold.classList.remove("known");
      fold.hidden = true;
      const made = prediction(fold, title.textContent.trim(), truth, key);
      if (made) ask(fold, [], named(made, fold, key));
      else fold.hidden = hidden;
    }
    tell();
  }

  function named(made, fold, key) {
    return Object.assign(made, { fold, key });
  }

  function tell() {
    const made = [...document.querySelectorAll(`.${ANSWER}`)];
    if (made.length) {
      const page = stem(location.pathname);
      const keys = made.map((one) => one.key);
      const known = inLab ? [...new Set([...(here.pages[page] ?? []), ...keys])] : keys;
      if (String(here.pages[page]) !== String(known)) change((kept) => (kept.pages[page] = known));
      score(made.at(-1), page);
    }
    marks();
  }

  /** How many of a page's questions are answered, and right at the first try. */
  function count(page) {
    const keys = here.pages[page] ?? [];
    const answers = keys.map((key) => here.answers[key]).filter(Boolean);
    return { of: keys.length, answered: answers.length, right: answers.filter((one) => one.right).length };
  }

  const line = make("p", { role: "status" });
  const scores = make("div", { class: "score" }, line,
    button("Begin this page again", () => forget((kept) => {
      for (const key of kept.pages[stem(location.pathname)] ?? []) delete kept.answers[key];
    })),
    button("Forget all my answers", () => forget((kept) => (kept.answers = {}))));

  function score(last, page) {
    const { of, answered, right } = count(page);
    const told = `${answered} of ${of} questions on this page answered, ${right} right at the first try.`;
    if (line.textContent !== told) line.textContent = told;
    if (last.nextElementSibling !== scores) {
      let after = last.fold;
      while (after.nextElementSibling?.matches("details.quiz")) after = after.nextElementSibling;
      if (after.nextElementSibling !== scores) after.after(scores);
    }
  }

  function forget(edit) {
    change(edit);
    for (const made of document.querySelectorAll(`.${ANSWER}`)) {
      made.fold.open = false;
      made.remove();
    }
    find();
  }

  /** The table of contents shows what is done. */
  function marks() {
    for (const link of document.querySelectorAll(".bd-links a[href]")) {
      const { of, answered, right } = count(stem(new URL(link.href).pathname));
      let mark = link.querySelector(".done");
      if (!answered) {
        mark?.remove();
        continue;
      }
      if (!mark) link.append((mark = make("span", { class: "done" })));
      mark.textContent = answered < of ? ` ${answered}/${of}` : right < of ? ` ✓ ${right}/${of}` : " ✓✓";
      mark.title = `${answered} of ${of} questions answered, ${right} right at the first try`;
      mark.classList.toggle("all", right === of);
    }
  }

  // ---- the site draws its pages once; JupyterLab draws cells as they come into view

  const inLab = Boolean(document.querySelector("[data-jp-theme-name], .jp-Notebook"));
  let waiting = false;
  if (inLab) {
    new MutationObserver(() => {
      if (waiting) return;
      waiting = true;
      setTimeout(() => {
        waiting = false;
        find();
      }, 200);
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
  }
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", find);
  else find();
})();
