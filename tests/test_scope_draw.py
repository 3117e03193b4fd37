"""The verbs that draw, as a user calls them."""

import pytest
import torch

import featuremaps as fm
from featuremaps.draw import Multiscale
from featuremaps.errors import ImageError, OptionError
from method_samples import Little, noise


def scope() -> fm.Scope:
    return fm.Scope(Little())


def picture(height: int = 24, width: int = 20) -> torch.Tensor:
    return noise(1, (height, width)).sigmoid()


def test_channels_of_a_layer_without_naming_them() -> None:
    drawn = scope().draw(layer="features.conv2", top=3, steps=2, size=16)
    assert [one.name for one in drawn] == [f"features.conv2:{channel}" for channel in range(3)]
    assert len(scope().draw(layer="features.conv2", top=99, steps=2, size=16)) == 7
    with pytest.raises(OptionError, match="nothing was given to draw"):
        scope().draw()
    with pytest.raises(OptionError, match="1 or more; got 0"):
        scope().draw(layer="features.conv2", top=0)


def test_the_classic_recipe_grows() -> None:
    drawn = scope().draw("features.conv2:1", canvas=Multiscale(start=12, steps=3, times=4), frames=2)[0]
    assert drawn.picture.shape == (3, 19, 19)
    assert drawn.curve.shape == (12,)
    assert drawn.settings["canvas"] == "multiscale"
    assert drawn.settings["recipe"]["start"] == 12
    assert drawn.settings["steps"] == 12
    again = scope().draw("features.conv2:1", canvas=Multiscale(start=12, steps=3, times=4))[0]
    assert torch.equal(drawn.picture, again.picture)


def test_inversion_of_several_layers() -> None:
    one, two = scope().invert(picture(), ["features.conv1", "features.conv2"], steps=30)
    assert one.value < 0.7
    assert (one.goal, one.settings["layer"], two.settings["layer"]) == ("minimised", "features.conv1", "features.conv2")
    assert one.picture.shape == (3, 24, 20)
    assert scope().invert(picture(), size=16, steps=2)[0].picture.shape == (3, 16, 16)


def test_style_content_and_texture() -> None:
    both = scope().stylize(picture(), picture(16, 16), steps=4)
    assert both.picture.shape == (3, 24, 20)
    assert both.curve[-1] < both.curve[0]
    assert scope().stylize(style=picture(16, 16), size=(12, 18), steps=2).picture.shape == (3, 12, 18)
    assert scope().stylize(picture(), steps=2).picture.shape == (3, 24, 20)
    with pytest.raises(OptionError, match="neither was given"):
        scope().stylize()


def test_a_dream_keeps_the_pictures_size() -> None:
    dreamt = scope().dream(picture(), "features.conv2", octaves=2, steps=3)
    assert dreamt.picture.shape == (3, 24, 20)
    assert dreamt.value > 0


def test_one_picture_is_drawn_from() -> None:
    with pytest.raises(ImageError, match="one picture is drawn from, and 2 were given"):
        scope().invert(noise(2), "features.conv1")


def test_a_survey_is_the_measure(tmp_path) -> None:
    model = fm.Scope(Little())
    pictures = [*noise(6).sigmoid()]
    survey = model.survey(list_of(pictures), ["features.conv2"], tmp_path / "survey", workers=0)
    drawn = model.draw(["features.conv2:1", "features.conv1:1"], real=survey, steps=2, size=16)
    maps = model.record(torch.stack(pictures), "features.conv2", gradients=False).activations["features.conv2"]
    assert drawn[0].real.value == pytest.approx(float(maps[:, 1].mean((1, 2)).max()), rel=1e-4)
    assert drawn[0].real.count == 6
    assert drawn[1].real is None


class list_of(torch.utils.data.Dataset):  # noqa: N801
    def __init__(self, pictures: list[torch.Tensor]) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.pictures[index], index % 2
