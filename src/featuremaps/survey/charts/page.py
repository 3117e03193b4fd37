"""Charts as one HTML page that fetches nothing: the library is written into it once, for all of them."""

import json
import zlib
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path

from featuremaps.survey.charts.theme import Chart, shared

STYLE = """
:root { color-scheme: light dark; }
body { margin: 2rem auto; max-width: 46rem; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif;
       background: light-dark(#ffffff, #16181c); color: light-dark(#222222, #e6e6e6); }
h1 { font-size: 1.375rem; }
h2 { margin: 2.5rem 0 0; font-size: 1rem; }
p { margin: 0; font-size: 0.875rem; opacity: 0.7; }
"""

HINT = "Point at a chart or touch it, or walk through its values with the arrow keys."

DRAW = """
const { charts, datasets } = JSON.parse(document.getElementById("charts").textContent);
// Each is drawn in its turn.
for (const figure of document.querySelectorAll("figure.chart")) {
  drawChart(figure, { ...charts[figure.dataset.chart], datasets });
}
"""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' data:; img-src data:"


def page(charts: Mapping[str, Chart], title: str) -> str:
    """A whole page of charts, in light or dark as the reader's system is."""
    bare, rows = shared(charts)
    sources = page_files()
    payload = script_json({"charts": bare, "datasets": rows})
    figures = "\n".join(_figure(name, chart) for name, chart in bare.items())
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n<link rel="icon" href="data:,">\n'
        f"<style>{sources['charts.css']}{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n<p>{HINT}</p>\n{figures}\n"
        f'<script type="text/plain" id="charts-library">{library()}</script>\n'
        f'<script type="application/json" id="charts">{payload}</script>\n'
        f'<script type="module">\n{sources["draw.js"]}{DRAW}</script>\n</body>\n</html>\n'
    )


def _figure(name: str, chart: Chart) -> str:
    note = escape(chart["usermeta"]["note"])
    heading = f"<h2>{escape(chart['description'])}</h2>" + (f"\n<p>{note}</p>" if note else "")
    return f'<section>\n{heading}\n<figure class="chart" data-chart="{escape(name, quote=True)}"></figure>\n</section>'


def save_page(charts: Mapping[str, Chart], path: str | Path, title: str = "Charts") -> Path:
    """Write the page; returns its path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(charts, title), encoding="utf-8", errors="replace")
    return path


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one module that exports `vegaEmbed`; deflated, in base64 (0.4 MB).

    Of the same version as Altair's charts, and without a character that means anything to HTML.
    """
    import altair
    import vl_convert

    version = altair.SCHEMA_VERSION.rpartition(".")[0]  # that of the charts, without the patch: "v6.1"
    module = vl_convert.javascript_bundle("export { vegaEmbed };", vl_version=version)
    return b64encode(zlib.compress(module.encode("utf-8"), 9)).decode("ascii")


def script_json(content: object) -> str:
    """JSON that is safe inside a `<script>` element, whatever the names in it contain."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def page_files() -> dict[str, str]:
    """The text of the module that draws charts in a page, and of its style sheet, by their names."""
    here = files("featuremaps.survey.charts")
    return {name: (here / name).read_text(encoding="utf-8") for name in ("draw.js", "charts.css")}
