"""The library that draws charts, as a page carries it: Vega, Vega-Lite and Vega-Embed, deflated, and our own reader."""

import json
import zlib
from base64 import b64encode
from functools import cache
from importlib.resources import files


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
