// Runs in the first page of a built site, in a browser that prints (book/press.py). Makes one document of
// all pages, with a title, contents and the answers at its end, and returns a deck of slides for each numbered part.
//
// toc: the table of contents, as in _toc.yml; texts: the text of each page's file.
({ toc, texts, template }) => {
  const root = new URL("../", document.baseURI);
  const named = ({ file, sections = [] }) => [{ name: file, text: texts[`${file}.html`] }, ...sections.flatMap(named)];
  const parts = [{ chapters: [{ file: toc.root }] }, ...toc.parts].map((part) => ({ ...part, pages: part.chapters.flatMap(named) }));
  const inner = new Set(parts.flatMap((part) => part.pages.map((page) => page.name)));
  const make = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };

  // A page's article whose links hold elsewhere: `place` turns an address into the one to write.
  function article(name, text, place, prefix) {
    const found = new DOMParser().parseFromString(text, "text/html").querySelector("article");
    found.querySelectorAll(".headerlink, script").forEach((tag) => tag.remove());
    for (const tag of found.querySelectorAll("[href], [src]")) {
      const key = tag.hasAttribute("href") ? "href" : "src";
      const url = new URL(tag.getAttribute(key), new URL(`${name}.html`, root));
      tag.setAttribute(key, url.href.startsWith(root.href) ? place(url) : url.href);
    }
    if (prefix) found.querySelectorAll("[id]").forEach((tag) => (tag.id = `${name}/${tag.id}`));
    found.querySelectorAll("img").forEach((image) => (image.loading = "eager"));
    return found;
  }

  // Decks: a chapter's goals, its figures and its summary. They lie in a folder beside the chapters'.
  const path = (url) => url.href.slice(root.href.length);
  const escaped = (text) => make("p", { textContent: text }).innerHTML;
  // From the file: in this page, MathJax has added scripts whose addresses are this machine's.
  const { head } = new DOMParser().parseFromString(texts[`${toc.root}.html`], "text/html");
  const mathjax = [...head.querySelectorAll("script")].filter((tag) => /mathjax/i.test(tag.outerHTML));
  const [told, licence] = [...document.querySelectorAll(".extra_footer p")].map((tag) => tag.textContent);
  const decks = {};
  parts.forEach(({ caption, numbered, pages }, number) => {
    if (!numbered) return;
    const slides = pages.flatMap(({ name, text }) => {
      const page = article(name, text, (url) => `../${path(url)}`);
      const title = page.querySelector("h1");
      const goals = [...page.querySelectorAll("p")].find((p) => p.textContent.startsWith("After this chapter"));
      const shown = [title.outerHTML + (goals?.nextElementSibling.outerHTML ?? "")];
      page.querySelectorAll("figure, #summary").forEach((tag) => shown.push(tag.outerHTML));
      const source = `<p class="source"><a href="../${name}.html">${escaped(title.textContent)}</a></p>`;
      return shown.map((one) => `<section class="slide">\n${source}${one}</section>`);
    });
    const fill = { title: escaped(caption), told, slides: slides.join("\n"), mathjax: mathjax.map((tag) => tag.outerHTML).join("\n") };
    decks[`part-${number}`] = template.replace(/\{(\w+)\}/g, (_, key) => fill[key]);
  });

  // What a page asks is answered at the end of the book: hints and solutions below the name of their exercise, and
  // quizzes, whose folds become lists of options.
  function answers(page) {
    const found = [];
    let last = null;
    for (const block of page.querySelectorAll(".exercise ~ .dropdown, .exercise ~ .tag_hide-cell")) {
      let asked = block;
      while (!asked.matches(".exercise")) asked = asked.previousElementSibling;
      if (asked !== last) found.push(make("h3", {}, asked.querySelector(".admonition-title").textContent.replace(/\s+/g, " ")));
      block.querySelectorAll("details").forEach((fold) => (fold.open = true));
      found.push(block);
      last = asked;
    }
    const right = make("ol");
    for (const first of page.querySelectorAll(":not(details.quiz) + details.quiz")) {
      const options = make("ol", { className: "options" });
      first.previousElementSibling.prepend(make("strong", {}, `Question ${right.children.length + 1}. `));
      first.before(options);
      for (let fold = first; fold?.matches("details.quiz"); fold = options.nextElementSibling) {
        const [option, ...reason] = fold.childNodes;
        options.append(make("li", {}, ...option.cloneNode(true).childNodes));
        const letter = String.fromCharCode(96 + options.children.length);
        if (fold.matches(".right")) right.append(make("li", {}, `(${letter}) `, make("em", {}, ...option.childNodes), " ", ...reason));
        fold.remove();
      }
    }
    if (right.children.length) found.push(make("h3", {}, "Questions"), right);
    return found;
  }

  // For paper: nothing that asks to run a cell, folded output unfolded, headings with what they head, short code in one
  // piece, and formulas in one line with the mark that follows them.
  function printed(page) {
    for (const heading of page.querySelectorAll("h2, h3, h4")) {
      const next = heading.nextElementSibling;
      if (next?.matches("section, dl, :has(tr:nth-child(25))")) continue;
      const kept = make("div", { className: "together" });
      heading.replaceWith(kept);
      kept.append(heading, next ?? "");
    }
    for (const code of page.querySelectorAll(".cell_input, .cell_output > .output")) {
      if (code.textContent.split("\n").length < 25) code.classList.add("together");
    }
    page.querySelectorAll(".tag_hide-output details").forEach((fold) => fold.replaceWith(fold.lastElementChild));
    for (const shown of page.querySelectorAll(".cell_output pre")) {
      const text = shown.textContent.replace(/^Nothing to check yet: .*\n?/m, "");
      if (text === shown.textContent) continue;
      if (text.trim()) shown.textContent = text;
      else shown.closest(".cell_output").remove();
    }
    for (const formula of page.querySelectorAll("span.math")) {
      const [, mark] = formula.nextSibling?.data?.match(/^([^\s\w]+)/) ?? [];
      const [, open] = formula.previousSibling?.data?.match(/([([“]+)$/) ?? [];
      if (!mark && !open) continue;
      const kept = make("span", { className: "kept" });
      formula.replaceWith(kept);
      if (open) kept.previousSibling.data = kept.previousSibling.data.slice(0, -open.length);
      if (mark) kept.nextSibling.data = kept.nextSibling.data.slice(mark.length);
      kept.append(open ?? "", formula, mark ?? "");
    }
  }

  // The whole book. A link to a page of it becomes a link within it.
  const anchor = (url) => {
    const name = path(url).split("#")[0].replace(/\.html$/, "");
    return inner.has(name) ? `#${name}/${url.hash.slice(1)}` : url.href;
  };
  const title = document.title.split(" — ").at(-1);
  const contents = make("ul", { className: "contents" });
  const whole = make("div", { className: "bd-article whole" });
  const front = make("section", { className: "front" }, make("h1", { className: "part" }, title));
  front.append(make("p", {}, told), make("p", {}, licence.split("·").slice(0, 2).join("·")));
  const solutions = make("div", { className: "bd-article whole" }, make("h1", { id: "solutions/" }, "Solutions"));
  const entry = (text, id, className = "") => contents.append(make("li", { className }, make("a", { href: `#${id}` }, text), make("span")));
  whole.append(front, contents);
  parts.forEach(({ caption, pages }, number) => {
    if (caption) {
      whole.append(make("h1", { className: "part", id: `part-${number}` }, caption));
      entry(caption, `part-${number}`, "part");
    }
    for (const { name, text } of pages) {
      const page = article(name, text, anchor, true);
      const heading = page.querySelector("h1").textContent;
      page.id = `${name}/`;
      entry(heading, page.id);
      const found = answers(page);
      printed(page);
      if (found.length) solutions.append(make("h2", {}, heading), ...found);
      whole.append(page);
    }
  });
  entry("Solutions", "solutions/", "part");
  contents.before(make("h1", {}, "Contents"));
  printed(solutions);
  // Once the page of each heading of the first level is known; two of them come before what the contents name.
  window.number = (pages) => contents.querySelectorAll("span").forEach((tag, k) => tag.append(pages[k + 2]));
  document.title = title;
  document.querySelector("article").replaceWith(whole, solutions);
  document.querySelector("#jb-print-docs-body").remove(); // the contents of the first page alone
  return decks;
};
