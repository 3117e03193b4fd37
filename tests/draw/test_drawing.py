"""Drawings: the picture, what is said about it, and its files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from drawing_samples import compared, drawn
from featuremaps.draw.drawing import Drawing, Drawings, Real
from featuremaps.errors import ImageError, OptionError
from method_samples import unchecked


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "L"), (3, "RGB"), (5, "RGB")])
def test_the_image_has_the_colours_there_are(channels: int, mode: str) -> None:
    drawing = drawn(shape=(channels, 4, 6))
    assert (drawing.image.mode, drawing.image.size) == (mode, (6, 4))
    shown = np.asarray(drawing.image).reshape(4, 6, -1)
    expected = drawing.picture[: shown.shape[2]].permute(1, 2, 0).mul(255).round().numpy()
    np.testing.assert_array_equal(shown, expected)


def test_values_outside_and_without_meaning_do_not_wrap() -> None:
    picture = torch.tensor([-0.5, 0.0, 1.0, 1.7, float("nan"), 0.5]).reshape(1, 1, 6)
    assert list(drawn(picture=picture).image.tobytes()) == [0, 0, 255, 255, 0, 128]


@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_is_transparency_and_can_be_laid_on_a_colour(channels: int) -> None:
    alpha = torch.tensor([[0.0, 1.0], [0.5, 2.0]])
    drawing = drawn(picture=torch.full((channels, 2, 2), 1.0), alpha=alpha)
    assert drawing.image.mode == "RGBA"
    assert np.asarray(drawing.image)[..., 3].tolist() == [[0, 255], [128, 255]]
    assert np.asarray(drawing.over("black"))[..., 0].tolist() == [[0, 255], [128, 255]]
    assert (np.asarray(drawing.over()) == 255).all()
    assert np.asarray(drawn(picture=torch.zeros(1, 1, 1)).over("red")).tolist() == [[[0, 0, 0]]]
    with pytest.raises(OptionError, match="background='transparent!' is no colour"):
        drawing.over("transparent!")


def test_alpha_of_another_size_is_refused() -> None:
    with unchecked(), pytest.raises(ImageError, match="layer4:452: alpha is 2×3, and the picture is 24×24"):
        drawn(alpha=torch.ones(2, 3))


def test_the_score_is_value_over_the_best_real_where_that_means_something() -> None:
    assert compared().score == pytest.approx(4.1)
    assert compared(value=-1.5).score == pytest.approx(-0.5)
    assert drawn().score is None
    assert compared(value=None).score is None
    assert compared(goal="minimised").score is None
    for best in (0.0, -2.0):
        assert compared(real=Real(best, "cat.jpg", 5)).score is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "12.3, 4.1 times the best of 100 pictures (cat.jpg)"),
        ({"real": None}, "12.3"),
        ({"value": None}, ""),
        ({"real": None, "goal": "minimised", "value": 0.0831}, "0.0831 (lower is better)"),
        ({"real": Real(3.0, "cat.jpg", 1)}, "12.3, 4.1 times the only real picture (cat.jpg)"),
        ({"real": Real(-3.0, "cat.jpg", 1200)}, "12.3; the best of 1,200 pictures gives -3 (cat.jpg)"),
        ({"real": Real(0.0, "cat.jpg", 1)}, "12.3; the only real picture gives 0 (cat.jpg)"),
    ],
)
def test_words(given: dict[str, object], words: str) -> None:
    drawing = compared(**given)
    assert drawing.words == words
    assert words in repr(drawing)


def test_repr_has_size_steps_and_how_many_notes() -> None:
    assert repr(drawn(value=None)) == "<Drawing layer4:452; 3×24×24, 20 steps>"
    assert repr(drawn(value=None, notes=("a", "b"))).endswith("20 steps, 2 notes>")


def test_a_saved_drawing_is_the_picture_with_its_settings(tmp_path: Path) -> None:
    settings = {"canvas": "fourier", "size": (24, 24), "direction": torch.tensor([0.5, 1.0])}
    drawing = compared(settings=settings)
    written = drawing.save(tmp_path / "new" / "folder")
    assert written == [tmp_path / "new" / "folder" / "layer4-452.png"]
    with Image.open(written[0]) as image:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(drawing.image))
    expected = {"canvas": "fourier", "size": [24, 24], "direction": [0.5, 1.0]}
    assert Drawing.settings_of(written[0]) == drawing.settings == expected


def test_numbers_are_written_on_request(tmp_path: Path) -> None:
    drawing = drawn()
    names = [path.name for path in drawing.save(tmp_path / "Drawn.PNG", numbers=True)]
    assert names == ["Drawn.PNG", "Drawn.npy", "Drawn__curve.npy"]
    np.testing.assert_array_equal(np.load(tmp_path / "Drawn.npy"), drawing.picture.numpy())
    np.testing.assert_array_equal(np.load(tmp_path / "Drawn__curve.npy"), drawing.curve.numpy())


def test_a_folder_may_look_like_a_file(tmp_path: Path) -> None:
    assert drawn().save(tmp_path / "features.12")[0] == tmp_path / "features.12" / "layer4-452.png"
    (tmp_path / "odd.png").mkdir()
    assert drawn().save(tmp_path / "odd.png")[0] == tmp_path / "odd.png" / "layer4-452.png"


def test_transparency_is_saved(tmp_path: Path) -> None:
    drawing = drawn(alpha=torch.linspace(0, 1, 576).reshape(24, 24))
    with Image.open(drawing.save(tmp_path)[0]) as image:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(drawing.image))


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"cat\.jpg: it is written as PNG, which keeps its settings"):
        drawn().save(tmp_path / "cat.jpg")
    frames = (torch.zeros(3, 24, 24, dtype=torch.uint8),)
    with pytest.raises(OptionError, match=r"a\.gif: it is written as an animated WebP"):
        drawn(frames=frames).animation(tmp_path / "a.gif")


def frames(count: int = 4, channels: int = 3) -> tuple[torch.Tensor, ...]:
    """Frames that grow to half the drawing's size, brighter each time."""
    return tuple(torch.full((channels, 6 + 2 * i, 6 + 2 * i), 50 * i, dtype=torch.uint8) for i in range(count))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_animation_is_the_way_there_and_holds_the_final_picture(tmp_path: Path, channels: int) -> None:
    drawing = drawn(picture=torch.ones(channels, 24, 24), frames=frames(channels=channels))
    path = drawing.animation(tmp_path / "sub", duration=2, hold=1.5)
    assert path == tmp_path / "sub" / "layer4-452.webp"
    with Image.open(path) as image:
        assert (image.n_frames, image.size) == (5, (24, 24))
        for number, level in enumerate((0, 50, 100, 150, 255)):
            image.seek(number)
            image.load()
            assert image.info["duration"] == (500 if number < 4 else 1500)
            assert np.abs(np.asarray(image.convert("L"), dtype=int) - level).max() <= 3


def test_animations_that_cannot_be_made_say_why(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="layer4:452: no frames were kept of the way there.*frames=24"):
        drawn().animation(tmp_path)
    with pytest.raises(OptionError, match="duration is above 0 and hold 0 or more"):
        drawn(frames=frames()).animation(tmp_path, duration=0)


def test_drawings_are_found_by_number_name_and_slice() -> None:
    drawings = Drawings((drawn("layer4:452"), drawn("layer4:7"), drawn("tabby"), drawn("tabby")), "mine")
    assert len(drawings) == 4
    assert drawings[1] is drawings["layer4:7"] is drawings[-3]
    assert [one.name for one in drawings[1:3]] == ["layer4:7", "tabby"]
    assert drawings[1:3].title == "mine"
    with pytest.raises(IndexError, match="drawing 4 of 4: they count from 0 to 3"):
        drawings[4]
    with pytest.raises(KeyError, match="no drawing is called 'layer4:8'. Did you mean 'layer4:7'"):
        drawings["layer4:8"]
    with pytest.raises(KeyError, match="There are layer4:452, layer4:7, tabby."):
        drawings["zzz"]
    with pytest.raises(KeyError, match=r"2 drawings are called 'tabby'; take them by number: \[2, 3\]"):
        drawings["tabby"]


def test_the_summary_lists_name_value_score_and_notes() -> None:
    drawings = Drawings((compared("layer4:452"), drawn("tabby", value=None, notes=("interrupted", "dead"))), "two")
    assert repr(drawings).split("\n") == [
        "<Drawings: 2 (two)",
        "  layer4:452  12.3, 4.1 times the best of 100 pictures (cat.jpg)",
        "  tabby         * interrupted; dead>",
    ]


def test_no_file_of_many_overwrites_another(tmp_path: Path) -> None:
    names = ["features.12:1", "features.12:2", "a:1", "a-1", "a:1", "…" * 300, "/etc/passwd"]
    drawings = Drawings(tuple(drawn(name, frames=frames()) for name in names))
    written = drawings.save(tmp_path, numbers=True) + drawings.animation(tmp_path)
    assert len(set(written)) == 28
    assert sorted(written) == sorted(tmp_path.iterdir())
    assert (tmp_path / "features.12-2.png").is_file()
    with Image.open(tmp_path / "features.12-2.png") as image:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(drawings["features.12:2"].image))


def test_notebooks_show_figures() -> None:
    assert drawn()._repr_png_().startswith(b"\x89PNG")
    assert Drawings((drawn(), drawn()))._repr_png_().startswith(b"\x89PNG")
    assert Drawings(())._repr_png_() is None
    with pytest.raises(OptionError, match="no drawings"):
        Drawings(()).figure()
