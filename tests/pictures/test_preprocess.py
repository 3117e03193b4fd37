"""A preprocessing made of a few numbers, and what is said where none was given."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms.v2 import Normalize

import featuremaps as fm
from featuremaps.errors import FeatureMapsWarning, OptionError
from method_samples import Little, unchecked

IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (120, 90, 3), np.uint8))
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def pixels(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255


def test_the_usual_one_is_torchvisions() -> None:
    expected = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.transforms()(IMAGE)
    torch.testing.assert_close(fm.preprocess("imagenet")(IMAGE), expected)


def test_a_size_alone_is_exact_and_with_a_crop_the_shorter_side() -> None:
    assert fm.preprocess(size=32)(IMAGE).shape == (3, 32, 32)
    assert fm.preprocess(size=(40, 32))(IMAGE).shape == (3, 40, 32)
    cut = fm.preprocess(size=90, crop=(50, 60))(IMAGE)
    torch.testing.assert_close(cut, pixels(IMAGE)[:, 35:85, 15:75])
    assert fm.preprocess("imagenet", size=64)(IMAGE).shape == (3, 64, 64)


def test_numbers_are_taken_off_and_divided_by() -> None:
    plain = pixels(IMAGE)
    torch.testing.assert_close(fm.preprocess(mean=0.5, std=0.25)(IMAGE), (plain - 0.5) / 0.25)
    found = fm.preprocess(mean=MEAN.tolist(), std=STD.tolist())(IMAGE)
    torch.testing.assert_close(found, (plain - MEAN[:, None, None]) / STD[:, None, None])
    grey = fm.preprocess(grey=True, mean=(0.5,))(IMAGE)
    torch.testing.assert_close(
        grey, torch.from_numpy(np.array(IMAGE.convert("L")))[None] / 255 - 0.5, atol=0.005, rtol=0
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"mean": (123.7, 116.3, 103.5)}, r"mean=.* looks like levels from 0 to 255.* divide by 255"),
        ({"mean": (0.5, 0.5), "grey": True}, "mean=.* has 2 numbers, and a grey input one channel"),
        ({"mean": (0.5, 0.5), "std": (1, 1, 1)}, "mean= has 2 numbers and std= 3: give one, or one per channel"),
        ({"std": 0}, "std=0: pixels are divided by it"),
        ({"size": 0}, r"size=0 is not understood. Give a number of pixels, or \(height, width\)"),
        ({"size": (3, 4, 5)}, "size=.* is not understood"),
        ({"size": 224.0}, "size=224.0 is not understood"),
        ({"size": (30, 40), "crop": 20}, "the shorter side where a crop follows: give one number"),
        ({"mode": "cubic"}, "mode='cubic' is not known; choose .* Did you mean 'bicubic'"),
        (
            {"usual": "imagnet"},
            "preprocess='imagnet' is not known; choose 'imagenet' or 'clip'.* Did you mean 'imagenet'",
        ),
    ],
)
def test_what_is_not_understood(given: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words), unchecked():
        fm.preprocess(**given)


def test_a_scope_takes_a_usual_one_by_name() -> None:
    scope = fm.Scope(Little(), "imagenet")
    torch.testing.assert_close(scope.see(IMAGE).seen[0].input, fm.preprocess("imagenet")(IMAGE))
    assert "mean (0.485, 0.456, 0.406)" in scope.preprocessing.describe()


def test_a_missing_transform_is_said_once_and_stands_on_the_result() -> None:
    scope = fm.Scope(Little())
    with pytest.warns(FeatureMapsWarning, match=r"no preprocessing was given.*RGB in 0\.\.1.*transform='imagenet'"):
        heat = scope.explain(IMAGE, layer="features")
    assert "pictures: RGB in 0..1, not resized" in heat.how()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scope.explain(IMAGE, layer="features")
        fm.Scope(Little()).explain(pixels(IMAGE), layer="features")  # a tensor was preprocessed by whoever made it
        fm.Scope(Little(), fm.preprocess(mean=0.5, std=0.5)).explain(IMAGE, layer="features")


def test_timms_own_record_is_used() -> None:
    model = timm.create_model("mobilenetv3_small_050", pretrained=False)
    config = timm.data.resolve_data_config({}, model=model)
    expected = timm.data.create_transform(**config)(IMAGE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fm.Scope(model).see(IMAGE).seen[0].input
    torch.testing.assert_close(found, expected, atol=0.06, rtol=0)  # levels are rounded between resizing and cutting
    assert fm.Scope(timm.create_model("vit_tiny_patch16_224", img_size=32, depth=1)).see(IMAGE).seen[0].size == (32, 32)
    assert fm.Scope(model, fm.preprocess(size=48)).see(IMAGE).seen[0].size == (48, 48)


def test_torchvisions_weights_say_preprocessing_and_names() -> None:
    from torchvision.models import ResNet18_Weights as Weights
    from torchvision.models import resnet18

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scope = fm.Scope(resnet18(), Weights.DEFAULT)
    expected = fm.preprocess("imagenet")(IMAGE)
    torch.testing.assert_close(scope.see(IMAGE).seen[0].input, expected, atol=0.06, rtol=0)
    assert scope.classes is not None
    assert scope.classes[281] == "tabby"
    assert fm.Scope(resnet18(num_classes=4), Weights.DEFAULT).classes is None
    assert fm.Scope(resnet18(num_classes=2), Weights.DEFAULT, ["cat", "dog"]).classes == ("cat", "dog")


def test_the_command_line_makes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from featuremaps.cli.common import model_under_study
    from featuremaps.cli.options import ModelOptions

    (tmp_path / "own.py").write_text("import torchvision\nmake = lambda: torchvision.models.squeezenet1_0()\n")
    given = {"input_size": (64,), "mean": (0.5,), "std": (0.25,), "layout": (4, 4, 1), "outputs": "multi_label"}
    setup = vars(ModelOptions()) | given
    scope = model_under_study(f"{tmp_path / 'own.py'}:make", None, None, None, setup)
    torch.testing.assert_close(scope.see(IMAGE).seen[0].input, fm.preprocess(size=64, mean=0.5, std=0.25)(IMAGE))
    assert (scope.layout, scope.outputs) == ((4, 4, 1), "multi_label")


def test_the_same_answer_to_every_picture_is_doubted_where_no_transform_was_given() -> None:
    pictures = [Image.fromarray(np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8)) for i in range(4)]
    model = Little()
    with torch.no_grad():
        model.head.bias[1] += 100
    words = "All 4 pictures get the same answer, 'class 1', and no preprocessing was given"
    for scope, given, doubtful in [
        (fm.Scope(model), pictures, True),
        (fm.Scope(model), pictures[:3], False),
        (fm.Scope(model, fm.preprocess(size=16)), pictures, False),
        (fm.Scope(model), torch.stack([pixels(each) for each in pictures]), False),
        (fm.Scope(Little()), pictures, False),
    ]:
        notes = scope.explain(given, layer="features").warnings
        assert [any(words in note for note in each) for each in notes] == [doubtful] * len(given)


def test_levels_that_nobody_scaled_are_doubted_in_tensors_and_where_the_answers_look_like_it() -> None:
    pictures = [*map(Image.fromarray, _noise(4))]
    model, words = Little(), "The model is given numbers from 0 to 255"
    levels = torch.stack([pixels(each) * 255 for each in pictures])
    for head, given, transform, doubtful in [
        (100, levels, None, True),
        (100, levels[:1], None, True),
        (0, levels[:3], None, True),  # a tensor is taken as it is, so what it holds is told
        (0, pictures[:3], lambda image: pixels(image) * 255, False),
        (100, levels / 255, None, False),
        (100, levels - 128, None, False),
        (100, pictures, pixels, False),
        (100, pictures, lambda image: pixels(image) * 255, True),
    ]:
        with torch.no_grad():
            model.head.weight.zero_()
            model.head.bias.zero_()[1] += head
        scope = fm.Scope(model, transform)
        notes = scope.explain(given, layer="features").warnings
        assert [any(words in note for note in each) for each in notes] == [doubtful] * len(given)
    with pytest.warns(FeatureMapsWarning, match=words):
        fm.Scope(model).predict(levels)


@pytest.mark.parametrize(
    ("before", "doubtful"),
    [
        (nn.Identity(), True),
        (nn.BatchNorm2d(3), True),  # that has learned nothing
        (Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), True),  # of numbers from 0 to 1
        (Normalize([0.5] * 3, [0.5] * 3), True),
        (Normalize([123.7, 116.3, 103.5], [58.4, 57.1, 57.4]), False),
        (Normalize([103.9, 116.8, 123.7], [1.0] * 3), False),  # as Caffe's models have it
        (Normalize([0.0] * 3, [255.0] * 3), False),
        (Normalize([127.5] * 3, [127.5] * 3), False),
        (nn.InstanceNorm2d(3), False),
    ],
    ids=str,
)
def test_a_model_that_scales_levels_itself_is_given_them_rightly(before: nn.Module, doubtful: bool) -> None:
    """However sure it is, and whatever its pictures are of."""
    model = Little()
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias[1] += 100
    levels = torch.stack([pixels(each) * 255 for each in map(Image.fromarray, _noise(4))])
    notes = fm.Scope(nn.Sequential(before, model).eval()).explain(levels, layer="1.features").warnings
    assert ["from 0 to 255" in " ".join(each) for each in notes] == [doubtful] * 4


def _noise(count: int) -> list[np.ndarray[Any, Any]]:
    return [np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8) for i in range(count)]


def test_scores_that_are_not_finite_are_said() -> None:
    model = Little()
    with torch.no_grad():
        model.head.bias.fill_(float("nan"))
    with pytest.warns(FeatureMapsWarning, match="The scores of 2 pictures are not finite"):
        fm.Scope(model).predict(torch.rand(2, 3, 16, 16))


def test_a_folder_of_one_class_that_gets_its_own_name_is_not_doubted(tmp_path: Path) -> None:
    model = Little()
    with torch.no_grad():
        model.head.bias[1] += 100
    (tmp_path / "hen").mkdir()
    for number, noise in enumerate(_noise(5)):
        Image.fromarray(noise).save(tmp_path / "hen" / f"{number}.png")
    names = [f"class {number}" for number in range(model.head.out_features)]
    for name, doubtful in [("hen", False), ("owl", True)]:
        names[1] = name
        heat = fm.Scope(model, classes=names).explain(tmp_path / "hen", layer="features")
        assert any("get the same answer" in note for note in heat.warnings[0]) == doubtful
