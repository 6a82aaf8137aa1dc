"""What axe finds on the pages, light and dark and on a narrow screen: nothing serious."""

import supplies


def serious(page, scheme, context, *rules):
    """What is found on an opened page in these colours: by all rules, or by some."""
    page.emulate_media(color_scheme=scheme)
    page.locator(f"html[data-theme={scheme}]").wait_for()
    page.evaluate("document.getAnimations().forEach((one) => one.cancel())")  # half-way colours
    if not page.evaluate("'axe' in window"):
        page.evaluate(supplies.AXE.read_text("utf-8"))
    options = {"resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
    found = page.evaluate("([context, options]) => axe.run(context, options)", [context, options])
    bad = [one for one in found["violations"] if one["impact"] in {"serious", "critical"}]
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in bad]


def test_nothing_serious_is_found_on_a_page_nor_sticks_out_of_a_narrow_screen(visit, names):
    whole = "notebooks/01-eda.html"  # listings look alike everywhere: one page's are enough
    for page in visit(names):
        context = {"include": ["html"], "exclude": [] if whole in page.url else ["pre"]}
        page.locator(".held").evaluate_all("all => all.forEach((c) => c.classList.remove('held'))")
        assert serious(page, "light", context) == [], page.url
        # In the dark it differs by its colours alone.
        assert serious(page, "dark", context, "color-contrast") == [], page.url
        page.set_viewport_size({"width": 375, "height": 800})
        page.locator("details").evaluate_all("all => all.forEach((fold) => fold.open = true)")
        page.evaluate("new Promise(requestAnimationFrame)")  # what is wide is looked for anew
        assert serious(page, "dark", "html", "scrollable-region-focusable") == [], page.url
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 375, f"{page.url} is {wide} pixels wide"
        page.set_viewport_size({"width": 1280, "height": 720})
        page.emulate_media(color_scheme="light")


def test_nothing_serious_is_found_in_the_demo_at_work(visit):
    page = next(visit(["notebooks/15-rating-demo.html"]))
    page.get_by_role("combobox", name="Ready-made").select_option(index=1)
    page.locator(".recsys-list summary").first.click()
    page.get_by_role("combobox", name="Search for a film").fill("a")
    for scheme in ("light", "dark"):
        assert serious(page, scheme, ".recsys") == []
