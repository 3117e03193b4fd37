"""The library in a page is the one that Altair's charts are written for, and holds nothing that HTML would read."""

import re
import zlib
from base64 import b64decode

import altair

from featuremaps.survey.charts.page import library, page_files


def test_the_library_is_small_and_plain() -> None:
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", library())
    assert 200_000 < len(library()) < 500_000
    text = zlib.decompress(b64decode(library())).decode("utf-8")
    assert "vegaEmbed" in text[text.rindex("export") :]
    assert altair.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0] in text


def test_a_page_gets_what_draws_and_how_it_looks() -> None:
    files = page_files()
    assert "export function drawChart" in files["draw.js"]
    assert "--series-0" in files["charts.css"]
