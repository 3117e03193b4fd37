"""What must hold for every page in a browser: it is accessible, and it does not scroll sideways."""

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
"""WCAG 2.2 at level AA (contrast, names, targets of 24 px) and axe-core's own advice (landmarks, order of headings)."""

CHECK = """async rules => {
  const { violations } = await axe.run(document, { runOnly: { type: "tag", values: rules }, resultTypes: ["violations"] });
  return violations.map(({ id, nodes }) => `${id}: ${nodes.length} times, such as ${nodes[0].html.slice(0, 160)} `
    + `(${nodes[0].any.concat(nodes[0].all, nodes[0].none).map(check => check.message).join(" ").slice(0, 200)})`);
}"""


def violations(page, axe):
    """What axe-core finds wrong with an open page, in words."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(axe)
    return page.evaluate(CHECK, RULES)


def sideways(page):
    """By how many pixels a page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


NAMELESS = """() => [...document.querySelectorAll("canvas, svg, img")]
  .filter(one => !one.closest("[aria-hidden=true]") && !one.getAttribute("aria-label") && one.getAttribute("alt") === null
    && !one.closest("[role=img][aria-label], [role=slider][aria-label]"))
  .map(one => one.outerHTML.slice(0, 160))"""


def nameless_pictures(page):
    """Pictures, canvases and drawings that have neither a name nor are decoration."""
    return page.evaluate(NAMELESS)


LOOKS = [(1440, "light"), (768, "dark"), (390, "light")]


def check_every_look(page, axe):
    """Accessible and as wide as the window in both themes, at three widths, and on paper."""
    for width, theme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        assert violations(page, axe) == [], (width, theme)
        assert sideways(page) == 0, (width, theme)
    page.emulate_media(media="print", color_scheme="light")
    assert violations(page, axe) == [], "print"
    page.emulate_media(media="screen")
