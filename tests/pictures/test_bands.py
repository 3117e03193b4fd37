"""Pictures of any number of channels reach a model that takes as many, whichever axis holds them; three are shown."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import Dataset
from torchvision.transforms import v2
from torchvision.tv_tensors import Image as Image_

import featuremaps as fm
from featuremaps import Scope
from featuremaps.errors import FeatureMapsWarning, ImageError, OptionError
from featuremaps.models.input_form import form_of
from featuremaps.pictures.bands import with_bands
from featuremaps.pictures.load import gather
from featuremaps.pictures.preprocessing import InputForm, Preprocessing

VALUES = np.random.default_rng(0).random((5, 12, 9)).astype(np.float32)
TENSOR = torch.from_numpy(VALUES)


def model(bands: int = 5) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(bands, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ).eval()


class Own(Dataset):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, number: int) -> tuple[np.ndarray, int]:
        return np.moveaxis(VALUES, 0, -1), number


def test_the_model_says_how_many() -> None:
    assert [form_of(model(bands)).bands for bands in (1, 2, 3, 4, 5, 13)] == [None, 2, None, 4, 5, 13]
    stem = nn.Sequential(nn.PixelUnshuffle(2), *model(12))  # takes pictures in colours all the same
    assert form_of(stem) == InputForm()


@pytest.mark.parametrize(
    "given",
    [
        TENSOR,
        VALUES,
        np.moveaxis(VALUES, 0, -1).astype(np.float64),
        VALUES[None],
        [VALUES],
        [(VALUES, 1)],
        {"image": VALUES, "label": 1},
        Own(),
    ],
)
def test_any_form_of_them_is_the_same_input(given) -> None:
    scope = Scope(model())
    for seen in scope.see(given).seen:
        assert torch.equal(seen.input, TENSOR)
    torch.testing.assert_close(scope.explain(given).tensor[0], scope.explain(TENSOR).tensor[0])


@pytest.mark.parametrize(("kind", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.bool_, 1)])
def test_whole_numbers_become_shares_of_white(kind: type, white: int) -> None:
    levels = (VALUES * white).round().astype(kind)
    expected = torch.from_numpy(levels.astype(np.float32) / white)
    assert torch.equal(with_bands(levels, 5), expected)
    assert torch.equal(with_bands(torch.from_numpy(levels), 5), expected)


def test_what_is_not_known_is_refused() -> None:
    scope = Scope(model())
    with pytest.raises(ImageError, match=r"int16 values from 0 to 10000 are .*usual of 16 bits: divide by 65535"):
        scope.see(np.linspace(0, 10000, 500).reshape(5, 10, 10).astype(np.int16))
    with pytest.raises(ImageError, match=r"shape \(5, 8, 5\) has two axes that may be the 5 channels: pass a tensor"):
        scope.see(np.zeros((5, 8, 5), np.float32))
    with pytest.raises(ImageError, match=r"shape \(7, 8, 9\) has no clear reading"):
        scope.see(np.zeros((7, 8, 9), np.float32))
    words = r"takes pictures of 5 channels, and this one has 3\. Pass arrays or tensors of 5 channels"
    for colours in (np.zeros((12, 9, 3), np.uint8), Image.new("RGBA", (9, 12))):  # 12 and 9 could be channels
        with pytest.raises(ImageError, match=words):
            scope.explain(colours)


def test_colours_with_as_many_rows_as_a_model_takes_channels_stay_colours() -> None:
    picture = np.zeros((5, 8, 3), np.uint8)
    assert with_bands(picture, 5) is picture
    image = Image.fromarray(picture)
    assert with_bands([image, "a.png"], 5) == [image, "a.png"]


def test_a_transform_is_given_the_array_as_it_is() -> None:
    def transform(array: np.ndarray) -> torch.Tensor:
        assert array.shape == (12, 9, 5)
        return torch.from_numpy(array).permute(2, 0, 1) * 2

    scope = Scope(model(), transform)
    assert torch.equal(scope.see(np.moveaxis(VALUES, 0, -1)).seen[0].input, TENSOR * 2)
    with pytest.raises(
        ImageError, match=r"(?s)the transform raised AssertionError: .*is given an array of shape \(5, 12, 9\)"
    ):
        scope.see(VALUES)


def test_three_of_them_are_shown() -> None:
    def shown(given: tuple[int, ...] | None) -> np.ndarray:
        return np.asarray(Scope(model(), shown=given).see(VALUES).seen[0].image)

    levels = np.moveaxis((VALUES * 255).round(), 0, -1)
    np.testing.assert_array_equal(shown(None), levels[..., :3])
    np.testing.assert_array_equal(shown((4, 2, 0)), levels[..., [4, 2, 0]])
    with pytest.raises(OptionError, match=r"shown=\(0, 1, 5\): the input has 5 channels, 0 to 4"):
        shown((0, 1, 5))
    with pytest.raises(OptionError, match=r"shown names three channels, for red, green and blue; got \(1, 2\)"):
        shown((1, 2))
    colours = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    plain = Preprocessing(shown=(4, 2, 0))
    assert np.array_equal(plain.seen(torch.from_numpy(np.array(colours)).permute(2, 0, 1) / 255), colours)


def test_a_survey_of_them(tmp_path) -> None:
    scope = Scope(model())
    arrays = scope.survey(Own(), "0", tmp_path / "arrays", workers=0)
    tensors = scope.survey([(TENSOR, 0), (TENSOR, 1)], "0", tmp_path / "tensors", workers=0)
    assert arrays.pictures.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(arrays.vectors("0"), tensors.vectors("0"))


def test_twelve_bits_in_sixteen_are_said(tmp_path) -> None:
    levels = np.random.default_rng(1).integers(0, 4096, (8, 8)).astype(np.uint16)
    Image.fromarray(levels).save(tmp_path / "a.png")
    for given in (levels, tmp_path / "a.png"):
        with pytest.warns(
            FeatureMapsWarning, match="no value of 4096 or more, so it becomes nearly black.*values / 4095"
        ):
            gather(given)
    gather(levels * 16)
    gather(levels / 4095)
    for values, usual in (
        (levels.astype(np.int32), "12 bits"),
        (levels.astype(np.int16) - 1024, "CT in Hounsfield units"),
    ):
        with pytest.raises(ImageError, match=rf"are neither 0..1 nor 0..255 \(usual of {usual}: "):
            gather(values)


@pytest.mark.parametrize("size", [(2000, 3), (3, 2000)])
def test_very_wide_and_very_high_pictures(size: tuple[int, int], tmp_path) -> None:
    heatmap = Scope(model(3)).explain(Image.new("RGB", size, (9, 200, 9)), layer="0")
    assert heatmap.tensor.shape == (1, size[1] - 2, size[0] - 2)
    assert heatmap.overlay()[0].size == size
    heatmap.save(tmp_path / "a.png")


@pytest.mark.parametrize("kind", [np.float32, np.uint8, np.uint16])
@pytest.mark.parametrize(
    "transform",
    [
        fm.preprocess(size=6),
        fm.preprocess(size=(6, 8), mean=[0.1, 0.2, 0.3, 0.4, 0.5], std=0.5),
        fm.preprocess(size=8, crop=6),
        v2.Compose([v2.Resize((6, 6)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]),
    ],
    ids=["size", "a mean of five", "crop", "torchvision"],
)
def test_a_transform_of_torchvision_resizes_them_whichever_axis_holds_them(transform, kind) -> None:
    white = 1 if kind is np.float32 else np.iinfo(kind).max
    levels = (VALUES * white).astype(kind)
    expected = transform(Image_(torch.from_numpy(levels)))
    assert expected.shape[1:] == (6, 8 if isinstance(transform.transforms[-1], v2.Normalize) else 6)
    scope = Scope(model(), transform=transform)
    for given in (levels, np.moveaxis(levels, 0, -1), levels[None]):
        torch.testing.assert_close(scope.see(given).seen[0].input, expected.as_subclass(torch.Tensor))


def test_letterboxed_bands_keep_their_proportions_in_the_middle_of_grey() -> None:
    boxed = fm.preprocess(size=24, mode="letterbox")
    tensor = Scope(model(), transform=boxed).see(VALUES).seen[0].input
    assert tensor.shape == (5, 24, 24)
    torch.testing.assert_close(tensor[:, :, :3], torch.full((5, 24, 3), 114 / 255))
    torch.testing.assert_close(tensor[:, :, 3:21], v2.functional.resize(TENSOR, [24, 18]))


def test_a_users_own_transform_is_given_the_array_as_it_is() -> None:
    given: list[np.ndarray] = []
    Scope(model(), transform=lambda array: given.append(array) or torch.from_numpy(np.array(array))).see(VALUES)
    assert [each.shape for each in given if not isinstance(each, Image.Image)] == [VALUES.shape]


def test_a_tiff_and_a_failing_transform_say_what_was_given(tmp_path) -> None:
    Image.new("RGB", (8, 6)).save(tmp_path / "a.tif")
    with pytest.raises(
        ImageError, match=r"5 channels, and this one has 3\. .*such as tifffile\.imread\(…\) of shape \(5"
    ):
        Scope(model()).explain(tmp_path / "a.tif")

    three = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)])
    for transform, words in [(three, "a tensor"), (lambda array: array[9], "an array")]:
        with pytest.raises(ImageError, match=rf"(?s)It is given {words} of shape \(5, 12, 9\); one"):
            Scope(model(), transform).see(VALUES)
