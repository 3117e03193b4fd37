"""Vega-Lite charts as one HTML page that fetches nothing: the library is written into it once, for all of them."""

import json
import re
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path

from featuremaps.survey.charts import Chart

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #222222; --tip: #f4f4f4; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181c; --ink: #e6e6e6; --tip: #2a2d33; }
  figure .mark-symbol > path, figure .mark-line > path, figure .mark-rule > line { filter: brightness(1.3); }
}
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
       font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.3rem; }
figure { margin: 0.5rem 0; max-width: 100%; overflow-x: auto; }
#vg-tooltip-element { background: var(--tip) !important; color: var(--ink) !important; border: 1px solid #8888;
                      font: 13px system-ui, sans-serif; }
#vg-tooltip-element table tr td.key { color: inherit; opacity: 0.7; }
"""

SNIPPET = "window.vegaEmbed = vegaEmbed;"

DRAW = """
for (const figure of document.querySelectorAll("figure[data-chart]")) {
  const spec = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
  vegaEmbed(figure, spec, { actions: false, renderer: "svg", mode: "vega-lite" });
}
"""


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that defines `vegaEmbed`; safe inside a `<script>` element."""
    import altair
    import vl_convert

    version = altair.SCHEMA_VERSION.rpartition(".")[0]  # that of the charts, without the patch: "v6.1"
    script = vl_convert.javascript_bundle(SNIPPET, vl_version=version)
    return re.sub(r"</(script)", r"<\\/\1", script, flags=re.IGNORECASE)


def element(name: str, chart: Chart) -> str:
    """One chart as HTML: its data, and the figure it is drawn in. `name` is an id, unique on the page."""
    text = json.dumps(chart, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    known = escape(name, quote=True)
    return f'<script type="application/json" id="{known}">{safe}</script>\n<figure data-chart="{known}"></figure>'


def page(charts: Mapping[str, Chart], title: str) -> str:
    """A whole page of charts, in light or dark as the reader's system is."""
    parts = "\n".join(element(name, chart) for name, chart in charts.items())
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n{parts}\n"
        f'<script type="module">{library()}\n{DRAW}</script>\n</body>\n</html>\n'
    )


def save_page(charts: Mapping[str, Chart], path: str | Path, title: str = "Charts") -> Path:
    """Write the page; returns its path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(charts, title), encoding="utf-8")
    return path
