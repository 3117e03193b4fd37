"""What the model receives of a picture, and back: pictures that are seen again as they were."""

from collections import UserDict
from functools import partial

import numpy as np
import pytest
import torch
from torchvision import transforms as v1
from torchvision import tv_tensors
from torchvision.transforms.functional import to_tensor

from featuremaps.errors import ImageError
from featuremaps.pictures.load import Picture, gather, read
from featuremaps.pictures.preprocessing import InputForm, Preprocessing
from featuremaps.pictures.processor import as_transform
from transform_samples import (
    CROPPED,
    LANDSCAPE,
    NORMALIZE,
    NORMALIZED,
    PORTRAIT,
    Jitter,
    letterbox,
    noise,
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


@pytest.mark.parametrize("name", ["none", "imagenet", "half", "bytes", "blue first", "negative", "four channels"])
def test_seen_undoes_the_normalisation(name):
    preprocessing = Preprocessing(NORMALIZED[name][0])
    image = noise()
    seen = preprocessing.seen(preprocessing(Picture("a", kept=image)))
    if name == "imagenet":
        crop = CROPPED["preset"][0]
        image = v1.CenterCrop(crop.crop_size)(v1.Resize(crop.resize_size)(image))
    np.testing.assert_allclose(np.asarray(seen).astype(int), np.asarray(image).astype(int), atol=2)


def test_seen_of_grey_inputs():
    image = noise()
    for name in ("grey", "grey thrice"):
        preprocessing = Preprocessing(NORMALIZED[name][0])
        seen = preprocessing.seen(preprocessing(Picture("a", kept=image)))
        assert seen.mode == "L"
        np.testing.assert_allclose(np.asarray(seen).astype(int), np.asarray(image.convert("L")).astype(int), atol=2)


def test_seen_where_the_normalisation_does_not_explain_the_values():
    tensor = torch.tensor([[-3.0, 0.0], [1.0, 5.0]]).expand(3, 2, 2)
    for preprocessing in (Preprocessing(), Preprocessing(standardised)):
        assert np.asarray(preprocessing.seen(tensor))[..., 1].tolist() == [[0, 96], [128, 255]]
    two = torch.stack([tensor[0], torch.zeros(2, 2)])
    assert np.asarray(Preprocessing().seen(two)).tolist() == [[0, 96], [128, 255]]
    assert np.asarray(Preprocessing().seen(torch.full((3, 2, 2), 7.0))).max() == 0
    overshooting = torch.tensor([[-0.1, 0.5], [1.0, 1.1]]).expand(3, 2, 2)
    assert np.asarray(Preprocessing().seen(overshooting))[..., 0].tolist() == [[0, 128], [255, 255]]
    half = torch.full((3, 2, 2), 0.5, dtype=torch.bfloat16, requires_grad=True)
    assert Preprocessing().seen(half).getpixel((0, 0)) == (128, 128, 128)


# Running the transform


def test_without_a_transform_a_picture_is_its_values():
    image = noise()
    tensor = Preprocessing()(Picture("a", kept=image))
    torch.testing.assert_close(tensor, to_tensor(image))
    assert tensor.is_contiguous()


def test_a_tensor_passes_through_as_float32():
    tensor = torch.randn(5, 6, 7, dtype=torch.float64, requires_grad=True)
    found = Preprocessing(v1.ToTensor())(gather(tensor)[0])
    assert found.dtype == torch.float32
    assert not found.requires_grad
    torch.testing.assert_close(found.double(), tensor.detach(), atol=1e-6, rtol=1e-6)


RETURNED = {
    "batch of one": lambda image: to_tensor(image)[None],
    "numpy": lambda image: to_tensor(image).numpy().astype(np.float64),
    "reversed numpy": lambda image: to_tensor(image).numpy()[:, ::-1][:, ::-1],
    "dict": lambda image: {"pixel_values": to_tensor(image)},
    "batch feature": lambda image: UserDict({"pixel_values": [to_tensor(image).numpy()]}),
    "list": lambda image: [to_tensor(image)],
    "float64": lambda image: to_tensor(image).double(),
    "image tensor": lambda image: tv_tensors.Image(to_tensor(image)),
    "with gradient": lambda image: to_tensor(image).requires_grad_(),
}


@pytest.mark.parametrize("name", RETURNED)
def test_what_transforms_return(name):
    tensor = Preprocessing(RETURNED[name])(Picture("a", kept=noise()))
    assert type(tensor) is torch.Tensor
    assert tensor.dtype == torch.float32
    assert not tensor.requires_grad
    torch.testing.assert_close(tensor, to_tensor(noise()))


def fail(image):
    raise ZeroDivisionError("no such luck")


REFUSED = {
    "raises": (fail, "raised ZeroDivisionError: no such luck. It is given an upright RGB PIL image of 40 x 30"),
    "for tensors": (NORMALIZE, "raised TypeError: .* should begin with ToTensor"),
    "a picture": (v1.Resize(20), "returned a Image, and the model needs a tensor .* should end with ToTensor"),
    "nothing": (lambda image: None, "returned a NoneType"),
    "complex": (lambda image: to_tensor(image) * 1j, "needs a tensor of real numbers"),
    "another dict": (lambda image: {"pixels": 1}, "a dict with 'pixels'; the input should be 'pixel_values'"),
    "flat": (lambda image: to_tensor(image).flatten(), r"the shape \(3600,\); it should be \(channel, height, width\)"),
    "two": (lambda image: torch.zeros(2, 3, 4, 4), r"the shape \(2, 3, 4, 4\)"),
    "empty": (lambda image: torch.zeros(3, 0, 4), r"the shape \(3, 0, 4\)"),
    "channels last": (lambda image: np.asarray(image) / 255, r"channels last; .* permute\(2, 0, 1\)"),
    "not finite": (lambda image: to_tensor(image) / 0, "returned NaN or infinite values"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_transform_that_goes_wrong_names_the_picture(name):
    transform, reason = REFUSED[name]
    with pytest.raises(ImageError, match=f"^cat.jpg: the transform .*{reason}") as caught:
        Preprocessing(transform)(Picture("cat.jpg", kept=noise()))
    assert isinstance(caught.value.__cause__, ZeroDivisionError) == (name == "raises")


def test_a_transform_may_write_on_its_picture():
    def scribble(image):
        image.paste((0, 0, 0), (0, 0, 10, 10))
        return to_tensor(image)

    image = noise()
    Preprocessing(scribble)(Picture("a", kept=image))
    assert image == noise()


def test_what_was_found_is_kept():
    calls = []

    def counted(image):
        calls.append(image.size)
        return to_tensor(image)

    preprocessing = Preprocessing(counted)
    first = preprocessing.placement(LANDSCAPE)
    count = len(calls)
    assert preprocessing.placement(LANDSCAPE) is first
    assert preprocessing.placement_problem(LANDSCAPE) is None
    preprocessing.seen(torch.zeros(3, 4, 4))
    assert len(calls) == count
    preprocessing.placement(PORTRAIT)
    assert calls[-1] == PORTRAIT


def test_describe():
    assert Preprocessing().describe() == "RGB in 0..1, not resized"
    transform = v1.Compose([v1.Resize((20, 30)), v1.ToTensor(), NORMALIZE])
    text = Preprocessing(transform).describe()
    assert text.startswith("Compose( Resize(size=(20, 30)")
    assert text.endswith(": 30 x 20, mean (0.485, 0.456, 0.406), std (0.229, 0.224, 0.225)")
    assert "\n" not in text
    assert (
        Preprocessing(letterbox).describe() == "transform_samples.letterbox: 224 x 224, mean (0, 0, 0), std (1, 1, 1)"
    )
    assert Preprocessing(fail).describe() == f"{__name__}.fail"
    assert "0x" not in Preprocessing(partial(letterbox)).describe()
    assert "0x" not in Preprocessing(Jitter(2)).describe()


def test_a_real_photograph(shared):
    picture = read(sorted((shared / "images" / "imagenet").glob("*.jpg"))[0])
    transform, resize, crop = CROPPED["227"]
    preprocessing = Preprocessing(transform)
    tensor = preprocessing(picture)
    seen = np.asarray(preprocessing.seen(tensor)).astype(int)
    expected = np.asarray(v1.CenterCrop(crop)(v1.Resize(resize)(picture.image))).astype(int)
    np.testing.assert_allclose(seen, expected, atol=2)
    placement = preprocessing.placement(picture.image.size)
    assert placement.box == pytest.approx(resized_and_cropped(picture.image.size, resize, crop), abs=0.3)
    grey = torch.from_numpy(seen.mean(2).astype(np.float32))
    pasted = placement.paste(grey, picture.image.size)
    original = torch.from_numpy(np.asarray(picture.image).astype(np.float32).mean(2))
    inside = ~pasted.isnan()
    assert (pasted - original)[inside].abs().mean() < 4
    assert (pasted - original.roll((3, 3), (0, 1)))[inside].abs().mean() > 8


@pytest.mark.parametrize("form", [InputForm(), InputForm(grey=True)])
def test_a_tensor_with_its_colours_last_is_refused(form):
    colours = 1 if form.grey else 3
    last, preprocessing = torch.rand(16, 24, colours), Preprocessing(form=form)
    with pytest.raises(ImageError, match=r"has its colours last; .*permute\(0, 3, 1, 2\).*wrapped in a module"):
        preprocessing(Picture("", tensor=last))
    first = last.permute(2, 0, 1)
    assert torch.equal(preprocessing(Picture("", tensor=first)), first)


def test_narrow_pictures_and_bands_are_no_colours_that_stand_last():
    for shape in ((3, 16, 3), (1, 16, 3), (4, 5, 3), (16, 4, 3)):
        assert Preprocessing()(Picture("", tensor=torch.rand(shape))).shape == shape
    assert Preprocessing(form=InputForm(bands=22))(Picture("", tensor=torch.rand(22, 16, 3))).shape == (22, 16, 3)


def test_a_transform_of_albumentations_is_given_an_array_by_name():
    class Compose:
        __module__ = "albumentations.core.composition"

        def __call__(self, *, image):
            return {"image": torch.from_numpy(image.copy()).permute(2, 0, 1) / 255}

        def __repr__(self):
            return "Compose([ToTensorV2()])"

    transform = as_transform(Compose())
    torch.testing.assert_close(Preprocessing(transform)(Picture("a", kept=noise())), to_tensor(noise()))
    assert Preprocessing(transform).describe().startswith("Compose([ToTensorV2()])")
    by_hand = Preprocessing(lambda picture: {"image": to_tensor(picture), "mask": None})
    torch.testing.assert_close(by_hand(Picture("a", kept=noise())), to_tensor(noise()))
