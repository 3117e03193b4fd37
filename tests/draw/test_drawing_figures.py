"""Figures of drawings: what is said, what stands where, and that nothing overlaps or is cut off."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text

from drawing_samples import compared, drawn, seen
from featuremaps.draw.drawing import Drawing, Drawings, Real
from featuremaps.errors import OptionError


def said(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def pictures(figure: Figure) -> list[tuple[float, float, float, float]]:
    """Left, right, bottom and top of every picture, in inches from the upper left corner."""
    return [tuple(image.get_extent()) for image in figure.axes[0].images]


def check_layout(figure: Figure) -> None:
    """All words lie inside the figure; no words or pictures lie over each other."""
    width, height = figure.get_size_inches() * figure.dpi
    words = [text.get_window_extent(figure.canvas.get_renderer()) for text in figure.axes[0].texts]
    for box in words:
        assert box.x0 >= 0
        assert box.x1 <= width
        assert box.y0 >= 0
        assert box.y1 <= height
    shown = [image.get_window_extent() for image in figure.axes[0].images]
    for number, box in enumerate(words):
        inner = box.padded(-1)
        assert not any(inner.overlaps(other.padded(-1)) for other in (*shown, *words[:number]))
    for number, box in enumerate(shown):
        assert not any(box.padded(-1).overlaps(other.padded(-1)) for other in shown[:number])


def test_the_real_picture_stands_first_and_both_have_their_values() -> None:
    figure = compared(notes=("the gradient was redirected",)).figure()
    check_layout(figure)
    words = said(figure)
    for line in ("layer4:452", "12.3, 4.1 times the best of 100 pictures (cat.jpg)", "maximised, step by step"):
        assert line in words
    assert "* the gradient was redirected" in words
    assert {"canvas: fourier", "steps: 20", "seed: 0"} <= set(words)
    real, drawing = figure.axes[0].images
    assert (np.asarray(real.get_array()) == 90).all()
    np.testing.assert_array_equal(np.asarray(drawing.get_array()), np.asarray(compared().image))
    assert real.get_extent()[1] < drawing.get_extent()[0]
    left = {text.get_text(): text.get_position()[0] for text in figure.axes[0].texts}
    assert left["cat.jpg: 3"] == real.get_extent()[0]
    assert left["the drawing: 12.3"] == drawing.get_extent()[0]


def test_without_a_kept_real_picture_the_drawing_stands_alone() -> None:
    for drawing in (drawn(), compared(real=Real(3.0, "cat.jpg", 100)), drawn(value=None)):
        figure = drawing.figure()
        check_layout(figure)
        assert len(pictures(figure)) == 1
    assert len(pictures(Drawings((compared(),)).figure(real=False))) == 1


def test_the_curve_is_drawn_step_by_step_and_falls_on_a_logarithmic_scale() -> None:
    axes = compared().figure().axes[1]
    x, y = axes.lines[0].get_data()
    assert (x[0], x[-1], y[0]) == (1, 20, 0)
    assert y[-1] == pytest.approx(12.3)
    assert axes.get_yscale() == "linear"
    falling = drawn(curve=torch.logspace(0, -3, 50), goal="minimised", value=0.001).figure()
    assert falling.axes[1].get_yscale() == "log"
    assert "minimised, step by step" in said(falling)
    assert "0.001 (lower is better)" in said(falling)
    for curve in (torch.zeros(0), torch.ones(1), torch.tensor([1.0, float("nan"), 2.0])):
        check_layout(drawn(curve=curve).figure())


@pytest.mark.parametrize("shape", [(3, 24, 24), (1, 10, 80), (4, 90, 12), (3, 1, 30)])
def test_proportions_are_kept(shape: tuple[int, int, int]) -> None:
    left, right, bottom, top = pictures(drawn(shape=shape).figure())[0]
    assert (right - left) / (bottom - top) == pytest.approx(shape[2] / shape[1])
    left, right, bottom, top = pictures(Drawings((drawn(shape=shape), drawn())).figure())[0]
    assert (right - left) / (bottom - top) == pytest.approx(shape[2] / shape[1])


def many(count: int, make=drawn, layer: str = "layer4") -> Drawings:
    return Drawings(tuple(make(f"{layer}:{number}", shape=(3, 6, 6)) for number in range(count)))


@pytest.mark.parametrize("count", [2, 3, 7, 13, 61])
@pytest.mark.parametrize("make", [drawn, compared])
def test_sheets_of_any_size_are_aligned_and_legible(count: int, make) -> None:
    figure = many(count, make).figure()
    check_layout(figure)
    shown = pictures(figure)
    assert len(shown) == count * (2 if make is compared else 1)
    width, height = figure.get_size_inches()
    assert 0.4 < width / height < 4.5
    names = [f"layer4:{number}" for number in range(count)]
    assert [word for word in said(figure) if word.startswith("layer4:")] == names
    assert min(text.get_fontsize() for text in figure.axes[0].texts) >= 7.5
    assert f"{count} drawings of layer4" in said(figure)
    # Rows and columns are straight, and only the last row has empty places.
    tops = [round(top, 3) for *_, top in shown]
    rows = [tops.count(top) for top in dict.fromkeys(tops)]
    assert len(set(rows[:-1])) <= 1
    assert rows[-1] <= rows[0]


def test_a_sheet_says_what_its_numbers_and_places_mean() -> None:
    words = " ".join(said(many(3, compared).figure()))
    assert "12.3  4.1×" in words
    assert "below a name: the value reached; ×: times the best of 100 real pictures; left: that real picture" in words
    alone = " ".join(said(many(3, compared).figure(real=False)))
    assert "left:" not in alone
    assert "×: times the best of 100 real pictures" in alone
    assert "×" not in " ".join(said(many(3).figure()))
    silent = Drawings((drawn("a", value=None), drawn("b", value=None)))
    assert said(silent.figure()) == ["2 drawings", "a", "b"]
    lower = Drawings((drawn("a", goal="minimised"), drawn("b", goal="minimised")), "What layers forget")
    assert said(lower.figure())[0] == "What layers forget"
    assert "below a name: the value reached (lower is better)" in said(lower.figure())


def test_long_names_lose_their_layer_on_all_and_keep_the_channel() -> None:
    layer = "features.denseblock4.denselayer16.conv2"
    figure = many(30, layer=layer).figure()
    check_layout(figure)
    assert f"30 drawings of {layer}" in said(figure)
    assert [word for word in said(figure) if word.startswith("channel")] == [f"channel {i}" for i in range(30)]
    mixed = Drawings((drawn(f"{layer}:3"), drawn(f"features.denseblock3.denselayer16.conv2:{'4' * 12}@3,5")))
    figure = mixed.figure()
    check_layout(figure)
    assert any(word.startswith("…") and word.endswith("@3,5") for word in said(figure))
    inverted = Drawings(tuple(drawn(f"layer{i} of a photograph of a cat.jpg", shape=(3, 30, 10)) for i in range(3)))
    assert {"3 drawings of a photograph of a cat.jpg", "layer0", "layer1", "layer2"} <= set(said(inverted.figure()))
    classes = Drawings((drawn("American Staffordshire terrier, pit bull terrier"), drawn("Egyptian cat")))
    assert any(word.startswith("American Staff") and word.endswith("…") for word in said(classes.figure()))


def test_notes_are_marked_and_counted() -> None:
    drawings = Drawings((drawn("a:1"), drawn("a:2", notes=("redirected",)), drawn("a:3", notes=("redirected",))))
    figure = drawings.figure()
    check_layout(figure)
    words = said(figure)
    assert {"a:1", "a:2 *", "a:3 *", "* 2 of 3: redirected"} <= set(words)


def test_a_drawing_without_a_real_picture_stays_in_its_column() -> None:
    figure = Drawings((compared("a"), drawn("b"), compared("c"))).figure(columns=1)
    lefts = [round(left, 3) for left, *_ in pictures(figure)]
    assert len(lefts) == 5
    assert lefts[0] == lefts[3] < lefts[1] == lefts[2] == lefts[4]


def test_the_first_of_too_many_are_shown_and_columns_can_be_chosen() -> None:
    figure = many(9).figure(most=4, columns=2)
    assert len(pictures(figure)) == 4
    assert "9 drawings of layer4 (first 4 of 9)" in said(figure)
    assert len({left for left, *_ in pictures(figure)}) == 2
    for wrong in ({"most": 0}, {"columns": 0}):
        with pytest.raises(OptionError, match="1 drawing or more in 1 column or more"):
            many(3).figure(**wrong)


def test_transparency_is_laid_on_the_background() -> None:
    clear = drawn(alpha=torch.zeros(24, 24))
    for figure in (clear.figure(background="grey"), Drawings((clear, clear)).figure(background="grey")):
        assert (np.asarray(figure.axes[0].images[0].get_array()) == 128).all()


def test_signs_of_formulas_in_names_are_written_as_they_are() -> None:
    drawing = compared("$a$_{b}:1", real=Real(3.0, "x^2$y$.jpg", 9, seen()), notes=("costs $5, not $6",))
    for figure in (drawing.figure(), Drawings((drawing, drawing)).figure()):
        figure.canvas.draw()
        assert not any(text.get_parse_math() for text in figure.axes[0].texts)


def test_matplotlib_keeps_no_figure() -> None:
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    figure: Drawing = compared()
    figure.figure()
    assert pyplot.get_fignums() == before
