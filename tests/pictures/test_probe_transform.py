"""Placements and normalisations that are known exactly, found by running transforms of every make."""

import importlib.util
import math
import random
import sys

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch.nn import functional as F
from torchvision import transforms as v1
from torchvision.transforms import v2
from torchvision.transforms.functional import to_tensor

from featuremaps.pictures import probe_transform
from featuremaps.pictures.load import Picture
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.pictures.probe_transform import Normalization, Placement
from transform_samples import (
    BOXES,
    CROPPED,
    LANDSCAPE,
    MEAN,
    NORMALIZE,
    NORMALIZED,
    PORTRAIT,
    STD,
    Jitter,
    noise,
    numpy_crop,
    resized_and_cropped,
    standardised,
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Probes are small: threads would only wait for each other beside other test processes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT, (640, 480), (91, 70)])
@pytest.mark.parametrize("name", CROPPED)
def test_resize_and_centre_crop(name, size):
    transform, resize, crop = CROPPED[name]
    placement = Preprocessing(transform).placement(size)
    assert (placement.width, placement.height) == (crop, crop)
    within = 0.1 if max(size) <= 500 else 0.25
    assert placement.box == pytest.approx(resized_and_cropped(size, resize, crop), abs=within)


def test_a_large_photograph():
    transform, resize, crop = CROPPED["preset"]
    box = Preprocessing(transform).placement((3000, 2000)).box
    assert box == pytest.approx(resized_and_cropped((3000, 2000), resize, crop), abs=0.5)


def test_timm_transforms():
    timm = pytest.importorskip("timm")
    config = timm.data.resolve_data_config({"input_size": (3, 224, 224), "crop_pct": 0.95, "interpolation": "bicubic"})
    preprocessing = Preprocessing(timm.data.create_transform(**config))
    for size in (LANDSCAPE, PORTRAIT):
        box = resized_and_cropped(size, math.floor(224 / 0.95), 224)
        assert preprocessing.placement(size).box == pytest.approx(box, abs=0.1)
    assert "224 x 224, mean (0.485, 0.456, 0.406), std (0.229, 0.224, 0.225)" in preprocessing.describe()


@pytest.mark.parametrize("name", BOXES)
def test_other_placements(name):
    transform, box = BOXES[name]
    preprocessing = Preprocessing(transform)
    assert preprocessing.placement(LANDSCAPE).box == pytest.approx(box, abs=0.15)
    assert preprocessing.placement_problem(LANDSCAPE) is None


def test_a_flip_has_a_negative_scale():
    placement = Preprocessing(BOXES["mirrored"][0]).placement(LANDSCAPE)
    assert placement.scale_x == pytest.approx(-1, abs=1e-3)
    assert placement.scale_y == pytest.approx(1, abs=1e-3)
    assert placement.offset_x == pytest.approx(500, abs=0.1)


def test_small_pictures():
    whole = v1.Compose([v1.Resize((64, 64)), v1.ToTensor()])
    for size in ((32, 32), (9, 7)):
        assert Preprocessing(whole).placement(size).box == pytest.approx((0, 0, *size), abs=0.25)
        assert Preprocessing(v1.ToTensor()).placement(size).box == pytest.approx((0, 0, *size), abs=0.25)


def python_crop(image):
    left = random.randrange(20)
    return to_tensor(image.crop((left, 0, left + 100, 100)))


UNPLACED = {
    "random crop": (v1.Compose([v1.RandomCrop(224), v1.ToTensor()]), "draws random numbers"),
    "random resized": (v2.Compose([v2.RandomResizedCrop(64), v1.ToTensor()]), "draws random numbers"),
    "random flip": (v1.Compose([v1.RandomHorizontalFlip(0.01), v1.ToTensor()]), "draws random numbers"),
    "numpy": (numpy_crop, "draws random numbers"),
    "python": (python_crop, "draws random numbers"),
    "hidden chance": (Jitter(30), "more to the colours"),
    "a little hidden chance": (Jitter(2), "different results for the same picture"),
    "turned": (lambda image: to_tensor(image.rotate(90, expand=True)), "more than crop, resize, pad and flip"),
    "turned a little": (lambda image: to_tensor(image.rotate(5)), "more than crop, resize, pad and flip"),
    "reflected": (v1.Compose([v1.Pad(40, padding_mode="reflect"), v1.ToTensor()]), "more than crop"),
    "one pixel": (v1.Compose([v1.Resize((1, 1)), v1.ToTensor()]), "."),
    "elsewhere": (lambda image: to_tensor(Image.new("RGB", (9, 9))), "more to the colours than scale each channel"),
    "gamma": (lambda image: to_tensor(image) ** 2.2, "more to the colours than scale each channel"),
    "fails": (v1.Normalize(MEAN, STD), "the transform raised TypeError"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNPLACED)
def test_a_placement_that_cannot_be_known_says_why(name):
    transform, reason = UNPLACED[name]
    preprocessing = Preprocessing(transform)
    assert preprocessing.placement(LANDSCAPE) is None
    assert reason in preprocessing.placement_problem(LANDSCAPE)


def test_a_transform_that_fails_at_one_size_says_so():
    preprocessing = Preprocessing(v1.Compose([v1.ToTensor(), v1.Lambda(lambda x: x.reshape(3, 256, 256))]))
    assert preprocessing.placement((256, 256)) is not None
    assert "the transform raised RuntimeError: shape" in preprocessing.placement_problem((20, 30))


def test_a_transform_that_draws_nothing_of_the_picture():
    at_256_only = v1.Lambda(lambda image: to_tensor(image if image.width == 256 else Image.new("RGB", (8, 8))))
    assert Preprocessing(at_256_only).placement_problem((20, 30)) == "the transform shows nothing of the picture."


def test_contrast_and_shape_that_change_with_the_picture():
    def stretched(image):
        return to_tensor(image if image.width == 256 else ImageOps.autocontrast(image))

    def growing(image):
        return to_tensor(image if image.width == 256 else image.resize((int(np.asarray(image).mean()) + 2, 8)))

    assert "changes the contrast" in Preprocessing(stretched).placement_problem((100, 80))
    assert "another shape each time" in Preprocessing(growing).placement_problem((100, 80))


# Normalisation


@pytest.mark.parametrize("name", NORMALIZED)
def test_normalisation_is_found_by_running(name):
    transform, mean, std, shown = NORMALIZED[name]
    found = Preprocessing(transform).normalization()
    assert [-offset / scale for scale, offset in zip(found.scale, found.offset, strict=True)] == pytest.approx(
        mean, abs=1e-4
    )
    assert [1 / scale for scale in found.scale] == pytest.approx(std, rel=1e-4)
    assert found.shown == shown


@pytest.mark.parametrize(
    "transform",
    [
        standardised, lambda image: to_tensor(ImageOps.autocontrast(image)), lambda image: to_tensor(image) ** 2.2,
        lambda image: to_tensor(ImageOps.equalize(image)), lambda image: to_tensor(image.convert("HSV")),
        lambda image: to_tensor(image.convert("YCbCr")), lambda image: torch.zeros(3, 8, 8),
        v1.Compose([v1.ColorJitter(0.4, 0.4), v1.ToTensor()]),
        lambda image: to_tensor(image) * (0.5 + torch.rand(1) / 2),
        lambda image: (to_tensor(image) + to_tensor(image).roll(1, 0)) / 2,
        lambda image: to_tensor(image)[:, : 1 + image.getpixel((0, 0))[0]],
    ],
)  # fmt: skip
def test_what_is_not_a_normalisation(transform):
    assert Preprocessing(transform).normalization() is None


def test_a_transform_for_one_size_only():
    fixed = Preprocessing(v1.Compose([v1.ToTensor(), v1.Lambda(lambda x: x.reshape(3, 32, 32)), NORMALIZE]))
    assert fixed.normalization() is None
    assert fixed.normalization((32, 32)).shown == (0, 1, 2)
    assert fixed.placement((32, 32)).box == pytest.approx((0, 0, 32, 32), abs=0.05)
    image = Image.new("RGB", (32, 32), (10, 20, 30))
    assert fixed.seen(fixed(Picture("a", kept=image))).getpixel((5, 5)) == (10, 20, 30)


def test_normalization_undo_by_hand():
    found = Normalization((2.0, 4.0, 5.0), (1.0, 0.0, -1.0), (2, 1, 0))
    tensor = torch.tensor([2.0, 1.0, 3.0])[:, None, None]
    assert found.undo(tensor).flatten().tolist() == pytest.approx([0.8, 0.25, 0.5])


# Random numbers


@pytest.fixture
def unchecked():
    """The module without run-time type checks, which draw from Python's random numbers themselves."""
    specification = importlib.util.spec_from_file_location("unchecked_probing", probe_transform.__file__)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    yield module
    del sys.modules[specification.name]


def generators():
    numpy = np.random.get_state()
    return torch.get_rng_state().tolist(), random.getstate(), (numpy[1].tolist(), numpy[2])


def test_probing_leaves_the_random_state_alone(unchecked):
    def chancy(image):
        return numpy_crop(image) + 0 * torch.rand(1) * random.random()

    before = generators()
    normalization = unchecked.find_normalization(chancy, LANDSCAPE)
    assert normalization.shown == (0, 1, 2)
    assert "draws random numbers" in unchecked.find_placement(chancy, LANDSCAPE, normalization)
    assert unchecked.shape_of(chancy, LANDSCAPE) == (3, 100, 100)
    assert generators() == before
    chancy(noise(200, 200))
    assert all(now != then for now, then in zip(generators(), before, strict=True))


def test_the_random_state_comes_back_after_ctrl_c(unchecked):
    def interrupted(image):
        numpy_crop(image), random.random(), torch.rand(1)
        raise KeyboardInterrupt

    torch.manual_seed(5), random.seed(5), np.random.seed(5)
    before = generators()
    for probe in (unchecked.find_normalization, unchecked.shape_of):
        with pytest.raises(KeyboardInterrupt):
            probe(interrupted, LANDSCAPE)
        assert generators() == before


# Putting maps back


def paste_slowly(placement, values, size, outside):
    """Each original pixel's centre, one by one: where it lies in the map, and the four cells around it."""
    rows, columns = len(values), len(values[0])
    result = []
    for i in range(size[1]):
        result.append([])
        for j in range(size[0]):
            y = ((i + 0.5) - placement.offset_y) / placement.scale_y / placement.height
            x = ((j + 0.5) - placement.offset_x) / placement.scale_x / placement.width
            if not (0 <= y <= 1 and 0 <= x <= 1):
                result[-1].append(outside)
                continue
            row, column = min(max(y * rows - 0.5, 0), rows - 1), min(max(x * columns - 0.5, 0), columns - 1)
            top, left = int(row), int(column)
            below, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            p, q = row - top, column - left
            result[-1].append(
                (1 - p) * ((1 - q) * values[top][left] + q * values[top][right])
                + p * ((1 - q) * values[below][left] + q * values[below][right])
            )
    return result


@pytest.mark.parametrize(
    "placement",
    [
        Placement(2.0, 3.0, 2.5, 4.0, height=8, width=6),
        Placement(-2.0, 20.0, 2.5, -4.0, height=8, width=12),
        Placement(0.5, 0.0, -0.5, 30.0, height=40, width=60),
        Placement(100.0, -100.0, 100.0, -100.0, height=3, width=3),
    ],
)
@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (8, 6), (50, 70)])
def test_paste_against_a_slow_oracle(placement, shape):
    values = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for outside in (math.nan, 0.0, -7.0):
        pasted = placement.paste(values, (30, 20), outside=outside)
        expected = paste_slowly(placement, values.tolist(), (30, 20), outside)
        torch.testing.assert_close(pasted, torch.tensor(expected, dtype=torch.float64), equal_nan=True)


def test_paste_of_the_whole_picture_is_an_upsampling():
    values = torch.randn(7, 7)
    pasted = Placement(375 / 224, 0.0, 500 / 224, 0.0, height=224, width=224).paste(values, LANDSCAPE)
    expected = F.interpolate(values[None, None], (375, 500), mode="bilinear", align_corners=False)[0, 0]
    torch.testing.assert_close(pasted, expected)


def test_paste_marks_what_the_model_did_not_see():
    transform, _, _ = CROPPED["preset"]
    placement = Preprocessing(transform).placement(LANDSCAPE)
    pasted = placement.paste(torch.ones(7, 7, dtype=torch.bfloat16), LANDSCAPE)
    assert pasted.dtype == torch.bfloat16
    assert pasted.shape == (375, 500)
    left, top, right, bottom = placement.box
    seen = ~pasted.isnan()
    assert int(seen.sum()) == pytest.approx((right - left) * (bottom - top), rel=0.01)
    assert (pasted[seen] == 1).all()
    assert seen[188, 250]
    assert not seen[188, 80]


@pytest.mark.parametrize("name", ["letterbox", "mirrored", "distorted", "five parts"])
def test_what_is_pasted_lies_where_it_was(name):
    """The original's own x, seen by the model and pasted back, is x again."""
    preprocessing = Preprocessing(BOXES[name][0])
    width, height = LANDSCAPE
    ramp = Image.fromarray(np.tile(np.linspace(20, 230, width).astype(np.uint8), (height, 1))).convert("RGB")
    saw = preprocessing(Picture("ramp", kept=ramp))[0] * 255
    pasted = preprocessing.placement(LANDSCAPE).paste(saw, LANDSCAPE)
    away = pasted - torch.from_numpy(np.array(ramp)[..., 0].astype(np.float32))
    inside = away[5:-5, 5:-5]
    assert inside[~inside.isnan()].abs().max() < 2


def test_a_mask_of_the_original_is_cut_by_a_slow_oracle():
    mask = torch.rand(7, 6, generator=torch.Generator().manual_seed(0))
    placement = Placement(scale_y=1.5, offset_y=-1.0, scale_x=-2.5, offset_x=6.5, height=5, width=2)
    found = placement.cut(mask)
    fine = 100
    for row in range(5):
        for column in range(2):
            total = 0.0
            for a in range(fine):
                for b in range(fine):
                    y = 1.5 * (row + (a + 0.5) / fine) - 1.0
                    x = -2.5 * (column + (b + 0.5) / fine) + 6.5
                    if 0 <= y < 7 and 0 <= x < 6:
                        total += float(mask[int(y), int(x)])
            assert float(found[row, column]) == pytest.approx(total / fine**2, abs=0.01)
    whole = Placement(1.0, 0.0, 1.0, 0.0, 7, 6)
    assert torch.equal(whole.cut(mask), mask)
    assert torch.equal(whole.cut(mask > 0.5), (mask > 0.5).float())
