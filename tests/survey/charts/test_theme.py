"""What charts share: text that comes from users stays text, data that several charts show is written once."""

import json

import altair as alt
import vl_convert

from featuremaps.plotting.class_colours import PALETTE
from featuremaps.survey.charts.theme import OTHER, colour, data, finished, legend, said, shared, thinned


def test_series_have_the_colours_of_the_printed_figures() -> None:
    assert [colour(place).split(", ")[1] for place in range(7)] == [f"{tone.lower()})" for tone in PALETTE]
    assert colour(8) == colour(1)
    assert OTHER.startswith("var(--series-other, ")


def test_names_in_what_is_said_cannot_end_the_expression() -> None:
    name = "it's \"a\" \\ cat'] + alert(1) + ["
    rows = [{name: "x", "value": 0.123456789}]
    mark = alt.Chart(data(rows)).mark_point(tooltip=said({name: name, "value": ("value", ".3f")}))
    vega = vl_convert.vegalite_to_vega(finished(mark.encode(x="value:Q"), "T"), vl_version="v6_4")
    signal = vega["marks"][0]["encode"]["update"]["tooltip"]["signal"]
    key, field = json.dumps(name), f"(datum.datum || datum)[{json.dumps(name)}]"
    assert signal.startswith(f"{{{key}: {field}, ")


def test_values_are_written_with_six_digits() -> None:
    assert data([{"a": 1 / 3, "b": 7, "c": "x", "d": None}]).values == [{"a": 0.333333, "b": 7, "c": "x", "d": None}]


def test_data_that_charts_share_is_kept_once() -> None:
    rows = [{"x": 1.0}, {"x": 2.0}]
    charts = {
        name: finished(alt.Chart(data(own)).mark_point().encode(x="x:Q"), name)
        for name, own in {"a": rows, "b": rows, "c": rows[:1]}.items()
    }
    bare, datasets = shared(charts)
    assert sorted(map(len, datasets.values())) == [1, 2]
    assert all("datasets" not in chart for chart in bare.values())
    assert bare["a"]["data"] == bare["b"]["data"] != bare["c"]["data"]
    assert all(chart["data"]["name"] in datasets for chart in bare.values())


def test_a_legend_has_as_many_columns_as_a_narrow_screen_holds() -> None:
    assert legend(["a", "b"]).columns == 2
    assert legend(["a" * 12] * 5).columns == 3
    assert legend(["a" * 80]).columns == 1


def test_many_are_thinned_evenly() -> None:
    assert thinned(5, 9) == [0, 1, 2, 3, 4]
    assert thinned(9, 3) == [0, 4, 8]
