"""Panels in rows and columns: frames, empty places, captions, colour bars; the rest is tested with the heatmaps."""

import pytest
from PIL import Image

from featuremaps.plotting import plain_figure
from featuremaps.plotting.panels import (
    TALLEST_BAR,
    Bar,
    Line,
    Panel,
    columns_for,
    in_rows,
    number,
    panels_figure,
    short_unit,
    three_digits,
)
from map_samples import texts

PICTURE = Image.new("RGB", (4, 4))


def test_a_framed_panel_is_red_with_its_title() -> None:
    figure = panels_figure([[Panel(PICTURE, "plain"), Panel(PICTURE, "marked", frame="#d62728")]], None, caption="why")
    plain, marked = figure.axes
    assert not plain.spines["top"].get_visible()
    assert marked.spines["top"].get_visible()
    assert marked.title.get_color() == "#d62728"
    assert "why" in texts(figure)


def test_long_names_are_cut_before_the_probability() -> None:
    name = "a name as long as those that ImageNet gives to its dogs and cats"
    side = (Line("layer4"), Line(name, "<1%"))
    figure = panels_figure([[Panel(PICTURE, Line(name, "85%, no. 3"), side=side)]], None)
    (axes,) = figure.axes
    assert axes.get_title() == "a name as long as thos… 85%, no. 3"
    assert axes.get_ylabel() == "layer4\na name as long as those t… <1%"


def test_a_name_with_a_number_in_it_is_not_taken_for_a_probability() -> None:
    name = "drinks of 40% alcohol and more, bottled"
    figure = panels_figure([[Panel(PICTURE, Line(name, "7%"), side=name)]], None)
    (axes,) = figure.axes
    assert axes.get_title() == "drinks of 40% alcohol and more… 7%"
    assert axes.get_ylabel() == "drinks of 40% alcohol and mor…"


def test_a_bar_says_what_it_measures_and_is_not_endless() -> None:
    bar = Bar("inferno", 0.0, 12.5, "activation")
    figure = panels_figure([[Panel(PICTURE)]] * 5, bar)
    figure.canvas.draw()
    drawn = figure.axes[-1]
    assert drawn.get_ylim() == (0.0, 12.5)
    assert drawn.get_ylabel() == "activation"
    assert drawn.get_position().height * figure.get_size_inches()[1] <= TALLEST_BAR


def test_a_doubt_that_is_cut_opens_no_parenthesis() -> None:
    note = "Every value is negative: this layer speaks against the target (its score is 2.34). It is shown signed."
    figure = panels_figure([[Panel(PICTURE, notes=(note,))]], None)
    said = figure.axes[0].get_xlabel().replace("\n", " ")
    assert said == "Every value is negative: this layer speaks against the target …"


def test_the_bar_of_a_tall_figure_stands_at_its_top() -> None:
    figure = panels_figure([[Panel(PICTURE)]] * 8, Bar("inferno", 0.0, 1.0, "activation"))
    figure.canvas.draw()
    assert figure.axes[-1].get_position().y1 > 0.85


def test_a_name_is_written_in_a_font_of_the_machine_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_figure, "OTHER_SCRIPTS", ("STIXGeneral", "not installed"))
    enclosed = "\N{COMBINING ENCLOSING CIRCLE}"  # STIXGeneral has it, DejaVu Sans has not
    figure = panels_figure([[Panel(PICTURE, f"a{enclosed}"), Panel(PICTURE, "Schönheit")]], None)
    for _ in range(2):
        figure.canvas.draw()
    usual = ["sans-serif"]
    assert [axes.title.get_fontfamily() for axes in figure.axes] == [[*usual, "STIXGeneral"], usual]


def test_a_grey_picture_stays_grey() -> None:
    figure = panels_figure([[Panel(Image.new("L", (4, 4), 90))]], None)
    assert (figure.axes[0].images[0].get_array() == 90).all()
    assert figure.axes[0].images[0].get_array().shape == (4, 4, 3)


def test_rows_are_filled_up() -> None:
    rows = in_rows([Panel(PICTURE)] * 5, 3)
    assert [[panel.image is not None for panel in row] for row in rows] == [[True] * 3, [True, True, False]]


@pytest.mark.parametrize(("count", "columns"), [(3, 3), (7, 7), (17, 6), (18, 6), (19, 5), (21, 7), (25, 5)])
def test_columns_leave_few_places_empty(count: int, columns: int) -> None:
    assert columns_for(count) == columns


def test_numbers_and_units_are_short() -> None:
    texts = ["0", "0.000123", "12.3", "1,234", "-5,000", "1e+09"]
    assert [number(v) for v in (0.0, 0.000123, 12.34, 1234.4, -5000.0, 1e9)] == texts
    assert [three_digits(v) for v in (0.0, 2.0, -5.3, 123.4, 1234.4)] == ["0", "2.00", "-5.30", "123", "1,234"]
    assert short_unit("layer4:7") == "layer4:7"
    assert short_unit("features.12.expand3x3_activation:123", 20) == "…d3x3_activation:123"
