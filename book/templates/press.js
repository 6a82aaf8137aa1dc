// Runs in the first page of a built site, in a browser that prints (book/press.py). Makes one document of
// all pages, the solutions at its end, and returns a deck of slides for each numbered part.
//
// parts: [{caption, numbered, pages: [{name, text}]}], with the text of each page's file; the first
// page is a part of its own.
({ parts, template }) => {
  const root = new URL("../", document.baseURI);
  const inner = new Set(parts.flatMap((part) => part.pages.map((page) => page.name)));

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
  const escaped = (text) => Object.assign(document.createElement("p"), { textContent: text }).innerHTML;
  const mathjax = [...document.head.querySelectorAll("script")].filter((tag) => /mathjax/i.test(tag.outerHTML));
  const told = document.querySelector(".extra_footer p").textContent;
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

  // The whole book. A link to a page of it becomes a link within it.
  const anchor = (url) => {
    const name = path(url).split("#")[0].replace(/\.html$/, "");
    return inner.has(name) ? `#${name}/${url.hash.slice(1)}` : url.href;
  };
  const whole = document.createElement("div");
  const solutions = document.createElement("div");
  whole.className = solutions.className = "bd-article whole";
  solutions.innerHTML = "<h1>Solutions</h1>";
  for (const { caption, pages } of parts) {
    if (caption) {
      const head = Object.assign(document.createElement("h1"), { className: "part", textContent: caption });
      whole.append(head);
    }
    for (const { name, text } of pages) {
      const page = article(name, text, anchor, true);
      page.id = `${name}/`;
      for (const block of page.querySelectorAll(".exercise ~ .dropdown, .exercise ~ .tag_hide-cell")) {
        let asked = block;
        while (!asked.matches(".exercise")) asked = asked.previousElementSibling;
        if (block.matches(".dropdown")) {
          const head = document.createElement("h3");
          head.textContent = asked.querySelector(".admonition-title").textContent;
          solutions.append(head);
        }
        block.querySelectorAll("details").forEach((fold) => (fold.open = true));
        solutions.append(block);
      }
      whole.append(page);
    }
  }
  document.querySelector("article").replaceWith(whole, solutions);
  document.querySelector("#jb-print-docs-body").remove(); // the contents of the first page alone
  return decks;
};
